/* defects.h: synthetic local defects, drawn on normal pictures for a net that learns to find them.
 *
 * A picture of a batch is whole, each pixel the mean of f x f (f = height / window_height = width / window_width), or a
 * crop of the window's size. Bytes v become (v - mean[channel]) / sd. The defects of eleven kinds take their sizes from
 * the side of the picture and their strengths from the median SD of the pictures of the pool, which is at least one
 * grey level. Every picture is drawn from a random stream of its own, so the result depends on the options and on
 * (step, place in the batch), and not on the number of threads.
 */
#ifndef AGAD_DATA_DEFECTS_H
#define AGAD_DATA_DEFECTS_H

#include "base/error.h"

#include <stdint.h>

enum {
  DEFECTS_KINDS = 11,
  DEFECTS_MOST = 4,     /* on one picture */
  DEFECTS_MIN_SIDE = 8, /* of the window */
};

/* blend: a patch of another picture, its borders levelled (Perez 2003); paste: another picture, rolled, turned;
 * texture: noise or a part of another picture, enlarged; fill: one value and noise; line: a bent line, a rim; region: a
 * half plane or a strip with soft borders; warp: shifted, turned or stretched; inpaint: filled from what is around;
 * filter: blurred, sharpened, noisy; spots; known: what is marked of a known defective picture, only drawn where there
 * are some. Ends with NULL. */
extern const char *const defects_kinds[DEFECTS_KINDS + 1];

/* Pictures with defects of which it is known where they are. */
typedef struct defects_known {
  const int64_t *rows; /* (n) of the pictures */
  int64_t n;
  const uint8_t *masks; /* (n, height, width): not 0 where a defect is */
} defects_known;

typedef struct defects_options {
  int window_height, window_width; /* the sides of the pictures are the same whole multiple of them */
  double mean[3], sd;
  uint64_t seed;
  double low, high;                              /* the amplitude, log-uniform, in units of the median SD */
  double count;                                  /* defects on a picture: 1 + min(3, Poisson(count - 1)) */
  int flip_horizontal, flip_vertical, transpose; /* each of half of the pictures; transpose: square windows only */
  int jitter;                                    /* of the normals: a small affine map on 30 %, gain and offset */
  defects_known known;                           /* n = 0: none */
} defects_options;

typedef struct defects_pictures {
  const uint8_t *pixels; /* (n, channels, height, width) */
  int64_t n;
  int channels, height, width; /* 1 or 3 channels */
} defects_pictures;

typedef struct defects defects;

/* The pool, from which patches come: `n_rows` rows of the pictures, whose pixels must outlive the result, as must the
 * masks of known defects. */
defects *data_defects_new(const defects_pictures *pictures, const int64_t *rows, int64_t n_rows,
                          const defects_options *options, agad_error *error);
void data_defects_free(defects *d);

typedef struct defects_batch {
  const int64_t *rows; /* (n) of the pictures */
  int64_t n, step;
  int crop;
  const double *probabilities; /* (DEFECTS_KINDS) of the kinds, in any unit; NULL: all alike. Without known defects that
                                  of `known` counts as 0 */
  /* results, h x w: the window */
  float *x;      /* (n, channels, h, w); pictures 0, 3, 6 ... have no defect */
  float *mask;   /* (n, h, w): 1 where a defect is that can be seen, else 0 */
  float *weight; /* (n, h, w): 0 where it is in doubt whether there is one, else 1 */
  int *kinds;    /* (n, DEFECTS_MOST), from 1; 0: none */
} defects_batch;

int data_defects_batch(defects *d, const defects_batch *batch, agad_error *error);

/* Pictures of the size of those of the pool, each with defects of all kinds but `known`, and without flips or jitter, to
 * bytes; masks (n, height, width), 0 or 1. */
int data_defects_draw(defects *d, const defects_pictures *in, uint64_t seed, uint8_t *pixels, uint8_t *masks,
                      agad_error *error);

#endif
