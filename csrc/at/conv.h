/* conv.h: the ways in which conv.cpp computes a convolution.
 *
 * A convolution and the transposed one with the same kernel are one thing in two directions, between a small side
 * s [N, cs, hs, ws] and a large one l [N, cl, hl, wl], by w [cs, cl, kh, kw]:
 *
 *   down   l to s: a convolution; a transposed one's gradient of its input
 *   up     s to l: a transposed convolution; a convolution's gradient of its input
 *   dw     the kernel's gradient, from both sides
 *
 * All is channels_last and of one dtype.
 */
#ifndef AGAD_AT_CONV_H
#define AGAD_AT_CONV_H

#include "internal.h"

#include <functional>
#include <string>

struct conv_shape {
  const int64_t *stride, *padding;
  int64_t n, cs, hs, ws, cl, hl, wl, kh, kw;

  conv_shape(at::IntArrayRef s, at::IntArrayRef l, const at::Tensor &w, const int64_t *by, const int64_t *around)
      : stride(by), padding(around), n(s[0]), cs(s[1]), hs(s[2]), ws(s[3]), cl(l[1]), hl(l[2]), wl(l[3]), kh(w.size(2)),
        kw(w.size(3)) {}
  int64_t pixels() const { return hs * ws; }
  int64_t row() const { return kh * kw * cl; } /* numbers of l that one pixel of s sees */
};

constexpr auto kLast = at::MemoryFormat::ChannelsLast;

/* One product of matrices of float32 or float64, of rows that hold what the kernel sees at each pixel of s: by the library of at::mm (MKL) or,
 * in float32 and where conv_onednn(), by oneDNN, which is the faster one on some processors. */
template <bool kOneDnn> struct conv_rows {
  static at::Tensor down(const conv_shape &g, const at::Tensor &l, const at::Tensor &w);
  static at::Tensor up(const conv_shape &g, const at::Tensor &s, const at::Tensor &w);
  static at::Tensor dw(const conv_shape &g, const at::Tensor &s, const at::Tensor &l);
};

/* The same in bf16. */
struct conv_bf16 {
  static at::Tensor down(const conv_shape &g, const at::Tensor &l, const at::Tensor &w, const at::Tensor &bias);
  static at::Tensor up(const conv_shape &g, const at::Tensor &s, const at::Tensor &w, const at::Tensor &bias);
  static at::Tensor dw(const conv_shape &g, const at::Tensor &s, const at::Tensor &l);
};

/* Another dw of bf16: cpu/kernel_gradient.h, where the processor and the shape allow it. */
bool conv_pairs_takes(const conv_shape &g);
at::Tensor conv_pairs_dw(const conv_shape &g, const at::Tensor &s, const at::Tensor &l);

bool conv_onednn();
bool conv_alike(); /* at_rows_alike is on */

/* Products of transformed tiles (cpu/winograd.h); each picture's result is its own, whatever else is in the batch. */
struct conv_winograd {
  static bool takes(const conv_shape &g); /* the kernel is one that it knows, and the processor one that it is for */
  static at::Tensor down(const conv_shape &g, const at::Tensor &l, const at::Tensor &w);
  static at::Tensor up(const conv_shape &g, const at::Tensor &s, const at::Tensor &w);
  static at::Tensor dw(const conv_shape &g, const at::Tensor &s, const at::Tensor &l);
};

/* The ways: libtorch's (oneDNN), the ones above (rows: conv_rows or, in bf16, conv_bf16), and those of float32 for tensors
 * of bf16, with the result rounded. */
enum class conv_way {
  library,
  rows,
  onednn_rows,
  winograd,
  pairs,
  wide_library,
  wide_rows,
  wide_onednn_rows,
  wide_winograd
};
constexpr int kConvWays = 9;

/* The way of a convolution, one of those given: that which the current at_choices name, or else the fastest of the first
 * `fast` ones, measured; without choices the first. `run` computes it. */
conv_way conv_choose(const std::function<std::string()> &describe, const conv_way *ways, int n, int fast,
                     const std::function<void(conv_way)> &run);

#endif
