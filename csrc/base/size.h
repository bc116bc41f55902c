/* size.h: products of sizes that come from files and users: checked before they are made. */
#ifndef AGAD_BASE_SIZE_H
#define AGAD_BASE_SIZE_H

#include <stdint.h>

/* a * b, or -1 when either is negative or the product is over the limit. */
static inline int64_t base_product(int64_t a, int64_t b, int64_t limit) {
  if (a < 0 || b < 0) return -1;
  if (a == 0 || b == 0) return 0;
  return a > limit / b ? -1 : a * b;
}

#endif
