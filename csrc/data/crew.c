/* crew.c: worker threads over a shared counter. */
#include "data/crew.h"

#include "base/cores.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

enum { WAKE_MS = 100 };

typedef struct crew {
  const crew_job *job;
  atomic_llong next, done;
  atomic_int stop;
  pthread_mutex_t lock;
  pthread_cond_t ended;
  int working; /* under the lock */
} crew;

static void *worker(void *argument) {
  crew *c = argument;
  while (!atomic_load(&c->stop) && (c->job->brief || !agad_interrupt)) {
    long long i = atomic_fetch_add(&c->next, 1);
    if (i >= c->job->n) break;
    if (c->job->work(c->job->context, i)) atomic_store(&c->stop, 1);
    atomic_fetch_add(&c->done, 1);
  }
  pthread_mutex_lock(&c->lock);
  if (--c->working == 0) pthread_cond_signal(&c->ended);
  pthread_mutex_unlock(&c->lock);
  return NULL;
}

static atomic_int standard;

void crew_use_threads(int n) { atomic_store(&standard, n); }

int crew_size(int threads, int64_t n) {
  if (threads < 1) threads = atomic_load(&standard);
  if (threads < 1) threads = base_cores("");
  if (threads > CREW_MAX_THREADS) threads = CREW_MAX_THREADS;
  return n < threads ? (int)n : threads;
}

void crew_condition(pthread_cond_t *condition) {
  pthread_condattr_t clock;
  pthread_condattr_init(&clock);
  pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
  pthread_cond_init(condition, &clock);
  pthread_condattr_destroy(&clock);
}

int crew_doze(pthread_cond_t *condition, pthread_mutex_t *lock) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_nsec += WAKE_MS * 1000000L;
  if (until.tv_nsec >= 1000000000L) until.tv_sec++, until.tv_nsec -= 1000000000L;
  return pthread_cond_timedwait(condition, lock, &until);
}

/* Sleeps until every worker has ended; whether progress asked to stop. */
static int watch(crew *c) {
  const crew_job *job = c->job;
  int stopped = 0;
  pthread_mutex_lock(&c->lock);
  while (c->working > 0) {
    if (crew_doze(&c->ended, &c->lock) != ETIMEDOUT || stopped || !job->progress) continue;
    pthread_mutex_unlock(&c->lock);
    if (!agad_interrupt && job->progress(job->watcher, atomic_load(&c->done), job->n)) {
      stopped = 1;
      atomic_store(&c->stop, 1);
    }
    pthread_mutex_lock(&c->lock);
  }
  pthread_mutex_unlock(&c->lock);
  return stopped;
}

int crew_start(pthread_t *threads, int wanted, void *(*work)(void *), void *context, agad_error *error) {
  sigset_t all, before;
  int n = 0, code = 0;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  while (n < wanted && !(code = pthread_create(&threads[n], NULL, work, context))) n++;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (!n) agad_fail(error, "no thread could be started: %s", strerror(code));
  return n;
}

int crew_run(const crew_job *job, agad_error *error) {
  pthread_t threads[CREW_MAX_THREADS];
  crew c = {.job = job};
  if (job->n < 1) return 0;
  pthread_mutex_init(&c.lock, NULL);
  crew_condition(&c.ended);
  pthread_mutex_lock(&c.lock);
  int n = c.working = crew_start(threads, crew_size(job->threads, job->n), worker, &c, error);
  pthread_mutex_unlock(&c.lock);
  int stopped = n ? watch(&c) : 0;
  for (int i = 0; i < n; i++) pthread_join(threads[i], NULL);
  pthread_cond_destroy(&c.ended);
  pthread_mutex_destroy(&c.lock);
  if (!n) return -1;
  if (agad_interrupt && !job->brief) return agad_interrupted(error);
  if (!stopped && job->progress && !atomic_load(&c.stop)) stopped = job->progress(job->watcher, job->n, job->n);
  return stopped ? agad_fail(error, "stopped") : 0;
}
