/* moments.cpp: agad::moments on the GPU, by libtorch's own reductions.
 *
 * The schema is declared by core.so (csrc/at/ops/moments.cpp).
 */
#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/var_mean.h>
#include <torch/library.h>

namespace {

using at::Tensor;

Tensor moments(const Tensor &x) {
  TORCH_CHECK(x.dim() == 4, "moments: x has ", x.dim(), " dimensions; [n, C, h, w] expected");
  TORCH_CHECK(x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble, "moments: x is ", x.scalar_type(),
              "; float32 or float64 expected");
  TORCH_CHECK(x.size(2) > 0 && x.size(3) > 0, "moments: x has no pixels; its shape is ", x.sizes());
  auto [variance, mean] = at::var_mean(x, at::IntArrayRef{2, 3}, 0.0);
  return at::cat({mean, variance.sqrt()}, 1);
}

TORCH_LIBRARY_IMPL(agad, CUDA, m) { m.impl("moments", &moments); }

} // namespace
