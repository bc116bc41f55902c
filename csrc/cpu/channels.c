/* channels.c - the kernels behind channels.h, written once for two types of number: the file includes itself.
 *
 * Rows are short, so they are taken in blocks of a constant size, which gcc turns into a few instructions; versions for
 * AVX2 and AVX-512 are chosen when the library is loaded. */
#ifndef T

#include "channels.h"

#include "base/clones.h"
#include "bf16.h"

enum { BLOCK = 32 };

#define SAME(v) (v)

#define T float
#define LOAD SAME
#define STORE SAME
#define F(name) name##_f32
#include "channels.c"

#define T uint16_t
#define LOAD bf16_load
#define STORE bf16_store
#define F(name) name##_bf16
#include "channels.c"

#else

static inline void F(add_some)(T *to, const T *a, const T *b, size_t n) {
  _Pragma("GCC ivdep") for (size_t i = 0; i < n; i++) to[i] = STORE(LOAD(a[i]) + LOAD(b[i]));
}

CLONES static void F(copy)(void *to_, size_t to_step, const void *from_, size_t from_step, size_t n, size_t rows) {
  T *to = to_;
  const T *from = from_;
  for (; rows > 0; rows--, to += to_step, from += from_step) {
    size_t i = 0;
    for (; i + BLOCK <= n; i += BLOCK) memcpy(to + i, from + i, BLOCK * sizeof(T));
    for (; i < n; i++) to[i] = from[i];
  }
}

CLONES static void F(add)(void *to_, size_t to_step, const void *a_, size_t a_step, const void *b_, size_t b_step,
                          size_t n, size_t rows) {
  T *to = to_;
  const T *a = a_, *b = b_;
  for (; rows > 0; rows--, to += to_step, a += a_step, b += b_step) {
    size_t i = 0;
    for (; i + BLOCK <= n; i += BLOCK) F(add_some)(to + i, a + i, b + i, BLOCK);
    F(add_some)(to + i, a + i, b + i, n - i);
  }
}

const channels_kernels F(channels) = {F(copy), F(add)};

#undef T
#undef LOAD
#undef STORE
#undef F
#endif
