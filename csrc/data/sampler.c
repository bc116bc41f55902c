/* sampler.c: see sampler.h. Shuffles start from the given order each time, so the order of an epoch
 * depends on (seed, epoch) alone. */
#include "data/sampler.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/memory.h"

enum { STREAM_NORMALS = 1, STREAM_ANOMALIES, STREAM_REPLACEMENT };

typedef struct pool {
  int64_t *given, *order; /* as handed in; as shuffled now */
  int64_t n;
} pool;

struct data_sampler {
  pool normals, anomalies;
  int64_t *rows; /* the batch being given */
  int64_t size;  /* B */
  int64_t k;     /* anomalies in a batch */
  data_sampler_state at;
};

int64_t data_anomalies_per_batch(int64_t batch, int64_t min_anom, double gamma) {
  if (!(gamma > 0) || batch < 2) return 0;
  int64_t k = llround(gamma * (double)batch);
  if (k < min_anom) k = min_anom;
  return k < batch / 2 ? k : batch / 2;
}

static void shuffle(pool *p, uint64_t seed, uint64_t stream, int64_t index) {
  if (p->n == 0) return;
  memcpy(p->order, p->given, (size_t)p->n * sizeof *p->order);
  base_random r = base_random_new(seed, stream, (uint64_t)index);
  base_random_shuffle(&r, p->order, p->n);
}

/* A copy of n rows; the old pool is freed on success only. */
static int pool_set(pool *p, const int64_t *rows, int64_t n, agad_error *error) {
  int64_t *both = base_alloc(n, 2 * sizeof *both);
  if (!both) return agad_fail_as(error, AGAD_OUT_OF_MEMORY, "sampler: no memory for %lld rows", (long long)n);
  if (n) memcpy(both, rows, (size_t)n * sizeof *both);
  free(p->given);
  *p = (pool){both, both + n, n};
  return 0;
}

static int64_t limit_k(const data_sampler *s, int64_t k) {
  if (s->anomalies.n == 0 || k < 0) return 0;
  return k < s->size / 2 ? k : s->size / 2;
}

data_sampler *data_sampler_new(const int64_t *normals, int64_t n_normals, const int64_t *anomalies, int64_t n_anomalies,
                               int64_t batch, int64_t k, uint64_t seed, agad_error *error) {
  if (n_normals < 1) {
    agad_fail(error, "sampler: no normal picture to train on; choose another normal class");
    return NULL;
  }
  data_sampler *s = base_calloc(1, sizeof *s);
  if (!s) {
    agad_fail_as(error, AGAD_OUT_OF_MEMORY, "sampler: no memory");
    return NULL;
  }
  s->at.seed = seed;
  if (data_sampler_set_batch(s, batch, error) || pool_set(&s->normals, normals, n_normals, error) ||
      data_sampler_set_anomalies(s, anomalies, n_anomalies, k, error)) {
    data_sampler_free(s);
    return NULL;
  }
  shuffle(&s->normals, seed, STREAM_NORMALS, 0);
  return s;
}

void data_sampler_free(data_sampler *s) {
  if (!s) return;
  free(s->normals.given);
  free(s->anomalies.given);
  free(s->rows);
  free(s);
}

int data_sampler_set_batch(data_sampler *s, int64_t batch, agad_error *error) {
  if (batch < 1 || batch > 1 << 24)
    return agad_fail(error, "sampler: batch %lld; give 1 to %d", (long long)batch, 1 << 24);
  int64_t *rows = base_realloc(s->rows, batch, sizeof *rows);
  if (!rows) return agad_fail_as(error, AGAD_OUT_OF_MEMORY, "sampler: no memory for a batch of %lld", (long long)batch);
  s->rows = rows;
  s->size = batch;
  s->k = limit_k(s, s->k); /* of a batch that is smaller now */
  return 0;
}

int data_sampler_set_anomalies(data_sampler *s, const int64_t *anomalies, int64_t n, int64_t k, agad_error *error) {
  if (pool_set(&s->anomalies, anomalies, n, error)) return -1;
  s->k = limit_k(s, k);
  s->at.cycle = s->at.cycle_position = 0;
  shuffle(&s->anomalies, s->at.seed, STREAM_ANOMALIES, 0);
  return 0;
}

int64_t data_sampler_batches(const data_sampler *s) {
  int64_t full = s->normals.n / (s->size - s->k);
  return full ? full : 1;
}

static void draw_anomalies(data_sampler *s, int64_t *out, int64_t k) {
  pool *p = &s->anomalies;
  if (p->n < k) {
    uint64_t index = (uint64_t)s->at.epoch << 32 | (uint64_t)s->at.batch;
    base_random r = base_random_new(s->at.seed, STREAM_REPLACEMENT, index);
    for (int64_t i = 0; i < k; i++) out[i] = p->given[base_random_below(&r, (uint64_t)p->n)];
    return;
  }
  for (int64_t i = 0; i < k; i++) {
    if (s->at.cycle_position == p->n) {
      s->at.cycle_position = 0;
      shuffle(p, s->at.seed, STREAM_ANOMALIES, ++s->at.cycle);
    }
    out[i] = p->order[s->at.cycle_position++];
  }
}

int data_sampler_next(data_sampler *s, data_batch *out) {
  if (s->at.batch >= data_sampler_batches(s)) return 0;
  int64_t per_batch = s->size - s->k;
  int64_t n = s->normals.n < per_batch ? s->normals.n : per_batch;
  int64_t k = s->k < n ? s->k : n; /* a short only batch stays at most half anomalies */
  memcpy(s->rows, s->normals.order + s->at.batch * per_batch, (size_t)n * sizeof *s->rows);
  draw_anomalies(s, s->rows + n, k);
  s->at.batch++;
  *out = (data_batch){s->rows, n + k, n};
  return 1;
}

void data_sampler_next_epoch(data_sampler *s) {
  s->at.epoch++;
  s->at.batch = 0;
  shuffle(&s->normals, s->at.seed, STREAM_NORMALS, s->at.epoch);
}

data_sampler_state data_sampler_get_state(const data_sampler *s) { return s->at; }

int data_sampler_set_state(data_sampler *s, data_sampler_state at, agad_error *error) {
  if (at.epoch < 0 || at.batch < 0 || at.batch > data_sampler_batches(s) || at.cycle < 0 || at.cycle_position < 0 ||
      at.cycle_position > s->anomalies.n)
    return agad_fail(error,
                     "sampler: the state belongs to other data (epoch %lld, batch %lld of %lld); "
                     "start a new run",
                     (long long)at.epoch, (long long)at.batch, (long long)data_sampler_batches(s));
  s->at = at;
  shuffle(&s->normals, at.seed, STREAM_NORMALS, at.epoch);
  shuffle(&s->anomalies, at.seed, STREAM_ANOMALIES, at.cycle);
  return 0;
}
