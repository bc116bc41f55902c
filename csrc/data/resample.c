/* resample.c: two passes of weighted means.
 *
 * Columns are blended LANES rows at a time, from a tile that was transposed so that one pixel of all the rows lies
 * together: the inner loops run over rows (columns' pass) or columns (rows' pass) and never over taps, whose number
 * is small and differs. All sums are integers, so every clone gives the same bytes. Built with -O3.
 */
#include "data/resample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clones.h"
#include "base/memory.h"
#include "data/images.h"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("fp-contract=off") /* the weights: the same on every processor */
#endif

enum {
  BITS = 22,          /* of a weight's fraction: 255 << 22 and the rounding still fit 31 bits */
  LANES = 32,         /* rows of the first pass */
  STRIP = 512,        /* columns of the second pass whose sums stay in the first-level cache */
  TOGETHER = 1 << 18, /* pixels of planes that share one set of weights: they stay in the second-level cache */
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

static double filter_at(data_filter filter, double x) {
  if (filter == DATA_AREA) return x > -0.5 && x <= 0.5;
  x = fabs(x);
  return x < 1 ? 1 - x : 0;
}

/* The weights of output d, which lies at `centre` of the input; `real` has room for them. */
static void weigh(axis *a, int d, data_filter filter, double centre, double support, double scale, double *real) {
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
static int axis_make(axis *a, int in, int out, float start, float end, data_filter filter) {
  double scale = (double)(end - start) / out, wide = scale < 1 ? 1 : scale;
  if (filter == DATA_ADAPTIVE) filter = scale > 1 ? DATA_AREA : DATA_BILINEAR;
  double support = (filter == DATA_AREA ? 0.5 : 1.0) * wide;
  memset(a, 0, sizeof *a);
  a->in = in, a->out = out;
  a->plain = in == out && start == 0 && end == (float)in;
  a->high = in;
  if (a->plain) return 0;
  a->taps = (int)ceil(support) * 2 + 1;
  a->first = base_alloc(out, sizeof *a->first);
  a->count = base_alloc(out, sizeof *a->count);
  a->weights = base_alloc((int64_t)out * a->taps, sizeof *a->weights);
  double *real = base_alloc(a->taps, sizeof *real);
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

/* tile (in, LANES), `step` bytes from one to the next, to blended (out, LANES) */
CLONES static void blend_columns(const axis *a, const uint8_t *tile, size_t step, uint8_t *blended) {
  for (int x = 0; x < a->out; x++) {
    const uint8_t *in = tile + (size_t)(a->first[x] - a->low) * step;
    const int32_t *weights = a->weights + (size_t)x * a->taps;
    int32_t sum[LANES];
    for (int l = 0; l < LANES; l++) sum[l] = 1 << (BITS - 1);
    for (int t = 0; t < a->count[x]; t++, in += step)
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

/* ---- rows become columns ---- */

typedef uint8_t bytes16 __attribute__((vector_size(16)));
#ifdef __clang__
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (bytes16){__VA_ARGS__})
#endif

/* Four rounds of the perfect shuffle transpose 16 by 16 bytes. */
static void transpose16(const uint8_t *in, size_t in_row, uint8_t *out, size_t out_row) {
  bytes16 a[16], b[16];
  for (int i = 0; i < 16; i++) memcpy(&a[i], in + (size_t)i * in_row, 16);
  for (int round = 0; round < 4; round++) {
    for (int i = 0; i < 8; i++) {
      b[2 * i] = SHUFFLE(a[i], a[i + 8], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      b[2 * i + 1] = SHUFFLE(a[i], a[i + 8], 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    }
    memcpy(a, b, sizeof a);
  }
  for (int i = 0; i < 16; i++) memcpy(out + (size_t)i * out_row, &a[i], 16);
}

/* (rows, n) to (n, rows) */
static void transpose(const uint8_t *in, size_t in_row, int rows, int n, uint8_t *out, size_t out_row) {
  int y = 0;
  for (; y + 16 <= rows; y += 16) {
    int x = 0;
    for (; x + 16 <= n; x += 16)
      transpose16(in + (size_t)y * in_row + x, in_row, out + (size_t)x * out_row + y, out_row);
    for (; x < n; x++)
      for (int i = y; i < y + 16; i++) out[(size_t)x * out_row + i] = in[(size_t)i * in_row + x];
  }
  for (; y < rows; y++)
    for (int x = 0; x < n; x++) out[(size_t)x * out_row + y] = in[(size_t)y * in_row + x];
}

/* ---- a picture ---- */

typedef struct job {
  axis x, y;
  int rows_first;
  uint8_t *tile, *blended; /* (used columns, channels, LANES), (out, LANES) */
  uint8_t *between;        /* after the first of two passes */
} job;

/* Where a pass writes: distances from channel to channel and row to row. */
typedef struct target {
  uint8_t *pixels;
  size_t plane, row;
} target;

static void split_channels(const resample_source *in, target out) {
  for (int c = 0; c < in->channels; c++)
    for (int y = 0; y < in->height; y++)
      for (int x = 0; x < in->width; x++)
        out.pixels[c * out.plane + (size_t)y * out.row + x] =
            in->pixels[c * in->plane + (size_t)y * in->row + (size_t)x * in->pixel];
}

/* All columns; channels that lie together are turned together. */
static void pass_columns(const job *j, const resample_source *in, target out) {
  if (j->x.plain) {
    split_channels(in, out);
    return;
  }
  int group = (int)in->pixel, bytes = (j->x.high - j->x.low) * group;
  for (int first = 0; first < in->channels; first += group)
    for (int y = 0; y < in->height; y += LANES) {
      int rows = in->height - y < LANES ? in->height - y : LANES;
      const uint8_t *from = in->pixels + first * in->plane + (size_t)y * in->row + (size_t)j->x.low * in->pixel;
      transpose(from, in->row, rows, bytes, j->tile, LANES);
      for (int c = 0; c < group; c++) {
        blend_columns(&j->x, j->tile + (size_t)c * LANES, (size_t)group * LANES, j->blended);
        transpose(j->blended, LANES, j->x.out, rows, out.pixels + (first + c) * out.plane + (size_t)y * out.row,
                  out.row);
      }
    }
}

/* n columns of bytes; `in` is row y->low of the input. */
static void pass_rows(const axis *y, const uint8_t *in, size_t row, uint8_t *out, size_t out_row, int n) {
  for (int d = 0; d < y->out; d++)
    blend_rows(in + (size_t)(y->first[d] - y->low) * row, row, y->weights + (size_t)d * y->taps, y->count[d],
               out + (size_t)d * out_row, n);
}

static void columns_then_rows(const job *j, const resample_source *in, target out) {
  if (j->y.plain) {
    pass_columns(j, in, out);
    return;
  }
  resample_source used = *in;
  used.pixels += (size_t)j->y.low * in->row;
  used.height = j->y.high - j->y.low;
  target middle = {j->between, (size_t)used.height * j->x.out, (size_t)j->x.out};
  pass_columns(j, &used, middle);
  for (int c = 0; c < in->channels; c++)
    pass_rows(&j->y, middle.pixels + c * middle.plane, middle.row, out.pixels + c * out.plane, out.row, j->x.out);
}

static void rows_then_columns(const job *j, const resample_source *in, target out) {
  resample_source lower = *in;
  int group = (int)in->pixel;
  lower.pixels = j->between;
  lower.height = j->y.out;
  if (group == 1) lower.plane = (size_t)lower.height * in->row;
  for (int c = 0; c < in->channels; c += group)
    pass_rows(&j->y, in->pixels + c * in->plane + (size_t)j->y.low * in->row, in->row, j->between + c * lower.plane,
              in->row, in->width * group);
  pass_columns(j, &lower, out);
}

resample_source data_interleaved(const uint8_t *pixels, int channels, int height, int width) {
  return (resample_source){pixels, channels, height, width, 1, (size_t)width * channels, (size_t)channels};
}

resample_source data_planar(const uint8_t *pixels, int channels, int height, int width) {
  return (resample_source){pixels, channels, height, width, (size_t)height * width, (size_t)width, 1};
}

static int axis_of(axis *a, int in, const data_span *s, data_filter filter) {
  double start = (double)s->from / (double)s->unit, end = (double)(s->from + s->length) / (double)s->unit;
  return axis_make(a, in, s->n, (float)start, (float)end, filter);
}

static int job_make(job *j, const resample_source *in, const data_place *p, data_filter filter) {
  memset(j, 0, sizeof *j);
  if (axis_of(&j->x, in->width, &p->x, filter) || axis_of(&j->y, in->height, &p->y, filter)) return -1;
  j->rows_first =
      !j->x.plain && !j->y.plain && p->y.n < in->height && in->height - p->y.n > 2 * ((int64_t)in->width - p->x.n);
  if (!j->x.plain) {
    j->tile = base_calloc((int64_t)(j->x.high - j->x.low) * (int64_t)in->pixel,
                          LANES); /* rows that are not there are blended too */
    j->blended = base_alloc(j->x.out, LANES);
    if (!j->tile || !j->blended) return -1;
  }
  if (j->y.plain) return 0;
  size_t kept = j->rows_first ? (size_t)p->y.n * in->width : (size_t)(j->y.high - j->y.low) * j->x.out;
  j->between = base_alloc((int64_t)kept, (size_t)in->channels);
  return j->between ? 0 : -1;
}

int data_resample(const resample_source *in, uint8_t *out, int height, int width, data_fit fit, data_filter filter,
                  agad_error *error) {
  data_place p = data_place_of(in->height, in->width, height, width, fit);
  size_t plane = (size_t)height * width;
  if (p.y.n < height || p.x.n < width) memset(out, 0, plane * in->channels);
  job j;
  int status = job_make(&j, in, &p, filter);
  if (status)
    agad_fail_as(error, AGAD_OUT_OF_MEMORY, "no memory to resize %d x %d pixels to %d x %d", in->height, in->width,
                 height, width);
  target inside = {out + (size_t)p.y.at * width + p.x.at, plane, (size_t)width};
  if (!status && j.rows_first) rows_then_columns(&j, in, inside);
  else if (!status) columns_then_rows(&j, in, inside);
  axis_free(&j.x);
  axis_free(&j.y);
  free(j.tile);
  free(j.blended);
  free(j.between);
  return status;
}

int data_resample_planes(const uint8_t *in, int64_t planes, int in_height, int in_width, uint8_t *out, int height,
                         int width, data_fit fit, data_filter filter, agad_error *error) {
  size_t from = (size_t)in_height * in_width, to = (size_t)height * width;
  int64_t most = 1 + TOGETHER / (int64_t)(from + to);
  for (int64_t first = 0; first < planes; first += most) {
    int n = (int)(planes - first < most ? planes - first : most);
    resample_source some = data_planar(in + (size_t)first * from, n, in_height, in_width);
    if (agad_interrupt) return agad_interrupted(error);
    if (data_resample(&some, out + (size_t)first * to, height, width, fit, filter, error)) return -1;
  }
  return 0;
}
