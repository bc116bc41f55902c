/* max_pool.c - the kernels behind max_pool.h, written once for two types of number: the file includes itself.
 *
 * Channels are taken in blocks of a constant size, which gcc turns into a few instructions; versions for AVX2 and
 * AVX-512 are chosen when the library is loaded. */
#ifndef T

#include "max_pool.h"

#include "base/clones.h"
#include "bf16.h"

enum { BLOCK = 16 };

#define SAME(v) (v)

#define T float
#define LOAD SAME
#define F(name) name##_f32
#include "max_pool.c"

#define T uint16_t
#define LOAD bf16_load
#define F(name) name##_bf16
#include "max_pool.c"

#else

/* Whether b comes before a as the largest. */
#define BEATS(b, a) (LOAD(b) > LOAD(a) || LOAD(b) != LOAD(b))

static inline void F(largest)(T *y, const T *a, const T *b, const T *c, const T *d, size_t n) {
  _Pragma("GCC ivdep") for (size_t i = 0; i < n; i++) {
    T first = BEATS(b[i], a[i]) ? b[i] : a[i];
    first = BEATS(c[i], first) ? c[i] : first;
    y[i] = BEATS(d[i], first) ? d[i] : first;
  }
}

CLONES static void F(forward)(void *y_, const void *x_, size_t columns, size_t C) {
  T *y = y_;
  const T *a = x_, *c = a + columns * C;
  for (size_t j = 0; j < columns / 2; j++, y += C, a += 2 * C, c += 2 * C) {
    size_t i = 0;
    for (; i + BLOCK <= C; i += BLOCK) F(largest)(y + i, a + i, a + C + i, c + i, c + C + i, BLOCK);
    F(largest)(y + i, a + i, a + C + i, c + i, c + C + i, C - i);
  }
}

/* The gradient goes to the largest of a and c, and of their neighbours to the right. */
static inline void F(spread)(T *to_a, T *to_c, const T *dy, const T *a, const T *c, size_t C, size_t n) {
  const T *b = a + C, *d = c + C;
  T *to_b = to_a + C, *to_d = to_c + C;
  _Pragma("GCC ivdep") for (size_t i = 0; i < n; i++) {
    const int from_b = BEATS(b[i], a[i]);
    const T ab = from_b ? b[i] : a[i];
    const int from_c = BEATS(c[i], ab);
    const T abc = from_c ? c[i] : ab;
    const int from_d = BEATS(d[i], abc);
    const T g = dy[i];
    to_d[i] = from_d ? g : 0;
    to_c[i] = !from_d && from_c ? g : 0;
    to_b[i] = !from_d && !from_c && from_b ? g : 0;
    to_a[i] = !from_d && !from_c && !from_b ? g : 0;
  }
}

CLONES static void F(backward)(void *dx_, const void *dy_, const void *x_, size_t columns, size_t C) {
  T *to_a = dx_, *to_c = to_a + columns * C;
  const T *dy = dy_, *a = x_, *c = a + columns * C;
  for (size_t j = 0; j < columns / 2; j++, dy += C, a += 2 * C, c += 2 * C, to_a += 2 * C, to_c += 2 * C) {
    size_t i = 0;
    for (; i + BLOCK <= C; i += BLOCK) F(spread)(to_a + i, to_c + i, dy + i, a + i, c + i, C, BLOCK);
    F(spread)(to_a + i, to_c + i, dy + i, a + i, c + i, C, C - i);
  }
  if (columns % 2) memset(to_a, 0, C * sizeof(T)), memset(to_c, 0, C * sizeof(T));
}

const max_pool_kernels F(max_pool) = {F(forward), F(backward)};

#undef BEATS
#undef T
#undef LOAD
#undef F
#endif
