#include "score/rank.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "score/sort.h"

/* One message for all scores that are not finite: how many there are, and which is the first. */
static int refuse_not_finite(const double *scores, int64_t n, int64_t first, const char *what, agad_error *error) {
  int64_t bad = 0;
  for (int64_t i = first; i < n; i++) bad += !isfinite(scores[i]);
  return agad_fail(error,
                   "%s: %lld of %lld scores are not finite, the first is score %lld (%s); the model's output "
                   "is not usable, train it again",
                   what, (long long)bad, (long long)n, (long long)first + 1,
                   isnan(scores[first]) ? "not a number" : "infinite");
}

int rank_new(ranking *r, const double *scores, const uint8_t *anomalous, int64_t n, const char *what,
             agad_error *error) {
  *r = (ranking){0};
  for (int64_t i = 0; i < n; i++) {
    if (!isfinite(scores[i])) return refuse_not_finite(scores, n, i, what, error);
    r->n_anomalous += anomalous[i] != 0;
  }
  r->n_normal = n - r->n_anomalous;
  if (r->n_anomalous == 0 || r->n_normal == 0)
    return agad_fail(error, "%s is undefined for %lld anomalous and %lld normal scores; both kinds are needed", what,
                     (long long)r->n_anomalous, (long long)r->n_normal);
  r->memory = base_alloc(n, 2 * sizeof *r->memory);
  if (!r->memory) return agad_fail_as(error, AGAD_OUT_OF_MEMORY, "%s: no memory for %lld scores", what, (long long)n);
  uint64_t *normal = r->memory, *bad = normal + r->n_normal, *scratch = r->memory + n, *a = normal, *b = bad;
  for (int64_t i = 0; i < n; i++) *(anomalous[i] ? b++ : a++) = sort_key64(scores[i]);
  r->normal = sort_keys64(normal, scratch, r->n_normal);
  r->anomalous = sort_keys64(bad, scratch + r->n_normal, r->n_anomalous);
  return 0;
}

void rank_free(ranking *r) {
  free(r->memory);
  *r = (ranking){0};
}

int rank_next(const ranking *r, rank_walk *w) {
  int64_t a = r->n_normal - w->false_alarms, b = r->n_anomalous - w->hits; /* still to pass */
  if (a + b == 0) return 0;
  if (b == 0 || (a > 0 && r->normal[a - 1] >= r->anomalous[b - 1])) w->key = r->normal[a - 1];
  else w->key = r->anomalous[b - 1];
  w->normals = w->anomalies = 0;
  for (; w->normals < a && r->normal[a - 1 - w->normals] == w->key;) w->normals++;
  for (; w->anomalies < b && r->anomalous[b - 1 - w->anomalies] == w->key;) w->anomalies++;
  w->false_alarms += w->normals;
  w->hits += w->anomalies;
  return 1;
}
