/* bf16.h - numbers of bf16 as the upper half of a float. */
#ifndef AGAD_CPU_BF16_H
#define AGAD_CPU_BF16_H

#include <stdint.h>
#include <string.h>

static inline float bf16_load(uint16_t h) {
  uint32_t u = (uint32_t)h << 16;
  float f;
  memcpy(&f, &u, sizeof f);
  return f;
}

/* To nearest, ties to even; NaN stays NaN. */
static inline uint16_t bf16_store(float f) {
  uint32_t u;
  memcpy(&u, &f, sizeof u);
  uint32_t rounded = (u + 0x7fffu + (u >> 16 & 1u)) >> 16;
  return (uint16_t)(f != f ? 0x7fc0u : rounded);
}

#endif
