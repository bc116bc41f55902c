/* sort.c: least significant digit first, 11 bits a digit, all digits counted in one pass; a digit that is the
 * same everywhere (the low bits of scores that were float32) costs no pass. Few keys go through qsort, which
 * does not touch 100 KB of counts. */
#include "score/sort.h"

#include <stdlib.h>

enum { DIGIT = 11, VALUES = 1 << DIGIT, FEW = 2000 };

#define PASSES(bits) (((bits) + DIGIT - 1) / DIGIT)

/* Places of the first key of each value, out of their counts; 0 where one value has all n keys. */
static int starts(int64_t *counts, int64_t n) {
  int64_t before = 0;
  for (int v = 0; v < VALUES; v++) {
    int64_t here = counts[v];
    if (here == n) return 0;
    counts[v] = before;
    before += here;
  }
  return 1;
}

#define DEFINE_SORT(bits)                                                                                  \
  static int compare##bits(const void *a, const void *b) {                                                 \
    uint##bits##_t x = *(const uint##bits##_t *)a, y = *(const uint##bits##_t *)b;                         \
    return (x > y) - (x < y);                                                                              \
  }                                                                                                        \
  uint##bits##_t *sort_keys##bits(uint##bits##_t *keys, uint##bits##_t *scratch, int64_t n) {              \
    if (n < FEW) {                                                                                         \
      if (n > 1) qsort(keys, (size_t)n, sizeof *keys, compare##bits);                                      \
      return keys;                                                                                         \
    }                                                                                                      \
    int64_t counts[PASSES(bits)][VALUES] = {{0}};                                                          \
    for (int64_t i = 0; i < n; i++)                                                                        \
      for (int p = 0; p < PASSES(bits); p++) counts[p][keys[i] >> p * DIGIT & (VALUES - 1)]++;             \
    for (int p = 0; p < PASSES(bits); p++) {                                                               \
      if (!starts(counts[p], n)) continue;                                                                 \
      for (int64_t i = 0; i < n; i++) scratch[counts[p][keys[i] >> p * DIGIT & (VALUES - 1)]++] = keys[i]; \
      uint##bits##_t *sorted = scratch;                                                                    \
      scratch = keys;                                                                                      \
      keys = sorted;                                                                                       \
    }                                                                                                      \
    return keys;                                                                                           \
  }

DEFINE_SORT(32)
DEFINE_SORT(64)
