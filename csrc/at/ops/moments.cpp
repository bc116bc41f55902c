// moments.cpp - agad::moments: mean and standard deviation of each channel over the pixels of its picture.
//
// x is [n, C, h, w], float32 or float64; y is [n, 2 C]: the means, then the deviations (of all pixels, not of a sample).

#include "at/internal.h"
#include "at/ops/own.h"
#include "cpu/bn_act.h"

#include <ATen/ops/empty.h>

#include <cmath>
#include <memory>

namespace {

using at::Tensor;

struct scratch {
  std::unique_ptr<double, decltype(&free)> sums;
  std::unique_ptr<void, decltype(&free)> shift;

  scratch(const bn_act_shape &s, size_t element)
      : sums((double *)at_take(2 * s.chunks * s.C, sizeof(double)), &free), shift(at_take(s.C, element), &free) {}
};

/* One picture: y[2 C]. */
template <class T>
void moments_of(T *y, const T *x, const bn_act_kernels &kernels, const bn_act_shape &s, scratch &room) {
  T *k = (T *)room.shift.get();
  double *s1 = room.sums.get(), *s2 = s1 + s.chunks * s.C, n = double(s.outer * s.inner);
  kernels.shift(k, x, &s);
  kernels.moments(s1, s2, x, k, &s, 0, s.strips);
  for (size_t c = 0; c < s.C; c++) {
    double sum = 0, squares = 0;
    for (size_t i = 0; i < s.chunks; i++) sum += s1[i * s.C + c], squares += s2[i * s.C + c];
    double mean = sum / n, variance = squares / n - mean * mean;
    y[c] = T(double(k[c]) + mean);
    y[s.C + c] = T(std::sqrt(variance < 0 ? 0 : variance)); /* NaN stays */
  }
}

Tensor moments(const Tensor &x_in) {
  TORCH_CHECK(x_in.dim() == 4, "moments: x has ", x_in.dim(), " dimensions; [n, C, h, w] expected");
  TORCH_CHECK(x_in.scalar_type() == at::kFloat || x_in.scalar_type() == at::kDouble, "moments: x is ",
              x_in.scalar_type(), "; float32 or float64 expected");
  TORCH_CHECK(x_in.size(2) > 0 && x_in.size(3) > 0, "moments: x has no pixels; its shape is ", x_in.sizes());
  const bool last = x_in.is_contiguous(at::MemoryFormat::ChannelsLast);
  const Tensor x = last ? x_in : x_in.contiguous();
  const size_t n = size_t(x.size(0)), channels = size_t(x.size(1)), pixels = size_t(x.size(2) * x.size(3));
  Tensor y = at::empty({x.size(0), 2 * x.size(1)},
                       x.options().requires_grad(false).memory_format(at::MemoryFormat::Contiguous));
  if (x.numel() == 0) return y;
  const bn_act_shape s = last ? bn_act_cut(pixels, channels, 1) : bn_act_cut(1, channels, pixels);
  const size_t picture = channels * pixels;
  const bool real = x.scalar_type() == at::kDouble;
  void *yp = y.data_ptr();
  const void *xp = x.const_data_ptr();
  own_parallel(n, x.numel(), [&](size_t b, size_t e) {
    scratch room(s, real ? sizeof(double) : sizeof(float));
    for (size_t i = b; i < e; i++)
      if (real) moments_of((double *)yp + i * 2 * channels, (const double *)xp + i * picture, bn_act_f64, s, room);
      else moments_of((float *)yp + i * 2 * channels, (const float *)xp + i * picture, bn_act_f32, s, room);
  });
  return y;
}

AGAD_OPERATOR(moments, "(Tensor x) -> Tensor")

} // namespace
