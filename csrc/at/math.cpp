/* math.cpp: typed wrappers of the step's operators, named as the operators. */
#include "internal.h"

#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/add.h>
#include <ATen/ops/div.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/leaky_relu.h>
#include <ATen/ops/leaky_relu_backward.h>
#include <ATen/ops/lerp.h>
#include <ATen/ops/lt.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/native_batch_norm.h>
#include <ATen/ops/native_batch_norm_backward.h>
#include <ATen/ops/neg.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/sign.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/tanh_backward.h>
#include <ATen/ops/where.h>

using at::Tensor;

static inline const Tensor &T(const at_tensor *t) { return at_unwrap(t); }
static inline c10::optional<Tensor> maybe(const at_tensor *t) { return t ? c10::optional<Tensor>(t->t) : c10::nullopt; }

at_tensor *at_narrow(const at_tensor *t, int dim, int64_t start, int64_t length) {
  return at_make([&] { return T(t).narrow(dim, start, length); });
}
at_tensor *at_index_select(const at_tensor *t, int dim, const at_tensor *index) {
  return at_make([&] { return at::index_select(T(t), dim, T(index)); });
}
at_tensor *at_reshape(const at_tensor *t, const int64_t *sizes, int ndim) {
  return at_make([&] { return T(t).reshape(at::IntArrayRef(sizes, ndim)); });
}
/* clang-format off */
at_tensor *at_clone(const at_tensor *t) { return at_make([&] { return T(t).clone(); }); }
at_tensor *at_detach(const at_tensor *t) { return at_make([&] { return T(t).detach(); }); }
at_tensor *at_sub(const at_tensor *a, const at_tensor *b) { return at_make([&] { return at::sub(T(a), T(b)); }); }
at_tensor *at_mul(const at_tensor *a, const at_tensor *b) { return at_make([&] { return at::mul(T(a), T(b)); }); }
at_tensor *at_div(const at_tensor *a, const at_tensor *b) { return at_make([&] { return at::div(T(a), T(b)); }); }
at_tensor *at_mul_scalar(const at_tensor *a, double s) { return at_make([&] { return at::mul(T(a), s); }); }
at_tensor *at_add_scalar(const at_tensor *a, double s) { return at_make([&] { return at::add(T(a), s); }); }
at_tensor *at_neg(const at_tensor *a) { return at_make([&] { return at::neg(T(a)); }); }
at_tensor *at_sign(const at_tensor *a) { return at_make([&] { return at::sign(T(a)); }); }
at_tensor *at_square(const at_tensor *a) { return at_make([&] { return at::mul(T(a), T(a)); }); }
at_tensor *at_mean(const at_tensor *a) { return at_make([&] { return at::mean(T(a)); }); }
at_tensor *at_sum(const at_tensor *a) { return at_make([&] { return at::sum(T(a)); }); }
at_tensor *at_sigmoid(const at_tensor *a) { return at_make([&] { return at::sigmoid(T(a)); }); }
at_tensor *at_less_scalar(const at_tensor *a, double s) { return at_make([&] { return at::lt(T(a), s); }); }
/* clang-format on */
at_tensor *at_where(const at_tensor *c, const at_tensor *a, const at_tensor *b) {
  return at_make([&] { return at::where(T(c), T(a), T(b)); });
}
at_tensor *at_l1(const at_tensor *a, const at_tensor *b) {
  return at_make([&] { return at::mean(at::sub(T(a), T(b)).abs_()); });
}
at_tensor *at_mse(const at_tensor *a, const at_tensor *b) {
  return at_make([&] {
    Tensor d = at::sub(T(a), T(b));
    return at::mean(d.mul_(d));
  });
}
/* BCE(v, t) = softplus(v) - t v; written as softplus(-v) for t = 1, exact for large |v|. */
at_tensor *at_bce_logits(const at_tensor *logits, double target) {
  return at_make([&] {
    const Tensor &v = T(logits);
    TORCH_CHECK(target == 0 || target == 1, "binary cross-entropy: the target must be 0 or 1");
    return at::mean(at::softplus(target == 1 ? at::neg(v) : v));
  });
}
/* clang-format off */
void at_copy_(at_tensor *to, const at_tensor *from) { at_do([&] { T(to).copy_(T(from)); }); }
void at_mul_scalar_(at_tensor *a, double s) { at_do([&] { T(a).mul_(s); }); }
/* clang-format on */
void at_lerp_(at_tensor *a, const at_tensor *end, const at_tensor *weight) {
  at_do([&] { T(a).lerp_(T(end), T(weight)); });
}

at_tensor *at_batch_norm(at_tensor **mean, at_tensor **invstd, const at_tensor *x, const at_tensor *w,
                         const at_tensor *b, at_tensor *running_mean, at_tensor *running_var, int training,
                         double momentum, double eps) {
  return at_make([&] {
    auto [y, m, s] = at::native_batch_norm(T(x), maybe(w), maybe(b), maybe(running_mean), maybe(running_var), training,
                                           momentum, eps);
    if (training) {
      if (mean) *mean = at_wrap(m);
      if (invstd) *invstd = at_wrap(s);
    }
    return y;
  });
}

void at_batch_norm_backward(at_tensor **dx, at_tensor **dw, at_tensor **db, const at_tensor *dy, const at_tensor *x,
                            const at_tensor *w, const at_tensor *running_mean, const at_tensor *running_var,
                            const at_tensor *mean, const at_tensor *invstd, int training, double eps) {
  at_do([&] {
    auto [gx, gw, gb] =
        at::native_batch_norm_backward(T(dy), T(x), maybe(w), maybe(running_mean), maybe(running_var), maybe(mean),
                                       maybe(invstd), training, eps, {dx != nullptr, dw != nullptr, db != nullptr});
    if (dx) *dx = at_wrap(gx);
    if (dw) *dw = at_wrap(gw);
    if (db) *db = at_wrap(gb);
  });
}

at_tensor *at_leaky_relu(const at_tensor *x, double slope) {
  return at_make([&] { return at::leaky_relu(T(x), slope); });
}
/* clang-format off */
void at_leaky_relu_(at_tensor *x, double slope) { at_do([&] { Tensor t = T(x); at::leaky_relu_(t, slope); }); }
/* clang-format on */
at_tensor *at_leaky_relu_backward(const at_tensor *dy, const at_tensor *x, double slope) {
  return at_make([&] { return at::leaky_relu_backward(T(dy), T(x), slope, false); });
}
/* clang-format off */
at_tensor *at_tanh(const at_tensor *x) { return at_make([&] { return at::tanh(T(x)); }); }
void at_tanh_(at_tensor *x) { at_do([&] { Tensor t = T(x); at::tanh_(t); }); }
/* clang-format on */
at_tensor *at_tanh_backward(const at_tensor *dy, const at_tensor *y) {
  return at_make([&] { return at::tanh_backward(T(dy), T(y)); });
}

void at_adam_(at_tensor **params, at_tensor **grads, at_tensor **m, at_tensor **v, int n, const at_tensor *step,
              double lr, double beta1, double beta2, double weight_decay, double eps) {
  at_do([&] {
    std::vector<Tensor> p, g, first, second, steps;
    for (int i = 0; i < n; i++) {
      if (!grads[i]) continue;
      const Tensor &w = T(params[i]), &dw = T(grads[i]);
      /* _fused_adam_ walks memory: another layout of the gradient would be silently wrong */
      TORCH_CHECK(w.strides() == dw.strides() && w.strides() == T(m[i]).strides() && w.strides() == T(v[i]).strides(),
                  "adam: parameter ", i + 1, " and its gradient differ in layout");
      p.push_back(w), g.push_back(dw), first.push_back(T(m[i])), second.push_back(T(v[i]));
      steps.push_back(T(step));
    }
    if (!p.empty())
      at::_fused_adam_(p, g, first, second, {}, steps, lr, beta1, beta2, weight_decay, eps,
                       /*amsgrad=*/false, /*maximize=*/false);
  });
}
