/* images.h: pictures in memory, as every reader here returns them.
 *
 * Pixels are uint8, (count, channels, height, width), rows of one picture after the other, 1 channel
 * (grey) or 3 (red, green, blue). Whatever is optional is NULL when absent. All sizes were checked
 * when the set was allocated: count * channels * height * width fits DATA_MAX_BYTES.
 * Resizing is exact rational arithmetic, so its bytes are the same on every processor.
 */
#ifndef AGAD_DATA_IMAGES_H
#define AGAD_DATA_IMAGES_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define DATA_MAX_SIDE 65536               /* pixels along one side */
#define DATA_MAX_BYTES ((int64_t)1 << 35) /* of one set in memory */

typedef struct data_images {
  int64_t count;
  int channels, height, width;
  uint8_t *pixels;     /* (count, channels, height, width) */
  int32_t *labels;     /* (count), positions in classes, from 0; optional */
  uint8_t *masks;      /* (count, height, width), 0 or 1; optional */
  int64_t *file_bytes; /* (count), size of the file each picture came from; optional */
  char **classes;      /* (n_classes) names; optional */
  int n_classes;
} data_images;

typedef enum data_fit {
  DATA_FIT_RESIZE, /* stretched to the size */
  DATA_FIT_PAD,    /* sides keep their ratio, shrunk only if too large, centred on black */
} data_fit;

/* Zeroed storage for pixels, and for labels and masks when asked. 0 or -1. */
int data_images_alloc(data_images *set, int64_t count, int channels, int height, int width, int with_labels,
                      int with_masks, agad_error *error);

/* Frees what the set owns and zeroes it; a zeroed set may be freed again. */
void data_images_free(data_images *set);

/* Copies the names. */
int data_images_set_classes(data_images *set, const char *const *names, int n, agad_error *error);

/* Bilinear with half-pixel centres: torch's interpolate(align_corners=False, antialias=False) rounded
 * to the nearest integer, halves to even. Masks take the nearest pixel. */
int data_images_resize(data_images *set, int height, int width, data_fit fit, agad_error *error);

/* channels 1: luma, (19595 r + 38470 g + 7471 b + 32768) >> 16; channels 3: grey thrice. */
int data_images_set_channels(data_images *set, int channels, agad_error *error);

/* A new set of the given rows (0-based, any order, repeats allowed). */
int data_images_select(const data_images *set, const int64_t *rows, int64_t n, data_images *out, agad_error *error);

/* One plane, (in_h, in_w) to (out_h, out_w). scratch holds in_h * out_w int32. */
void data_resize_plane(const uint8_t *in, int in_h, int in_w, uint8_t *out, int out_h, int out_w, int32_t *scratch);

#endif
