/* winograd.c - the kernels behind winograd.h, written once for two element types.
 *
 * The file includes itself once a type, with T (element) and F set. A transform is a function of one dimension, that
 * BOTH applies to columns and then to rows; pixels beyond the edge are read from zeros and written to a waste buffer.
 * The loops over channels are plain C that gcc vectorises (build with -O3), cloned as in bn_act.c. */
#ifndef T

#include "winograd.h"

#include "base/clones.h"
#include "product.h"

#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 6")
#define EACH_CHANNEL _Pragma("GCC ivdep") for (size_t c = 0; c < w->cl; c++)

enum { DEEPEST = 256 }; /* rows of b in one product: they stay in the first-level cache */

static const _Alignas(PRODUCT_LINE) char zeros[WINOGRAD_MOST * sizeof(double)];

static size_t up_to(size_t n, size_t multiple) { return (n + multiple - 1) / multiple * multiple; }
static size_t min_size(size_t a, size_t b) { return a < b ? a : b; }

/* An odd number of lines, so that rows do not meet in one set of the cache. */
static size_t stride_of(size_t numbers, size_t line) { return (up_to(numbers, line) / line | 1) * line; }

winograd winograd_of(size_t taps, size_t n, size_t cs, size_t cl, size_t hl, size_t wl, size_t element) {
  winograd w = {.n = n, .cs = cs, .cl = cl, .hl = hl, .wl = wl, .taps = taps};
  const size_t step = taps == 2 ? 2 : 1, line = PRODUCT_LINE / element;
  w.hs = hl / step, w.ws = wl / step;
  w.side = taps + 1, w.positions = w.side * w.side;
  w.phases = step * step, w.depth = w.phases * cl;
  w.rows = (w.hs + 1) / 2, w.columns = (w.ws + 1) / 2;
  w.s_stride = stride_of(cs, line), w.l_stride = stride_of(w.depth, line), w.tap = cl;
  return w;
}

size_t winograd_kernel_size(const winograd *w, int up, size_t element) {
  const size_t line = PRODUCT_LINE / element;
  return w->positions * (up ? up_to(w->depth, line) * w->cs : up_to(w->cs, line) * w->depth);
}

/* f(to, from) of `in` numbers to `out`, for each column and then for each row of x[in][in], to y[out][out]. */
#define BOTH(f, y, out, x, in)                                      \
  do {                                                              \
    T half[out][in];                                                \
    UNROLL for (int j = 0; j < in; j++) {                           \
      T column[in], changed[out];                                   \
      UNROLL for (int i = 0; i < in; i++) column[i] = x[i][j];      \
      f(changed, column);                                           \
      UNROLL for (int i = 0; i < out; i++) half[i][j] = changed[i]; \
    }                                                               \
    UNROLL for (int i = 0; i < out; i++) f(y[i], half[i]);          \
  } while (0)

/* The tile with number `at`: its picture, and its first pixel on the small side. */
typedef struct tile {
  size_t picture, y, x;
} tile;

static inline tile tile_at(const winograd *w, size_t at) {
  const size_t of_picture = w->rows * w->columns, in = at % of_picture;
  return (tile){at / of_picture, in / w->columns * 2, in % w->columns * 2};
}

#define T float
#define F(name) name##_f32
#define PRODUCT product_f32
#include "winograd.c"

#define T double
#define F(name) name##_f64
#define PRODUCT product_f64
#include "winograd.c"

#else /* ---- one element type ---- */

enum { F(line) = PRODUCT_LINE / sizeof(T) };

/* ---- one dimension ---- */

INLINE void F(large3)(T *to, const T *a) {
  to[0] = a[0] - a[2], to[1] = a[1] + a[2], to[2] = a[2] - a[1], to[3] = a[1] - a[3];
}
INLINE void F(large3_back)(T *a, const T *of) {
  a[0] = of[0], a[1] = of[1] - of[2] + of[3], a[2] = of[1] + of[2] - of[0], a[3] = -of[3];
}
INLINE void F(small3)(T *y, const T *m) { y[0] = m[0] + m[1] + m[2], y[1] = m[1] - m[2] - m[3]; }
INLINE void F(small3_back)(T *m, const T *y) { m[0] = y[0], m[1] = y[0] + y[1], m[2] = y[0] - y[1], m[3] = -y[1]; }
INLINE void F(kernel3)(T *u, const T *g) {
  const T half = (g[0] + g[2]) * (T).5, middle = g[1] * (T).5;
  u[0] = g[0], u[1] = half + middle, u[2] = half - middle, u[3] = g[2];
}
INLINE void F(kernel3_back)(T *g, const T *u) {
  const T half = (u[1] + u[2]) * (T).5;
  g[0] = u[0] + half, g[1] = (u[1] - u[2]) * (T).5, g[2] = half + u[3];
}

INLINE void F(large2)(T *to, const T *a) { to[0] = a[0] - a[1], to[1] = a[1], to[2] = a[2] - a[1]; }
INLINE void F(large2_back)(T *a, const T *of) { a[0] = of[0], a[1] = of[1] - of[0] - of[2], a[2] = of[2]; }
INLINE void F(small2)(T *y, const T *m) { y[0] = m[0] + m[1], y[1] = m[1] + m[2]; }
INLINE void F(small2_back)(T *m, const T *y) { m[0] = y[0], m[1] = y[0] + y[1], m[2] = y[1]; }
INLINE void F(kernel2)(T *u, const T *g) { u[0] = g[0], u[1] = g[0] + g[1], u[2] = g[1]; }
INLINE void F(kernel2_back)(T *g, const T *u) { g[0] = u[0] + u[1], g[1] = u[1] + u[2]; }

/* ---- tiles ---- */

/* Where the patch of a tile lies: (2 + taps - 1) x step pixels a side from `first`, which may lie beyond the edge. */
#define PATCH(type, SIDE, STEP, beyond)                                                                    \
  type *at[SIDE * STEP][SIDE * STEP];                                                                      \
  const tile here = tile_at(w, first + t);                                                                 \
  for (size_t i = 0; i < SIDE * STEP; i++)                                                                 \
    for (size_t j = 0; j < SIDE * STEP; j++) {                                                             \
      const size_t y = here.y * STEP + i - 1, x = here.x * STEP + j - 1; /* -1 is larger than any side */  \
      at[i][j] = y < w->hl && x < w->wl ? l + ((here.picture * w->hl + y) * w->wl + x) * w->cl : (beyond); \
    }

#define LARGE_IN(TAPS, SIDE, STEP)                                                                                \
  CLONES static void F(large_in##TAPS)(T *restrict to, const T *l, const winograd *w, size_t first, size_t count, \
                                       size_t chunk) {                                                            \
    for (size_t t = 0; t < count; t++) {                                                                          \
      PATCH(const T, SIDE, STEP, (const T *)zeros)                                                                \
      for (size_t phase = 0; phase < STEP * STEP; phase++) {                                                      \
        T *restrict out = to + t * w->l_stride + phase * w->cl;                                                   \
        const T *of[SIDE][SIDE];                                                                                  \
        for (size_t i = 0; i < SIDE; i++)                                                                         \
          for (size_t j = 0; j < SIDE; j++) of[i][j] = at[i * STEP + phase / STEP][j * STEP + phase % STEP];      \
        EACH_CHANNEL {                                                                                            \
          T a[SIDE][SIDE], v[SIDE][SIDE];                                                                         \
          UNROLL for (int i = 0; i < SIDE; i++) UNROLL for (int j = 0; j < SIDE; j++) a[i][j] = of[i][j][c];      \
          BOTH(F(large##TAPS), v, SIDE, a, SIDE);                                                                 \
          UNROLL for (int i = 0; i < SIDE; i++) UNROLL for (int j = 0; j < SIDE; j++)                             \
              out[(size_t)(i * SIDE + j) * chunk * w->l_stride + c] = v[i][j];                                    \
        }                                                                                                         \
      }                                                                                                           \
    }                                                                                                             \
  }
LARGE_IN(3, 4, 1)
LARGE_IN(2, 3, 2)

#define LARGE_OUT(TAPS, SIDE, STEP)                                                                                   \
  CLONES static void F(large_out##TAPS)(T * l, const T *restrict from, const winograd *w, size_t first, size_t count, \
                                        size_t chunk) {                                                               \
    T waste[WINOGRAD_MOST];                                                                                           \
    memset(waste, 0, w->cl * sizeof *waste);                                                                          \
    for (size_t t = 0; t < count; t++) {                                                                              \
      PATCH(T, SIDE, STEP, waste)                                                                                     \
      for (size_t phase = 0; phase < STEP * STEP; phase++) {                                                          \
        const T *restrict in = from + t * w->l_stride + phase * w->cl;                                                \
        T *of[SIDE][SIDE];                                                                                            \
        for (size_t i = 0; i < SIDE; i++)                                                                             \
          for (size_t j = 0; j < SIDE; j++) of[i][j] = at[i * STEP + phase / STEP][j * STEP + phase % STEP];          \
        EACH_CHANNEL {                                                                                                \
          T a[SIDE][SIDE], v[SIDE][SIDE];                                                                             \
          UNROLL for (int i = 0; i < SIDE; i++) UNROLL for (int j = 0; j < SIDE; j++) v[i][j] =                       \
              in[(size_t)(i * SIDE + j) * chunk * w->l_stride + c];                                                   \
          BOTH(F(large##TAPS##_back), a, SIDE, v, SIDE);                                                              \
          UNROLL for (int i = 0; i < SIDE; i++) UNROLL for (int j = 0; j < SIDE; j++) of[i][j][c] += a[i][j];         \
        }                                                                                                             \
      }                                                                                                               \
    }                                                                                                                 \
  }
LARGE_OUT(3, 4, 1)
LARGE_OUT(2, 3, 2)

#define SMALL_PIXELS(type, beyond)                                                            \
  type *at[2][2];                                                                             \
  const tile here = tile_at(w, first + t);                                                    \
  for (size_t i = 0; i < 2; i++)                                                              \
    for (size_t j = 0; j < 2; j++)                                                            \
      at[i][j] = here.y + i < w->hs && here.x + j < w->ws                                     \
                     ? s + ((here.picture * w->hs + here.y + i) * w->ws + here.x + j) * w->cs \
                     : (beyond);

#define SMALL(TAPS, SIDE)                                                                                             \
  CLONES static void F(small_in##TAPS)(T *restrict to, const T *s, const winograd *w, size_t first, size_t count,     \
                                       size_t chunk) {                                                                \
    for (size_t t = 0; t < count; t++) {                                                                              \
      SMALL_PIXELS(const T, (const T *)zeros)                                                                         \
      T *restrict out = to + t * w->s_stride;                                                                         \
      _Pragma("GCC ivdep") for (size_t c = 0; c < w->cs; c++) {                                                       \
        T y[2][2], m[SIDE][SIDE];                                                                                     \
        UNROLL for (int i = 0; i < 2; i++) UNROLL for (int j = 0; j < 2; j++) y[i][j] = at[i][j][c];                  \
        BOTH(F(small##TAPS##_back), m, SIDE, y, 2);                                                                   \
        UNROLL for (int i = 0; i < SIDE; i++) UNROLL for (int j = 0; j < SIDE; j++)                                   \
            out[(size_t)(i * SIDE + j) * chunk * w->s_stride + c] = m[i][j];                                          \
      }                                                                                                               \
    }                                                                                                                 \
  }                                                                                                                   \
  CLONES static void F(small_out##TAPS)(T * s, const T *restrict from, const winograd *w, size_t first, size_t count, \
                                        size_t chunk) {                                                               \
    T waste[WINOGRAD_MOST];                                                                                           \
    for (size_t t = 0; t < count; t++) {                                                                              \
      SMALL_PIXELS(T, waste)                                                                                          \
      const T *restrict in = from + t * w->s_stride;                                                                  \
      _Pragma("GCC ivdep") for (size_t c = 0; c < w->cs; c++) {                                                       \
        T y[2][2], m[SIDE][SIDE];                                                                                     \
        UNROLL for (int i = 0; i < SIDE; i++) UNROLL for (int j = 0; j < SIDE; j++) m[i][j] =                         \
            in[(size_t)(i * SIDE + j) * chunk * w->s_stride + c];                                                     \
        BOTH(F(small##TAPS), y, 2, m, SIDE);                                                                          \
        UNROLL for (int i = 0; i < 2; i++) UNROLL for (int j = 0; j < 2; j++) at[i][j][c] = y[i][j];                  \
      }                                                                                                               \
    }                                                                                                                 \
  }
SMALL(3, 4)
SMALL(2, 3)

#define BY_TAPS(NAME, TO, FROM)                                                                                  \
  static void F(NAME)(void *to, const void *from, const winograd *w, size_t first, size_t count, size_t chunk) { \
    if (w->taps == 3) F(NAME##3)(to, from, w, first, count, chunk);                                              \
    else F(NAME##2)(to, from, w, first, count, chunk);                                                           \
  }
BY_TAPS(large_in, L, l)
BY_TAPS(large_out, l, L)
BY_TAPS(small_in, S, s)
BY_TAPS(small_out, s, S)

/* ---- kernels ---- */

/* One row of a kernel, [kh][kw][cl], to u[positions][depth], and back. */
#define KERNEL_ROW(TAPS, SIDE, STEP)                                                                                \
  CLONES static void F(kernel_row##TAPS)(T *restrict u, const T *restrict g, const winograd *w) {                   \
    const size_t tap = w->tap, depth = w->depth;                                                                    \
    for (size_t phase = 0; phase < STEP * STEP; phase++) {                                                          \
      const T *restrict in = g + (phase / STEP * TAPS * STEP + phase % STEP) * tap;                                 \
      T *restrict out = u + phase * w->cl;                                                                          \
      EACH_CHANNEL {                                                                                                \
        T k[TAPS][TAPS], v[SIDE][SIDE];                                                                             \
        UNROLL for (int i = 0; i < TAPS; i++) UNROLL for (int j = 0; j < TAPS; j++) k[i][j] =                       \
            in[(size_t)(i * STEP * TAPS * STEP + j * STEP) * tap + c];                                              \
        BOTH(F(kernel##TAPS), v, SIDE, k, TAPS);                                                                    \
        UNROLL for (int i = 0; i < SIDE; i++) UNROLL for (int j = 0; j < SIDE; j++)                                 \
            out[(size_t)(i * SIDE + j) * depth + c] = v[i][j];                                                      \
      }                                                                                                             \
    }                                                                                                               \
  }                                                                                                                 \
  CLONES static void F(kernel_row_back##TAPS)(T *restrict g, const T *restrict d, size_t step, const winograd *w) { \
    const size_t cl = w->cl;                                                                                        \
    for (size_t phase = 0; phase < STEP * STEP; phase++) {                                                          \
      T *restrict out = g + (phase / STEP * TAPS * STEP + phase % STEP) * cl;                                       \
      const T *restrict in = d + phase * cl;                                                                        \
      EACH_CHANNEL {                                                                                                \
        T k[TAPS][TAPS], v[SIDE][SIDE];                                                                             \
        UNROLL for (int i = 0; i < SIDE; i++) UNROLL for (int j = 0; j < SIDE; j++) v[i][j] =                       \
            in[(size_t)(i * SIDE + j) * step + c];                                                                  \
        BOTH(F(kernel##TAPS##_back), k, TAPS, v, SIDE);                                                             \
        UNROLL for (int i = 0; i < TAPS; i++) UNROLL for (int j = 0; j < TAPS; j++)                                 \
            out[(size_t)(i * STEP * TAPS * STEP + j * STEP) * cl + c] = k[i][j];                                    \
      }                                                                                                             \
    }                                                                                                               \
  }
KERNEL_ROW(3, 4, 1)
KERNEL_ROW(2, 3, 2)

/* U[positions][lines of depth][cs][line] for up, [positions][lines of cs][depth][line] for down. */
static void F(kernel_in)(void *U, const void *kernel, void *spare, const winograd *w, int up, size_t begin,
                         size_t end) {
  const size_t depth = w->depth, lines = up_to(depth, F(line)) / F(line);
  const size_t row = w->taps * w->taps * w->phases * w->tap;
  T *u = spare;
  for (size_t first = begin; first < end; first += F(line)) {
    const size_t rows = min_size(F(line), w->cs - first);
    for (size_t r = 0; r < rows; r++) {
      T *to = u + r * w->positions * depth;
      const T *from = (const T *)kernel + (first + r) * row;
      if (w->taps == 3) F(kernel_row3)(to, from, w);
      else F(kernel_row2)(to, from, w);
    }
    for (size_t p = 0; p < w->positions && up; p++)
      for (size_t r = 0; r < rows; r++)
        for (size_t n = 0; n < lines; n++) {
          T *to = (T *)U + ((p * lines + n) * w->cs + first + r) * F(line);
          const size_t here = min_size(F(line), depth - n * F(line));
          memcpy(to, u + (r * w->positions + p) * depth + n * F(line), here * sizeof *to);
          if (here < F(line)) memset(to + here, 0, (F(line) - here) * sizeof *to);
        }
    for (size_t p = 0; p < w->positions && !up; p++) {
      T *to = (T *)U + (p * up_to(w->cs, F(line)) + first) * depth;
      if (rows < F(line)) memset(to, 0, F(line) * depth * sizeof *to);
      for (size_t r = 0; r < rows; r++) {
        const T *from = u + (r * w->positions + p) * depth;
        for (size_t k = 0; k < depth; k++) to[k * F(line) + r] = from[k];
      }
    }
  }
}

static void F(kernel_out)(void *kernel, const void *D, const winograd *w, size_t begin, size_t end) {
  const size_t row = w->taps * w->taps * w->depth, step = w->cs * w->l_stride;
  for (size_t r = begin; r < end; r++) {
    T *to = (T *)kernel + r * row;
    const T *from = (const T *)D + r * w->l_stride;
    if (w->taps == 3) F(kernel_row_back3)(to, from, step, w);
    else F(kernel_row_back2)(to, from, step, w);
  }
}

/* ---- products ---- */

static void F(multiply)(void *to, const void *from, const void *U, const winograd *w, int up, size_t chunk,
                        size_t count) {
  const size_t depth = up ? w->cs : w->depth, width = up ? w->depth : w->cs;
  const size_t ra = up ? w->s_stride : w->l_stride, rc = up ? w->l_stride : w->s_stride;
  const size_t lines = up_to(width, F(line)) / F(line), of_phase = w->cl == w->tap ? lines : w->cl / F(line);
  for (size_t p = 0; p < w->positions; p++)
    for (size_t k = 0; k < depth; k += DEEPEST)
      for (size_t n = 0; n < lines; n++)
        PRODUCT((T *)to + p * chunk * rc + n / of_phase * w->tap + n % of_phase * F(line), rc,
                (const T *)from + p * chunk * ra + k, ra, 1, (const T *)U + ((p * lines + n) * depth + k) * F(line),
                F(line), count, min_size(DEEPEST, depth - k), k > 0);
}

static void F(correlate)(void *D, const void *S, const void *L, const winograd *w, size_t chunk, size_t count,
                         size_t begin, size_t end, int add) {
  const size_t lines = up_to(w->depth, F(line)) / F(line);
  for (size_t at = begin; at < end; at++) {
    const size_t p = at / lines, n = at % lines;
    for (size_t t = 0; t < count; t += DEEPEST / 4)
      PRODUCT((T *)D + p * w->cs * w->l_stride + n * F(line), w->l_stride, (const T *)S + (p * chunk + t) * w->s_stride,
              1, w->s_stride, (const T *)L + (p * chunk + t) * w->l_stride + n * F(line), w->l_stride, w->cs,
              min_size(DEEPEST / 4, count - t), add || t > 0);
  }
}

const winograd_kernels F(winograd) = {F(small_in),  F(small_out),  F(large_in), F(large_out),
                                      F(kernel_in), F(kernel_out), F(multiply), F(correlate)};

#undef LARGE_IN
#undef LARGE_OUT
#undef PATCH
#undef SMALL
#undef SMALL_PIXELS
#undef BY_TAPS
#undef KERNEL_ROW
#undef T
#undef F
#undef PRODUCT
#endif
