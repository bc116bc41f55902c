/* conv_fixed.h: convolutions whose kernel stays as it is: it is kept as the products read it, and what follows a
 * convolution (batch norm with running statistics, bias, activation) is done to its pixels while they are in the cache.
 * All is float32.
 */
#ifndef AGAD_AT_CONV_FIXED_H
#define AGAD_AT_CONV_FIXED_H

#include "conv.h"
#include "cpu/bn_act.h"

/* y = act((y - mean) * scale + shift), act(v) = v > 0 ? v : slope * v; vectors of one number a channel. */
struct conv_finish {
  at::Tensor mean, scale, shift;
  double slope = 1;
  void pixels(const at::Tensor &y, size_t first, size_t count) const; /* of a channels_last tensor */
  void rows(float *y, size_t count) const;
};

/* A thread's share is at least so many multiplications: fewer take less time than it takes to wake it. */
constexpr int64_t kWorth = 1 << 23;
inline int64_t conv_grain(int64_t multiplications) { return std::max<int64_t>(1, kWorth / multiplications); }

/* conv_winograd::down and up in two parts; `finish` may be NULL. */
at::Tensor winograd_kernel(const conv_shape &g, const at::Tensor &w, bool up);
at::Tensor winograd_down(const conv_shape &g, const at::Tensor &l, const at::Tensor &u, const conv_finish *finish);
at::Tensor winograd_up(const conv_shape &g, const at::Tensor &s, const at::Tensor &u, const conv_finish *finish);

#endif
