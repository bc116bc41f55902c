/* metrics.c: one sort by score, then one walk over groups of equal scores, for every measure. */
#include "score/metrics.h"

#include <math.h>
#include <stdlib.h>

typedef struct scored {
  double score;
  uint8_t anomalous;
} scored;

/* Scores in order, lowest first, with the sizes of both classes. */
typedef struct ranking {
  scored *items;
  int64_t n, n_anomalous, n_normal;
} ranking;

static int by_score(const void *a, const void *b) {
  double x = ((const scored *)a)->score, y = ((const scored *)b)->score;
  return (x > y) - (x < y);
}

/* Checks, copies, sorts. what names the measure in messages. */
static int rank(const double *scores, const uint8_t *anomalous, int64_t n, const char *what, ranking *r,
                agad_error *error) {
  *r = (ranking){NULL, n, 0, 0};
  for (int64_t i = 0; i < n; i++) {
    if (!isfinite(scores[i]))
      return agad_fail(error,
                       "%s: score %lld of %lld is %s; the model's output is not usable, train it "
                       "again",
                       what, (long long)i + 1, (long long)n, isnan(scores[i]) ? "not a number" : "infinite");
    r->n_anomalous += anomalous[i] != 0;
  }
  r->n_normal = n - r->n_anomalous;
  if (r->n_anomalous == 0 || r->n_normal == 0)
    return agad_fail(error, "%s: %lld anomalous and %lld normal scores; it compares the two, give both", what,
                     (long long)r->n_anomalous, (long long)r->n_normal);
  r->items = malloc((size_t)n * sizeof *r->items);
  if (!r->items) return agad_fail(error, "%s: no memory for %lld scores", what, (long long)n);
  for (int64_t i = 0; i < n; i++) r->items[i] = (scored){scores[i], anomalous[i] != 0};
  qsort(r->items, (size_t)n, sizeof *r->items, by_score);
  return 0;
}

/* The group of equal scores that ends before *end: moves *end to its start, counts what is in it. */
static void group_below(const ranking *r, int64_t *end, int64_t *n_anomalous, int64_t *n_normal) {
  double score = r->items[*end - 1].score;
  *n_anomalous = *n_normal = 0;
  while (*end > 0 && r->items[*end - 1].score == score) {
    --*end;
    if (r->items[*end].anomalous) ++*n_anomalous;
    else ++*n_normal;
  }
}

int agad_auroc(const double *scores, const uint8_t *anomalous, int64_t n, double *out, agad_error *error) {
  ranking r;
  if (rank(scores, anomalous, n, "auroc", &r, error)) return -1;
  double twice = 0; /* 2 (wins + ties / 2), whole numbers: exact below 2^53 */
  int64_t above = 0, a, b;
  for (int64_t end = n; end > 0; above += a) {
    group_below(&r, &end, &a, &b);
    twice += (double)b * (double)(2 * above + a);
  }
  *out = twice / (2.0 * (double)r.n_anomalous * (double)r.n_normal);
  free(r.items);
  return 0;
}

int agad_average_precision(const double *scores, const uint8_t *anomalous, int64_t n, double *out, agad_error *error) {
  ranking r;
  if (rank(scores, anomalous, n, "average precision", &r, error)) return -1;
  double sum = 0;
  int64_t hits = 0, a, b;
  for (int64_t end = n; end > 0;) {
    group_below(&r, &end, &a, &b);
    hits += a;
    sum += (double)a * (double)hits / (double)(n - end);
  }
  *out = sum / (double)r.n_anomalous;
  free(r.items);
  return 0;
}

static double f1(int64_t hits, int64_t called, int64_t n_anomalous) {
  return 2.0 * (double)hits / (double)(called + n_anomalous);
}

int agad_f1(const double *scores, const uint8_t *anomalous, int64_t n, double threshold, double *out,
            agad_error *error) {
  ranking r;
  if (isnan(threshold)) return agad_fail(error, "f1: the threshold is not a number");
  if (rank(scores, anomalous, n, "f1", &r, error)) return -1;
  int64_t hits = 0, called = 0;
  for (int64_t i = n; i > 0 && r.items[i - 1].score >= threshold; i--) {
    called++;
    hits += r.items[i - 1].anomalous;
  }
  *out = f1(hits, called, r.n_anomalous);
  free(r.items);
  return 0;
}

int agad_best_f1(const double *scores, const uint8_t *anomalous, int64_t n, double *out, double *threshold,
                 agad_error *error) {
  ranking r;
  if (rank(scores, anomalous, n, "best f1", &r, error)) return -1;
  int64_t hits = 0, a, b;
  *out = -1;
  for (int64_t end = n; end > 0;) {
    group_below(&r, &end, &a, &b);
    hits += a;
    double value = f1(hits, n - end, r.n_anomalous);
    if (value > *out) {
      *out = value;
      if (threshold) *threshold = r.items[end].score;
    }
  }
  free(r.items);
  return 0;
}

int agad_tpr_at_fpr(const double *scores, const uint8_t *anomalous, int64_t n, double fpr, double *out,
                    agad_error *error) {
  ranking r;
  if (!(fpr >= 0 && fpr <= 1)) return agad_fail(error, "tpr_at_fpr: false-positive rate %g; give 0 to 1", fpr);
  if (rank(scores, anomalous, n, "tpr_at_fpr", &r, error)) return -1;
  int64_t hits = 0, false_alarms = 0, a, b;
  double best = 0;
  for (int64_t end = n; end > 0;) {
    group_below(&r, &end, &a, &b);
    hits += a;
    false_alarms += b;
    if ((double)false_alarms > fpr * (double)r.n_normal) break;
    best = (double)hits / (double)r.n_anomalous;
  }
  *out = best;
  free(r.items);
  return 0;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

int agad_quantile(const double *values, int64_t n, double q, double *out, agad_error *error) {
  if (!(q >= 0 && q <= 1)) return agad_fail(error, "quantile: %g; give 0 to 1", q);
  if (n < 1) return agad_fail(error, "quantile: no values; give at least one");
  for (int64_t i = 0; i < n; i++)
    if (!isfinite(values[i]))
      return agad_fail(error, "quantile: value %lld of %lld is not finite", (long long)i + 1, (long long)n);
  double *sorted = malloc((size_t)n * sizeof *sorted);
  if (!sorted) return agad_fail(error, "quantile: no memory for %lld values", (long long)n);
  for (int64_t i = 0; i < n; i++) sorted[i] = values[i];
  qsort(sorted, (size_t)n, sizeof *sorted, by_value);
  double position = q * (double)(n - 1);
  int64_t below = (int64_t)position;
  double rest = position - (double)below, low = sorted[below];
  *out = rest > 0 && below + 1 < n ? low + rest * (sorted[below + 1] - low) : low;
  free(sorted);
  return 0;
}
