/* product.c - the kernel behind product.h, in gcc's vector types, once for each element type and for each kind of
 * processor: a block of c stays in registers (AVX2: 6 rows of two, AVX-512: 12 rows of one), b is read from the
 * first-level cache, numbers of a are spread over a register as they come.
 *
 * The file includes itself once a type and processor, with T (element), FOR (target attribute), VECTOR (bytes of a
 * register), MOST (rows of a block) and F set. */
#ifndef T

#include "product.h"

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 12")

#define FOR
#define VECTOR 16
#define MOST 2
#define T float
#define F(name) name##_f32_plain
#include "product.c"
#define T double
#define F(name) name##_f64_plain
#include "product.c"
#undef FOR
#undef VECTOR
#undef MOST

#ifdef __x86_64__

#define FOR __attribute__((target("avx2,fma")))
#define VECTOR 32
#define MOST 6
#define T float
#define F(name) name##_f32_avx2
#include "product.c"
#define T double
#define F(name) name##_f64_avx2
#include "product.c"
#undef FOR
#undef VECTOR
#undef MOST

#define FOR __attribute__((target("avx2,fma,avx512f,avx512vl")))
#define VECTOR 64
#define MOST 12
#define T float
#define F(name) name##_f32_avx512
#include "product.c"
#define T double
#define F(name) name##_f64_avx512
#include "product.c"

/* 0: without AVX2, 1: with it, 2: AVX-512 */
static int level(void) {
  static int known = -1; /* every thread finds the same */
  int at = __atomic_load_n(&known, __ATOMIC_RELAXED);
  if (at >= 0) return at;
  __builtin_cpu_init();
  at = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  at += at && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl");
  __atomic_store_n(&known, at, __ATOMIC_RELAXED);
  return at;
}

int product_is_fast(void) { return level() > 0; }

#define CHOOSE(type, ...)                           \
  switch (level()) {                                \
  case 2: rows_##type##_avx512(__VA_ARGS__); break; \
  case 1: rows_##type##_avx2(__VA_ARGS__); break;   \
  default: rows_##type##_plain(__VA_ARGS__);        \
  }

#else

int product_is_fast(void) { return 0; }
#define CHOOSE(type, ...) rows_##type##_plain(__VA_ARGS__)

#endif

void product_f32(float *c, size_t rc, const float *a, size_t ra, size_t ka, const float *b, size_t rb, size_t rows,
                 size_t depth, int add) {
  CHOOSE(f32, c, rc, a, ra, ka, b, rb, rows, depth, add);
}

void product_f64(double *c, size_t rc, const double *a, size_t ra, size_t ka, const double *b, size_t rb, size_t rows,
                 size_t depth, int add) {
  CHOOSE(f64, c, rc, a, ra, ka, b, rb, rows, depth, add);
}

#else /* ---- one type, one processor ---- */

typedef T F(vector) __attribute__((vector_size(VECTOR), aligned(sizeof(T)), may_alias));

enum { F(parts) = PRODUCT_LINE / VECTOR, F(wide) = VECTOR / (int)sizeof(T) };

/* n is a constant: all loops over it are unrolled, and sum lies in registers. */
FOR INLINE void F(block)(int n, T *c, size_t rc, const T *a, size_t ra, size_t ka, const T *b, size_t rb, size_t depth,
                         int add) {
  F(vector) sum[MOST][F(parts)];
  UNROLL for (int i = 0; i < n; i++) UNROLL for (int p = 0; p < F(parts); p++) sum[i][p] =
      add ? *(const F(vector) *)(c + (size_t)i * rc + p * F(wide)) : (F(vector)){0};
  for (size_t k = 0; k < depth; k++, a += ka, b += rb) {
    F(vector) by[F(parts)];
    UNROLL for (int p = 0; p < F(parts); p++) by[p] = *(const F(vector) *)(b + p * F(wide));
    UNROLL for (int i = 0; i < n; i++) UNROLL for (int p = 0; p < F(parts); p++) sum[i][p] += a[(size_t)i * ra] * by[p];
  }
  UNROLL for (int i = 0; i < n; i++) UNROLL for (int p = 0; p < F(parts); p++) *
      (F(vector) *)(c + (size_t)i * rc + p * F(wide)) = sum[i][p];
}

FOR static void F(rows)(T *c, size_t rc, const T *a, size_t ra, size_t ka, const T *b, size_t rb, size_t rows,
                        size_t depth, int add) {
  for (; rows >= MOST; rows -= MOST, c += MOST * rc, a += MOST * ra)
    F(block)(MOST, c, rc, a, ra, ka, b, rb, depth, add);
#if MOST > 6
  if (rows >= 6) F(block)(6, c, rc, a, ra, ka, b, rb, depth, add), rows -= 6, c += 6 * rc, a += 6 * ra;
#endif
#if MOST > 4
  if (rows >= 4) F(block)(4, c, rc, a, ra, ka, b, rb, depth, add), rows -= 4, c += 4 * rc, a += 4 * ra;
#endif
  for (; rows > 0; rows--, c += rc, a += ra) F(block)(1, c, rc, a, ra, ka, b, rb, depth, add);
}

#undef T
#undef F
#endif
