/* random.h: xoshiro256**, seeded by splitmix64 from a seed and the names of a stream.
 *
 * Streams of one seed are independent: each use asks for its own (seed, purpose, index), so that nothing
 * depends on how much was drawn elsewhere. The same numbers on every processor: integers, and doubles that are
 * computed from them by sums, products, quotients and roots alone, in a fixed order.
 */
#ifndef AGAD_BASE_RANDOM_H
#define AGAD_BASE_RANDOM_H

#include <stdint.h>

typedef struct base_random {
  uint64_t s[4];
} base_random;

static inline uint64_t splitmix64(uint64_t *state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

static inline base_random base_random_new(uint64_t seed, uint64_t purpose, uint64_t index) {
  base_random r;
  uint64_t state = seed;
  state = splitmix64(&state) ^ purpose;
  state = splitmix64(&state) ^ index;
  for (int i = 0; i < 4; i++) r.s[i] = splitmix64(&state);
  return r;
}

static inline uint64_t base_random_next(base_random *r) {
  uint64_t *s = r->s, five = s[1] * 5, result = (five << 7 | five >> 57) * 9, t = s[1] << 17;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = s[3] << 45 | s[3] >> 19;
  return result;
}

/* Uniform in 0 .. n - 1, n > 0, without bias: numbers of the incomplete last run are drawn again. */
static inline uint64_t base_random_below(base_random *r, uint64_t n) {
  uint64_t incomplete = -n % n, x;
  do x = base_random_next(r);
  while (x < incomplete);
  return x % n;
}

/* Uniform in low .. high, both included. */
static inline int base_random_range(base_random *r, int low, int high) {
  return low + (int)base_random_below(r, (uint64_t)(high - low) + 1);
}

/* Uniform in 0 .. 1, 1 excluded. */
static inline double base_random_unit(base_random *r) { return (double)(base_random_next(r) >> 11) * 0x1p-53; }

/* Uniform in low .. high. */
static inline double base_random_between(base_random *r, double low, double high) {
  return low + (high - low) * base_random_unit(r);
}

/* Mean 0, standard deviation 1. */
double base_random_normal(base_random *r);
/* Many of them, for less than each would cost alone. */
void base_random_normals(base_random *r, float *values, int64_t n);

/* The number of events of a Poisson distribution with this mean, but at most `most`. */
int base_random_poisson(base_random *r, double mean, int most);

static inline void base_random_shuffle(base_random *r, int64_t *values, int64_t n) {
  for (int64_t i = n - 1; i > 0; i--) {
    int64_t j = (int64_t)base_random_below(r, (uint64_t)i + 1), t = values[i];
    values[i] = values[j];
    values[j] = t;
  }
}

#endif
