/* place.h: how a picture is brought to a size: the fits and filters, and which part of it lands where.
 *
 * Pictures (resample.h) and masks (mask.h) share this arithmetic, so that a mask stays aligned with its picture. It is
 * exact: positions are fractions of whole numbers.
 */
#ifndef AGAD_DATA_PLACE_H
#define AGAD_DATA_PLACE_H

#include <stdint.h>

typedef enum data_fit {
  DATA_RESIZE, /* stretched to the size */
  DATA_CROP,   /* scaled to cover the size, the centre kept */
  DATA_PAD,    /* sides keep their ratio, scaled down only if too large, centred on black */
} data_fit;

typedef enum data_filter {
  DATA_BILINEAR, /* triangle; its support grows with the scale when shrinking */
  DATA_AREA,     /* box: the mean of what a pixel covers */
  DATA_ADAPTIVE, /* the box along a side that shrinks, the triangle along one that grows */
} data_filter;

/* Their names, in the enums' order, ended by NULL. */
extern const char *const data_fits[], *const data_filters[];

/* What pictures are brought to. */
typedef struct data_form {
  int height, width; /* 0, 0: as they are */
  int channels;      /* 1 or 3; 0: as they are */
  data_fit fit;
  data_filter filter;
} data_form;

/* Along one side: of the input, from/unit to (from + length)/unit; of the result, n pixels from `at` on. */
typedef struct data_span {
  int64_t from, length, unit;
  int at, n;
} data_span;

typedef struct data_place {
  data_span y, x;
} data_place;

/* Sides are at least 1 and at most DATA_MAX_SIDE. */
data_place data_place_of(int in_height, int in_width, int height, int width, data_fit fit);

/* The input under the centre of pixel i of the n. */
int data_nearest(const data_span *s, int i);

#endif
