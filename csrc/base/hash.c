#include "base/hash.h"

#include <stdio.h>
#include <string.h>

#define XXH_STATIC_LINKING_ONLY /* the size of its state, so that hashing takes no memory */
#include <xxhash.h>

_Static_assert(sizeof(XXH64_state_t) == sizeof(base_hasher), "base_hasher has the size of XXH64's state");

uint64_t base_hash(const void *bytes, size_t n, uint64_t seed) { return XXH64(bytes, n, seed); }

void base_hash_digits(uint64_t hash, char digits[17]) { snprintf(digits, 17, "%016llx", (unsigned long long)hash); }

void base_hasher_start(base_hasher *h, uint64_t seed) {
  XXH64_state_t state;
  XXH64_reset(&state, seed);
  memcpy(h, &state, sizeof state);
}

void base_hasher_add(base_hasher *h, const void *bytes, size_t n) {
  XXH64_state_t state;
  memcpy(&state, h, sizeof state);
  XXH64_update(&state, bytes, n);
  memcpy(h, &state, sizeof state);
}

uint64_t base_hasher_end(const base_hasher *h) {
  XXH64_state_t state;
  memcpy(&state, h, sizeof state);
  return XXH64_digest(&state);
}
