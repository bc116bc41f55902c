// bn_act.cpp - agad::bn_act and its backward: batch norm with a (leaky) ReLU in one, for the CPU and for C.
//
// y, mean, invstd = act(batch_norm(x)), act(v) = v > 0 ? v : slope*v (slope 1: none, 0: ReLU); bn_act_again gives that
// y once more, to the bit, from x and the statistics.
// x is [N, C, ...]; mean and invstd are [C] float32 (float64 where x is), as are the parameters.
// Here are checks, layout and memory; the arithmetic is in csrc/cpu. Work is cut by shape alone.

#include "at/internal.h"
#include "at/ops/own.h"
#include "cpu/bn_act.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <memory>
#include <optional>
#include <tuple>

namespace {

using at::Tensor;
using Triple = std::tuple<Tensor, Tensor, Tensor>;

const bn_act_kernels &kernels_for(const Tensor &x) {
  switch (x.scalar_type()) {
  case at::kFloat: return bn_act_f32;
  case at::kDouble: return bn_act_f64;
  case at::kBFloat16: return bn_act_bf16;
  default: TORCH_CHECK(false, "bn_act: x is ", x.scalar_type(), "; float32, float64 or bfloat16 expected");
  }
}

// x as [outer][C][inner] in memory: itself, or a contiguous copy.
struct Input {
  Tensor x;
  at::MemoryFormat format;
  bn_act_shape shape;
};

Input input(const Tensor &x) {
  TORCH_CHECK(x.dim() >= 2, "bn_act: x has ", x.dim(), " dimensions; [N, C, ...] expected");
  auto format = at::MemoryFormat::Contiguous;
  if (!x.is_contiguous()) {
    if (x.dim() == 4 && x.is_contiguous(at::MemoryFormat::ChannelsLast)) format = at::MemoryFormat::ChannelsLast;
    else if (x.dim() == 5 && x.is_contiguous(at::MemoryFormat::ChannelsLast3d))
      format = at::MemoryFormat::ChannelsLast3d;
  }
  size_t n = x.size(0), c = x.size(1), inner = 1;
  for (int64_t d = 2; d < x.dim(); d++) inner *= x.size(d);
  bool rows = format != at::MemoryFormat::Contiguous;
  return {x.contiguous(format), format, rows ? bn_act_cut(n * inner, c, 1) : bn_act_cut(n, c, inner)};
}

// A parameter or statistic: [C], float32 (float64 where x is).
Tensor channels(const char *name, const Tensor &t, const Tensor &x) {
  auto real = x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  TORCH_CHECK(t.scalar_type() == real && t.device() == x.device() && t.dim() == 1 && t.size(0) == x.size(1),
              "bn_act: ", name, " is ", t.scalar_type(), " ", t.sizes(), " on ", t.device(), "; ", real, " [",
              x.size(1), "] on ", x.device(), " expected");
  return t.contiguous();
}

// A running statistic is written in place, so it must not be a copy.
void *written(const char *name, const std::optional<Tensor> &t, const Tensor &x) {
  if (!t || !t->defined()) return nullptr;
  TORCH_CHECK(t->is_contiguous(), "bn_act: ", name, " must be contiguous");
  return channels(name, *t, x).data_ptr();
}

Tensor empty_channels(const Tensor &like) { return at::empty({like.size(0)}, like.options().requires_grad(false)); }

// Partial sums s1, s2: [chunks][C] each.
struct Sums {
  std::unique_ptr<double, decltype(&free)> memory;
  double *s1, *s2;
  explicit Sums(const bn_act_shape &s)
      : memory((double *)at_take(2 * s.chunks * s.C, sizeof(double)), &free), s1(memory.get()),
        s2(s1 + s.chunks * s.C) {}
};

Tensor apply(const Tensor &x, const bn_act_shape &s, const Tensor &weight, const Tensor &bias, const Tensor &mean,
             const Tensor &invstd, double slope) {
  const auto &k = kernels_for(x);
  Tensor y = at::empty_like(x), scale = empty_channels(weight);
  k.scale(scale.data_ptr(), weight.const_data_ptr(), invstd.const_data_ptr(), s.C);
  void *yp = y.data_ptr();
  const void *xp = x.const_data_ptr(), *mp = mean.const_data_ptr(), *ap = scale.const_data_ptr();
  const void *bp = bias.const_data_ptr();
  own_parallel(s.lines, x.numel(), [&](size_t b, size_t e) { k.forward(yp, xp, mp, ap, bp, slope, &s, b, e); });
  return y;
}

Triple bn_act(const Tensor &x_in, const Tensor &weight_in, const Tensor &bias_in,
              const std::optional<Tensor> &running_mean, const std::optional<Tensor> &running_var, bool training,
              double momentum, double eps, double slope) {
  const auto &k = kernels_for(x_in);
  auto [x, format, s] = input(x_in);
  Tensor weight = channels("weight", weight_in, x), bias = channels("bias", bias_in, x);
  void *rm = written("running_mean", running_mean, x);
  void *rv = written("running_var", running_var, x);
  TORCH_CHECK(training || (rm && rv), "bn_act: running_mean and running_var are needed when training is false");
  TORCH_CHECK(!training || s.outer * s.inner > 1, "bn_act: more than 1 value per channel is needed to train, x is ",
              x.sizes());
  Tensor mean = empty_channels(weight), invstd = empty_channels(weight);
  const void *xp = x.const_data_ptr();
  const int64_t elements = x.numel();

  if (training) {
    Sums sums(s);
    Tensor shift = empty_channels(weight);
    void *kp = shift.data_ptr();
    k.shift(kp, xp, &s);
    own_parallel(s.strips, elements, [&](size_t b, size_t e) { k.moments(sums.s1, sums.s2, xp, kp, &s, b, e); });
    k.statistics(mean.data_ptr(), invstd.data_ptr(), rm, rv, sums.s1, sums.s2, kp, &s, momentum, eps);
    if (rm) running_mean->unsafeGetTensorImpl()->bump_version();
    if (rv) running_var->unsafeGetTensorImpl()->bump_version();
  } else {
    k.running(mean.data_ptr(), invstd.data_ptr(), rm, rv, s.C, eps);
  }
  return {apply(x, s, weight, bias, mean, invstd, slope), mean, invstd};
}

Tensor bn_act_again(const Tensor &x_in, const Tensor &weight, const Tensor &bias, const Tensor &mean,
                    const Tensor &invstd, double slope) {
  auto [x, format, s] = input(x_in);
  return apply(x, s, channels("weight", weight, x), channels("bias", bias, x), channels("mean", mean, x),
               channels("invstd", invstd, x), slope);
}

Triple bn_act_backward(const Tensor &dy_in, const Tensor &x_in, const Tensor &weight_in, const Tensor &bias_in,
                       const Tensor &mean_in, const Tensor &invstd_in, bool training, double slope) {
  const auto &k = kernels_for(x_in);
  auto [x, format, s] = input(x_in);
  TORCH_CHECK(dy_in.sizes() == x.sizes() && dy_in.scalar_type() == x.scalar_type() && dy_in.device() == x.device(),
              "bn_act_backward: dy is ", dy_in.scalar_type(), " ", dy_in.sizes(), ", x is ", x.scalar_type(), " ",
              x.sizes(), "; the same expected");
  Tensor dy = format == at::MemoryFormat::ChannelsLast ? at_channels_last(dy_in) : dy_in.contiguous(format);
  Tensor weight = channels("weight", weight_in, x), bias = channels("bias", bias_in, x);
  Tensor mean = channels("mean", mean_in, x), invstd = channels("invstd", invstd_in, x);
  Tensor dx = at::empty_like(x), dweight = empty_channels(weight), dbias = empty_channels(weight);
  Tensor scale = empty_channels(weight), p = empty_channels(weight), q = empty_channels(weight);
  const void *xp = x.const_data_ptr(), *yp = dy.const_data_ptr();
  const void *mp = mean.const_data_ptr(), *bp = bias.const_data_ptr();
  const int64_t elements = x.numel();

  k.scale(scale.data_ptr(), weight.const_data_ptr(), invstd.const_data_ptr(), s.C);
  const void *ap = scale.const_data_ptr();
  Sums sums(s);
  if (elements == 0) std::fill_n(sums.s1, 2 * s.chunks * s.C, 0.0);
  own_parallel(s.strips, elements,
               [&](size_t b, size_t e) { k.grad_sums(sums.s1, sums.s2, yp, xp, mp, ap, bp, slope, &s, b, e); });
  k.coefficients(dweight.data_ptr(), dbias.data_ptr(), p.data_ptr(), q.data_ptr(), sums.s1, sums.s2,
                 invstd.const_data_ptr(), ap, &s, training);
  void *dp = dx.data_ptr();
  const void *pp = p.const_data_ptr(), *qp = q.const_data_ptr();
  own_parallel(s.lines, elements,
               [&](size_t b, size_t e) { k.backward(dp, yp, xp, mp, ap, bp, pp, qp, slope, &s, b, e); });
  return {dx, dweight, dbias};
}

std::optional<Tensor> maybe(const at_tensor *t) { return t ? std::optional<Tensor>(t->t) : std::nullopt; }

AGAD_OPERATOR(bn_act, "(Tensor x, Tensor weight, Tensor bias, Tensor(a!)? running_mean, Tensor(b!)? running_var, "
                      "bool training, float momentum, float eps, float slope) -> (Tensor, Tensor, Tensor)")
AGAD_OPERATOR(bn_act_again, "(Tensor x, Tensor weight, Tensor bias, Tensor mean, Tensor invstd, float slope) -> Tensor")
AGAD_OPERATOR(bn_act_backward, "(Tensor dy, Tensor x, Tensor weight, Tensor bias, Tensor mean, Tensor invstd, "
                               "bool training, float slope) -> (Tensor, Tensor, Tensor)")

} // namespace

at_tensor *at_bn_act(at_tensor **mean, at_tensor **invstd, const at_tensor *x, const at_tensor *w, const at_tensor *b,
                     at_tensor *running_mean, at_tensor *running_var, int training, double momentum, double eps,
                     double slope) {
  return at_make([&] {
    static auto op = c10::Dispatcher::singleton().findSchemaOrThrow("agad::bn_act", "").typed<decltype(bn_act)>();
    auto [y, m, s] = op.call(at_unwrap(x), at_unwrap(w), at_unwrap(b), maybe(running_mean), maybe(running_var),
                             training, momentum, eps, slope);
    if (mean) *mean = at_wrap(m);
    if (invstd) *invstd = at_wrap(s);
    return y;
  });
}

at_tensor *at_bn_act_again(const at_tensor *x, const at_tensor *w, const at_tensor *b, const at_tensor *mean,
                           const at_tensor *invstd, double slope) {
  return at_make([&] {
    static auto op =
        c10::Dispatcher::singleton().findSchemaOrThrow("agad::bn_act_again", "").typed<decltype(bn_act_again)>();
    return op.call(at_unwrap(x), at_unwrap(w), at_unwrap(b), at_unwrap(mean), at_unwrap(invstd), slope);
  });
}

void at_bn_act_backward(at_tensor **dx, at_tensor **dw, at_tensor **db, const at_tensor *dy, const at_tensor *x,
                        const at_tensor *w, const at_tensor *b, const at_tensor *mean, const at_tensor *invstd,
                        int training, double slope) {
  at_do([&] {
    static auto op =
        c10::Dispatcher::singleton().findSchemaOrThrow("agad::bn_act_backward", "").typed<decltype(bn_act_backward)>();
    auto [gx, gw, gb] = op.call(at_unwrap(dy), at_unwrap(x), at_unwrap(w), at_unwrap(b), at_unwrap(mean),
                                at_unwrap(invstd), training, slope);
    *dx = at_wrap(gx);
    if (dw) *dw = at_wrap(gw);
    if (db) *db = at_wrap(gb);
  });
}
