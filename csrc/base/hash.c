#include "base/hash.h"

#include <stdio.h>
#include <xxhash.h>

uint64_t base_hash(const void *bytes, size_t n, uint64_t seed) { return XXH64(bytes, n, seed); }

void base_hash_digits(uint64_t hash, char digits[17]) { snprintf(digits, 17, "%016llx", (unsigned long long)hash); }
