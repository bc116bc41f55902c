/* size.h: products of sizes that come from files and users: checked before they are made. */
#ifndef AGAD_BASE_SIZE_H
#define AGAD_BASE_SIZE_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* a * b, or -1 when either is negative or the product is over the limit. */
static inline int64_t base_product(int64_t a, int64_t b, int64_t limit) {
  if (a < 0 || b < 0) return -1;
  if (a == 0 || b == 0) return 0;
  return a > limit / b ? -1 : a * b;
}

/* Memory for n elements, and a byte more, so that none of them is no failure; free() it.  NULL where there is no such
 * memory, or the number is negative. */
static inline void *base_alloc(int64_t n, size_t element) {
  int64_t bytes = base_product(n, (int64_t)element, PTRDIFF_MAX - 1);
  return bytes < 0 ? NULL : malloc((size_t)bytes + 1);
}

#endif
