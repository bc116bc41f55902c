/* defects_scale.c: bytes to canvases, the statistics of the pool, flips and jitter of normals. Built with -O3. */
#include "data/defects_scale.h"

#include "base/memory.h"
#include "data/crew.h"

/* ---- bytes ---- */

CLONES static void scale_bytes(const uint8_t *restrict in, int n, float mean, float scale, float *restrict out) {
  for (int i = 0; i < n; i++) out[i] = ((float)in[i] - mean) * scale;
}

CLONES static void add_bytes(const uint8_t *restrict in, int n, uint32_t *restrict sums) {
  for (int i = 0; i < n; i++) sums[i] += in[i];
}

/* The means of 2 x 2 bytes: two rows to one of n pixels. */
CLONES static void halve_bytes(const uint8_t *restrict a, const uint8_t *restrict b, int n, float shift, float scale,
                               float *restrict out) {
  for (int i = 0; i < n; i++) {
    int sum = a[2 * i] + a[2 * i + 1] + b[2 * i] + b[2 * i + 1];
    out[i] = (float)sum * scale - shift;
  }
}

/* The means of f x f bytes. Columns are summed in strips of whole cells. */
static void reduce(const defects_pool *p, const uint8_t *in, float mean, float *out) {
  enum { STRIP = 1024 };
  uint32_t sums[STRIP];
  const int f = p->factor, width = p->pictures.width;
  const float scale = 1 / (p->sd * (float)f * (float)f), shift = mean / p->sd;
  for (int y = 0; f == 2 && y < p->window_height; y++)
    halve_bytes(in + (size_t)y * 2 * width, in + ((size_t)y * 2 + 1) * width, p->window_width, shift, scale,
                out + (size_t)y * p->window_width);
  for (int y = 0; f != 2 && y < p->window_height; y++)
    for (int cell = 0; cell < p->window_width;) {
      int cells = f < STRIP ? STRIP / f : 1, left = cell * f;
      if (cells > p->window_width - cell) cells = p->window_width - cell;
      for (int done = 0; done < f * cells; done += STRIP) { /* several only for one cell wider than a strip */
        int n = f * cells - done < STRIP ? f * cells - done : STRIP;
        memset(sums, 0, (size_t)n * sizeof *sums);
        for (int k = 0; k < f; k++) add_bytes(in + ((size_t)y * f + k) * width + left + done, n, sums);
        for (int i = 0; i < cells; i++) {
          uint64_t sum = 0;
          for (int k = 0; k < f && i * f + k < n; k++) sum += sums[i * f + k];
          float *to = &out[(size_t)y * p->window_width + cell + i];
          *to = (done ? *to : -shift) + (float)sum * scale;
        }
      }
      cell += cells;
    }
}

/* The variance, times a constant, of a sixteenth of the pixels. */
static double variance_of_crop(const defects_pool *p, const uint8_t *pixels, int top, int left) {
  const defects_pictures *all = &p->pictures;
  double sum = 0, squares = 0, n = 0;
  for (int k = 0; k < all->channels; k++)
    for (int y = top; y < top + p->window_height; y += 4) {
      const uint8_t *row = pixels + ((size_t)k * all->height + y) * all->width + left;
      for (int x = 0; x < p->window_width; x += 4) {
        double v = row[x] - p->mean[k];
        sum += v, squares += v * v, n++;
      }
    }
  return squares / n - sum / n * (sum / n);
}

/* For .6 of the crops the one of three that varies most. */
static void choose_crop(const defects_pool *p, const uint8_t *pixels, base_random *random, int *top, int *left) {
  int tries = base_random_unit(random) < .6 ? 3 : 1;
  double most = -1;
  for (int i = 0; i < tries; i++) {
    int y = base_random_range(random, 0, p->pictures.height - p->window_height);
    int x = base_random_range(random, 0, p->pictures.width - p->window_width);
    double variance = tries > 1 ? variance_of_crop(p, pixels, y, x) : 0;
    if (i && variance <= most) continue;
    most = variance;
    *top = y, *left = x;
  }
}

/* From (top, left) on. */
static void load_from(const defects_pool *p, const uint8_t *pixels, defects_view view, int top, int left, float *out) {
  const defects_pictures *all = &p->pictures;
  int h = view == DEFECTS_FULL ? all->height : p->window_height,
      w = view == DEFECTS_FULL ? all->width : p->window_width;
  for (int k = 0; k < all->channels; k++) {
    const uint8_t *plane = pixels + (size_t)k * all->height * all->width;
    float *to = out + (size_t)k * h * w;
    if (view == DEFECTS_REDUCED && p->factor > 1) reduce(p, plane, p->mean[k], to);
    else
      for (int y = 0; y < h; y++)
        scale_bytes(plane + (size_t)(top + y) * all->width + left, w, p->mean[k], 1 / p->sd, to + (size_t)y * w);
  }
}

void defects_load(const defects_pool *p, const uint8_t *pixels, defects_view view, base_random *random, float *out) {
  int top = 0, left = 0;
  if (view == DEFECTS_CROP) choose_crop(p, pixels, random, &top, &left);
  load_from(p, pixels, view, top, left, out);
}

/* ---- known defects ---- */

CLONES static int64_t marks(const uint8_t *restrict mask, int64_t n) {
  int64_t sum = 0;
  for (int64_t i = 0; i < n; i++) sum += mask[i] != 0;
  return sum;
}

/* A crop that holds the k-th marked pixel. */
static void crop_around(const defects_pool *p, const uint8_t *mask, int64_t k, base_random *random, int *top,
                        int *left) {
  int height = p->pictures.height, width = p->pictures.width, y = 0, x = 0;
  for (int64_t n; k >= (n = marks(mask + (size_t)y * width, width)); y++) k -= n;
  for (const uint8_t *row = mask + (size_t)y * width; (k -= row[x] != 0) >= 0;) x++;
  *top = base_random_range(random, clip(y - p->window_height + 1, 0, y), clip(y, 0, height - p->window_height));
  *left = base_random_range(random, clip(x - p->window_width + 1, 0, x), clip(x, 0, width - p->window_width));
}

static void add_marks(const uint8_t *restrict mask, int n, int f, float *restrict sums) {
  if (f == 1)
    for (int x = 0; x < n; x++) sums[x] += mask[x] != 0;
  else
    for (int x = 0; x < n; x++)
      for (int k = 0; k < f; k++) sums[x] += mask[(size_t)x * f + k] != 0;
}

/* Cells of f x f to pixels: 1 where a quarter of the cell is marked, so that thin lines stay. */
static void load_mask(const defects_pool *p, const uint8_t *mask, int f, float *out) {
  const int width = p->window_width;
  const float share = 4 / ((float)f * (float)f);
  for (int y = 0; y < p->window_height; y++, out += width) {
    memset(out, 0, (size_t)width * sizeof *out);
    for (int k = 0; k < f; k++) add_marks(mask + ((size_t)y * f + k) * p->pictures.width, width, f, out);
    for (int x = 0; x < width; x++) out[x] = out[x] * share < 1 ? out[x] * share : 1;
  }
}

int defects_load_known(const defects_pool *p, defects_view view, base_random *random, float *out, float *mask) {
  const defects_pictures *all = &p->pictures;
  int64_t plane = (int64_t)all->height * all->width;
  if (!p->known.n) return 0;
  int64_t i = (int64_t)base_random_below(random, (uint64_t)p->known.n);
  const uint8_t *marked = p->known.masks + i * plane;
  int64_t n = marks(marked, plane);
  if (!n) return 0;
  int top = 0, left = 0;
  if (view == DEFECTS_CROP)
    crop_around(p, marked, (int64_t)base_random_below(random, (uint64_t)n), random, &top, &left);
  load_from(p, all->pixels + (size_t)p->known.rows[i] * all->channels * plane, view, top, left, out);
  load_mask(p, marked + (size_t)top * all->width + left, view == DEFECTS_REDUCED ? p->factor : 1, mask);
  return 1;
}

/* ---- statistics ---- */

enum { MEASURED = 1000 }; /* pictures, spread evenly */

/* (n) of each, of reduced pictures [0] and full ones [1] */
typedef struct measures {
  const defects_pool *pool;
  int64_t n;
  float *spread[2], *low[2], *high[2];
} measures;

typedef struct moments {
  double n, sum, squares;
  float low, high;
} moments;

static void add_values(moments *m, float value, double times) {
  m->n += times, m->sum += value * times, m->squares += (double)value * value * times;
  m->low = fminf(m->low, value), m->high = fmaxf(m->high, value);
}

static void keep_moments(const measures *all, int full, int64_t i, const moments *m) {
  double mean = m->sum / m->n, variance = m->squares / m->n - mean * mean;
  all->spread[full][i] = variance > 0 ? (float)sqrt(variance) : 0;
  all->low[full][i] = m->low, all->high[full][i] = m->high;
}

static int measure_one(void *context, int64_t i) {
  measures *all = context;
  const defects_pool *p = all->pool;
  const defects_pictures *pictures = &p->pictures;
  size_t plane = (size_t)pictures->height * pictures->width, cells = (size_t)p->window_height * p->window_width;
  const uint8_t *pixels = pictures->pixels + (size_t)p->rows[i * p->n / all->n] * pictures->channels * plane;
  moments full = {.low = INFINITY, .high = -INFINITY}, reduced = full;
  float *small = base_alloc((int64_t)cells, sizeof *small);
  if (!small) return all->spread[0][i] = NAN, 1;
  for (int k = 0; k < pictures->channels; k++) {
    int64_t count[256] = {0};
    for (size_t j = 0; j < plane; j++) count[pixels[k * plane + j]]++;
    for (int v = 0; v < 256; v++)
      if (count[v]) add_values(&full, ((float)v - p->mean[k]) / p->sd, (double)count[v]);
    if (p->factor > 1) reduce(p, pixels + k * plane, p->mean[k], small);
    for (size_t j = 0; p->factor > 1 && j < cells; j++) add_values(&reduced, small[j], 1);
  }
  free(small);
  keep_moments(all, 1, i, &full);
  keep_moments(all, 0, i, p->factor > 1 ? &reduced : &full);
  return 0;
}

int defects_measure(defects_pool *p, agad_error *error) {
  measures m = {.pool = p, .n = p->n < MEASURED ? p->n : MEASURED};
  float *all = base_calloc(6 * m.n, sizeof *all);
  if (!all) return agad_fail_as(error, AGAD_OUT_OF_MEMORY, "defects: no memory to measure the pool");
  for (int k = 0; k < 2; k++) {
    m.spread[k] = all + 3 * k * m.n;
    m.low[k] = m.spread[k] + m.n, m.high[k] = m.low[k] + m.n;
  }
  crew_job job = {.n = m.n, .work = measure_one, .context = &m};
  int status = crew_run(&job, error);
  for (int64_t i = 0; !status && i < m.n; i++)
    if (isnan(m.spread[0][i])) status = agad_fail_as(error, AGAD_OUT_OF_MEMORY, "defects: no memory for a picture");
  for (int k = 0; !status && k < 2; k++) {
    float level = 1 / p->sd, middle = defects_select(m.spread[k], (int)m.n, (int)(m.n / 2));
    p->spread[k] = fmaxf(middle, level);
    p->darkest[k] = defects_select(m.low[k], (int)m.n, 0);
    p->brightest[k] = defects_select(m.high[k], (int)m.n, (int)m.n - 1);
  }
  free(all);
  return status;
}

/* ---- flips and jitter ---- */

static void reverse_row(float *row, int n) {
  for (int i = 0, j = n - 1; i < j; i++, j--) {
    float t = row[i];
    row[i] = row[j];
    row[j] = t;
  }
}

static void flip(canvas *c, int horizontal, int vertical, int transpose) {
  size_t wide = (size_t)c->width;
  for (int k = 0; k < c->channels; k++) {
    float *x = c->x + k * c->plane;
    for (int y = 0; horizontal && y < c->height; y++) reverse_row(x + y * wide, c->width);
    for (int i = 0, j = c->height - 1; vertical && i < j; i++, j--) {
      memcpy(c->work, x + i * wide, wide * sizeof *x);
      memcpy(x + i * wide, x + j * wide, wide * sizeof *x);
      memcpy(x + j * wide, c->work, wide * sizeof *x);
    }
    for (int i = 0; transpose && i < c->height; i++)
      for (int j = 0; j < i; j++) {
        float t = x[i * wide + j];
        x[i * wide + j] = x[j * wide + i];
        x[j * wide + i] = t;
      }
  }
}

/* A place beyond the borders, mirrored at them. */
static inline float mirrored(float v, int n) {
  float last = (float)(n - 1);
  v = v < -.5f ? -1 - v : v;
  v = v > last + .5f ? 2 * last + 1 - v : v;
  return v < 0 ? 0 : v > last ? last : v;
}

/* Pixel (y, x), from the middle, is taken from (m[0] y + m[1] x + m[2], m[3] y + m[4] x + m[5]). */
CLONES static void map_plane(const canvas *c, const float *restrict in, const float m[6], float *restrict out) {
  const float my = .5f * (float)(c->height - 1), mx = .5f * (float)(c->width - 1);
  for (int y = 0; y < c->height; y++) {
    const float dy = (float)y - my, v0 = m[0] * dy + m[2] + my, u0 = m[3] * dy + m[5] + mx;
    float *to = out + (size_t)y * c->width;
    for (int x = 0; x < c->width; x++) {
      float dx = (float)x - mx, v = mirrored(v0 + m[1] * dx, c->height), u = mirrored(u0 + m[4] * dx, c->width);
      to[x] = sampled(in, c->height, c->width, v, u);
    }
  }
}

static void jitter(canvas *c) {
  if (chance(c) < .3) {
    double turn = normal(c) * 2 * M_PI / 180, scale = exp(normal(c) * .02), sine = scale * sin(turn);
    float cosine = (float)(scale * cos(turn)), right = (float)(normal(c) * .03 * c->width / 2),
          down = (float)(normal(c) * .03 * c->height / 2);
    float m[6] = {cosine, (float)sine, down, (float)-sine, cosine, right};
    for (int k = 0; k < c->channels; k++) {
      memcpy(c->work, c->x + k * c->plane, c->plane * sizeof *c->x);
      map_plane(c, c->work, m, c->x + k * c->plane);
    }
  }
  size_t n = c->plane * c->channels;
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += c->x[i];
  float gain = (float)exp(normal(c) * .06), shift = (float)(sum / (double)n * (1 - gain) + normal(c) * .06);
  for (size_t i = 0; i < n; i++) c->x[i] = c->x[i] * gain + shift;
}

void defects_augment(canvas *c, const defects_options *o) {
  int horizontal = chance(c) < .5, vertical = chance(c) < .5, transpose = chance(c) < .5;
  flip(c, horizontal && o->flip_horizontal, vertical && o->flip_vertical, transpose && o->transpose);
  if (o->jitter) jitter(c);
}
