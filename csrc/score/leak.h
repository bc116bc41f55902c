/* leak.h: does a batch give its label away? The thermometer: a detector that never looks at a picture.
 *
 * A batch is six numbers: the mean and the standard deviation of each channel over all its pixels (grey: two).
 * Every picture of a batch gets the distance of these numbers to those of random batches of normal training
 * pictures, each divided by its standard deviation over such batches. Where its AUROC is far above .5, a network
 * whose batch norm sees the test batch can tell the classes without a defect.
 */
#ifndef AGAD_SCORE_LEAK_H
#define AGAD_SCORE_LEAK_H

#include "data/images.h"

typedef struct leak_pictures {
  const uint8_t *pixels; /* (count, channels, height, width) */
  int64_t count;
  int channels, height, width;
  const int64_t *rows; /* which of them, in which order; NULL: all */
  int64_t n_rows;
} leak_pictures;

/* The thermometer's AUROC over test.rows in their order, in batches of `batch` (the last may be shorter); with
 * shuffles > 0 the mean over so many seeded orders instead. anomalous: a label for each row of test.rows. */
int agad_thermometer(const leak_pictures *train, const leak_pictures *test, const uint8_t *anomalous, int64_t batch,
                     int shuffles, uint64_t seed, double *out, agad_error *error);

#endif
