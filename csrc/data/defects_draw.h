/* defects_draw.h: what the files of the synthetic defects share: a canvas, boxes, masks, operations on planes.
 *
 * A canvas is one picture that is drawn on, with the memory for it; one thread works at it. All planes have its height
 * and width. A defect is drawn into `over` and laid over the picture through `mask`; both hold values in the defect's
 * box only, and everything is computed in boxes that are no larger than needed. Sums are floats in a fixed order, so a
 * picture is the same, to the bit, whoever draws it.
 */
#ifndef AGAD_DATA_DEFECTS_DRAW_H
#define AGAD_DATA_DEFECTS_DRAW_H

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-trapping-math", "fp-contract=off")
#endif

#include "base/clones.h"
#include "base/random.h"
#include "data/defects.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

typedef struct box {
  int top, left, bottom, right; /* without row `bottom` and column `right`; empty where bottom <= top */
} box;

typedef struct canvas canvas;

struct canvas {
  int channels, height, width;
  size_t plane; /* height * width */
  double side;  /* its root: sizes of defects are parts of it */
  base_random *random;
  /* of the pictures at this scale */
  float sd, low, high;        /* the median SD of one, the range of values */
  double faintest, strongest; /* amplitudes, in units of sd */
  int placed;                 /* whether the defect has a place, and which */
  double row, column;
  float *x;                                         /* (channels) the picture */
  float *before, *over, *source, *blurred, *work;   /* (channels) */
  float *mask, *distance, *field, *marked, *change; /* planes */
  float *scratch; /* of a function that calls none that uses it; defects_scratch() says how much */
  /* Writes a random picture of the pool, at this scale, to `source`. */
  void (*draw_source)(canvas *c);
  /* Writes a known defective picture to `source`, and its mask, 0 to 1, to `field`; 0: there is none. */
  int (*draw_known)(canvas *c);
  const void *pool; /* of these two, as is the view */
  int view;
};

size_t defects_scratch(int channels, int height, int width);

/* ---- numbers ---- */

static inline int clip(int v, int low, int high) { return v < low ? low : v > high ? high : v; }
static inline double chance(canvas *c) { return base_random_unit(c->random); }
static inline double between(canvas *c, double low, double high) { return base_random_between(c->random, low, high); }
static inline double log_between(canvas *c, double low, double high) { return exp(between(c, log(low), log(high))); }
static inline double normal(canvas *c) { return base_random_normal(c->random); }
static inline int whole(canvas *c, int low, int high) { return base_random_range(c->random, low, high); }
/* A plane between its pixels, bilinear: row v of 0 .. height - 1, column u of 0 .. width - 1. */
static inline float sampled(const float *plane, int height, int width, float v, float u) {
  int row = (int)v, column = (int)u;
  row = row > height - 2 ? height - 2 : row;
  column = column > width - 2 ? width - 2 : column;
  const float *p = plane + (size_t)row * width + column, ry = v - (float)row, rx = u - (float)column;
  float a = p[0] + rx * (p[1] - p[0]), b = p[width] + rx * (p[width + 1] - p[width]);
  return a + ry * (b - a);
}

/* 1 / (1 + exp(-z)), within 1e-6; loops over it become vectors. */
static inline float logistic(float z) {
  z = z < -30 ? -30 : z > 30 ? 30 : z;
  float t = z * -1.44269504f, n = (t + 12582912.f) - 12582912.f, f = t - n;
  float p = 1 + f * (.693147181f + f * (.240226507f + f * (.0555041087f + f * (.00961812911f + f * .00133335581f))));
  int32_t bits = ((int32_t)n + 127) << 23;
  float scale;
  memcpy(&scale, &bits, sizeof scale);
  return 1 / (1 + p * scale);
}
/* The k-th smallest, from 0; changes the order. */
float defects_select(float *values, int n, int k);

/* ---- boxes ---- */

static inline int box_empty(box b) { return b.bottom <= b.top || b.right <= b.left; }
static inline box box_whole(const canvas *c) { return (box){0, 0, c->height, c->width}; }
/* By n pixels on each side, as far as the canvas goes. */
static inline box box_grown(const canvas *c, box b, int n) {
  return (box){b.top > n ? b.top - n : 0, b.left > n ? b.left - n : 0, clip(b.bottom + n, 0, c->height),
               clip(b.right + n, 0, c->width)};
}
static inline box box_joined(box a, box b) {
  if (box_empty(a)) return b;
  if (box_empty(b)) return a;
  return (box){a.top < b.top ? a.top : b.top, a.left < b.left ? a.left : b.left,
               a.bottom > b.bottom ? a.bottom : b.bottom, a.right > b.right ? a.right : b.right};
}
/* From real borders, both included. */
box box_around(const canvas *c, double top, double left, double bottom, double right);

/* ---- operations on planes: defects_planes.c ---- */

/* A smooth random field, normal at (ky + 1) x (kx + 1) points that span the box, bicubic between them; to `out`. */
void defects_field(canvas *c, box b, int ky, int kx, float *out);
/* The means of two box blurs of this radius, one after the other; those over 3 on smaller copies. */
void defects_blur(canvas *c, const float *plane, box b, int radius, float *out);
/* Bilinear: rows x cols values of a picture that shows `in` (height, width; in_stride from row to row) step times
 * smaller in every direction (so less than 1 enlarges), from its row `top` and column `left` on. Beyond its borders a
 * plane goes on with its last values. Takes 5 cols of scratch. */
typedef struct scaling {
  double step_y, step_x;
  int top, left, rows, cols;
} scaling;
void defects_bilinear(const float *in, int height, int width, size_t in_stride, const scaling *s, float *out,
                      size_t out_stride, float *scratch);
/* (height, width) to means of 2 x 2, or of what there is of them: both sides halved, rounded up. */
void defects_halve(const float *in, size_t in_stride, int height, int width, float *out);
/* Noise of this SD, added to every channel of `over` alike. */
void defects_add_noise(canvas *c, box b, float sd);

/* ---- what fills holes: defects_fill.c ---- */

/* over = x in the box, its inside replaced by the patch (channels; at the places of the box) with its border moved to
 * that of x: u of Laplace's equation, u = x - patch on the border, is added. */
void defects_membrane(canvas *c, box b, const float *patch);
/* over = x filled from around where the mask is over .05. */
void defects_inpaint(canvas *c, box b);

/* ---- places and masks: defects_masks.c; each returns the box of what it drew ---- */

/* Chooses a place for the next defect: mostly where the picture has contrast. */
void defects_place(canvas *c);
void defects_centre(canvas *c, double *row, double *column);
/* A box with sides of low .. high of the picture's, of random aspect. */
box defects_box(canvas *c, double low, double high);
box defects_mask(canvas *c); /* of any form: blob, noise, ellipse or rectangle */
/* The line's distance is left in `distance`; *half_width; where it is far, 1e9. */
box defects_line(canvas *c, double *half_width);
box defects_region(canvas *c);
box defects_spots(canvas *c);
/* The mask of a patch in its box: all of it or a blob. */
void defects_patch_mask(canvas *c, box b);

/* ---- a kind of its own: defects_known.c ---- */

/* What is marked of a known defective picture: `over` and `mask` in the box that is returned. */
box defects_draw_known(canvas *c);

/* ---- kinds: defects_draw.c ---- */

/* One defect of a kind (from 0), laid over x; `mask` in the box that is returned. */
box defects_draw_one(canvas *c, int kind);

#endif
