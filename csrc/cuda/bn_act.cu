/* bn_act.cu: y = act(weight * (x - mean) * invstd + bias), act(v) = v > 0 ? v : slope * v.
 *
 * Policy.  Memory bound: forward reads x twice (moments, normalise) and writes y once; backward reads x and
 * dy twice and writes dx once; the pre-activation is computed again, never stored.  Sums are taken in the
 * accumulator type (float32; float64 for float64), by Welford's update and Chan's merge, in a fixed order
 * and without atomics: the same input gives the same bits.  The rows (N*H*W of them) of a channel are cut
 * into `splits`, one block each, so that few channels still fill the device; a last kernel, one thread a
 * channel, merges them.  Nothing asks the host: all of it can be captured in a graph.  The schemas are declared by
 * core.so (csrc/at/ops/bn_act.cpp), which is loaded first; this file is part of agad_cuda.so.
 */
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/library.h>

#include <cuda_bf16.h>

namespace {

enum element_type { TYPE_FLOAT, TYPE_DOUBLE, TYPE_BFLOAT16 };

struct bn_shape {
  unsigned channels, area, rows; /* C, H*W, N*H*W; fewer than 2^31 elements in all */
  bool channels_last;
};

constexpr unsigned threads = 256, tile = 32, most_splits = 128;

/* ---- kernels ---- */

__device__ inline float load(float v) { return v; }
__device__ inline double load(double v) { return v; }
__device__ inline float load(__nv_bfloat16 v) { return __bfloat162float(v); }
__device__ inline void store(float *p, float v) { *p = v; }
__device__ inline void store(double *p, double v) { *p = v; }
__device__ inline void store(__nv_bfloat16 *p, float v) { *p = __float2bfloat16(v); }

__device__ inline float inverse_root(float v) { return 1.0f / sqrtf(v); }
__device__ inline double inverse_root(double v) { return 1.0 / sqrt(v); }

/* Where a thread works.  NHWC: a block has 32 channels and 8 lanes of rows, so that a warp reads 32 neighbours;
   NCHW: a block has one channel and 256 lanes of rows. */
template <bool LAST> struct place {
  static constexpr unsigned width = LAST ? tile : 1; /* channels of a block */
  static constexpr unsigned lanes = threads / width;
  unsigned channel, begin, end;
  __device__ place(bn_shape s, unsigned rows_a_split) {
    channel = blockIdx.x * width + threadIdx.x % width;
    begin = blockIdx.y * rows_a_split + threadIdx.x / width;
    end = min(s.rows, (blockIdx.y + 1) * rows_a_split);
    if (channel >= s.channels) end = 0;
  }
};

template <bool LAST> __device__ inline unsigned offset(bn_shape s, unsigned row, unsigned channel) {
  return LAST ? row * s.channels + channel : (row / s.area * s.channels + channel) * s.area + row % s.area;
}

template <bool LAST> __device__ inline unsigned channel_of(bn_shape s, unsigned i) {
  return LAST ? i % s.channels : i / s.area % s.channels;
}

/* Joins (n, mean, m2) of two disjoint sets into the first. */
template <typename A> __device__ inline void merge(A &n, A &mean, A &m2, A n_b, A mean_b, A m2_b) {
  if (n_b == 0) return;
  A total = n + n_b, delta = mean_b - mean;
  mean += delta * (n_b / total);
  m2 += m2_b + delta * delta * (n * (n_b / total));
  n = total;
}

/* work: [3, splits, C] of n, mean, sum of squared deviations. */
template <typename T, typename A, bool LAST>
__global__ void moments(bn_shape s, const T *x, A *work, unsigned rows_a_split) {
  __shared__ A ns[threads], means[threads], m2s[threads];
  place<LAST> at(s, rows_a_split);
  unsigned t = threadIdx.x;
  A n = 0, mean = 0, m2 = 0;
  for (unsigned r = at.begin; r < at.end; r += at.lanes) {
    A v = load(x[offset<LAST>(s, r, at.channel)]), delta = v - mean;
    n += 1;
    mean += delta / n;
    m2 += delta * (v - mean);
  }
  ns[t] = n, means[t] = mean, m2s[t] = m2;
  for (unsigned half = threads / 2; half >= at.width; half /= 2) {
    __syncthreads();
    if (t < half) merge(ns[t], means[t], m2s[t], ns[t + half], means[t + half], m2s[t + half]);
  }
  if (t < at.width && at.channel < s.channels) {
    unsigned plane = gridDim.y * s.channels, i = blockIdx.y * s.channels + at.channel;
    work[i] = ns[t], work[plane + i] = means[t], work[2 * plane + i] = m2s[t];
  }
}

template <typename A>
__global__ void finish_moments(bn_shape s, unsigned splits, const A *work, A *mean, A *invstd, A *running_mean,
                               A *running_var, A momentum, A eps) {
  unsigned c = blockIdx.x * blockDim.x + threadIdx.x, plane = splits * s.channels;
  if (c >= s.channels) return;
  A n = 0, m = 0, m2 = 0;
  for (unsigned i = c; i < plane; i += s.channels) merge(n, m, m2, work[i], work[plane + i], work[2 * plane + i]);
  mean[c] = m;
  invstd[c] = inverse_root(m2 / n + eps);
  if (running_mean) running_mean[c] += momentum * (m - running_mean[c]);
  if (running_var) running_var[c] += momentum * (m2 / (n > 1 ? n - 1 : n) - running_var[c]);
}

template <typename A>
__global__ void from_running(bn_shape s, const A *running_mean, const A *running_var, A *mean, A *invstd, A eps) {
  unsigned c = blockIdx.x * blockDim.x + threadIdx.x;
  if (c >= s.channels) return;
  mean[c] = running_mean[c];
  invstd[c] = inverse_root(running_var[c] + eps);
}

template <typename T, typename A, bool LAST>
__global__ void normalise(bn_shape s, T *y, const T *x, const A *weight, const A *bias, const A *mean, const A *invstd,
                          A slope) {
  unsigned total = s.rows * s.channels, stride = gridDim.x * blockDim.x;
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < total; i += stride) {
    unsigned c = channel_of<LAST>(s, i);
    A v = (load(x[i]) - mean[c]) * invstd[c] * weight[c] + bias[c];
    store(y + i, v > 0 ? v : slope * v);
  }
}

/* The gradient at the pre-activation, and the normalised input. */
template <typename T, typename A>
__device__ inline A before_act(T dy, T x, A weight, A bias, A mean, A invstd, A slope, A &x_hat) {
  x_hat = (load(x) - mean) * invstd;
  return x_hat * weight + bias > 0 ? load(dy) : slope * load(dy);
}

/* work: [2, splits, C] of the sums of g and of g * x_hat. */
template <typename T, typename A, bool LAST>
__global__ void gradient_sums(bn_shape s, const T *dy, const T *x, const A *weight, const A *bias, const A *mean,
                              const A *invstd, A slope, A *work, unsigned rows_a_split) {
  __shared__ A gs[threads], gxs[threads];
  place<LAST> at(s, rows_a_split);
  unsigned t = threadIdx.x;
  A sum = 0, sum_x = 0;
  if (at.begin < at.end) {
    A w = weight[at.channel], b = bias[at.channel], m = mean[at.channel], k = invstd[at.channel], x_hat;
    for (unsigned r = at.begin; r < at.end; r += at.lanes) {
      unsigned i = offset<LAST>(s, r, at.channel);
      A g = before_act(dy[i], x[i], w, b, m, k, slope, x_hat);
      sum += g;
      sum_x += g * x_hat;
    }
  }
  gs[t] = sum, gxs[t] = sum_x;
  for (unsigned half = threads / 2; half >= at.width; half /= 2) {
    __syncthreads();
    if (t < half) gs[t] += gs[t + half], gxs[t] += gxs[t + half];
  }
  if (t < at.width && at.channel < s.channels) {
    unsigned plane = gridDim.y * s.channels, i = blockIdx.y * s.channels + at.channel;
    work[i] = gs[t], work[plane + i] = gxs[t];
  }
}

template <typename A> __global__ void finish_sums(bn_shape s, unsigned splits, const A *work, A *dweight, A *dbias) {
  unsigned c = blockIdx.x * blockDim.x + threadIdx.x, plane = splits * s.channels;
  if (c >= s.channels) return;
  A sum = 0, sum_x = 0;
  for (unsigned i = c; i < plane; i += s.channels) sum += work[i], sum_x += work[plane + i];
  dbias[c] = sum;
  dweight[c] = sum_x;
}

template <typename T, typename A, bool LAST>
__global__ void input_gradient(bn_shape s, T *dx, const T *dy, const T *x, const A *weight, const A *bias,
                               const A *mean, const A *invstd, const A *dweight, const A *dbias, bool training,
                               A slope) {
  unsigned total = s.rows * s.channels, stride = gridDim.x * blockDim.x;
  A share = training ? A(1) / A(s.rows) : A(0);
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < total; i += stride) {
    unsigned c = channel_of<LAST>(s, i);
    A x_hat, g = before_act(dy[i], x[i], weight[c], bias[c], mean[c], invstd[c], slope, x_hat);
    store(dx + i, (g - (dbias[c] + x_hat * dweight[c]) * share) * weight[c] * invstd[c]);
  }
}

/* ---- launchers ---- */

constexpr unsigned wanted_blocks = 1024, rows_a_lane = 8;

unsigned blocks_for(unsigned n, unsigned each) { return (n + each - 1) / each; }

/* Blocks across the channels, and the splits of the rows: enough to fill the device, each worth its while. */
void plan(bn_shape s, unsigned &across, unsigned &splits, unsigned &rows_a_split) {
  unsigned width = s.channels_last ? tile : 1;
  across = blocks_for(s.channels, width);
  unsigned useful = blocks_for(s.rows, threads / width * rows_a_lane);
  splits = blocks_for(wanted_blocks, across);
  if (splits > useful) splits = useful;
  if (splits > most_splits) splits = most_splits;
  rows_a_split = blocks_for(s.rows, splits);
}

template <typename T, typename A, bool LAST>
cudaError_t apply(bn_shape s, void *y, const void *x, const void *weight, const void *bias, const void *mean,
                  const void *invstd, double slope, cudaStream_t stream) {
  unsigned blocks = min(blocks_for(s.rows * s.channels, threads * 4), 4096u);
  normalise<T, A, LAST><<<blocks, threads, 0, stream>>>(s, (T *)y, (const T *)x, (const A *)weight, (const A *)bias,
                                                        (const A *)mean, (const A *)invstd, A(slope));
  return cudaGetLastError();
}

template <typename T, typename A, bool LAST>
cudaError_t forward(bn_shape s, void *y, void *mean, void *invstd, const void *x, const void *weight, const void *bias,
                    void *running_mean, void *running_var, bool training, double momentum, double eps, double slope,
                    void *work, cudaStream_t stream) {
  unsigned across, splits, rows_a_split, per_channel = blocks_for(s.channels, 128);
  plan(s, across, splits, rows_a_split);
  if (training) {
    moments<T, A, LAST><<<dim3(across, splits), threads, 0, stream>>>(s, (const T *)x, (A *)work, rows_a_split);
    finish_moments<A><<<per_channel, 128, 0, stream>>>(s, splits, (const A *)work, (A *)mean, (A *)invstd,
                                                       (A *)running_mean, (A *)running_var, A(momentum), A(eps));
  } else {
    from_running<A><<<per_channel, 128, 0, stream>>>(s, (const A *)running_mean, (const A *)running_var, (A *)mean,
                                                     (A *)invstd, A(eps));
  }
  return apply<T, A, LAST>(s, y, x, weight, bias, mean, invstd, slope, stream);
}

template <typename T, typename A, bool LAST>
cudaError_t backward(bn_shape s, void *dx, void *dweight, void *dbias, const void *dy, const void *x,
                     const void *weight, const void *bias, const void *mean, const void *invstd, bool training,
                     double slope, void *work, cudaStream_t stream) {
  unsigned across, splits, rows_a_split;
  plan(s, across, splits, rows_a_split);
  gradient_sums<T, A, LAST><<<dim3(across, splits), threads, 0, stream>>>(
      s, (const T *)dy, (const T *)x, (const A *)weight, (const A *)bias, (const A *)mean, (const A *)invstd, A(slope),
      (A *)work, rows_a_split);
  finish_sums<A><<<blocks_for(s.channels, 128), 128, 0, stream>>>(s, splits, (const A *)work, (A *)dweight, (A *)dbias);
  unsigned blocks = min(blocks_for(s.rows * s.channels, threads * 4), 4096u);
  input_gradient<T, A, LAST><<<blocks, threads, 0, stream>>>(s, (T *)dx, (const T *)dy, (const T *)x, (const A *)weight,
                                                             (const A *)bias, (const A *)mean, (const A *)invstd,
                                                             (const A *)dweight, (const A *)dbias, training, A(slope));
  return cudaGetLastError();
}

/* FN<T, A, LAST>(arguments) for the type and layout at hand. */
/* clang-format off */
#define DISPATCH(FN, ...)                                                                                      \
  switch (type) {                                                                                              \
  case TYPE_FLOAT:                                                                                             \
    return s.channels_last ? FN<float, float, true>(__VA_ARGS__) : FN<float, float, false>(__VA_ARGS__);       \
  case TYPE_DOUBLE:                                                                                            \
    return s.channels_last ? FN<double, double, true>(__VA_ARGS__) : FN<double, double, false>(__VA_ARGS__);   \
  default:                                                                                                     \
    return s.channels_last ? FN<__nv_bfloat16, float, true>(__VA_ARGS__)                                       \
                           : FN<__nv_bfloat16, float, false>(__VA_ARGS__);                                     \
  }
/* clang-format on */

unsigned work_size(bn_shape s) {
  unsigned across, splits, rows_a_split;
  plan(s, across, splits, rows_a_split);
  return 3 * splits * s.channels;
}

cudaError_t launch_forward(element_type type, bn_shape s, void *y, void *mean, void *invstd, const void *x,
                           const void *weight, const void *bias, void *running_mean, void *running_var, bool training,
                           double momentum, double eps, double slope, void *work,
                           cudaStream_t stream){DISPATCH(forward, s, y, mean, invstd, x, weight, bias, running_mean,
                                                         running_var, training, momentum, eps, slope, work, stream)}

cudaError_t launch_apply(element_type type, bn_shape s, void *y, const void *x, const void *weight, const void *bias,
                         const void *mean, const void *invstd, double slope,
                         cudaStream_t stream){DISPATCH(apply, s, y, x, weight, bias, mean, invstd, slope, stream)}

cudaError_t launch_backward(element_type type, bn_shape s, void *dx, void *dweight, void *dbias, const void *dy,
                            const void *x, const void *weight, const void *bias, const void *mean, const void *invstd,
                            bool training, double slope, void *work, cudaStream_t stream) {
  DISPATCH(backward, s, dx, dweight, dbias, dy, x, weight, bias, mean, invstd, training, slope, work, stream)
}

#undef DISPATCH

/* ---- the operators: arguments checked, layouts and dtypes made what the kernels expect, memory ---- */

using at::Tensor;
using std::optional;

element_type type_of(const Tensor &x) {
  switch (x.scalar_type()) {
  case at::kFloat: return TYPE_FLOAT;
  case at::kDouble: return TYPE_DOUBLE;
  case at::kBFloat16: return TYPE_BFLOAT16;
  default: TORCH_CHECK(false, "bn_act: x is ", x.scalar_type(), "; float32, float64 or bfloat16 expected");
  }
}

at::ScalarType statistics_type(const Tensor &x) { return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat; }

at::MemoryFormat layout_of(const Tensor &x) {
  return !x.is_contiguous() && x.is_contiguous(at::MemoryFormat::ChannelsLast) ? at::MemoryFormat::ChannelsLast
                                                                               : at::MemoryFormat::Contiguous;
}

bn_shape shape_of(const Tensor &x) {
  TORCH_CHECK(x.dim() == 4, "bn_act: x has ", x.dim(), " dimensions; [N, C, H, W] expected");
  TORCH_CHECK(x.numel() > 0 && x.numel() < (int64_t(1) << 31), "bn_act: x has ", x.numel(),
              " elements; 1 to 2^31 - 1 expected");
  bn_shape s;
  s.channels = unsigned(x.size(1));
  s.area = unsigned(x.size(2) * x.size(3));
  s.rows = unsigned(x.size(0)) * s.area;
  s.channels_last = layout_of(x) == at::MemoryFormat::ChannelsLast;
  return s;
}

/* A per-channel vector: [C], on x's device, of the statistics' dtype, dense. */
void check_vector(const Tensor &v, const char *name, const Tensor &x) {
  TORCH_CHECK(v.dim() == 1 && v.size(0) == x.size(1), "bn_act: ", name, " is ", v.sizes(), "; [", x.size(1),
              "] expected");
  TORCH_CHECK(v.scalar_type() == statistics_type(x), "bn_act: ", name, " is ", v.scalar_type(), "; ",
              statistics_type(x), " expected");
  TORCH_CHECK(v.device() == x.device(), "bn_act: ", name, " is on ", v.device(), ", x on ", x.device());
  TORCH_CHECK(v.is_contiguous(), "bn_act: ", name, " is not contiguous");
}

void *check_running(const optional<Tensor> &v, const char *name, const Tensor &x, bool training) {
  if (!v.has_value() || !v->defined()) {
    TORCH_CHECK(training, "bn_act: ", name, " is needed where training is false");
    return nullptr;
  }
  check_vector(*v, name, x);
  return v->data_ptr();
}

std::tuple<Tensor, Tensor, Tensor> bn_act(const Tensor &x_, const Tensor &weight, const Tensor &bias,
                                          const optional<Tensor> &running_mean, const optional<Tensor> &running_var,
                                          bool training, double momentum, double eps, double slope) {
  c10::cuda::CUDAGuard guard(x_.device());
  element_type type = type_of(x_);
  bn_shape s = shape_of(x_);
  Tensor x = x_.contiguous(layout_of(x_));
  check_vector(weight, "weight", x);
  check_vector(bias, "bias", x);
  void *r_mean = check_running(running_mean, "running_mean", x, training);
  void *r_var = check_running(running_var, "running_var", x, training);
  auto statistics = x.options().dtype(statistics_type(x));
  Tensor y = at::empty_like(x);
  Tensor mean = at::empty({x.size(1)}, statistics), invstd = at::empty({x.size(1)}, statistics);
  Tensor work = at::empty({int64_t(work_size(s))}, statistics);
  C10_CUDA_CHECK(launch_forward(type, s, y.data_ptr(), mean.data_ptr(), invstd.data_ptr(), x.data_ptr(),
                                weight.data_ptr(), bias.data_ptr(), r_mean, r_var, training, momentum, eps, slope,
                                work.data_ptr(), c10::cuda::getCurrentCUDAStream()));
  return {y, mean, invstd};
}

Tensor bn_act_again(const Tensor &x_, const Tensor &weight, const Tensor &bias, const Tensor &mean,
                    const Tensor &invstd, double slope) {
  c10::cuda::CUDAGuard guard(x_.device());
  element_type type = type_of(x_);
  bn_shape s = shape_of(x_);
  Tensor x = x_.contiguous(layout_of(x_)), y = at::empty_like(x);
  check_vector(weight, "weight", x);
  check_vector(bias, "bias", x);
  check_vector(mean, "mean", x);
  check_vector(invstd, "invstd", x);
  C10_CUDA_CHECK(launch_apply(type, s, y.data_ptr(), x.data_ptr(), weight.data_ptr(), bias.data_ptr(), mean.data_ptr(),
                              invstd.data_ptr(), slope, c10::cuda::getCurrentCUDAStream()));
  return y;
}

std::tuple<Tensor, Tensor, Tensor> bn_act_backward(const Tensor &dy_, const Tensor &x_, const Tensor &weight,
                                                   const Tensor &bias, const Tensor &mean, const Tensor &invstd,
                                                   bool training, double slope) {
  c10::cuda::CUDAGuard guard(x_.device());
  element_type type = type_of(x_);
  bn_shape s = shape_of(x_);
  TORCH_CHECK(dy_.sizes() == x_.sizes() && dy_.scalar_type() == x_.scalar_type() && dy_.device() == x_.device(),
              "bn_act_backward: dy is ", dy_.scalar_type(), " ", dy_.sizes(), " on ", dy_.device(), ", x ",
              x_.scalar_type(), " ", x_.sizes(), " on ", x_.device());
  Tensor x = x_.contiguous(layout_of(x_)), dy = dy_.contiguous(layout_of(x_));
  check_vector(weight, "weight", x);
  check_vector(bias, "bias", x);
  check_vector(mean, "mean", x);
  check_vector(invstd, "invstd", x);
  auto statistics = x.options().dtype(statistics_type(x));
  Tensor dx = at::empty_like(x), dweight = at::empty_like(weight), dbias = at::empty_like(bias);
  Tensor work = at::empty({int64_t(work_size(s))}, statistics);
  C10_CUDA_CHECK(launch_backward(type, s, dx.data_ptr(), dweight.data_ptr(), dbias.data_ptr(), dy.data_ptr(),
                                 x.data_ptr(), weight.data_ptr(), bias.data_ptr(), mean.data_ptr(), invstd.data_ptr(),
                                 training, slope, work.data_ptr(), c10::cuda::getCurrentCUDAStream()));
  return {dx, dweight, dbias};
}

TORCH_LIBRARY_IMPL(agad, CUDA, m) {
  m.impl("bn_act", &bn_act);
  m.impl("bn_act_again", &bn_act_again);
  m.impl("bn_act_backward", &bn_act_backward);
}

} // namespace
