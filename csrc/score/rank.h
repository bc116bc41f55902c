/* rank.h: the scores of both classes in order, and a walk over groups of equal scores from the highest down, from
 * which every measure is computed.
 */
#ifndef AGAD_SCORE_RANK_H
#define AGAD_SCORE_RANK_H

#include <stdint.h>

#include "base/error.h"

typedef struct ranking {
  uint64_t *memory;
  const uint64_t *normal, *anomalous; /* keys of sort.h, ascending */
  int64_t n_normal, n_anomalous;
} ranking;

/* Checks, copies, sorts; `what` names the measure in messages. 0, or -1 with nothing to free. */
int rank_new(ranking *r, const double *scores, const uint8_t *anomalous, int64_t n, const char *what,
             agad_error *error);
void rank_free(ranking *r);

typedef struct rank_walk {
  int64_t false_alarms, hits; /* normal and anomalous scores passed so far, this group included */
  int64_t normals, anomalies; /* in this group */
  uint64_t key;
} rank_walk;

/* Begins with a zeroed walk; 0 when all scores are passed. */
int rank_next(const ranking *r, rank_walk *w);

#endif
