/* memory.h: every allocation of this project, and the products of sizes that come before one.
 *
 * Sizes come from files and users, so they are multiplied with a check. Calls return NULL when out of memory, which the
 * caller reports as AGAD_OUT_OF_MEMORY. Memory is released by free(). base_fail_allocation makes an allocation fail on
 * purpose, to test what follows.
 */
#ifndef AGAD_BASE_MEMORY_H
#define AGAD_BASE_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#ifdef __cplusplus
extern "C" {
#endif

/* a * b, or -1 when either is negative or the product is over the limit. */
static inline int64_t base_product(int64_t a, int64_t b, int64_t limit) {
  if (a < 0 || b < 0) return -1;
  if (a == 0 || b == 0) return 0;
  return a > limit / b ? -1 : a * b;
}

/* Memory for n elements and one byte more, so that n = 0 does not fail. NULL also if n is negative. */
void *base_alloc(int64_t n, size_t element);
void *base_calloc(int64_t n, size_t element); /* of zeros */
/* Resizes a block to n elements; after a failure it is unchanged and still belongs to the caller. */
void *base_realloc(void *block, int64_t n, size_t element);
char *base_strdup(const char *text);

/* For tests: makes the nth allocation from now on, by any thread, fail once; 0: none. Returns how many allocations were
 * left before the failure requested last; 0: it has happened, or none was requested. */
int64_t base_fail_allocation(int64_t nth);

#ifdef __cplusplus
}
#endif
#endif
