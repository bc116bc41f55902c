#include "base/memory.h"

#include <stdatomic.h>
#include <string.h>

static atomic_llong until_failure; /* allocations; 0: none is to fail */

/* The bytes of n elements and one more, or 0 where they cannot be had. */
static size_t room(int64_t n, size_t element) {
  int64_t bytes = base_product(n, (int64_t)element, PTRDIFF_MAX - 1);
  if (bytes < 0) return 0;
  if (atomic_load_explicit(&until_failure, memory_order_relaxed) > 0 && atomic_fetch_sub(&until_failure, 1) == 1)
    return 0;
  return (size_t)bytes + 1;
}

void *base_alloc(int64_t n, size_t element) {
  size_t bytes = room(n, element);
  return bytes ? malloc(bytes) : NULL;
}

void *base_calloc(int64_t n, size_t element) {
  size_t bytes = room(n, element);
  return bytes ? calloc(bytes, 1) : NULL;
}

void *base_realloc(void *block, int64_t n, size_t element) {
  size_t bytes = room(n, element);
  return bytes ? realloc(block, bytes) : NULL;
}

char *base_strdup(const char *text) {
  size_t n = strlen(text) + 1;
  char *copy = base_alloc((int64_t)n, 1);
  return copy ? memcpy(copy, text, n) : NULL;
}

int64_t base_fail_allocation(int64_t nth) {
  long long left = atomic_exchange(&until_failure, nth);
  return left > 0 ? left : 0;
}
