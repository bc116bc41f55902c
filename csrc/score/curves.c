/* curves.c: points of curves, counted by the walk of rank.h, which goes from the highest threshold down. */
#include "score/metrics.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "score/rank.h"
#include "score/sort.h"

void score_curve_free(score_curve *curve) {
  free(curve->x);
  *curve = (score_curve){0};
}

static int curve_new(score_curve *c, int64_t room, const char *what, agad_error *error) {
  *c = (score_curve){0};
  c->x = base_alloc(room, 3 * sizeof *c->x);
  if (!c->x) return agad_fail_as(error, AGAD_OUT_OF_MEMORY, "%s: no memory for %lld points", what, (long long)room);
  c->y = c->x + room;
  c->threshold = c->y + room;
  return 0;
}

static void point(score_curve *c, double x, double y, double threshold) {
  c->x[c->n] = x;
  c->y[c->n] = y;
  c->threshold[c->n++] = threshold;
}

static int64_t count_groups(const ranking *r) {
  int64_t n = 0;
  for (rank_walk w = {0}; rank_next(r, &w);) n++;
  return n;
}

/* Keeps the first point of each of most - 2 equal stretches of the curve's length (|dx| + |dy|, 2 in all), and both
 * ends. */
static void thin(score_curve *c, int64_t most) {
  if (most <= 0 || c->n <= most) return;
  int64_t kept = 1, before = -1;
  for (int64_t i = 1; i + 1 < c->n; i++) {
    int64_t stretch = (int64_t)((c->x[i] + c->y[i]) / 2 * (double)(most - 2));
    if (stretch == before || stretch > most - 3) continue;
    before = stretch;
    c->x[kept] = c->x[i];
    c->y[kept] = c->y[i];
    c->threshold[kept++] = c->threshold[i];
  }
  c->x[kept] = c->x[c->n - 1];
  c->y[kept] = c->y[c->n - 1];
  c->threshold[kept++] = c->threshold[c->n - 1];
  c->n = kept;
}

int agad_roc(const double *scores, const uint8_t *anomalous, int64_t n, int64_t most, score_curve *out,
             agad_error *error) {
  ranking r;
  if (most != 0 && most < 3) return agad_fail(error, "roc: %lld points; give 3 or more, or 0 for all", (long long)most);
  if (rank_new(&r, scores, anomalous, n, "roc", error)) return -1;
  int status = curve_new(out, count_groups(&r) + 1, "roc", error);
  if (!status) {
    double normals = (double)r.n_normal, anomalies = (double)r.n_anomalous;
    rank_walk w = {0}, ahead;
    point(out, 0, 0, INFINITY);
    for (int first = 1; rank_next(&r, &w); first = 0) {
      ahead = w;
      /* inside a straight line: the step that led here is the step that leads on */
      int inner = !first && rank_next(&r, &ahead) && ahead.normals == w.normals && ahead.anomalies == w.anomalies;
      if (!inner) point(out, (double)w.false_alarms / normals, (double)w.hits / anomalies, sort_value64(w.key));
    }
    thin(out, most);
  }
  rank_free(&r);
  return status;
}

int agad_precision_recall(const double *scores, const uint8_t *anomalous, int64_t n, score_curve *out,
                          agad_error *error) {
  ranking r;
  if (rank_new(&r, scores, anomalous, n, "precision and recall", error)) return -1;
  int64_t groups = count_groups(&r), place = groups;
  int status = curve_new(out, groups + 1, "precision and recall", error);
  if (!status) {
    out->n = groups + 1;
    out->x[groups] = 0;
    out->y[groups] = 1;
    out->threshold[groups] = INFINITY;
    for (rank_walk w = {0}; rank_next(&r, &w);) {
      place--;
      out->x[place] = (double)w.hits / (double)r.n_anomalous;
      out->y[place] = (double)w.hits / (double)(w.hits + w.false_alarms);
      out->threshold[place] = sort_value64(w.key);
    }
  }
  rank_free(&r);
  return status;
}

int agad_histogram(const double *scores, const uint8_t *anomalous, int64_t n, int bins, double *edges, int64_t *normal,
                   int64_t *bad, agad_error *error) {
  if (bins < 1) return agad_fail(error, "histogram: %d bins; give at least 1", bins);
  if (n < 1) return agad_fail(error, "histogram: no scores; give at least one");
  double low = INFINITY, high = -INFINITY;
  for (int64_t i = 0; i < n; i++) {
    if (!isfinite(scores[i]))
      return agad_fail(error, "histogram: score %lld of %lld is not finite", (long long)i + 1, (long long)n);
    low = fmin(low, scores[i]);
    high = fmax(high, scores[i]);
  }
  double step = high / bins - low / bins;
  for (int b = 0; b < bins; b++) edges[b] = low + b * step, normal[b] = bad[b] = 0;
  edges[bins] = high;
  for (int64_t i = 0; i < n; i++) {
    double place = step > 0 ? (scores[i] - low) / step : 0;
    int b = place < bins ? (int)place : bins - 1;
    (anomalous[i] ? bad : normal)[b]++;
  }
  return 0;
}
