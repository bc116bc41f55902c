/* defects_scale.h: the pool of pictures at the scales at which defects are drawn, from bytes to a canvas. */
#ifndef AGAD_DATA_DEFECTS_SCALE_H
#define AGAD_DATA_DEFECTS_SCALE_H

#include "data/defects_draw.h"

typedef enum defects_view {
  DEFECTS_REDUCED, /* all of a picture in the window */
  DEFECTS_CROP,    /* a crop of the window's size */
  DEFECTS_FULL     /* all of a picture, as large as it is */
} defects_view;

typedef struct defects_pool {
  defects_pictures pictures;
  const int64_t *rows;
  int64_t n;
  defects_known known;
  int factor, window_height, window_width;
  float mean[3], sd; /* of bytes */
  /* Of pictures reduced [0] and full [1]: the median SD of one, at least a grey level; the range of values. */
  float spread[2], darkest[2], brightest[2];
} defects_pool;

/* Measures the pool: spread and range, on worker threads. */
int defects_measure(defects_pool *pool, agad_error *error);
/* One picture of the pool's size to a view of it; a crop is chosen at random. out has the canvas's size. */
void defects_load(const defects_pool *pool, const uint8_t *pixels, defects_view view, base_random *random, float *out);
/* One of the known defective pictures, by chance, reduced or a crop that holds a marked pixel, and its mask, 0 to 1, to
 * `mask`. 0: there is none, or nothing is marked in it. */
int defects_load_known(const defects_pool *pool, defects_view view, base_random *random, float *out, float *mask);
/* Flips, and the jitter of normals, in place; c->work is used. */
void defects_augment(canvas *c, const defects_options *o);

#endif
