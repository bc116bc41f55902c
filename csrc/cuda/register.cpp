/* register.cpp: the CUDA kernels of the agad:: operators, known to libtorch once this library is loaded.
 *
 * The schemas are declared by libagad.so (csrc/at), which is loaded first.  This file checks arguments, makes
 * layouts and dtypes what the kernels expect, and allocates; the launchers only launch, on the current stream.
 */
#include "cuda/bn_act.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/library.h>

namespace {

using at::Tensor;
using std::optional;

agad_cuda_type type_of(const Tensor &x) {
  switch (x.scalar_type()) {
  case at::kFloat: return AGAD_CUDA_FLOAT;
  case at::kDouble: return AGAD_CUDA_DOUBLE;
  case at::kBFloat16: return AGAD_CUDA_BFLOAT16;
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
  agad_cuda_type type = type_of(x_);
  bn_shape s = shape_of(x_);
  Tensor x = x_.contiguous(layout_of(x_));
  check_vector(weight, "weight", x);
  check_vector(bias, "bias", x);
  void *r_mean = check_running(running_mean, "running_mean", x, training);
  void *r_var = check_running(running_var, "running_var", x, training);
  auto statistics = x.options().dtype(statistics_type(x));
  Tensor y = at::empty_like(x);
  Tensor mean = at::empty({x.size(1)}, statistics), invstd = at::empty({x.size(1)}, statistics);
  Tensor work = at::empty({int64_t(agad_cuda_bn_work(s))}, statistics);
  C10_CUDA_CHECK(agad_cuda_bn_act(type, s, y.data_ptr(), mean.data_ptr(), invstd.data_ptr(), x.data_ptr(),
                                  weight.data_ptr(), bias.data_ptr(), r_mean, r_var, training, momentum, eps, slope,
                                  work.data_ptr(), c10::cuda::getCurrentCUDAStream()));
  return {y, mean, invstd};
}

std::tuple<Tensor, Tensor, Tensor> bn_act_backward(const Tensor &dy_, const Tensor &x_, const Tensor &weight,
                                                   const Tensor &bias, const Tensor &mean, const Tensor &invstd,
                                                   bool training, double slope) {
  c10::cuda::CUDAGuard guard(x_.device());
  agad_cuda_type type = type_of(x_);
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
  Tensor work = at::empty({int64_t(agad_cuda_bn_work(s))}, statistics);
  C10_CUDA_CHECK(agad_cuda_bn_act_backward(type, s, dx.data_ptr(), dweight.data_ptr(), dbias.data_ptr(), dy.data_ptr(),
                                           x.data_ptr(), weight.data_ptr(), bias.data_ptr(), mean.data_ptr(),
                                           invstd.data_ptr(), training, slope, work.data_ptr(),
                                           c10::cuda::getCurrentCUDAStream()));
  return {dx, dweight, dbias};
}

TORCH_LIBRARY_IMPL(agad, CUDA, m) {
  m.impl("bn_act", &bn_act);
  m.impl("bn_act_backward", &bn_act_backward);
}

} // namespace
