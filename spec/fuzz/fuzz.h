/* fuzz.h: what the harnesses share: the entry point, and checks that stay in an optimised build. */
#ifndef AGAD_FUZZ_H
#define AGAD_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sanitizer/asan_interface.h>

#include "base/error.h"

#define CHECK(condition)                                              \
  do {                                                                \
    if (!(condition)) {                                               \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      abort();                                                        \
    }                                                                 \
  } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* A failure is told in one line. */
static inline void check_message(const agad_error *error) { CHECK(error->message[0] && !strchr(error->message, '\n')); }

/* Every byte may be read. */
static inline void touch(const void *bytes, size_t n) {
  CHECK(!__asan_region_is_poisoned((void *)(uintptr_t)bytes, n));
}

#endif
