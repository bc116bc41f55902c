/* leak.c: a batch's numbers are sums over its pictures, so each picture is read once, and an order costs one pass
 * over the sums. */
#include "score/leak.h"

#include <math.h>
#include <stdlib.h>

#include "base/random.h"
#include "base/memory.h"
#include "score/metrics.h"

enum { MAX_CHANNELS = 3, MAX_NUMBERS = 2 * MAX_CHANNELS, TRAIN_BATCHES = 256, MOST_SHUFFLES = 100000 };
enum { STREAM_TRAIN_BATCH = 21, STREAM_SHUFFLE };

/* Of one picture, by channel. */
typedef struct sums {
  double first[MAX_CHANNELS], second[MAX_CHANNELS]; /* of the pixels and of their squares: whole numbers below 2^53 */
} sums;

/* A batch's numbers as random batches of the training normals have them. */
typedef struct scale {
  double mean[MAX_NUMBERS], sd[MAX_NUMBERS];
} scale;

static void add_up(const uint8_t *plane, int64_t n, double *first, double *second) {
  uint64_t a = 0, b = 0;
  while (n > 0) {
    int here = n < 32768 ? (int)n : 32768; /* 255^2 * 32768 < 2^31 */
    uint32_t s = 0, q = 0;
    for (int i = 0; i < here; i++) s += plane[i], q += (uint32_t)plane[i] * plane[i];
    a += s;
    b += q;
    plane += here;
    n -= here;
  }
  *first = (double)a;
  *second = (double)b;
}

static sums *sums_of(const leak_pictures *p, agad_error *error) {
  sums *all = base_alloc(p->n_rows, sizeof *all);
  int64_t area = (int64_t)p->height * p->width;
  if (!all)
    return agad_fail_as(error, AGAD_OUT_OF_MEMORY, "thermometer: no memory for %lld pictures", (long long)p->n_rows),
           NULL;
  for (int64_t i = 0; i < p->n_rows; i++) {
    int64_t row = p->rows ? p->rows[i] : i;
    if (agad_interrupt || row < 0 || row >= p->count) {
      if (agad_interrupt) agad_interrupted(error);
      else
        agad_fail(error, "thermometer: there is no row %lld among %lld pictures", (long long)row, (long long)p->count);
      free(all);
      return NULL;
    }
    for (int c = 0; c < p->channels; c++)
      add_up(p->pixels + (row * p->channels + c) * area, area, &all[i].first[c], &all[i].second[c]);
  }
  return all;
}

static void add_picture(sums *batch, const sums *picture, int channels) {
  for (int c = 0; c < channels; c++) {
    batch->first[c] += picture->first[c];
    batch->second[c] += picture->second[c];
  }
}

/* out: channels means, then channels standard deviations. */
static void numbers_of(const sums *batch, int channels, double pixels, double *out) {
  for (int c = 0; c < channels; c++) {
    double mean = batch->first[c] / pixels, variance = batch->second[c] / pixels - mean * mean;
    out[c] = mean;
    out[channels + c] = sqrt(variance > 0 ? variance : 0);
  }
}

/* Random batches with replacement: as many as wanted, however few pictures there are. */
static void measure_scale(const sums *train, int64_t n, int64_t batch, int channels, double area, uint64_t seed,
                          scale *out) {
  double m[MAX_NUMBERS] = {0}, squares[MAX_NUMBERS] = {0}; /* Welford */
  for (int k = 0; k < TRAIN_BATCHES; k++) {
    base_random random = base_random_new(seed, STREAM_TRAIN_BATCH, (uint64_t)k);
    sums total = {{0}, {0}};
    double numbers[MAX_NUMBERS];
    for (int64_t i = 0; i < batch; i++) add_picture(&total, &train[base_random_below(&random, (uint64_t)n)], channels);
    numbers_of(&total, channels, area * (double)batch, numbers);
    for (int j = 0; j < 2 * channels; j++) {
      double step = numbers[j] - m[j];
      m[j] += step / (k + 1);
      squares[j] += step * (numbers[j] - m[j]);
    }
  }
  for (int j = 0; j < 2 * channels; j++) {
    out->mean[j] = m[j];
    out->sd[j] = fmax(sqrt(squares[j] / (TRAIN_BATCHES - 1)), 1e-9); /* equal pictures: no division by zero */
  }
}

/* Each picture of a batch gets the batch's distance; order: places in test, n of them. */
static void distances(const sums *test, const int64_t *order, int64_t n, int64_t batch, int channels, double area,
                      const scale *s, double *out) {
  for (int64_t first = 0; first < n; first += batch) {
    int64_t here = n - first < batch ? n - first : batch;
    sums total = {{0}, {0}};
    double numbers[MAX_NUMBERS], square = 0;
    for (int64_t i = first; i < first + here; i++) add_picture(&total, &test[order[i]], channels);
    numbers_of(&total, channels, area * (double)here, numbers);
    for (int j = 0; j < 2 * channels; j++) {
      double z = (numbers[j] - s->mean[j]) / s->sd[j];
      square += z * z;
    }
    for (int64_t i = first; i < first + here; i++) out[order[i]] = sqrt(square);
  }
}

static int check(const leak_pictures *train, const leak_pictures *test, int64_t batch, int shuffles,
                 agad_error *error) {
  if (train->n_rows < 1) return agad_fail(error, "thermometer: no normal training pictures");
  if (batch < 1 || batch > 1 << 24)
    return agad_fail(error, "thermometer: batch %lld; give 1 to %d", (long long)batch, 1 << 24);
  if (shuffles < 0 || shuffles > MOST_SHUFFLES)
    return agad_fail(error, "thermometer: %d shuffles; give 0 to %d", shuffles, MOST_SHUFFLES);
  if (train->channels != test->channels || train->channels < 1 || train->channels > MAX_CHANNELS)
    return agad_fail(error, "thermometer: training pictures have %d channels, test pictures %d; give the same, 1 to 3",
                     train->channels, test->channels);
  return 0;
}

int agad_thermometer(const leak_pictures *train, const leak_pictures *test, const uint8_t *anomalous, int64_t batch,
                     int shuffles, uint64_t seed, double *out, agad_error *error) {
  if (check(train, test, batch, shuffles, error)) return -1;
  int64_t n = test->n_rows;
  double train_area = (double)train->height * train->width, test_area = (double)test->height * test->width, total = 0;
  int status = -1;
  sums *of_train = sums_of(train, error), *of_test = of_train ? sums_of(test, error) : NULL;
  int64_t *order = of_test ? base_alloc(n, sizeof *order) : NULL;
  double *scores = order ? base_alloc(n, sizeof *scores) : NULL;
  if (of_test && !scores)
    agad_fail_as(error, AGAD_OUT_OF_MEMORY, "thermometer: no memory for %lld pictures", (long long)n);
  if (scores) {
    scale s;
    measure_scale(of_train, train->n_rows, batch, train->channels, train_area, seed, &s);
    int rounds = shuffles ? shuffles : 1;
    status = 0;
    for (int k = 0; k < rounds && !status; k++) {
      double auroc = 0;
      for (int64_t i = 0; i < n; i++) order[i] = i;
      if (shuffles) {
        base_random random = base_random_new(seed, STREAM_SHUFFLE, (uint64_t)k);
        base_random_shuffle(&random, order, n);
      }
      distances(of_test, order, n, batch, test->channels, test_area, &s, scores);
      status = agad_interrupt ? agad_interrupted(error) : agad_auroc(scores, anomalous, n, &auroc, error);
      total += auroc / rounds;
    }
  }
  free(scores);
  free(order);
  free(of_test);
  free(of_train);
  if (!status) *out = total;
  return status;
}
