/* box_blur.cpp: agad::box_blur on the GPU: libtorch's average pooling along the columns, then along the rows.
 *
 * The schema is declared by core.so (csrc/at/ops/box_blur.cpp).
 */
#include <ATen/core/Tensor.h>
#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/empty_like.h>
#include <torch/library.h>

namespace {

using at::Tensor;

Tensor box_blur(const Tensor &x, int64_t radius) {
  TORCH_CHECK(x.dim() >= 2, "box_blur: x has ", x.dim(), " dimensions; [..., h, w] expected");
  TORCH_CHECK(x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble, "box_blur: x is ", x.scalar_type(),
              "; float32 or float64 expected");
  TORCH_CHECK(radius >= 0, "box_blur: the radius is ", radius, "; at least 0 expected");
  const int64_t h = x.size(-2), w = x.size(-1), side = 2 * radius + 1;
  if (x.numel() == 0) return at::empty_like(x);
  Tensor planes = x.reshape({x.numel() / (h * w), 1, h, w});
  Tensor columns = at::avg_pool2d(planes, {side, 1}, {1, 1}, {radius, 0}, false, false);
  return at::avg_pool2d(columns, {1, side}, {1, 1}, {0, radius}, false, false).reshape(x.sizes());
}

TORCH_LIBRARY_IMPL(agad, CUDA, m) { m.impl("box_blur", &box_blur); }

} // namespace
