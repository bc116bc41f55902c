/* interval.c: the bootstrap of AUROC. A resample is a count for each distinct score and class, so it costs n draws
 * and one walk, and nothing is sorted again. */
#include "score/metrics.h"

#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/memory.h"
#include "score/rank.h"

enum { STREAM_BOOTSTRAP = 11, MOST_RESAMPLES = 1000000 };

/* The group (from 0, the highest) of each score, by place: normals, then anomalies. */
static int64_t number_groups(const ranking *r, int32_t *group) {
  int64_t n_groups = 0, below_normal = r->n_normal, below_anomalous = r->n_anomalous;
  for (rank_walk w = {0}; rank_next(r, &w); n_groups++) {
    for (int64_t i = 0; i < w.normals; i++) group[--below_normal] = (int32_t)n_groups;
    for (int64_t i = 0; i < w.anomalies; i++) group[r->n_normal + --below_anomalous] = (int32_t)n_groups;
  }
  return n_groups;
}

static void draw(base_random *random, const int32_t *group, int64_t n, int32_t *count) {
  for (int64_t i = 0; i < n; i++) {
    /* the high half of a product: biased by less than n / 2^64, and without a division */
    uint64_t place = (uint64_t)(((unsigned __int128)base_random_next(random) * (uint64_t)n) >> 64);
    count[2 * group[place]]++;
  }
}

/* AUROC of one resample; count[2 g] normals and count[2 g + 1] anomalies of group g. */
static double resample(const ranking *r, const int32_t *group, int64_t n_groups, int32_t *count, base_random *random) {
  memset(count, 0, (size_t)n_groups * 2 * sizeof *count);
  draw(random, group, r->n_normal, count);
  draw(random, group + r->n_normal, r->n_anomalous, count + 1);
  double twice = 0;
  int64_t above = 0;
  for (int64_t g = 0; g < n_groups; g++) {
    int64_t a = count[2 * g + 1];
    twice += (double)count[2 * g] * (double)(2 * above + a);
    above += a;
  }
  return twice / (2.0 * (double)r->n_anomalous * (double)r->n_normal);
}

int agad_auroc_interval(const double *scores, const uint8_t *anomalous, int64_t n, int resamples, double level,
                        uint64_t seed, double *low, double *high, agad_error *error) {
  ranking r;
  if (resamples < 2 || resamples > MOST_RESAMPLES)
    return agad_fail(error, "auroc interval: %d resamples; give 2 to %d", resamples, MOST_RESAMPLES);
  if (!(level > 0 && level < 1)) return agad_fail(error, "auroc interval: level %g; give above 0 and below 1", level);
  if (n > INT32_MAX) return agad_fail(error, "auroc interval: %lld scores; at most 2^31 - 1", (long long)n);
  if (rank_new(&r, scores, anomalous, n, "auroc interval", error)) return -1;
  int32_t *group = base_alloc(n, 3 * sizeof *group);
  double *values = base_alloc(resamples, sizeof *values);
  int status = group && values
                   ? 0
                   : agad_fail_as(error, AGAD_OUT_OF_MEMORY, "auroc interval: no memory for %lld scores", (long long)n);
  if (!status) {
    int32_t *count = group + n;
    int64_t n_groups = number_groups(&r, group);
    for (int i = 0; i < resamples && !status; i++) {
      base_random random = base_random_new(seed, STREAM_BOOTSTRAP, (uint64_t)i);
      values[i] = resample(&r, group, n_groups, count, &random);
      if (agad_interrupt) status = agad_interrupted(error);
    }
  }
  if (!status) status = agad_quantile(values, resamples, (1 - level) / 2, low, error);
  if (!status) status = agad_quantile(values, resamples, (1 + level) / 2, high, error);
  free(values);
  free(group);
  rank_free(&r);
  return status;
}
