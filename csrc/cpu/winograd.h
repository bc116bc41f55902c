/* winograd.h - convolutions with fewer multiplications, after S. Winograd (arXiv:1509.09308 applies it to networks).
 *
 * Two kinds, between a small side s [n, hs, ws, cs] and a large one l [n, hl, wl, cl], channels last:
 *
 *   taps 3   kernel 3 x 3, stride 1, padding 1: 16 products for 4 pixels of s, in place of 36
 *   taps 2   kernel 4 x 4, stride 2, padding 1: l falls into 4 phases (rows and columns that are even or odd), each
 *            with a kernel of 2 x 2: 9 products for 4 pixels, in place of 16
 *
 * Tiles of 2 x 2 pixels of s are transformed to `positions` numbers a channel, and so are the patches of l that they
 * see, and the kernels; at each position is then one product of matrices.  S and L are chunks of transformed tiles,
 * [positions][tiles][stride], U is a transformed kernel:
 *
 *   down   s from l (a convolution): large_in, products with kernel_down, small_out
 *   up     l from s (its transpose): small_in, products with kernel_up, large_out
 *   dW     small_in and large_in, products, kernel_out
 *
 * In one dimension, with the rows of the transforms as they are applied:
 *
 *   taps 3   l: a0 - a2, a1 + a2, a2 - a1, a1 - a3   kernel: g0, (g0+g1+g2)/2, (g0-g1+g2)/2, g2
 *            s: m0 + m1 + m2, m1 - m2 - m3
 *   taps 2   l: a0 - a1, a1, a2 - a1                 kernel: g0, g0 + g1, g1
 *            s: m0 + m1, m1 + m2
 *
 * Pointers and sizes only: nothing is allocated, no thread is started. What a tile becomes does not depend on the
 * others, nor on how tiles are handed out to threads. */
#ifndef AGAD_CPU_WINOGRAD_H
#define AGAD_CPU_WINOGRAD_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { WINOGRAD_MOST = 2048 }; /* channels */

typedef struct winograd {
  size_t n, cs, hs, ws, cl, hl, wl;
  size_t taps, side, positions; /* side x side = positions */
  size_t phases, depth;         /* numbers of l at a position: phases x cl */
  size_t rows, columns;         /* tiles of a picture */
  size_t s_stride, l_stride;    /* from tile to tile in S and L */
  size_t tap;                   /* from tap to tap of a kernel: cl */
} winograd;

/* A convolution can be computed a few channels at a time, by a copy of its winograd and pointers to the first of them:
 * with fewer cs in all but *_in and *_out of tiles, or with fewer cl (of whole lines) in kernel_in and multiply.
 *
 * `element`: bytes of a number. hs, ws are those of the kind: hl, wl (taps 3) or half of them, rounded down (2). */
winograd winograd_of(size_t taps, size_t n, size_t cs, size_t cl, size_t hl, size_t wl, size_t element);

/* Numbers of a transformed kernel. */
size_t winograd_kernel_size(const winograd *w, int up, size_t element);

typedef struct winograd_kernels {
  /* tiles first..first + count, counted over all pictures; chunk: tiles that S and L have room for */
  void (*small_in)(void *S, const void *s, const winograd *w, size_t first, size_t count, size_t chunk);
  void (*small_out)(void *s, const void *S, const winograd *w, size_t first, size_t count, size_t chunk);
  void (*large_in)(void *L, const void *l, const winograd *w, size_t first, size_t count, size_t chunk);
  void (*large_out)(void *l, const void *L, const winograd *w, size_t first, size_t count, size_t chunk); /* adds */
  /* Rows begin..end of a kernel [cs][kh][kw][cl], begin a multiple of a line; spare: line x positions x depth. */
  void (*kernel_in)(void *U, const void *kernel, void *spare, const winograd *w, int up, size_t begin, size_t end);
  void (*kernel_out)(void *kernel, const void *D, const winograd *w, size_t begin, size_t end);
  /* up: to is L, from is S; else the other way round */
  void (*multiply)(void *to, const void *from, const void *U, const winograd *w, int up, size_t chunk, size_t count);
  /* D[positions][cs][l_stride] (+)= S' L, for lines begin..end of all positions x lines of depth */
  void (*correlate)(void *D, const void *S, const void *L, const winograd *w, size_t chunk, size_t count, size_t begin,
                    size_t end, int add);
} winograd_kernels;

extern const winograd_kernels winograd_f32, winograd_f64;

#ifdef __cplusplus
}
#endif
#endif
