/* memory.h: every allocation of this project, and the products of sizes that come before one.
 *
 * Sizes come from files and users, so they are multiplied with a check.  A call gives NULL where there is no such memory;
 * the caller reports that as AGAD_OUT_OF_MEMORY.  Memory is given back by free().  To try what follows a failure, one
 * can be ordered: base_fail_allocation.
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

/* Memory for n elements, and a byte more, so that n = 0 is no failure.  NULL where n is negative, too. */
void *base_alloc(int64_t n, size_t element);
void *base_calloc(int64_t n, size_t element); /* of zeros */
/* The same block with room for n elements; after a failure it is as it was, and still the caller's. */
void *base_realloc(void *block, int64_t n, size_t element);
char *base_strdup(const char *text);

/* For tests: the nth allocation from now on, of any thread, fails, once; 0: none does.  Returns how many were still to
 * come before the failure ordered last; 0: it has happened, or there was none. */
int64_t base_fail_allocation(int64_t nth);

#ifdef __cplusplus
}
#endif
#endif
