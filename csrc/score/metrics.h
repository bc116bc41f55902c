/* metrics.h: what is read off anomaly scores: higher score = more anomalous, label 1 = anomalous.
 *
 * Exact, in double, O(n log n); equal scores are one threshold. A score that is not a finite number,
 * or labels of one class only, are errors: no figure is made from them. Where a measure is undefined
 * for a threshold (no prediction), it is 0, as in scikit-learn.
 */
#ifndef AGAD_SCORE_METRICS_H
#define AGAD_SCORE_METRICS_H

#include <stdint.h>

#include "at/error.h"

/* Area under the ROC curve: P(anomalous > normal) + P(equal) / 2, by ranks with ties averaged. */
int agad_auroc(const double *scores, const uint8_t *anomalous, int64_t n, double *out, agad_error *error);

/* Average precision: sum over thresholds of (recall gained) x precision (scikit-learn's). */
int agad_average_precision(const double *scores, const uint8_t *anomalous, int64_t n, double *out, agad_error *error);

/* F1 of calling anomalous every score >= threshold. */
int agad_f1(const double *scores, const uint8_t *anomalous, int64_t n, double threshold, double *out,
            agad_error *error);

/* The best F1 over all thresholds (it knows the labels: an oracle), and the highest threshold with it. */
int agad_best_f1(const double *scores, const uint8_t *anomalous, int64_t n, double *out, double *threshold,
                 agad_error *error);

/* The highest true-positive rate among thresholds whose false-positive rate is <= fpr. */
int agad_tpr_at_fpr(const double *scores, const uint8_t *anomalous, int64_t n, double fpr, double *out,
                    agad_error *error);

/* The q-quantile, 0 <= q <= 1, interpolated linearly between order statistics (numpy's default). */
int agad_quantile(const double *values, int64_t n, double q, double *out, agad_error *error);

#endif
