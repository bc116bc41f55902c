/* kernel_gradient.h - the gradient of a convolution's kernel, of numbers of bf16, added in float32.
 *
 * Between a small side s [n, hs, ws, cs] and a large one l [n, hl, wl, cl], channels last, it is for each tap of the kernel
 * a product of matrices whose sums run over all pixels of s:
 *
 *   dw[i][ky][kx][j] = sum of s[y][x][i] * l[y * stride - padding + ky][x * stride - padding + kx][j]
 *
 * The processor (AVX512-BF16) multiplies pairs, two neighbours x and x + 1 here. So a picture is packed first: s as pairs
 * in blocks of some channels, l as pairs for each kx, in blocks of channels too, with rows in the order in which the sums
 * meet them, and with zeros beyond the edge. A result is one sum in the pictures' order, whoever adds which part of it.
 *
 * Pointers and sizes only: nothing is allocated, no thread is started. */
#ifndef AGAD_CPU_KERNEL_GRADIENT_H
#define AGAD_CPU_KERNEL_GRADIENT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { KERNEL_GRADIENT_MOST = 2048, KERNEL_GRADIENT_STRIDE = 4 }; /* channels; stride */

typedef struct kernel_gradient {
  size_t cs, hs, ws, cl, hl, wl, kh, kw;
  ptrdiff_t stride[2], padding[2];
  size_t rows, columns;                    /* channels of s, and of l, in a block */
  size_t row_blocks, column_blocks;        /* how many blocks */
  size_t pairs;                            /* of a row of s */
  size_t lines;                            /* packed rows of l, for each kx and block */
  size_t begin[KERNEL_GRADIENT_STRIDE];    /* the first one of those with the same rest */
  ptrdiff_t first[KERNEL_GRADIENT_STRIDE]; /* the row of l that it is, divided by the stride */
  size_t s_size, l_size;                   /* numbers of 32 bits of a packed picture */
} kernel_gradient;

int kernel_gradient_is_fast(
    void); /* whether the processor has the instructions; without them nothing here may be called */

/* Fills in the blocks of one whose shape, stride and padding are set; 0: it cannot be computed in this way. */
int kernel_gradient_plan(kernel_gradient *g);

/* One picture. */
void kernel_gradient_pack_s(const kernel_gradient *g, uint32_t *to, const uint16_t *s);
void kernel_gradient_pack_l(const kernel_gradient *g, uint32_t *to, const uint16_t *l);

/* Adds n packed pictures to dw [row_blocks * rows][kh][kw][cl]: the tap ky, kx, a block of columns, and some row blocks. */
void kernel_gradient_add(const kernel_gradient *g, float *dw, const uint32_t *s, const uint32_t *l, size_t n, size_t ky,
                         size_t kx, size_t column_block, size_t row_block, size_t row_blocks);

#ifdef __cplusplus
}
#endif
#endif
