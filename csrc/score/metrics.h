/* metrics.h: measures of anomaly scores: higher score = more anomalous, label 1 = anomalous.
 *
 * Exact, in double, O(n log n) or better; equal scores are one threshold. A score that is not a finite number,
 * or labels of one class only, are errors: no measure is computed from them. Where a measure is undefined
 * for a threshold (no prediction), it is 0, as in scikit-learn.
 */
#ifndef AGAD_SCORE_METRICS_H
#define AGAD_SCORE_METRICS_H

#include <stdint.h>

#include "base/error.h"

/* ---- one number ---- */

/* Area under the ROC curve: P(anomalous > normal) + P(equal) / 2, by ranks with ties averaged. */
int agad_auroc(const double *scores, const uint8_t *anomalous, int64_t n, double *out, agad_error *error);

/* Average precision: sum over thresholds of (recall gained) x precision (scikit-learn's). */
int agad_average_precision(const double *scores, const uint8_t *anomalous, int64_t n, double *out, agad_error *error);

/* F1 of calling anomalous every score above the threshold, as the verdict on a picture does (agad.h). */
int agad_f1(const double *scores, const uint8_t *anomalous, int64_t n, double threshold, double *out,
            agad_error *error);

/* The best F1 over all thresholds (it knows the labels: an oracle), and the highest threshold for which agad_f1 gives
 * it: the number just below the lowest score that is called anomalous. */
int agad_best_f1(const double *scores, const uint8_t *anomalous, int64_t n, double *out, double *threshold,
                 agad_error *error);

/* The highest true-positive rate among thresholds whose false-positive rate is <= fpr. */
int agad_tpr_at_fpr(const double *scores, const uint8_t *anomalous, int64_t n, double fpr, double *out,
                    agad_error *error);

/* The q-quantile, 0 <= q <= 1, interpolated linearly between order statistics (numpy's default). */
int agad_quantile(const double *values, int64_t n, double q, double *out, agad_error *error);

/* ---- an interval: interval.c ---- */

/* The bootstrap's percentile interval of AUROC at `level` (.95): each of `resamples` draws as many normal and as
 * many anomalous scores as there are, with replacement (stratified). The same seed gives the same interval. */
int agad_auroc_interval(const double *scores, const uint8_t *anomalous, int64_t n, int resamples, double level,
                        uint64_t seed, double *low, double *high, agad_error *error);

/* ---- curves: curves.c ---- */

typedef struct score_curve {
  int64_t n;
  double *x, *y, *threshold; /* one block; score_curve_free */
} score_curve;

void score_curve_free(score_curve *curve);

/* False- and true-positive rates from (0, 0) at an infinite threshold to (1, 1), points inside straight lines left
 * out (scikit-learn's roc_curve: a point counts the scores at or above its threshold). most > 0: thinned to about even steps along the curve, `most` points at most. */
int agad_roc(const double *scores, const uint8_t *anomalous, int64_t n, int64_t most, score_curve *out,
             agad_error *error);

/* x = recall, y = precision over all thresholds, ascending; the last point (0, 1) has an infinite threshold
 * (scikit-learn's precision_recall_curve: scores at or above the threshold). */
int agad_precision_recall(const double *scores, const uint8_t *anomalous, int64_t n, score_curve *out,
                          agad_error *error);

/* Counts in `bins` equal bins from the lowest to the highest score; edges has bins + 1 entries. */
int agad_histogram(const double *scores, const uint8_t *anomalous, int64_t n, int bins, double *edges, int64_t *normal,
                   int64_t *bad, agad_error *error);

#endif
