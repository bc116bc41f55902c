/* sampler.h: which rows make the next batch, from a seed.
 *
 * An epoch is one pass over the normals, shuffled; the last short batch is dropped, and kept whole
 * when it is the only one. A batch of B holds k anomalies and B - k normals, normals first. Anomalies
 * are drawn with replacement when fewer than k exist, otherwise from a shuffled list that is used up
 * before it is shuffled again. Every choice is a function of the seed and five counters, which are the
 * whole state: put back, the sampler goes on as if it had never stopped.
 */
#ifndef AGAD_DATA_SAMPLER_H
#define AGAD_DATA_SAMPLER_H

#include <stdint.h>

#include "base/error.h"

typedef struct data_sampler data_sampler;

typedef struct data_sampler_state {
  uint64_t seed;
  int64_t epoch;          /* epochs begun before this one */
  int64_t batch;          /* batches given in this epoch */
  int64_t cycle;          /* times the list of anomalies was used up */
  int64_t cycle_position; /* anomalies given of this cycle */
} data_sampler_state;

typedef struct data_batch {
  const int64_t *rows; /* (n), owned by the sampler, valid until its next call */
  int64_t n, n_normal;
} data_batch;

/* k = min(max(min_anom, round(gamma * batch)), floor(batch / 2)); 0 if gamma is 0. */
int64_t data_anomalies_per_batch(int64_t batch, int64_t min_anom, double gamma);

/* Copies the row numbers; k is cut to floor(batch / 2), and to 0 without anomalies. NULL on error. */
data_sampler *data_sampler_new(const int64_t *normals, int64_t n_normals, const int64_t *anomalies, int64_t n_anomalies,
                               int64_t batch, int64_t k, uint64_t seed, agad_error *error);
void data_sampler_free(data_sampler *sampler);

int64_t data_sampler_batches(const data_sampler *sampler); /* in an epoch */

/* The next batch of this epoch: 1, or 0 at its end. */
int data_sampler_next(data_sampler *sampler, data_batch *out);

/* Begins the next epoch. */
void data_sampler_next_epoch(data_sampler *sampler);

/* Another pool of anomalies (a longer prefix of a schedule), from the next batch on; its list starts
 * anew. A pool must be set before its state is. */
int data_sampler_set_batch(data_sampler *sampler, int64_t batch, agad_error *error); /* before the pool is set */
int data_sampler_set_anomalies(data_sampler *sampler, const int64_t *anomalies, int64_t n, int64_t k,
                               agad_error *error);

data_sampler_state data_sampler_get_state(const data_sampler *sampler);
int data_sampler_set_state(data_sampler *sampler, data_sampler_state state, agad_error *error);

#endif
