/* hash.h: XXH64, the one content hash of this project: configurations, pictures, caches, files. */
#ifndef AGAD_BASE_HASH_H
#define AGAD_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* XXH64 of n bytes with a seed. Hashes are stored in files, so the algorithm must never change. */
uint64_t base_hash(const void *bytes, size_t n, uint64_t seed);

/* Its 16 hexadecimal digits and a zero. */
void base_hash_digits(uint64_t hash, char digits[17]);

/* The same for bytes that come piece by piece. */
typedef struct base_hasher {
  uint64_t state[11]; /* XXH64_state_t's */
} base_hasher;
void base_hasher_start(base_hasher *h, uint64_t seed);
void base_hasher_add(base_hasher *h, const void *bytes, size_t n);
uint64_t base_hasher_end(const base_hasher *h);

#endif
