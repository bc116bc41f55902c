/* max_pool.h - the largest of each 2 x 2 window of pixels, and its gradient, where the channels of a pixel lie together.
 *
 * x [rows][columns][C], y and dy [rows / 2][columns / 2][C], rounded down; a last odd row or column of x is in no window.
 * Of equal numbers the first counts, row by row; of NaNs the last, as in PyTorch. Pointers and sizes only; nothing is
 * allocated and no thread is started. */
#ifndef AGAD_CPU_MAX_POOL_H
#define AGAD_CPU_MAX_POOL_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  void (*forward)(void *y, const void *x, size_t columns, size_t C);                   /* two rows of x, one of y */
  void (*backward)(void *dx, const void *dy, const void *x, size_t columns, size_t C); /* likewise; writes all of dx */
} max_pool_kernels;

extern const max_pool_kernels max_pool_f32, max_pool_bf16; /* bf16: uint16_t numbers */

#ifdef __cplusplus
}
#endif
#endif
