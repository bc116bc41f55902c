/* max_pool.cpp: the largest of each window of pixels, and its gradient.  Windows of 2 x 2 pixels, side by side, of
 * channels_last float32 or bf16 on the CPU are kernels of our own, to the bit as libtorch's, which keep no places. */
#include "internal.h"

#include "at/ops/own.h"
#include "cpu/max_pool.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/max_pool2d_with_indices.h>
#include <ATen/ops/max_pool2d_with_indices_backward.h>

using at::Tensor;

namespace {

constexpr auto kLast = at::MemoryFormat::ChannelsLast;

/* The kernels for x; NULL where libtorch's are taken. */
const max_pool_kernels *kernels_for(const Tensor &x, const int64_t kernel[2], const int64_t stride[2]) {
  for (int i = 0; i < 2; i++)
    if (kernel[i] != 2 || stride[i] != 2) return nullptr;
  if (at_plain() || !x.is_cpu() || x.dim() != 4 || !x.is_contiguous(kLast) || x.numel() == 0) return nullptr;
  if (x.size(2) < 2 || x.size(3) < 2 || (x.requires_grad() && at::GradMode::is_enabled())) return nullptr;
  return x.scalar_type() == at::kFloat ? &max_pool_f32 : x.scalar_type() == at::kBFloat16 ? &max_pool_bf16 : nullptr;
}

/* Runs body(memory of x, memory of y) for each row of y: two rows of x. */
template <class Body> void each_row(const Tensor &x, const Body &body) {
  const size_t h = (size_t)x.size(2), line = (size_t)(x.size(3) * x.size(1)), bytes = x.element_size();
  const size_t rows = h / 2, line_y = (size_t)(x.size(3) / 2 * x.size(1));
  own_parallel((size_t)x.size(0) * rows, x.numel(), [&](size_t begin, size_t end) {
    for (size_t r = begin; r < end; r++) body((r / rows * h + r % rows * 2) * line * bytes, r * line_y * bytes);
  });
}

std::tuple<Tensor, Tensor> with_places(const Tensor &x, const int64_t kernel[2], const int64_t stride[2]) {
  return at::max_pool2d_with_indices(x, at::IntArrayRef(kernel, 2), at::IntArrayRef(stride, 2), {0, 0}, {1, 1}, false);
}

} // namespace

at_tensor *at_max_pool(const at_tensor *x_, const int64_t kernel[2], const int64_t stride[2]) {
  return at_make([&] {
    const Tensor &x = at_unwrap(x_);
    const max_pool_kernels *k = kernels_for(x, kernel, stride);
    if (!k) return std::get<0>(with_places(x, kernel, stride));
    Tensor y = at::empty({x.size(0), x.size(1), x.size(2) / 2, x.size(3) / 2}, x.options().memory_format(kLast));
    const char *from = (const char *)x.const_data_ptr();
    char *to = (char *)y.data_ptr();
    each_row(x, [&](size_t in, size_t out) { k->forward(to + out, from + in, (size_t)x.size(3), (size_t)x.size(1)); });
    return y;
  });
}

at_tensor *at_max_pool_backward(const at_tensor *dy_, const at_tensor *x_, const int64_t kernel[2],
                                const int64_t stride[2]) {
  return at_make([&] {
    const Tensor &x = at_unwrap(x_);
    Tensor dy = at_unwrap(dy_);
    const max_pool_kernels *k = kernels_for(x, kernel, stride);
    if (!k || dy.scalar_type() != x.scalar_type())
      return at::max_pool2d_with_indices_backward(dy, x, at::IntArrayRef(kernel, 2), at::IntArrayRef(stride, 2), {0, 0},
                                                  {1, 1}, false, std::get<1>(with_places(x, kernel, stride)));
    dy = at_channels_last(dy);
    Tensor dx = at::empty_like(x);
    if (x.size(2) % 2) dx.select(2, x.size(2) - 1).zero_();
    const char *from = (const char *)x.const_data_ptr(), *grad = (const char *)dy.const_data_ptr();
    char *to = (char *)dx.data_ptr();
    each_row(x, [&](size_t in, size_t out) {
      k->backward(to + in, grad + out, from + in, (size_t)x.size(3), (size_t)x.size(1));
    });
    return dx;
  });
}
