/* png.h: PNG in and out.
 *
 * Read is whatever libpng can turn into 8-bit grey or RGB: palettes, 1 to 16 bits, interlaced; alpha is dropped,
 * 16 bits are rounded to 8. Written are 8 bits, grey or RGB, beside the target, then renamed: a kill leaves the
 * old file whole. No more pixels are read than the compressed bytes can hold, so a small hostile file
 * cannot ask for gigabytes.
 */
#ifndef AGAD_DATA_PNG_H
#define AGAD_DATA_PNG_H

#include "data/raster.h"

#define PNG_MAX_PIXELS ((int64_t)1 << 27) /* of a picture that is written */

int data_is_png(const uint8_t *bytes, size_t n);

/* out->channels is 1 or 3; pixels as the file has them, not turned upright. 0 or -1. */
int data_png_raster(const uint8_t *bytes, size_t n, int64_t max_pixels, raster *out, agad_error *error);

/* pixels (channels, height, width), channels 1 or 3. */
int data_png_write(const char *path, const uint8_t *pixels, int channels, int height, int width, agad_error *error);

#endif
