/* defects.c: batches and pictures with synthetic defects, on worker threads.
 *
 * A worker takes a canvas from those that are idle, or makes one; they are kept from batch to batch.
 */
#include "data/defects_scale.h"

#include "base/memory.h"
#include "data/crew.h"

#include <pthread.h>

enum { STREAM_BATCH = 1, STREAM_PICTURES = 2 };
static const uint64_t PLACES = (uint64_t)1 << 24; /* streams are named by step * PLACES + place */

typedef struct workplace {
  struct workplace *next;
  canvas c;
  float *memory;
} workplace;

struct defects {
  defects_pool pool;
  defects_options o;
  int64_t *rows;        /* of the pool, then of known defects */
  pthread_mutex_t lock; /* of the list */
  workplace *idle;
};

/* ---- canvases ---- */

static void draw_source(canvas *c) {
  const defects_pool *p = c->pool;
  int64_t row = p->rows[base_random_below(c->random, (uint64_t)p->n)];
  size_t picture = (size_t)p->pictures.channels * p->pictures.height * p->pictures.width;
  defects_load(p, p->pictures.pixels + (size_t)row * picture, c->view, c->random, c->source);
}

static int draw_known(canvas *c) { return defects_load_known(c->pool, c->view, c->random, c->source, c->field); }

/* Shares the workplace's memory out; 0 or -1. */
static int furnish(workplace *w, int channels, int height, int width) {
  size_t plane = (size_t)height * width;
  canvas *c = &w->c;
  float **const pictures[] = {&c->x, &c->before, &c->over, &c->source, &c->blurred, &c->work};
  float **const planes[] = {&c->mask, &c->distance, &c->field, &c->marked, &c->change};
  size_t n_pictures = sizeof pictures / sizeof *pictures, n_planes = sizeof planes / sizeof *planes;
  size_t n = plane * (n_pictures * channels + n_planes) + defects_scratch(channels, height, width);
  free(w->memory);
  w->memory = base_alloc((int64_t)n, sizeof *w->memory);
  *c = (canvas){.channels = channels, .height = height, .width = width, .plane = plane, .side = sqrt((double)plane)};
  if (!w->memory) return c->plane = 0, -1;
  float *at = w->memory;
  for (size_t i = 0; i < n_pictures; i++, at += channels * plane) *pictures[i] = at;
  for (size_t i = 0; i < n_planes; i++, at += plane) *planes[i] = at;
  c->scratch = at;
  return 0;
}

static void set_scale(canvas *c, const defects *d, defects_view view) {
  const defects_pool *p = &d->pool;
  int full = view != DEFECTS_REDUCED;
  float sd = p->spread[full], low = p->darkest[full], high = p->brightest[full];
  /* A pool without contrast has no range that its defects could keep to. */
  float beyond = high - low < sd ? (float)d->o.high * sd : .3f * sd;
  c->pool = p, c->view = view, c->draw_source = draw_source, c->draw_known = draw_known;
  c->sd = sd, c->low = low - beyond, c->high = high + beyond;
  c->faintest = d->o.low, c->strongest = d->o.high;
}

/* A canvas for a view; NULL without memory. */
static workplace *enter(defects *d, defects_view view) {
  const defects_pool *p = &d->pool;
  int height = view == DEFECTS_FULL ? p->pictures.height : p->window_height;
  int width = view == DEFECTS_FULL ? p->pictures.width : p->window_width;
  pthread_mutex_lock(&d->lock);
  workplace *w = d->idle;
  if (w) d->idle = w->next;
  pthread_mutex_unlock(&d->lock);
  if (!w && !(w = base_calloc(1, sizeof *w))) return NULL;
  if ((w->c.height != height || w->c.width != width || !w->memory) && furnish(w, p->pictures.channels, height, width)) {
    free(w);
    return NULL;
  }
  set_scale(&w->c, d, view);
  return w;
}

static void leave(defects *d, workplace *w) {
  pthread_mutex_lock(&d->lock);
  w->next = d->idle;
  d->idle = w;
  pthread_mutex_unlock(&d->lock);
}

/* ---- one picture ---- */

/* A kind by chance, from 0, of the first n. */
static int choose_kind(canvas *c, const double *probabilities, int n) {
  double sum = 0, at = chance(c);
  if (!probabilities) return (int)(at * n);
  for (int i = 0; i < n; i++) sum += probabilities[i];
  at *= sum;
  int kind = -1;
  for (int i = 0; i < n; i++) {
    if (!(probabilities[i] > 0)) continue;
    kind = i;
    if ((at -= probabilities[i]) < 0) break;
  }
  return kind;
}

CLONES static void add_changes(const float *restrict a, const float *restrict b, int n, float share,
                               float *restrict change) {
  for (int i = 0; i < n; i++) change[i] += share * fabsf(a[i] - b[i]);
}

static inline float larger(float a, float b) { return a > b ? a : b; }

enum { SYNTHETIC = DEFECTS_KINDS - 1 }; /* kinds: all but the last, `known` */

/* How many kinds batches have. */
static int kinds_of(const defects *d) { return d->pool.known.n ? DEFECTS_KINDS : SYNTHETIC; }

/* Draws defects of the first n_kinds kinds over x. `change` gets 1 in `all`, which holds all of them, where one is seen,
 * -1 where it is in doubt whether there is one, else 0. */
static box draw_some(canvas *c, const defects *d, const double *probabilities, int n_kinds, int *kinds) {
  box all = {0, 0, 0, 0};
  int n = 1 + base_random_poisson(c->random, d->o.count - 1, DEFECTS_MOST - 1);
  memcpy(c->before, c->x, c->channels * c->plane * sizeof *c->x);
  memset(c->marked, 0, c->plane * sizeof *c->marked);
  for (int i = 0; i < n; i++) {
    int kind = choose_kind(c, probabilities, n_kinds);
    box b = defects_draw_one(c, kind);
    if (kinds) kinds[i] = kind + 1;
    all = box_joined(all, b);
    for (int y = b.top; y < b.bottom; y++) {
      size_t at = (size_t)y * c->width;
      for (int x = b.left; x < b.right; x++) c->marked[at + x] = larger(c->marked[at + x], c->mask[at + x]);
    }
  }
  if (box_empty(all)) return all;
  box near = box_grown(c, all, 4); /* what two blurs of radius 2 read */
  for (int y = near.top; y < near.bottom; y++) {
    size_t at = (size_t)y * c->width + near.left;
    int w = near.right - near.left;
    memset(c->change + at, 0, (size_t)w * sizeof *c->change);
    for (int k = 0; k < c->channels; k++)
      add_changes(c->x + k * c->plane + at, c->before + k * c->plane + at, w, 1 / (float)c->channels, c->change + at);
  }
  defects_blur(c, c->change, all, 1, c->over);
  defects_blur(c, c->change, all, 2, c->work);
  float least = .12f * c->sd;
  for (int y = all.top; y < all.bottom; y++)
    for (int x = all.left; x < all.right; x++) {
      size_t i = (size_t)y * c->width + x;
      float own = c->change[i];
      int seen = larger(own, larger(c->over[i], c->work[i])) > least;
      c->change[i] = c->marked[i] > .35f ? (seen ? 1 : -1) : own > least ? -1 : 0;
    }
  return all;
}

/* ---- work for the crew ---- */

typedef struct job {
  defects *d;
  const defects_batch *batch;
  const defects_pictures *in; /* of pictures that are to be drawn on */
  uint64_t seed;
  uint8_t *pixels, *masks;
  int failed; /* no memory: under the lock */
} job;

static int out_of_memory(job *j) {
  pthread_mutex_lock(&j->d->lock);
  j->failed = 1;
  pthread_mutex_unlock(&j->d->lock);
  return 1;
}

static int draw_batch_picture(void *context, int64_t i) {
  job *j = context;
  defects *d = j->d;
  const defects_batch *batch = j->batch;
  const defects_pictures *all = &d->pool.pictures;
  defects_view view = batch->crop ? DEFECTS_CROP : DEFECTS_REDUCED;
  workplace *w = enter(d, view);
  if (!w) return out_of_memory(j);
  canvas *c = &w->c;
  base_random random = base_random_new(d->o.seed, STREAM_BATCH, (uint64_t)batch->step * PLACES + (uint64_t)i);
  size_t picture = (size_t)all->channels * all->height * all->width;
  float *mask = batch->mask + i * c->plane, *weight = batch->weight + i * c->plane;
  c->random = &random;
  defects_load(&d->pool, all->pixels + batch->rows[i] * picture, view, &random, c->x);
  defects_augment(c, &d->o);
  memset(mask, 0, c->plane * sizeof *mask);
  for (size_t k = 0; k < c->plane; k++) weight[k] = 1;
  for (int k = 0; k < DEFECTS_MOST; k++) batch->kinds[i * DEFECTS_MOST + k] = 0;
  if (i % 3) {
    box b = draw_some(c, d, batch->probabilities, kinds_of(d), batch->kinds + i * DEFECTS_MOST);
    for (int y = b.top; y < b.bottom; y++)
      for (int x = b.left; x < b.right; x++) {
        size_t at = (size_t)y * c->width + x;
        mask[at] = c->change[at] > 0;
        weight[at] = c->change[at] >= 0;
      }
  }
  size_t n = c->channels * c->plane;
  memcpy(batch->x + i * n, c->x, n * sizeof *c->x);
  leave(d, w);
  return 0;
}

static int draw_picture(void *context, int64_t i) {
  job *j = context;
  defects *d = j->d;
  const defects_pool *p = &d->pool;
  workplace *w = enter(d, DEFECTS_FULL);
  if (!w) return out_of_memory(j);
  canvas *c = &w->c;
  base_random random = base_random_new(j->seed, STREAM_PICTURES, (uint64_t)i);
  size_t picture = c->channels * c->plane;
  const uint8_t *in = j->in->pixels + i * picture;
  uint8_t *out = j->pixels + i * picture, *mask = j->masks + i * c->plane;
  c->random = &random;
  defects_load(p, in, DEFECTS_FULL, &random, c->x);
  box b = draw_some(c, d, NULL, SYNTHETIC, NULL);
  memcpy(out, in, picture);
  memset(mask, 0, c->plane);
  for (int y = b.top; y < b.bottom; y++)
    for (int x = b.left; x < b.right; x++) {
      size_t at = (size_t)y * c->width + x;
      mask[at] = c->change[at] > 0;
      for (int k = 0; k < c->channels; k++) {
        float v = c->x[k * c->plane + at] * p->sd + p->mean[k] + .5f;
        out[k * c->plane + at] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
      }
    }
  leave(d, w);
  return 0;
}

static int run(job *j, int64_t n, int (*work)(void *, int64_t), int brief, agad_error *error) {
  crew_job all = {.n = n, .work = work, .context = j, .brief = brief};
  if (crew_run(&all, error)) return -1;
  return j->failed ? agad_fail_as(error, AGAD_OUT_OF_MEMORY, "defects: no memory to draw on a picture") : 0;
}

static int check_rows(const defects_pictures *pictures, const int64_t *rows, int64_t n, const char *whose,
                      agad_error *error) {
  for (int64_t i = 0; i < n; i++)
    if (rows[i] < 0 || rows[i] >= pictures->n)
      return agad_fail(error, "defects: row %lld of the %s, but there are %lld pictures (rows count from 0)",
                       (long long)rows[i], whose, (long long)pictures->n);
  return 0;
}

int data_defects_batch(defects *d, const defects_batch *batch, agad_error *error) {
  if (check_rows(&d->pool.pictures, batch->rows, batch->n, "batch", error)) return -1;
  double sum = 0;
  for (int i = 0; batch->probabilities && i < kinds_of(d); i++) sum += batch->probabilities[i];
  if (batch->probabilities && !(sum > 0))
    return agad_fail(error, "defects: only the probability of `known` is over 0, but no known defects were given");
  job j = {.d = d, .batch = batch};
  return run(&j, batch->n, draw_batch_picture, 1, error);
}

int data_defects_draw(defects *d, const defects_pictures *in, uint64_t seed, uint8_t *pixels, uint8_t *masks,
                      agad_error *error) {
  const defects_pictures *all = &d->pool.pictures;
  if (in->channels != all->channels || in->height != all->height || in->width != all->width)
    return agad_fail(error, "defects: pictures of %d x %d x %d, but those of the pool have %d x %d x %d", in->channels,
                     in->height, in->width, all->channels, all->height, all->width);
  job j = {.d = d, .in = in, .seed = seed, .pixels = pixels, .masks = masks};
  return run(&j, in->n, draw_picture, 0, error);
}

/* ---- making one ---- */

static int check(const defects_pictures *pictures, const int64_t *rows, int64_t n, const defects_options *o,
                 agad_error *error) {
  int h = o->window_height, w = o->window_width;
  if (h < DEFECTS_MIN_SIDE || w < DEFECTS_MIN_SIDE)
    return agad_fail(error, "defects: window = %d x %d; give sides of %d pixels at least", h, w, DEFECTS_MIN_SIDE);
  if (pictures->height % h || pictures->width % w || pictures->height / h != pictures->width / w)
    return agad_fail(error,
                     "defects: window = %d x %d, but the pictures have %d x %d; give a window whose sides go into "
                     "theirs the same whole number of times",
                     h, w, pictures->height, pictures->width);
  if (o->transpose && h != w)
    return agad_fail(error, "defects: flips.transpose needs a square window; this one has %d x %d", h, w);
  if (n < 1) return agad_fail(error, "defects: the pool has no rows; give those of the normals");
  if (check_rows(pictures, rows, n, "pool", error)) return -1;
  return check_rows(pictures, o->known.rows, o->known.n, "known defects", error);
}

defects *data_defects_new(const defects_pictures *pictures, const int64_t *rows, int64_t n, const defects_options *o,
                          agad_error *error) {
  if (check(pictures, rows, n, o, error)) return NULL;
  defects *d = base_calloc(1, sizeof *d);
  int64_t n_known = o->known.n, *kept = base_alloc(n + n_known, sizeof *kept);
  if (!d || !kept) {
    free(d);
    free(kept);
    agad_fail_as(error, AGAD_OUT_OF_MEMORY, "defects: no memory for %lld rows", (long long)(n + n_known));
    return NULL;
  }
  memcpy(kept, rows, (size_t)n * sizeof *kept);
  if (n_known) memcpy(kept + n, o->known.rows, (size_t)n_known * sizeof *kept);
  d->o = *o;
  d->o.known.rows = kept + n;
  d->rows = kept;
  d->pool = (defects_pool){.pictures = *pictures,
                           .rows = kept,
                           .n = n,
                           .known = d->o.known,
                           .factor = pictures->height / o->window_height,
                           .window_height = o->window_height,
                           .window_width = o->window_width,
                           .sd = (float)o->sd};
  for (int k = 0; k < 3; k++) d->pool.mean[k] = (float)o->mean[k];
  pthread_mutex_init(&d->lock, NULL);
  if (!defects_measure(&d->pool, error)) return d;
  data_defects_free(d);
  return NULL;
}

void data_defects_free(defects *d) {
  if (!d) return;
  for (workplace *w = d->idle; w;) {
    workplace *next = w->next;
    free(w->memory);
    free(w);
    w = next;
  }
  pthread_mutex_destroy(&d->lock);
  free(d->rows);
  free(d);
}
