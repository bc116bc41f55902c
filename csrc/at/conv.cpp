/* conv.cpp: convolutions of the step: libtorch's (oneDNN, cuDNN), but on the CPU, where one of conv.h's ways is the
 * faster one, that. */
#include "conv.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/sum.h>

#include <optional>

using at::IntArrayRef;
using at::Tensor;

namespace {

/* ---- which ---- */

__thread int rows_alike;

enum class way { library, rows, winograd };
enum class direction { down, up, dw };

bool ours(const Tensor &x, const Tensor &w) {
  return x.is_cpu() && x.dim() == 4 && w.dim() == 4 && x.scalar_type() == w.scalar_type() &&
         (x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble) && x.is_contiguous(kLast) && x.numel() > 0 &&
         !at_plain() && !(at::GradMode::is_enabled() && (x.requires_grad() || w.requires_grad()));
}

/* The way that is fastest on most processors, by the shape alone. */
way rule(const conv_shape &g, direction to) {
  const bool winograd = conv_winograd::takes(g) && g.cl >= 16 && g.cs >= 16;
  if (rows_alike) return winograd ? way::winograd : way::library;
  if (winograd && g.pixels() > 4) return way::winograd;
  if (g.pixels() <= 16 && g.row() >= 256) return way::rows;
  return to == direction::up && g.cl <= 4 && g.cs >= 16 ? way::rows : way::library;
}

Tensor down(way by, const conv_shape &g, const Tensor &l, const Tensor &w) {
  return by == way::rows ? conv_rows::down(g, l, w) : conv_winograd::down(g, l, w);
}

Tensor up(way by, const conv_shape &g, const Tensor &s, const Tensor &w) {
  return by == way::rows ? conv_rows::up(g, s, w) : conv_winograd::up(g, s, w);
}

Tensor dw(way by, const conv_shape &g, const Tensor &s, const Tensor &l) {
  return by == way::rows ? conv_rows::dw(g, s, l) : conv_winograd::dw(g, s, l);
}

Tensor forward(const Tensor &x, const Tensor &w, const std::optional<Tensor> &bias, const int64_t stride[2],
               const int64_t padding[2], bool transposed, const int64_t output_padding[2]) {
  if (ours(x, w)) {
    int64_t sides[2];
    for (int i = 0; i < 2; i++)
      sides[i] = transposed ? (x.size(i + 2) - 1) * stride[i] - 2 * padding[i] + w.size(i + 2) + output_padding[i]
                            : (x.size(i + 2) + 2 * padding[i] - w.size(i + 2)) / stride[i] + 1;
    const int64_t y[4] = {x.size(0), w.size(transposed ? 1 : 0), sides[0], sides[1]};
    const conv_shape g =
        transposed ? conv_shape(x.sizes(), y, w, stride, padding) : conv_shape(y, x.sizes(), w, stride, padding);
    const way by = rule(g, transposed ? direction::up : direction::down);
    if (by != way::library) {
      Tensor out = transposed ? up(by, g, x, w) : down(by, g, x, w);
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
    const conv_shape g(s.sizes(), l.sizes(), w, stride, padding);
    const way for_x = rule(g, transposed ? direction::down : direction::up);
    const way for_w = rule(g, direction::dw);
    if (wanted[0] && for_x != way::library)
      d.x = transposed ? down(for_x, g, l, w) : up(for_x, g, s, w), wanted[0] = false;
    if (wanted[1] && for_w != way::library) d.w = dw(for_w, g, s, l), wanted[1] = false;
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
