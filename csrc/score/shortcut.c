/* shortcut.c: the statistics are whole-number sums, turned into doubles at the end. */
#include "score/shortcut.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "score/metrics.h"

enum { MEAN, SD, GRAD_X, GRAD_Y, N_PIXEL_STATISTICS = SHORTCUT_PIXEL_STATISTICS };

/* One row: sums that fit 32 bits, as a side has 65,536 pixels at most. `below` is the next row, or the same. */
static void measure_row(const uint8_t *row, const uint8_t *below, int width, uint64_t total[N_PIXEL_STATISTICS]) {
  uint32_t sum = 0, squares = 0, grad_x = 0, grad_y = 0;
  for (int x = 0; x < width; x++) {
    sum += row[x];
    squares += (uint32_t)row[x] * row[x];
    grad_y += (uint32_t)abs(below[x] - row[x]);
  }
  for (int x = 0; x + 1 < width; x++) grad_x += (uint32_t)abs(row[x + 1] - row[x]);
  total[MEAN] += sum;
  total[SD] += squares;
  total[GRAD_X] += grad_x;
  total[GRAD_Y] += grad_y;
}

static void measure(const uint8_t *picture, int channels, int height, int width, double *out) {
  uint64_t total[N_PIXEL_STATISTICS] = {0};
  for (int c = 0; c < channels; c++)
    for (int y = 0; y < height; y++) {
      const uint8_t *row = picture + ((size_t)c * height + y) * width;
      measure_row(row, y + 1 < height ? row + width : row, width, total);
    }
  double n = (double)channels * height * width, mean = (double)total[MEAN] / n;
  double variance = (double)total[SD] / n - mean * mean;
  out[MEAN] = mean;
  out[SD] = sqrt(variance > 0 ? variance : 0);
  out[GRAD_X] = width > 1 ? (double)total[GRAD_X] / ((double)channels * height * (width - 1)) : 0;
  out[GRAD_Y] = height > 1 ? (double)total[GRAD_Y] / ((double)channels * (height - 1) * width) : 0;
}

int data_statistics(const uint8_t *pixels, int64_t n, int channels, int height, int width, double *out,
                    agad_error *error) {
  for (int64_t i = 0; i < n; i++) {
    if (agad_interrupt) return agad_interrupted(error);
    measure(pixels + (size_t)i * channels * height * width, channels, height, width, out + i * N_PIXEL_STATISTICS);
  }
  return 0;
}

/* The AUROC in the better direction. */
static int two_sided(const char *name, const double *values, const uint8_t *anomalous, int64_t n, data_shortcut *out,
                     agad_error *error) {
  double auroc;
  if (agad_auroc(values, anomalous, n, &auroc, error)) return -1;
  *out = (data_shortcut){name, auroc < 0.5 ? 1 - auroc : auroc};
  return 0;
}

int data_shortcuts(const uint8_t *pixels, int64_t n, int channels, int height, int width, const uint8_t *anomalous,
                   const data_origin *origin, data_shortcut out[SHORTCUT_MAX], agad_error *error) {
  static const char *const names[] = {"mean", "sd", "grad_x", "grad_y", "height", "width", "file_bytes"};
  double *values = base_alloc(n, (N_PIXEL_STATISTICS + 1) * sizeof *values);
  if (!values) return agad_fail_as(error, AGAD_OUT_OF_MEMORY, "shortcut: no memory for %lld pictures", (long long)n);
  int found = 0, status = data_statistics(pixels, n, channels, height, width, values, error);
  double *column = values + n * N_PIXEL_STATISTICS; /* values: one row a picture; column: one statistic */
  for (int s = 0; s < N_PIXEL_STATISTICS && !status; s++) {
    for (int64_t i = 0; i < n; i++) column[i] = values[i * N_PIXEL_STATISTICS + s];
    status = two_sided(names[s], column, anomalous, n, &out[found], error);
    found++;
  }
  const int64_t *known[] = {origin ? origin->height : NULL, origin ? origin->width : NULL,
                            origin ? origin->file_bytes : NULL};
  for (int s = 0; s < 3 && !status; s++) {
    if (!known[s]) continue;
    for (int64_t i = 0; i < n; i++) column[i] = (double)known[s][i];
    status = two_sided(names[N_PIXEL_STATISTICS + s], column, anomalous, n, &out[found], error);
    found++;
  }
  free(values);
  return status ? -1 : found;
}
