#include "cpu/box_blur.h"

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* How many of n pixels the window around pixel i has. */
static size_t window(size_t i, size_t n, size_t radius) {
  return least(i + radius + 1, n) - (i > radius ? i - radius : 0);
}

/* Of one plane: sums[0..w] holds the sums of the columns of the rows around row i; before[j] those of the first j
 * columns, whose differences are the windows'. */
#define BOX_BLUR(NAME, T)                                                                                     \
  static void NAME##_row(T *y, size_t w, size_t radius, const double *sums, double *before, double rows) {    \
    const size_t full = 2 * radius + 1, end = w > radius ? w - radius : 0;                                    \
    const double share = 1 / (rows * (double)full);                                                           \
    before[0] = 0;                                                                                            \
    for (size_t j = 0; j < w; j++) before[j + 1] = before[j] + sums[j];                                       \
    for (size_t j = radius; j < end; j++) y[j] = (T)((before[j + radius + 1] - before[j - radius]) * share);  \
    for (size_t j = 0; j < w; j++) {                                                                          \
      if (j == radius && j < end) j = end;                                                                    \
      if (j == w) break;                                                                                      \
      size_t first = j > radius ? j - radius : 0;                                                             \
      y[j] = (T)((before[least(j + radius + 1, w)] - before[first]) / (rows * (double)window(j, w, radius))); \
    }                                                                                                         \
  }                                                                                                           \
  static void NAME##_plane(T *y, const T *x, size_t h, size_t w, size_t radius, double *sums) {               \
    for (size_t j = 0; j < w; j++) sums[j] = 0;                                                               \
    for (size_t i = 0; i < least(radius, h); i++)                                                             \
      for (size_t j = 0; j < w; j++) sums[j] += (double)x[i * w + j];                                         \
    for (size_t i = 0; i < h; i++) {                                                                          \
      const T *in = i + radius < h ? x + (i + radius) * w : NULL;                                             \
      const T *out = i > radius ? x + (i - radius - 1) * w : NULL;                                            \
      for (size_t j = 0; in && j < w; j++) sums[j] += (double)in[j];                                          \
      for (size_t j = 0; out && j < w; j++) sums[j] -= (double)out[j];                                        \
      NAME##_row(y + i * w, w, radius, sums, sums + w, (double)window(i, h, radius));                         \
    }                                                                                                         \
  }                                                                                                           \
  void NAME(T *y, const T *x, size_t planes, size_t h, size_t w, size_t radius, double *sums) {               \
    for (size_t p = 0; p < planes; p++) NAME##_plane(y + p * h * w, x + p * h * w, h, w, radius, sums);       \
  }

BOX_BLUR(box_blur_f32, float)
BOX_BLUR(box_blur_f64, double)
