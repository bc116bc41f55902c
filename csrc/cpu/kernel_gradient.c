/* kernel_gradient.c - kernel_gradient.h with AVX512-BF16: a block of dw stays in registers while pairs of s are spread
 * over a register each, and multiplied by those of l, which lie in the first-level cache. */
#include "kernel_gradient.h"

#include <string.h>

/* Rows of a block of 64 and of 32 columns: what the registers hold. */
enum { FEW_ROWS = 6, MOST_ROWS = 8 };

/* The rest and the quotient of a division whose quotient is rounded down. */
static ptrdiff_t rest_of(ptrdiff_t a, ptrdiff_t b) { return (a % b + b) % b; }
static ptrdiff_t quotient(ptrdiff_t a, ptrdiff_t b) { return (a - rest_of(a, b)) / b; }

int kernel_gradient_plan(kernel_gradient *g) {
  if (g->cl % 32 || g->cl > KERNEL_GRADIENT_MOST || g->cs > KERNEL_GRADIENT_MOST || g->ws < 2) return 0;
  if (g->stride[0] < 1 || g->stride[0] > KERNEL_GRADIENT_STRIDE || g->stride[1] < 1) return 0;
  g->columns = g->cl % 64 ? 32 : 64;
  g->rows = g->columns == 64 ? FEW_ROWS : MOST_ROWS;
  g->column_blocks = g->cl / g->columns;
  g->row_blocks = (g->cs + g->rows - 1) / g->rows;
  g->pairs = (g->ws + 1) / 2;
  g->lines = 0;
  for (ptrdiff_t rest = 0; rest < g->stride[0]; rest++) {
    ptrdiff_t first = 0, last = 0, some = 0;
    for (size_t ky = 0; ky < g->kh; ky++) {
      const ptrdiff_t at = (ptrdiff_t)ky - g->padding[0];
      if (rest_of(at, g->stride[0]) != rest) continue;
      last = quotient(at, g->stride[0]);
      if (!some++) first = last;
    }
    g->begin[rest] = g->lines;
    g->first[rest] = first;
    if (some) g->lines += g->hs + (size_t)(last - first);
  }
  g->s_size = g->row_blocks * g->hs * g->pairs * g->rows;
  g->l_size = g->kw * g->column_blocks * g->lines * g->pairs * g->columns;
  return 1;
}

#ifdef __x86_64__

#include <immintrin.h>

#define FOR __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16")))
#define UNROLL _Pragma("GCC unroll 8")

int kernel_gradient_is_fast(void) {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bf16");
}

static const uint16_t zeros[KERNEL_GRADIENT_MOST];

/* to[i] = the pair of a[i] and b[i] */
FOR static inline void pair_up(uint32_t *to, const uint16_t *a, const uint16_t *b, size_t n) {
  for (size_t i = 0; i < n; i++) to[i] = a[i] | (uint32_t)b[i] << 16;
}

/* rows is a constant, so that a block is copied by one or two instructions */
FOR static inline __attribute__((always_inline)) void pack_rows(const kernel_gradient *g, uint32_t *to,
                                                                const uint16_t *s, size_t rows) {
  uint32_t both[KERNEL_GRADIENT_MOST + MOST_ROWS];
  const size_t size = g->hs * g->pairs * rows;
  memset(both + g->cs, 0, sizeof both - g->cs * sizeof *both);
  for (size_t y = 0; y < g->hs; y++)
    for (size_t x = 0; x < g->ws; x += 2, to += rows) {
      const uint16_t *a = s + (y * g->ws + x) * g->cs;
      pair_up(both, a, x + 1 < g->ws ? a + g->cs : zeros, g->cs);
      for (size_t b = 0; b < g->row_blocks; b++) memcpy(to + b * size, both + b * rows, rows * sizeof *to);
    }
}

/* [row block][pixel pair][row] */
FOR void kernel_gradient_pack_s(const kernel_gradient *g, uint32_t *to, const uint16_t *s) {
  if (g->rows == MOST_ROWS) pack_rows(g, to, s, MOST_ROWS);
  else pack_rows(g, to, s, FEW_ROWS);
}

/* [kx][column block][line][pair][column] */
FOR void kernel_gradient_pack_l(const kernel_gradient *g, uint32_t *to, const uint16_t *l) {
  const size_t line = g->pairs * g->columns, block = g->lines * line;
  for (size_t kx = 0; kx < g->kw; kx++, to += g->column_blocks * block)
    for (ptrdiff_t rest = 0; rest < g->stride[0]; rest++) {
      const size_t end = rest + 1 < g->stride[0] ? g->begin[rest + 1] : g->lines;
      for (size_t r = g->begin[rest]; r < end; r++) {
        const ptrdiff_t y = ((ptrdiff_t)(r - g->begin[rest]) + g->first[rest]) * g->stride[0] + rest;
        for (size_t pair = 0; pair < g->pairs; pair++) {
          const ptrdiff_t x = 2 * (ptrdiff_t)pair * g->stride[1] - g->padding[1] + (ptrdiff_t)kx,
                          next = x + g->stride[1];
          const int inside = y >= 0 && y < (ptrdiff_t)g->hl;
          const int one = inside && x >= 0 && x < (ptrdiff_t)g->wl;
          const int other = inside && next >= 0 && next < (ptrdiff_t)g->wl && 2 * pair + 1 < g->ws;
          const uint16_t *a = one ? l + ((size_t)y * g->wl + (size_t)x) * g->cl : zeros;
          const uint16_t *b = other ? l + ((size_t)y * g->wl + (size_t)next) * g->cl : zeros;
          for (size_t c = 0; c < g->column_blocks; c++)
            pair_up(to + c * block + r * line + pair * g->columns, a + c * g->columns, b + c * g->columns, g->columns);
        }
      }
    }
}

/* rows and registers are constants: all loops over them are unrolled, and sum lies in registers. */
FOR static inline __attribute__((always_inline)) void block(int rows, int registers, float *dw, size_t row,
                                                            const uint32_t *s, size_t s_size, const uint32_t *l,
                                                            size_t l_size, size_t n, size_t depth) {
  __m512 sum[MOST_ROWS][4];
  UNROLL for (int i = 0; i < rows; i++) UNROLL for (int k = 0; k < registers; k++) sum[i][k] =
      _mm512_loadu_ps(dw + (size_t)i * row + 16 * k);
  for (; n > 0; n--, s += s_size, l += l_size) {
    const uint32_t *a = s, *b = l;
    for (size_t t = 0; t < depth; t++, a += rows, b += 16 * registers) {
      __m512bh by[4];
      UNROLL for (int k = 0; k < registers; k++) by[k] = (__m512bh)_mm512_loadu_si512(b + 16 * k);
      UNROLL for (int i = 0; i < rows; i++) {
        const __m512bh spread = (__m512bh)_mm512_set1_epi32((int)a[i]);
        UNROLL for (int k = 0; k < registers; k++) sum[i][k] = _mm512_dpbf16_ps(sum[i][k], spread, by[k]);
      }
    }
  }
  UNROLL for (int i = 0; i < rows; i++) UNROLL for (int k = 0; k < registers; k++)
      _mm512_storeu_ps(dw + (size_t)i * row + 16 * k, sum[i][k]);
}

enum { DEPTH = 128 }; /* pairs whose numbers of l fill much of the first-level cache */

FOR void kernel_gradient_add(const kernel_gradient *g, float *dw, const uint32_t *s, const uint32_t *l, size_t n,
                             size_t ky, size_t kx, size_t column_block, size_t row_block, size_t row_blocks) {
  const ptrdiff_t at = (ptrdiff_t)ky - g->padding[0], rest = rest_of(at, g->stride[0]);
  const size_t line = g->begin[rest] + (size_t)(quotient(at, g->stride[0]) - g->first[rest]);
  const size_t all = g->hs * g->pairs, most = all < DEPTH ? all : DEPTH, group = all < DEPTH ? DEPTH / all : 1;
  const size_t row = g->kh * g->kw * g->cl;
  dw += (ky * g->kw + kx) * g->cl + column_block * g->columns;
  l += ((kx * g->column_blocks + column_block) * g->lines + line) * g->pairs * g->columns;
  for (size_t from = 0; from < n; from += group)
    for (size_t t = 0; t < all; t += most) {
      const size_t pictures = n - from < group ? n - from : group, depth = all - t < most ? all - t : most;
      for (size_t b = row_block; b < row_block + row_blocks; b++) {
        float *to = dw + b * g->rows * row;
        const uint32_t *a = s + from * g->s_size + (b * all + t) * g->rows;
        const uint32_t *of = l + from * g->l_size + t * g->columns;
        if (g->columns == 64) block(FEW_ROWS, 4, to, row, a, g->s_size, of, g->l_size, pictures, depth);
        else block(MOST_ROWS, 2, to, row, a, g->s_size, of, g->l_size, pictures, depth);
      }
    }
}

#else

int kernel_gradient_is_fast(void) { return 0; }
void kernel_gradient_pack_s(const kernel_gradient *g, uint32_t *to, const uint16_t *s) { (void)g, (void)to, (void)s; }
void kernel_gradient_pack_l(const kernel_gradient *g, uint32_t *to, const uint16_t *l) { (void)g, (void)to, (void)l; }
void kernel_gradient_add(const kernel_gradient *g, float *dw, const uint32_t *s, const uint32_t *l, size_t n, size_t ky,
                         size_t kx, size_t column_block, size_t row_block, size_t row_blocks) {
  (void)g, (void)dw, (void)s, (void)l, (void)n, (void)ky, (void)kx, (void)column_block, (void)row_block,
      (void)row_blocks;
}

#endif
