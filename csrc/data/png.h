/* png.h: PNG in and out: 8 bits a channel, grey or RGB.
 *
 * Whatever libpng can turn into that is read: palettes, 1 to 16 bits, interlaced; alpha is dropped.
 * Limits: PNG_MAX_PIXELS a picture, and no more pixels than the compressed bytes can hold, so a small
 * hostile file cannot ask for gigabytes. Writing goes beside the target and renames: a kill leaves the
 * old file whole.
 */
#ifndef AGAD_DATA_PNG_H
#define AGAD_DATA_PNG_H

#include "data/images.h"

#define PNG_MAX_PIXELS ((int64_t)1 << 27)
#define PNG_MAX_FILE ((int64_t)1 << 29)

/* One picture, (1, channels, height, width) with channels 1 or 3 as the file has it; file_bytes set. */
int data_png_read(const char *path, data_images *out, agad_error *error);

/* The same from memory; name is what messages call it. */
int data_png_decode(const uint8_t *bytes, size_t n, const char *name, data_images *out, agad_error *error);

/* pixels (channels, height, width), channels 1 or 3. */
int data_png_write(const char *path, const uint8_t *pixels, int channels, int height, int width, agad_error *error);

#endif
