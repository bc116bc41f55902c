/* crew.h: a loop over items on worker threads, watched by the calling thread, and what another loop needs for its own.
 *
 * Workers take the next item from a shared counter, so items begin in order and one for each thread is in
 * flight. The caller sleeps, wakes ten times a second, reports progress and looks at agad_interrupt. Workers
 * block signals and never touch objects of the host. All have ended when crew_run returns.
 */
#ifndef AGAD_DATA_CREW_H
#define AGAD_DATA_CREW_H

#include <pthread.h>
#include <stdint.h>

#include "base/error.h"

enum { CREW_MAX_THREADS = 256 };

typedef struct crew_job {
  int64_t n;
  int threads;                                             /* 0: as crew_use_threads says */
  int (*work)(void *context, int64_t i);                   /* not 0: no item after this one is begun */
  int (*progress)(void *watcher, int64_t done, int64_t n); /* on the caller's thread; not 0: stop; or NULL */
  void *context, *watcher;
  int brief; /* milliseconds of work: agad_interrupt does not end it, its caller looks at that */
} crew_job;

/* The number of threads of all later jobs that do not say it; 0: one for each core that this process may use. */
void crew_use_threads(int n);

/* 0 when every item was begun or work stopped it; -1 when interrupted, when progress stopped it (the message
 * is then "stopped"), or when no thread could be started. */
int crew_run(const crew_job *job, agad_error *error);

/* ---- the parts of it ---- */

/* How many threads work at n items; threads as in a job. */
int crew_size(int threads, int64_t n);
/* Starts up to `wanted` threads that block signals and fills `threads`; how many there are, 0 after an error. */
int crew_start(pthread_t *threads, int wanted, void *(*work)(void *), void *context, agad_error *error);
/* A condition that crew_doze can wait for; it returns after a tenth of a second at the latest, and then ETIMEDOUT. */
void crew_condition(pthread_cond_t *condition);
int crew_doze(pthread_cond_t *condition, pthread_mutex_t *lock);

#endif
