/* sort.h: numbers as unsigned keys of the same order, sorted by digits: linear in n.
 *
 * Keys turn the sign around so that unsigned order is the numbers' order; -0 and 0 are one key. NaN has no
 * place in an order: callers refuse it first.
 */
#ifndef AGAD_SCORE_SORT_H
#define AGAD_SCORE_SORT_H

#include <stdint.h>
#include <string.h>

static inline uint64_t sort_key64(double x) {
  uint64_t u;
  x += 0.0; /* -0 becomes 0 */
  memcpy(&u, &x, sizeof u);
  return u >> 63 ? ~u : u | (uint64_t)1 << 63;
}

static inline double sort_value64(uint64_t key) {
  double x;
  uint64_t u = key >> 63 ? key & ~((uint64_t)1 << 63) : ~key;
  memcpy(&x, &u, sizeof x);
  return x;
}

static inline uint32_t sort_key32(float x) {
  uint32_t u;
  x += 0.0f;
  memcpy(&u, &x, sizeof u);
  return u >> 31 ? ~u : u | (uint32_t)1 << 31;
}

/* Ascending. scratch is as long as keys; the sorted numbers are in the one that is returned. */
uint64_t *sort_keys64(uint64_t *keys, uint64_t *scratch, int64_t n);
uint32_t *sort_keys32(uint32_t *keys, uint32_t *scratch, int64_t n);

#endif
