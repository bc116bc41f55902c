/* images.h: pictures in memory, as every reader here returns them.
 *
 * Pixels are uint8, (count, channels, height, width), rows of one picture after the other, 1 channel
 * (grey) or 3 (red, green, blue). Whatever is optional is NULL when absent. All sizes were checked
 * when the set was allocated: count * channels * height * width fits DATA_MAX_BYTES.
 */
#ifndef AGAD_DATA_IMAGES_H
#define AGAD_DATA_IMAGES_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "data/place.h"

#define DATA_MAX_SIDE 65536               /* pixels along one side */
#define DATA_MAX_BYTES ((int64_t)1 << 35) /* of one set in memory */

typedef struct data_images {
  int64_t count;
  int channels, height, width;
  uint8_t *pixels; /* (count, channels, height, width) */
  int32_t *labels; /* (count), positions in classes, from 0; optional */
  uint8_t *masks;  /* (count, height, width), 0 or 1; optional */
  char **classes;  /* (n_classes) names; optional */
  int n_classes;
} data_images;

/* Zeroed storage for pixels, and for labels and masks when asked. 0 or -1. */
int data_images_alloc(data_images *set, int64_t count, int channels, int height, int width, int with_labels,
                      int with_masks, agad_error *error);

/* Frees what the set owns and zeroes it; a zeroed set may be freed again. */
void data_images_free(data_images *set);

/* Copies the names. */
int data_images_set_classes(data_images *set, const char *const *names, int n, agad_error *error);

/* Brings a set to a size, fit and channels, with the same bytes that decode.h makes of files with these pixels. Masks
 * take the nearest pixel. */
int data_images_bring(data_images *set, const data_form *form, agad_error *error);

/* channels 1: luma; channels 3: grey three times. */
int data_images_set_channels(data_images *set, int channels, agad_error *error);

/* Grey from colour: 0.299 r + 0.587 g + 0.114 b, rounded. */
static inline uint8_t data_luma(unsigned r, unsigned g, unsigned b) {
  return (uint8_t)((19595u * r + 38470u * g + 7471u * b + 32768u) >> 16);
}

#endif
