/* defects_planes.c: fields, blurs, bilinear resizing: loops over rows, which gcc turns into vectors. Built with -O3. */
#include "data/defects_draw.h"

box box_around(const canvas *c, double top, double left, double bottom, double right) {
  box b = {(int)fmax(top, 0), (int)fmax(left, 0), (int)ceil(fmin(bottom, c->height)), (int)ceil(fmin(right, c->width))};
  return box_empty(b) ? (box){0, 0, 0, 0} : b;
}

float defects_select(float *values, int n, int k) {
  int low = 0, high = n - 1;
  while (low < high) {
    float pivot = values[(low + high) / 2];
    int i = low, j = high;
    while (i <= j) {
      while (values[i] < pivot) i++;
      while (values[j] > pivot) j--;
      if (i <= j) {
        float t = values[i];
        values[i++] = values[j];
        values[j--] = t;
      }
    }
    if (k <= j) high = j;
    else if (k >= i) low = i;
    else break;
  }
  return values[k];
}

/* ---- bilinear ---- */

CLONES static void spread_row(const float *restrict in, const int *restrict first, const int *restrict second,
                              const float *restrict share, int n, float *restrict out) {
  for (int x = 0; x < n; x++) out[x] = in[first[x]] + share[x] * (in[second[x]] - in[first[x]]);
}

CLONES static void mix_rows(const float *restrict a, const float *restrict b, float share, int n, float *restrict out) {
  for (int x = 0; x < n; x++) out[x] = a[x] + share * (b[x] - a[x]);
}

/* Where pixel i of a picture lies in one that is `step` times as large: between *first and *second. */
static inline float between_two(int i, double step, int n, int *first, int *second) {
  float at = (float)((i + .5) * step - .5);
  if (at < 0) at = 0;
  int low = (int)at;
  if (low > n - 1) low = n - 1;
  *first = low;
  *second = low + 1 < n ? low + 1 : low;
  return low + 1 < n ? at - (float)low : 0;
}

void defects_bilinear(const float *in, int height, int width, size_t in_stride, const scaling *s, float *out,
                      size_t out_stride, float *scratch) {
  int *first = (int *)scratch, *second = first + s->cols, held[2] = {-1, -1};
  float *share = (float *)(second + s->cols), *rows[2] = {share + s->cols, share + 2 * (size_t)s->cols};
  for (int x = 0; x < s->cols; x++) share[x] = between_two(s->left + x, s->step_x, width, &first[x], &second[x]);
  for (int y = 0; y < s->rows; y++) {
    int need[2];
    float down = between_two(s->top + y, s->step_y, height, &need[0], &need[1]);
    if (held[1] == need[0]) {
      float *t = rows[0];
      rows[0] = rows[1], rows[1] = t;
      held[0] = held[1], held[1] = -1;
    }
    for (int k = 0; k < 2; k++) {
      if (held[k] == need[k]) continue;
      spread_row(in + (size_t)need[k] * in_stride, first, second, share, s->cols, rows[k]);
      held[k] = need[k];
    }
    mix_rows(rows[0], rows[1], down, s->cols, out + (size_t)y * out_stride);
  }
}

/* ---- blurs ---- */

CLONES void defects_halve(const float *in, size_t in_stride, int height, int width, float *out) {
  int h = (height + 1) / 2, w = (width + 1) / 2, pairs = width / 2;
  for (int y = 0; y < h; y++) {
    const float *restrict a = in + 2 * (size_t)y * in_stride, *restrict b = 2 * y + 1 < height ? a + in_stride : a;
    float *restrict to = out + (size_t)y * w;
    for (int x = 0; x < pairs; x++) to[x] = .25f * ((a[2 * x] + a[2 * x + 1]) + (b[2 * x] + b[2 * x + 1]));
    if (pairs < w) to[pairs] = .5f * (a[2 * pairs] + b[2 * pairs]);
  }
}

/* 1 / how many of the pixels i - r .. i + r there are. */
static void shares(float *inverse, int n, int r) {
  for (int i = 0; i < n; i++) {
    int before = i < r ? i : r, after = n - 1 - i < r ? n - 1 - i : r;
    inverse[i] = 1 / (float)(before + after + 1);
  }
}

/* padded: r zeros, the row, r zeros */
#define SUM_ROW(R)                                           \
  for (int x = 0; x < n; x++) {                              \
    float sum = padded[x];                                   \
    for (int k = 1; k <= 2 * (R); k++) sum += padded[x + k]; \
    out[x] = sum * inverse[x];                               \
  }
CLONES static void mean_of_row(const float *restrict padded, const float *restrict inverse, int n, int r,
                               float *restrict out) {
  if (r == 1) SUM_ROW(1)
  else if (r == 2) SUM_ROW(2)
  else SUM_ROW(3)
}

CLONES static void mean_of_rows(const float *restrict in, int w, int low, int high, float *restrict out) {
  const float inverse = 1 / (float)(high - low + 1);
  const float *a = in + (size_t)low * w;
  int n = high - low;
  if (n == 6)
    for (int x = 0; x < w; x++)
      out[x] = (a[x] + a[x + w] + a[x + 2 * w] + a[x + 3 * w] + a[x + 4 * w] + a[x + 5 * w] + a[x + 6 * w]) * inverse;
  else if (n == 4)
    for (int x = 0; x < w; x++) out[x] = (a[x] + a[x + w] + a[x + 2 * w] + a[x + 3 * w] + a[x + 4 * w]) * inverse;
  else if (n == 2)
    for (int x = 0; x < w; x++) out[x] = (a[x] + a[x + w] + a[x + 2 * w]) * inverse;
  else {
    for (int x = 0; x < w; x++) out[x] = a[x] * inverse;
    for (int k = 1; k <= n; k++)
      for (int x = 0; x < w; x++) out[x] += a[x + k * w] * inverse;
  }
}

static void mean_down(const float *in, int h, int w, int r, float *out) {
  for (int y = 0; y < h; y++) mean_of_rows(in, w, y < r ? 0 : y - r, y + r < h ? y + r : h - 1, out + (size_t)y * w);
}

void defects_blur(canvas *c, const float *plane, box b, int radius, float *out) {
  int f = 1, r = radius;
  for (; r > 3; r /= 2) f *= 2;
  if (box_empty(b)) return;
  /* All that the box depends on, in whole cells of f x f. */
  box near = box_grown(c, b, f > 1 ? (2 * r + 2) * f : 2 * r);
  near.top -= near.top % f, near.left -= near.left % f;
  near.bottom = clip((near.bottom + f - 1) / f * f, 0, c->height);
  near.right = clip((near.right + f - 1) / f * f, 0, c->width);
  int h = near.bottom - near.top, w = near.right - near.left;
  float *inverse = c->scratch, *padded = inverse + c->width, *again = padded + c->width + 6;
  float *a = again + c->width + 6, *other = a + c->plane;
  const float *from = plane + (size_t)near.top * c->width + near.left;
  size_t stride = (size_t)c->width;
  for (int k = f; k > 1; k /= 2) {
    defects_halve(from, stride, h, w, a);
    h = (h + 1) / 2, w = (w + 1) / 2;
    from = a, stride = (size_t)w;
    a = other, other = (float *)(size_t)from;
  }
  shares(inverse, w, r);
  memset(padded, 0, ((size_t)w + 6) * sizeof *padded);
  memset(again, 0, ((size_t)w + 6) * sizeof *again);
  for (int y = 0; y < h; y++) {
    memcpy(padded + r, from + (size_t)y * stride, (size_t)w * sizeof *padded);
    mean_of_row(padded, inverse, w, r, again + r);
    mean_of_row(again, inverse, w, r, a + (size_t)y * w);
  }
  /* where `from` was one of the two, it is no longer needed */
  mean_down(a, h, w, r, other);
  mean_down(other, h, w, r, a);
  size_t wide = (size_t)c->width;
  if (f == 1) {
    for (int y = b.top; y < b.bottom; y++)
      memcpy(out + y * wide + b.left, a + (size_t)(y - near.top) * w + (b.left - near.left),
             (size_t)(b.right - b.left) * sizeof *out);
    return;
  }
  scaling s = {1. / f, 1. / f, b.top - near.top, b.left - near.left, b.bottom - b.top, b.right - b.left};
  defects_bilinear(a, h, w, (size_t)w, &s, out + b.top * wide + b.left, wide, other);
}

/* ---- random fields ---- */

/* Keys' cubic with a = -3/4 at distances 1 + t, t, 1 - t, 2 - t. */
static void cubic(float t, float w[4]) {
  const float a = -.75f;
  float u = t + 1, v = 1 - t, z = 2 - t;
  w[0] = ((a * u - 5 * a) * u + 8 * a) * u - 4 * a;
  w[1] = ((a + 2) * t - (a + 3)) * t * t + 1;
  w[2] = ((a + 2) * v - (a + 3)) * v * v + 1;
  w[3] = ((a * z - 5 * a) * z + 8 * a) * z - 4 * a;
}

/* The four of k + 1 points around pixel i of n, and their weights. */
static void around(int i, int n, int k, int at[4], float w[4]) {
  float place = n > 1 ? (float)i * (float)k / (float)(n - 1) : 0;
  int low = (int)place;
  if (low > k) low = k;
  for (int t = 0; t < 4; t++) at[t] = clip(low - 1 + t, 0, k);
  cubic(place - (float)low, w);
}

CLONES static void weigh_rows(const float *restrict a, const float *restrict b, const float *restrict d,
                              const float *restrict e, const float w[4], int n, float *restrict out) {
  const float w0 = w[0], w1 = w[1], w2 = w[2], w3 = w[3];
  for (int x = 0; x < n; x++) out[x] = (w0 * a[x] + w1 * b[x]) + (w2 * d[x] + w3 * e[x]);
}

void defects_field(canvas *c, box b, int ky, int kx, float *out) {
  int h = b.bottom - b.top, w = b.right - b.left, at[4];
  float weight[4], *points = c->scratch, *rows = points + (size_t)(ky + 1) * (kx + 1);
  base_random_normals(c->random, points, (int64_t)(ky + 1) * (kx + 1));
  for (int x = 0; x < w; x++) {
    around(x, w, kx, at, weight);
    for (int j = 0; j <= ky; j++) {
      const float *p = points + (size_t)j * (kx + 1);
      rows[(size_t)j * w + x] =
          (weight[0] * p[at[0]] + weight[1] * p[at[1]]) + (weight[2] * p[at[2]] + weight[3] * p[at[3]]);
    }
  }
  for (int y = 0; y < h; y++) {
    around(y, h, ky, at, weight);
    weigh_rows(rows + (size_t)at[0] * w, rows + (size_t)at[1] * w, rows + (size_t)at[2] * w, rows + (size_t)at[3] * w,
               weight, w, out + (size_t)(b.top + y) * c->width + b.left);
  }
}

void defects_add_noise(canvas *c, box b, float sd) {
  int w = b.right - b.left;
  for (int y = b.top; y < b.bottom; y++) {
    base_random_normals(c->random, c->scratch, w);
    for (int k = 0; k < c->channels; k++) {
      float *to = c->over + k * c->plane + (size_t)y * c->width + b.left;
      for (int x = 0; x < w; x++) to[x] += sd * c->scratch[x];
    }
  }
}
