/* jpeg.h: JPEG in, through libjpeg-turbo: baseline and progressive; grey, RGB, YCbCr, CMYK, YCCK. */
#ifndef AGAD_DATA_JPEG_H
#define AGAD_DATA_JPEG_H

#include "data/raster.h"

int data_is_jpeg(const uint8_t *bytes, size_t n);

/* out->channels is 1 or 3; pixels as the file has them, not turned upright. 0 or -1. */
int data_jpeg_raster(const uint8_t *bytes, size_t n, const raster_limits *limits, raster *out, agad_error *error);

#endif
