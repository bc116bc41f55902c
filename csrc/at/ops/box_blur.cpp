// box_blur.cpp - agad::box_blur: the mean over the square window of a radius around every pixel, within the picture.
//
// x is [..., h, w], float32 or float64; y has its shape. Two blurs of one radius, one after another, are smooth.

#include "at/internal.h"
#include "at/ops/own.h"
#include "cpu/box_blur.h"

#include <ATen/ops/empty.h>

#include <memory>

namespace {

using at::Tensor;

Tensor box_blur(const Tensor &x_in, int64_t radius) {
  TORCH_CHECK(x_in.dim() >= 2, "box_blur: x has ", x_in.dim(), " dimensions; [..., h, w] expected");
  TORCH_CHECK(x_in.scalar_type() == at::kFloat || x_in.scalar_type() == at::kDouble, "box_blur: x is ",
              x_in.scalar_type(), "; float32 or float64 expected");
  TORCH_CHECK(radius >= 0, "box_blur: the radius is ", radius, "; at least 0 expected");
  Tensor x = x_in.contiguous(), y = at::empty(x.sizes(), x.options().requires_grad(false));
  const size_t h = size_t(x.size(-2)), w = size_t(x.size(-1)), plane = h * w;
  if (x.numel() == 0) return y;
  void *yp = y.data_ptr();
  const void *xp = x.const_data_ptr();
  const bool real = x.scalar_type() == at::kDouble;
  own_parallel(size_t(x.numel()) / plane, x.numel(), [&](size_t b, size_t e) {
    std::unique_ptr<double, decltype(&free)> sums((double *)at_take(2 * w + 1, sizeof(double)), &free);
    if (real)
      box_blur_f64((double *)yp + b * plane, (const double *)xp + b * plane, e - b, h, w, size_t(radius), sums.get());
    else box_blur_f32((float *)yp + b * plane, (const float *)xp + b * plane, e - b, h, w, size_t(radius), sums.get());
  });
  return y;
}

AGAD_OPERATOR(box_blur, "(Tensor x, int radius) -> Tensor")

} // namespace
