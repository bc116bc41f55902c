/* channels.h - copies and sums of some channels of pixels: rows of n numbers that lie `step` numbers apart, as a part of
 * the channels of a channels_last tensor does.
 *
 * Pointers and sizes only; nothing is allocated and no thread is started. The result does not depend on the processor. */
#ifndef AGAD_CPU_CHANNELS_H
#define AGAD_CPU_CHANNELS_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  void (*copy)(void *to, size_t to_step, const void *from, size_t from_step, size_t n, size_t rows);
  /* to = a + b; to may be a */
  void (*add)(void *to, size_t to_step, const void *a, size_t a_step, const void *b, size_t b_step, size_t n,
              size_t rows);
} channels_kernels;

extern const channels_kernels channels_f32, channels_bf16; /* bf16: uint16_t numbers */

#ifdef __cplusplus
}
#endif
#endif
