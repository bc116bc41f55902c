/* metrics.c: one sort by score, then one walk over groups of equal scores, for every measure. */
#include "score/metrics.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "score/rank.h"
#include "score/sort.h"

int agad_auroc(const double *scores, const uint8_t *anomalous, int64_t n, double *out, agad_error *error) {
  ranking r;
  if (rank_new(&r, scores, anomalous, n, "auroc", error)) return -1;
  double twice = 0; /* 2 (wins + ties / 2), whole numbers: exact below 2^53 */
  for (rank_walk w = {0}; rank_next(&r, &w);) twice += (double)w.normals * (double)(2 * w.hits - w.anomalies);
  *out = twice / (2.0 * (double)r.n_anomalous * (double)r.n_normal);
  rank_free(&r);
  return 0;
}

int agad_average_precision(const double *scores, const uint8_t *anomalous, int64_t n, double *out, agad_error *error) {
  ranking r;
  if (rank_new(&r, scores, anomalous, n, "average precision", error)) return -1;
  double sum = 0;
  for (rank_walk w = {0}; rank_next(&r, &w);)
    sum += (double)w.anomalies * (double)w.hits / (double)(w.hits + w.false_alarms);
  *out = sum / (double)r.n_anomalous;
  rank_free(&r);
  return 0;
}

static double f1(int64_t hits, int64_t called, int64_t n_anomalous) {
  return 2.0 * (double)hits / (double)(called + n_anomalous);
}

int agad_f1(const double *scores, const uint8_t *anomalous, int64_t n, double threshold, double *out,
            agad_error *error) {
  ranking r;
  if (isnan(threshold)) return agad_fail(error, "f1: the threshold is not a number");
  if (rank_new(&r, scores, anomalous, n, "f1", error)) return -1;
  uint64_t limit = sort_key64(threshold);
  int64_t hits = 0, called = 0;
  for (rank_walk w = {0}; rank_next(&r, &w) && w.key > limit;) hits = w.hits, called = w.hits + w.false_alarms;
  *out = f1(hits, called, r.n_anomalous);
  rank_free(&r);
  return 0;
}

int agad_best_f1(const double *scores, const uint8_t *anomalous, int64_t n, double *out, double *threshold,
                 agad_error *error) {
  ranking r;
  if (rank_new(&r, scores, anomalous, n, "best f1", error)) return -1;
  *out = -1;
  for (rank_walk w = {0}; rank_next(&r, &w);) {
    double value = f1(w.hits, w.hits + w.false_alarms, r.n_anomalous);
    if (value > *out) {
      *out = value;
      if (threshold) *threshold = nextafter(sort_value64(w.key), -INFINITY);
    }
  }
  rank_free(&r);
  return 0;
}

int agad_tpr_at_fpr(const double *scores, const uint8_t *anomalous, int64_t n, double fpr, double *out,
                    agad_error *error) {
  ranking r;
  if (!(fpr >= 0 && fpr <= 1)) return agad_fail(error, "tpr_at_fpr: false-positive rate %g; give 0 to 1", fpr);
  if (rank_new(&r, scores, anomalous, n, "tpr_at_fpr", error)) return -1;
  double best = 0;
  for (rank_walk w = {0}; rank_next(&r, &w) && (double)w.false_alarms <= fpr * (double)r.n_normal;)
    best = (double)w.hits / (double)r.n_anomalous;
  *out = best;
  rank_free(&r);
  return 0;
}

int agad_quantile(const double *values, int64_t n, double q, double *out, agad_error *error) {
  if (!(q >= 0 && q <= 1)) return agad_fail(error, "quantile: %g; give 0 to 1", q);
  if (n < 1) return agad_fail(error, "quantile: no values; give at least one");
  for (int64_t i = 0; i < n; i++)
    if (!isfinite(values[i]))
      return agad_fail(error, "quantile: value %lld of %lld is not finite", (long long)i + 1, (long long)n);
  uint64_t *keys = base_alloc(n, 2 * sizeof *keys);
  if (!keys) return agad_fail_as(error, AGAD_OUT_OF_MEMORY, "quantile: no memory for %lld values", (long long)n);
  for (int64_t i = 0; i < n; i++) keys[i] = sort_key64(values[i]);
  const uint64_t *sorted = sort_keys64(keys, keys + n, n);
  double position = q * (double)(n - 1);
  int64_t below = (int64_t)position;
  double rest = position - (double)below, low = sort_value64(sorted[below]);
  *out = rest > 0 && below + 1 < n ? low + rest * (sort_value64(sorted[below + 1]) - low) : low;
  free(keys);
  return 0;
}
