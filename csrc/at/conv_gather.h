/* conv_gather.h: the rows of a convolution: what its kernel sees of the large side at each pixel of the small one, as a
 * matrix. A row is copied in kh runs. */
#ifndef AGAD_AT_CONV_GATHER_H
#define AGAD_AT_CONV_GATHER_H

#include "conv.h"

#include <ATen/Parallel.h>

#include <cstring>

/* Pictures whose rows fill a buffer of some megabytes. */
inline int64_t conv_at_once(const conv_shape &g) {
  return std::max<int64_t>(1, std::min(g.n, (int64_t)(1 << 21) / (g.pixels() * g.row())));
}

/* f(place in the rows, place in the picture, numbers) for each run of one picture; a place of -1: zeros. */
template <class F> void conv_each_run(const conv_shape &g, F &&f) {
  int64_t at = 0;
  for (int64_t i = 0; i < g.hs; i++)
    for (int64_t j = 0; j < g.ws; j++)
      for (int64_t k = 0; k < g.kh; k++, at += g.kw * g.cl) {
        const int64_t y = i * g.stride[0] - g.padding[0] + k, x = j * g.stride[1] - g.padding[1];
        const int64_t first = std::max<int64_t>(0, -x), last = std::min(g.kw, g.wl - x);
        if (y < 0 || y >= g.hl || first >= last) {
          f(at, (int64_t)-1, g.kw * g.cl);
          continue;
        }
        if (first > 0) f(at, (int64_t)-1, first * g.cl);
        f(at + first * g.cl, (y * g.wl + x + first) * g.cl, (last - first) * g.cl);
        if (last < g.kw) f(at + last * g.cl, (int64_t)-1, (g.kw - last) * g.cl);
      }
}

template <class T> void conv_gather(const conv_shape &g, const T *l, T *rows, int64_t count) {
  at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const T *from = l + i * g.hl * g.wl * g.cl;
      T *to = rows + i * g.pixels() * g.row();
      conv_each_run(g, [&](int64_t row, int64_t picture, int64_t n) {
        if (picture < 0) std::memset(to + row, 0, sizeof(T) * (size_t)n);
        else std::memcpy(to + row, from + picture, sizeof(T) * (size_t)n);
      });
    }
  });
}

/* A channels_last tensor as the matrix that it is in memory: [N x pixels, channels]; a kernel's [cs, kh x kw x cl]. */
inline at::Tensor conv_pixels(const at::Tensor &t) { return t.permute({0, 2, 3, 1}).reshape({-1, t.size(1)}); }
inline at::Tensor conv_matrix(const at::Tensor &w) {
  return w.contiguous(kLast).permute({0, 2, 3, 1}).reshape({w.size(0), -1});
}

/* f(rows of some pictures' matrix, first row, how many) */
template <class F> void conv_each_chunk(const conv_shape &g, F &&f) {
  const int64_t step = conv_at_once(g);
  for (int64_t first = 0; first < g.n; first += step) f(first, std::min(step, g.n - first));
}

#endif
