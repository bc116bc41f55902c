/* conv.cpp: convolutions of the step: libtorch's (oneDNN, cuDNN), but for shapes that oneDNN is slow at on the
 * processor, which become one product of matrices.
 *
 * A convolution and the transposed one with the same kernel are one thing in two directions, between a small side
 * s [N, cs, hs, ws] and a large one l [N, cl, hl, wl], by w [cs, cl, kh, kw].  With a row of kh x kw x cl numbers for
 * each pixel of the small side (what the kernel sees of the large one there):
 *
 *   down   s = rows(l) w'           a convolution; a transposed one's gradient of its input
 *   up     l = sum of rows(s w)     a transposed convolution; a convolution's gradient of its input
 *   dW     w = s' rows(l)
 *
 * All is channels_last, so that a row is copied in kh runs, and s and w are matrices as they lie in memory.
 */
#include "internal.h"

#include <ATen/core/grad_mode.h>
#include <ATen/Parallel.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/zeros.h>

#include <cstring>
#include <optional>

using at::IntArrayRef;
using at::Tensor;

namespace {

constexpr auto kLast = at::MemoryFormat::ChannelsLast;

struct geometry {
  const int64_t *stride, *padding;
  int64_t n, cs, hs, ws, cl, hl, wl, kh, kw;

  geometry(IntArrayRef s, IntArrayRef l, const Tensor &w, const int64_t *by, const int64_t *around)
      : stride(by), padding(around), n(s[0]), cs(s[1]), hs(s[2]), ws(s[3]), cl(l[1]), hl(l[2]), wl(l[3]), kh(w.size(2)),
        kw(w.size(3)) {}
  int64_t pixels() const { return hs * ws; }
  int64_t row() const { return kh * kw * cl; }
  /* Pictures whose rows fill a buffer of some megabytes. */
  int64_t at_once() const { return std::max<int64_t>(1, std::min(n, (int64_t)(1 << 21) / (pixels() * row()))); }
};

/* f(place in the rows, place in the picture, numbers) for each run of one picture; a place of -1: zeros. */
template <class F> void each_run(const geometry &g, F &&f) {
  int64_t at = 0;
  for (int64_t i = 0; i < g.hs; i++)
    for (int64_t j = 0; j < g.ws; j++)
      for (int64_t k = 0; k < g.kh; k++, at += g.kw * g.cl) {
        const int64_t y = i * g.stride[0] - g.padding[0] + k, x = j * g.stride[1] - g.padding[1];
        const int64_t first = std::max<int64_t>(0, -x), last = std::min(g.kw, g.wl - x);
        if (y < 0 || y >= g.hl || first >= last) {
          f(at, (int64_t)-1, g.kw * g.cl);
          continue;
        }
        if (first > 0) f(at, (int64_t)-1, first * g.cl);
        f(at + first * g.cl, (y * g.wl + x + first) * g.cl, (last - first) * g.cl);
        if (last < g.kw) f(at + last * g.cl, (int64_t)-1, (g.kw - last) * g.cl);
      }
}

template <class T> void gather(const geometry &g, const T *l, T *rows, int64_t count) {
  at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const T *from = l + i * g.hl * g.wl * g.cl;
      T *to = rows + i * g.pixels() * g.row();
      each_run(g, [&](int64_t row, int64_t picture, int64_t n) {
        if (picture < 0) std::memset(to + row, 0, sizeof(T) * (size_t)n);
        else std::memcpy(to + row, from + picture, sizeof(T) * (size_t)n);
      });
    }
  });
}

template <class T> void scatter(const geometry &g, const T *rows, T *l, int64_t count) {
  at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const T *from = rows + i * g.pixels() * g.row();
      T *to = l + i * g.hl * g.wl * g.cl;
      std::memset(to, 0, sizeof(T) * (size_t)(g.hl * g.wl * g.cl));
      each_run(g, [&](int64_t row, int64_t picture, int64_t n) {
        if (picture < 0) return;
        T *out = to + picture;
        const T *in = from + row;
#pragma omp simd
        for (int64_t k = 0; k < n; k++) out[k] += in[k];
      });
    }
  });
}

/* The rows of pictures first to first + count, gathered into or scattered out of a buffer. */
void move(const geometry &g, const Tensor &l, const Tensor &rows, int64_t first, int64_t count, bool out) {
  const int64_t at = first * g.hl * g.wl * g.cl;
  if (l.scalar_type() == at::kFloat) {
    if (out) scatter(g, rows.const_data_ptr<float>(), l.data_ptr<float>() + at, count);
    else gather(g, l.const_data_ptr<float>() + at, rows.data_ptr<float>(), count);
  } else {
    if (out) scatter(g, rows.const_data_ptr<double>(), l.data_ptr<double>() + at, count);
    else gather(g, l.const_data_ptr<double>() + at, rows.data_ptr<double>(), count);
  }
}

/* A channels_last tensor as the matrix that it is in memory: [N x pixels, channels]; a kernel's [cs, kh x kw x cl]. */
Tensor pixels_of(const Tensor &t) { return t.permute({0, 2, 3, 1}).reshape({-1, t.size(1)}); }
Tensor matrix_of(const Tensor &w) { return w.contiguous(kLast).permute({0, 2, 3, 1}).reshape({w.size(0), -1}); }

Tensor buffer(const geometry &g, const Tensor &like) {
  return at::empty({g.at_once() * g.pixels(), g.row()}, like.options().memory_format(at::MemoryFormat::Contiguous));
}

/* f(rows of some pictures' matrix, first row, how many) */
template <class F> void each_chunk(const geometry &g, F &&f) {
  const int64_t step = g.at_once();
  for (int64_t first = 0; first < g.n; first += step) f(first, std::min(step, g.n - first));
}

Tensor down(const geometry &g, const Tensor &l, const Tensor &w) {
  Tensor s = at::empty({g.n, g.cs, g.hs, g.ws}, l.options().memory_format(kLast)), rows = buffer(g, l);
  Tensor by = matrix_of(w).t(), out = pixels_of(s);
  each_chunk(g, [&](int64_t first, int64_t count) {
    move(g, l, rows, first, count, false);
    Tensor part = out.narrow(0, first * g.pixels(), count * g.pixels());
    at::mm_out(part, rows.narrow(0, 0, count * g.pixels()), by);
  });
  return s;
}

Tensor up(const geometry &g, const Tensor &s, const Tensor &w) {
  Tensor l = at::empty({g.n, g.cl, g.hl, g.wl}, s.options().memory_format(kLast)), rows = buffer(g, s);
  Tensor by = matrix_of(w), in = pixels_of(s);
  each_chunk(g, [&](int64_t first, int64_t count) {
    Tensor part = rows.narrow(0, 0, count * g.pixels());
    at::mm_out(part, in.narrow(0, first * g.pixels(), count * g.pixels()), by);
    move(g, l, rows, first, count, true);
  });
  return l;
}

Tensor kernel_gradient(const geometry &g, const Tensor &s, const Tensor &l) {
  Tensor dw = at::zeros({g.cs, g.row()}, s.options()), rows = buffer(g, l), of = pixels_of(s);
  each_chunk(g, [&](int64_t first, int64_t count) {
    move(g, l, rows, first, count, false);
    Tensor part = of.narrow(0, first * g.pixels(), count * g.pixels());
    at::addmm_out(dw, dw, part.t(), rows.narrow(0, 0, count * g.pixels()));
  });
  return dw.view({g.cs, g.kh, g.kw, g.cl}).permute({0, 3, 1, 2});
}

/* ---- which ---- */

__thread int rows_alike;

bool ours(const Tensor &x, const Tensor &w) {
  return x.is_cpu() && x.dim() == 4 && w.dim() == 4 && x.scalar_type() == w.scalar_type() &&
         (x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble) && x.is_contiguous(kLast) && x.numel() > 0 &&
         !rows_alike && !at_plain() && !(at::GradMode::is_enabled() && (x.requires_grad() || w.requires_grad()));
}

/* Measured against oneDNN (AVX512, one thread): 1.2 to 6 times its speed; with 64 pixels it is the faster one. */
bool few_pixels(const geometry &g) { return g.pixels() <= 16 && g.row() >= 256; }
bool few_channels(const geometry &g) { return g.cl <= 4 && g.cs >= 16; }

Tensor forward(const Tensor &x, const Tensor &w, const std::optional<Tensor> &bias, const int64_t stride[2],
               const int64_t padding[2], bool transposed, const int64_t output_padding[2]) {
  if (ours(x, w)) {
    int64_t sides[2];
    for (int i = 0; i < 2; i++)
      sides[i] = transposed ? (x.size(i + 2) - 1) * stride[i] - 2 * padding[i] + w.size(i + 2) + output_padding[i]
                            : (x.size(i + 2) + 2 * padding[i] - w.size(i + 2)) / stride[i] + 1;
    const int64_t y[4] = {x.size(0), w.size(transposed ? 1 : 0), sides[0], sides[1]};
    const geometry g =
        transposed ? geometry(x.sizes(), y, w, stride, padding) : geometry(y, x.sizes(), w, stride, padding);
    if (few_pixels(g) || (transposed && few_channels(g))) {
      Tensor out = transposed ? up(g, x, w) : down(g, x, w);
      return bias ? out.add_(bias->view({1, -1, 1, 1})) : out;
    }
  }
  return at::convolution(x, w, bias, {stride, 2}, {padding, 2}, {1, 1}, transposed, {output_padding, 2}, 1);
}

struct gradients {
  Tensor x, w, bias;
};

gradients backward(const Tensor &dy, const Tensor &x, const Tensor &w, const int64_t stride[2],
                   const int64_t padding[2], bool transposed, const int64_t output_padding[2],
                   std::array<bool, 3> wanted) {
  gradients d;
  if (ours(x, w)) {
    const Tensor last = dy.contiguous(kLast), &s = transposed ? x : last, &l = transposed ? last : x;
    const geometry g(s.sizes(), l.sizes(), w, stride, padding);
    if (wanted[0] && (few_pixels(g) || (!transposed && few_channels(g))))
      d.x = transposed ? down(g, l, w) : up(g, s, w), wanted[0] = false;
    if (wanted[1] && few_pixels(g)) d.w = kernel_gradient(g, s, l), wanted[1] = false;
  }
  if (!wanted[0] && !wanted[1] && wanted[2]) d.bias = dy.sum({0, 2, 3}), wanted[2] = false;
  if (!wanted[0] && !wanted[1] && !wanted[2]) return d;
  const int64_t bias_sizes[1] = {dy.size(1)};
  auto [gx, gw, gb] =
      at::convolution_backward(dy, x, w, at::OptionalIntArrayRef(IntArrayRef(bias_sizes, 1)), {stride, 2}, {padding, 2},
                               {1, 1}, transposed, {output_padding, 2}, 1, wanted);
  if (wanted[0]) d.x = gx;
  if (wanted[1]) d.w = gw;
  if (wanted[2]) d.bias = gb;
  return d;
}

/* Whether bf16 tensors are taken as float32 and the result rounded: on a processor without bf16 arithmetic this takes
 * a half to a quarter of the time of oneDNN's emulation, and all sums are float32's either way. */
bool through_fp32(const Tensor &x) {
  static const bool emulated = !at_fast_bf16(AT_CPU) && !at_plain();
  return emulated && x.is_cpu() && x.scalar_type() == at::kBFloat16;
}

Tensor wide(const Tensor &t) { return t.scalar_type() == at::kBFloat16 ? t.to(at::kFloat) : t; }

} // namespace

int at_rows_alike(int on) {
  int before = rows_alike;
  rows_alike = on;
  return before;
}

at_tensor *at_convolution(const at_tensor *x, const at_tensor *w, const at_tensor *bias, const int64_t stride[2],
                          const int64_t padding[2], int transposed, const int64_t output_padding[2]) {
  return at_make([&] {
    const Tensor &tx = at_unwrap(x), &tw = at_unwrap(w);
    std::optional<Tensor> b;
    if (bias) b = at_unwrap(bias);
    if (!through_fp32(tx)) return forward(tx, tw, b, stride, padding, transposed, output_padding);
    if (b) b = wide(*b);
    return forward(wide(tx), wide(tw), b, stride, padding, transposed, output_padding).to(at::kBFloat16);
  });
}

void at_convolution_backward(at_tensor **dx, at_tensor **dw, at_tensor **db, const at_tensor *dy, const at_tensor *x,
                             const at_tensor *w, const int64_t stride[2], const int64_t padding[2], int transposed,
                             const int64_t output_padding[2]) {
  at_do([&] {
    const bool widen = through_fp32(at_unwrap(x));
    auto in = [&](const at_tensor *t) { return widen ? wide(at_unwrap(t)) : at_unwrap(t); };
    auto out = [&](const Tensor &t) { return at_wrap(widen && t.defined() ? t.to(at::kBFloat16) : t); };
    gradients d = backward(in(dy), in(x), in(w), stride, padding, transposed, output_padding,
                           {dx != nullptr, dw != nullptr, db != nullptr});
    if (dx) *dx = out(d.x);
    if (dw) *dw = out(d.w);
    if (db) *db = out(d.bias);
  });
}
