/* place.c: the three fits. */
#include "data/place.h"

#include <stddef.h>

const char *const data_fits[] = {"resize", "crop", "pad", NULL}, *const data_filters[] = {"bilinear", "area",
                                                                                          "adaptive", NULL};

static data_span whole(int in, int out) { return (data_span){0, in, 1, 0, out}; }

/* The centre of `in`: a length of `kept` / unit. */
static data_span centre(int in, int64_t kept, int64_t unit, int out) {
  return (data_span){in * unit - kept, 2 * kept, 2 * unit, 0, out};
}

static data_span inside(int in, int64_t n, int out) {
  if (n < 1) n = 1;
  return (data_span){0, in, 1, (out - (int)n) / 2, (int)n};
}

static data_place crop(int in_h, int in_w, int height, int width) {
  int64_t across = (int64_t)in_w * height, down = (int64_t)in_h * width;
  if (across > down) return (data_place){whole(in_h, height), centre(in_w, down, height, width)};
  if (across < down) return (data_place){centre(in_h, across, width, height), whole(in_w, width)};
  return (data_place){whole(in_h, height), whole(in_w, width)};
}

/* Where it is too large the side that limits is filled; the other one is rounded, halves up. */
static data_place pad(int in_h, int in_w, int height, int width) {
  int64_t across = (int64_t)in_w * height, down = (int64_t)in_h * width;
  if (in_h <= height && in_w <= width) return (data_place){inside(in_h, in_h, height), inside(in_w, in_w, width)};
  if (down > across) return (data_place){whole(in_h, height), inside(in_w, (across + in_h / 2) / in_h, width)};
  return (data_place){inside(in_h, (down + in_w / 2) / in_w, height), whole(in_w, width)};
}

data_place data_place_of(int in_height, int in_width, int height, int width, data_fit fit) {
  if (fit == DATA_CROP) return crop(in_height, in_width, height, width);
  if (fit == DATA_PAD) return pad(in_height, in_width, height, width);
  return (data_place){whole(in_height, height), whole(in_width, width)};
}

int data_nearest(const data_span *s, int i) {
  return (int)((2 * (int64_t)s->n * s->from + (2 * (int64_t)i + 1) * s->length) / (2 * s->n * s->unit));
}
