/* resample.c: two passes of weighted means.
 *
 * Columns are blended LANES rows at a time, from a tile that was turned so that one pixel of all the rows lies
 * together: the inner loops run over rows (first pass) or columns (second pass) and never over taps, whose number
 * is small and differs. All sums are integers, so every clone gives the same bytes. Built with -O3.
 */
#include "data/resample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/images.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CLONES
#endif

enum {
  BITS = 22,   /* of a weight's fraction: 255 << 22 and the rounding still fit 31 bits */
  LANES = 32,  /* rows of the first pass */
  TILE = 64,   /* columns that are turned at a time */
  STRIP = 512, /* columns of the second pass whose sums stay in the first-level cache */
};

/* ---- the weights of one axis ---- */

typedef struct axis {
  int in, out;
  int taps;           /* room for the weights of one output */
  int *first, *count; /* (out): which inputs */
  int32_t *weights;   /* (out, taps), each group summing to about 1 << BITS */
  int low, high;      /* all inputs that are used: from low, below high */
  int plain;          /* every output is the input of the same place */
} axis;

static void axis_free(axis *a) {
  free(a->first);
  free(a->count);
  free(a->weights);
}

static double filter_at(decode_filter filter, double x) {
  if (filter == DECODE_AREA) return x > -0.5 && x <= 0.5;
  x = fabs(x);
  return x < 1 ? 1 - x : 0;
}

/* The weights of output d, which lies at `centre` of the input; `real` has room for them. */
static void weigh(axis *a, int d, decode_filter filter, double centre, double support, double scale, double *real) {
  int first = (int)(centre - support + 0.5), end = (int)(centre + support + 0.5);
  if (first < 0) first = 0;
  if (first > a->in - 1) first = a->in - 1;
  if (end > a->in) end = a->in;
  int count = end - first;
  if (count < 1) count = 1;
  if (count > a->taps) count = a->taps;
  double sum = 0, per = 1 / scale;
  for (int t = 0; t < count; t++) sum += real[t] = filter_at(filter, (t + first - centre + 0.5) * per);
  int32_t *weights = a->weights + (size_t)d * a->taps;
  for (int t = 0; t < count; t++)
    weights[t] = sum > 0 ? (int32_t)(0.5 + real[t] / sum * (1 << BITS)) : (t == 0) << BITS;
  int skip = 0;
  while (count > 1 && weights[count - 1] == 0) count--;
  while (skip < count - 1 && weights[skip] == 0) skip++;
  memmove(weights, weights + skip, (size_t)(count - skip) * sizeof *weights);
  a->first[d] = first + skip;
  a->count[d] = count - skip;
}

/* Output d of `out` covers the input from start + d scale on, scale = (end - start) / out. */
static int axis_make(axis *a, int in, int out, float start, float end, decode_filter filter) {
  double scale = (double)(end - start) / out, wide = scale < 1 ? 1 : scale;
  double support = (filter == DECODE_AREA ? 0.5 : 1.0) * wide;
  memset(a, 0, sizeof *a);
  a->in = in, a->out = out;
  a->plain = in == out && start == 0 && end == (float)in;
  a->high = in;
  if (a->plain) return 0;
  a->taps = (int)ceil(support) * 2 + 1;
  a->first = malloc((size_t)out * sizeof *a->first);
  a->count = malloc((size_t)out * sizeof *a->count);
  a->weights = malloc((size_t)out * a->taps * sizeof *a->weights);
  double *real = malloc((size_t)a->taps * sizeof *real);
  int made = a->first && a->count && a->weights && real;
  a->low = in, a->high = 0;
  for (int d = 0; made && d < out; d++) {
    weigh(a, d, filter, start + (d + 0.5) * scale, support, wide, real);
    if (a->first[d] < a->low) a->low = a->first[d];
    if (a->first[d] + a->count[d] > a->high) a->high = a->first[d] + a->count[d];
  }
  free(real);
  return made ? 0 : -1;
}

/* ---- the passes ---- */

static inline uint8_t rounded(int32_t sum) {
  sum >>= BITS;
  return (uint8_t)(sum > 255 ? 255 : sum);
}

/* tile (in, LANES) to blended (out, LANES) */
CLONES static void blend_columns(const axis *a, const uint8_t *tile, uint8_t *blended) {
  for (int x = 0; x < a->out; x++) {
    const uint8_t *in = tile + (size_t)(a->first[x] - a->low) * LANES;
    const int32_t *weights = a->weights + (size_t)x * a->taps;
    int32_t sum[LANES];
    for (int l = 0; l < LANES; l++) sum[l] = 1 << (BITS - 1);
    for (int t = 0; t < a->count[x]; t++, in += LANES)
      for (int l = 0; l < LANES; l++) sum[l] += in[l] * weights[t];
    for (int l = 0; l < LANES; l++) blended[(size_t)x * LANES + l] = rounded(sum[l]);
  }
}

/* One row of the result from rows `in` of `row` bytes each. */
CLONES static void blend_rows(const uint8_t *in, size_t row, const int32_t *weights, int count, uint8_t *out, int n) {
  int32_t sum[STRIP];
  for (int x = 0; x < n; x += STRIP) {
    int width = n - x < STRIP ? n - x : STRIP;
    for (int i = 0; i < width; i++) sum[i] = 1 << (BITS - 1);
    for (int t = 0; t < count; t++) {
      const uint8_t *from = in + (size_t)t * row + x;
      int32_t weight = weights[t];
      for (int i = 0; i < width; i++) sum[i] += from[i] * weight;
    }
    for (int i = 0; i < width; i++) out[x + i] = rounded(sum[i]);
  }
}

/* rows by n pixels, `pixel` bytes apart, to (n, LANES) */
static void turn_in(const uint8_t *in, size_t row, size_t pixel, int rows, int n, uint8_t *tile) {
  for (int x = 0; x < n; x += TILE) {
    int end = n - x < TILE ? n : x + TILE;
    for (int l = 0; l < rows; l++)
      for (int i = x; i < end; i++) tile[(size_t)i * LANES + l] = in[(size_t)l * row + (size_t)i * pixel];
  }
}

static void turn_out(const uint8_t *blended, int rows, int n, uint8_t *out, size_t row) {
  for (int x = 0; x < n; x += TILE) {
    int end = n - x < TILE ? n : x + TILE;
    for (int l = 0; l < rows; l++)
      for (int i = x; i < end; i++) out[(size_t)l * row + i] = blended[(size_t)i * LANES + l];
  }
}

typedef struct job {
  axis x, y;
  int rows_first;
  uint8_t *tile, *blended; /* (in, LANES), (out, LANES) */
  uint8_t *between;        /* after the first of two passes */
} job;

/* All columns of n rows of one channel, into out. */
static void pass_columns(const job *j, const uint8_t *in, const resample_source *s, int n, uint8_t *out, size_t row) {
  if (j->x.plain) {
    for (int y = 0; y < n; y++)
      for (int x = 0; x < j->x.out; x++) out[(size_t)y * row + x] = in[(size_t)y * s->row + (size_t)x * s->pixel];
    return;
  }
  in += (size_t)j->x.low * s->pixel;
  for (int y = 0; y < n; y += LANES) {
    int rows = n - y < LANES ? n - y : LANES;
    turn_in(in + (size_t)y * s->row, s->row, s->pixel, rows, j->x.high - j->x.low, j->tile);
    blend_columns(&j->x, j->tile, j->blended);
    turn_out(j->blended, rows, j->x.out, out + (size_t)y * row, row);
  }
}

/* Rows of n bytes, `from` being row y->low of the input. */
static void pass_rows(const axis *y, const uint8_t *from, size_t from_row, uint8_t *out, size_t row, int n) {
  for (int d = 0; d < y->out; d++)
    blend_rows(from + (size_t)(y->first[d] - y->low) * from_row, from_row, y->weights + (size_t)d * y->taps,
               y->count[d], out + (size_t)d * row, n);
}

static void columns_then_rows(const job *j, const resample_source *s, uint8_t *out, size_t plane, size_t row) {
  for (int c = 0; c < s->channels; c++, out += plane) {
    const uint8_t *in = s->pixels + c * s->plane;
    size_t width = (size_t)j->x.out;
    if (j->y.plain) {
      pass_columns(j, in, s, j->y.out, out, row);
      continue;
    }
    pass_columns(j, in + (size_t)j->y.low * s->row, s, j->y.high - j->y.low, j->between, width);
    pass_rows(&j->y, j->between, width, out, row, j->x.out);
  }
}

/* Interleaved rows are blended as they are, all channels at once. */
static void rows_then_columns(const job *j, const resample_source *s, uint8_t *out, size_t plane, size_t row) {
  resample_source smaller = *s;
  smaller.pixels = j->between;
  smaller.height = j->y.out;
  if (s->plane != 1) smaller.plane = (size_t)j->y.out * s->row;
  for (int c = 0; c < (s->plane == 1 ? 1 : s->channels); c++)
    pass_rows(&j->y, s->pixels + c * s->plane + (size_t)j->y.low * s->row, s->row, j->between + c * smaller.plane,
              s->row, s->width * (int)s->pixel);
  for (int c = 0; c < s->channels; c++)
    pass_columns(j, j->between + c * smaller.plane, &smaller, j->y.out, out + c * plane, row);
}

/* ---- fits ---- */

typedef struct placing {
  float left, top, right, bottom; /* what is taken of the input */
  int height, width, y, x;        /* where it lands */
} placing;

static void keep_centre(placing *p, int in_h, int in_w, int height, int width) {
  double wide = (double)width / height, is = (double)in_w / in_h, w = in_w, h = in_h;
  if (is > wide) w = wide * in_h;
  if (is < wide) h = in_w / wide;
  double left = (in_w - w) * 0.5, top = (in_h - h) * 0.5;
  p->left = (float)left, p->right = (float)(left + w);
  p->top = (float)top, p->bottom = (float)(top + h);
}

/* The larger of the two ratios becomes 1; the other side is rounded, halves up. */
static void shrink_to_fit(placing *p, int in_h, int in_w, int height, int width) {
  p->height = in_h, p->width = in_w;
  if (in_h > height || in_w > width) {
    if ((int64_t)in_h * width > (int64_t)in_w * height) {
      p->height = height;
      p->width = (int)(((int64_t)in_w * height + in_h / 2) / in_h);
    } else {
      p->width = width;
      p->height = (int)(((int64_t)in_h * width + in_w / 2) / in_w);
    }
  }
  if (p->height < 1) p->height = 1;
  if (p->width < 1) p->width = 1;
  p->y = (height - p->height) / 2;
  p->x = (width - p->width) / 2;
}

resample_source data_interleaved(const uint8_t *pixels, int channels, int height, int width) {
  return (resample_source){pixels, channels, height, width, 1, (size_t)width * channels, (size_t)channels};
}

resample_source data_planar(const uint8_t *pixels, int channels, int height, int width) {
  return (resample_source){pixels, channels, height, width, (size_t)height * width, (size_t)width, 1};
}

static int job_make(job *j, const resample_source *in, const placing *p, decode_filter filter) {
  memset(j, 0, sizeof *j);
  if (axis_make(&j->x, in->width, p->width, p->left, p->right, filter)) return -1;
  if (axis_make(&j->y, in->height, p->height, p->top, p->bottom, filter)) return -1;
  j->rows_first = !j->x.plain && !j->y.plain && p->height < in->height &&
                  in->height - p->height > 2 * ((int64_t)in->width - p->width);
  if (!j->x.plain) {
    j->tile = calloc((size_t)(j->x.high - j->x.low), LANES); /* rows that a picture lacks are blended too */
    j->blended = malloc((size_t)j->x.out * LANES);
    if (!j->tile || !j->blended) return -1;
  }
  if (j->y.plain) return 0;
  size_t bytes =
      j->rows_first ? (size_t)p->height * in->width * in->channels : (size_t)(j->y.high - j->y.low) * (size_t)j->x.out;
  j->between = malloc(bytes);
  return j->between ? 0 : -1;
}

int data_resample(const resample_source *in, uint8_t *out, int height, int width, decode_fit fit, decode_filter filter,
                  agad_error *error) {
  placing p = {0, 0, (float)in->width, (float)in->height, height, width, 0, 0};
  size_t plane = (size_t)height * width;
  if (fit == DECODE_CROP) keep_centre(&p, in->height, in->width, height, width);
  if (fit == DECODE_PAD) {
    shrink_to_fit(&p, in->height, in->width, height, width);
    memset(out, 0, plane * in->channels);
  }
  job j;
  int status = job_make(&j, in, &p, filter);
  if (status) agad_fail(error, "no memory to bring %d x %d pixels to %d x %d", in->height, in->width, height, width);
  out += (size_t)p.y * width + p.x;
  if (!status && j.rows_first) rows_then_columns(&j, in, out, plane, (size_t)width);
  else if (!status) columns_then_rows(&j, in, out, plane, (size_t)width);
  axis_free(&j.x);
  axis_free(&j.y);
  free(j.tile);
  free(j.blended);
  free(j.between);
  return status;
}
