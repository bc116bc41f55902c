/* raster.h: a picture as its format gives it: interleaved, not yet turned upright.  Internal to decoding. */
#ifndef AGAD_DATA_RASTER_H
#define AGAD_DATA_RASTER_H

#include "data/images.h"

typedef struct raster {
  int channels, height, width;
  int file_height, file_width; /* the same unless JPEG was decoded at a smaller scale */
  int orientation;             /* EXIF's, 1 to 8 */
  uint8_t *pixels;             /* [height][width][channels]; free() */
} raster;

/* What a decoder may do. */
typedef struct raster_limits {
  int64_t max_pixels;
  int height, width; /* a picture may be decoded at a smaller scale, but not smaller than this; 0: at full scale */
  int mask; /* 1: formats that have more than 8 bits or palettes give 255 where the value in the file is not 0, else 0 */
} raster_limits;

/* Refuses sizes over the limits, in one line that names the option. */
int data_raster_size(int64_t height, int64_t width, int64_t max_pixels, agad_error *error);

#endif
