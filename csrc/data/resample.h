/* resample.h: smaller and larger pictures, antialiased.
 *
 * The result is that of Pillow 13's Image.resize(BILINEAR or BOX) without a reducing gap, to the byte: per axis
 * a weighted mean in fixed point (weights of 22 bits), rounded to 8 bits between the two axes. Columns are blended
 * first, unless the height loses more than twice as many pixels as the width (earlier Pillows: always; the order
 * changes a pixel by 1 at most).
 * DATA_CROP is its ImageOps.fit: the box that is kept may end between two pixels.
 */
#ifndef AGAD_DATA_RESAMPLE_H
#define AGAD_DATA_RESAMPLE_H

#include <stddef.h>

#include "base/error.h"
#include "data/place.h"

/* Where pixels lie, distances in bytes: planes (pixel is 1) or interleaved (plane is 1, pixel is channels). */
typedef struct resample_source {
  const uint8_t *pixels;
  int channels, height, width;
  size_t plane, row, pixel; /* from channel to channel, row to row, pixel to pixel */
} resample_source;

resample_source data_interleaved(const uint8_t *pixels, int channels, int height, int width);
resample_source data_planar(const uint8_t *pixels, int channels, int height, int width);

/* Into out [channels][height][width]. Sides must be 1 to DATA_MAX_SIDE. 0, or -1 without memory. */
int data_resample(const resample_source *in, uint8_t *out, int height, int width, data_fit fit, data_filter filter,
                  agad_error *error);

/* Planes one after the other, each in_height x in_width: the same bytes, faster for many small ones. -1 also when
 * interrupted. */
int data_resample_planes(const uint8_t *in, int64_t planes, int in_height, int in_width, uint8_t *out, int height,
                         int width, data_fit fit, data_filter filter, agad_error *error);

#endif
