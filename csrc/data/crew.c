/* crew.c: worker threads over a shared counter. */
#include "data/crew.h"

#include "base/cores.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

enum { MAX_THREADS = 256, WAKE_MS = 100 };

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
  while (!atomic_load(&c->stop) && !agad_interrupt) {
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

static int thread_count(const crew_job *job) {
  int n = job->threads > 0 ? job->threads : atomic_load(&standard);
  if (n < 1) n = base_cores("");
  if (n > MAX_THREADS) n = MAX_THREADS;
  return job->n < n ? (int)job->n : n;
}

/* Sleeps until every worker has ended; whether progress asked to stop. */
static int watch(crew *c) {
  const crew_job *job = c->job;
  int stopped = 0;
  pthread_mutex_lock(&c->lock);
  while (c->working > 0) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += WAKE_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) until.tv_sec++, until.tv_nsec -= 1000000000L;
    if (pthread_cond_timedwait(&c->ended, &c->lock, &until) != ETIMEDOUT || stopped || !job->progress) continue;
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

static int start(crew *c, pthread_t *threads, int wanted, agad_error *error) {
  sigset_t all, before;
  int n = 0, code = 0;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_mutex_lock(&c->lock);
  while (n < wanted && !(code = pthread_create(&threads[n], NULL, worker, c))) n++;
  c->working = n;
  pthread_mutex_unlock(&c->lock);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (!n) agad_fail(error, "load: no thread could be started: %s", strerror(code));
  return n;
}

int crew_run(const crew_job *job, agad_error *error) {
  pthread_t threads[MAX_THREADS];
  pthread_condattr_t clock;
  crew c = {.job = job};
  if (job->n < 1) return 0;
  pthread_condattr_init(&clock);
  pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
  pthread_mutex_init(&c.lock, NULL);
  pthread_cond_init(&c.ended, &clock);
  int n = start(&c, threads, thread_count(job), error), stopped = n ? watch(&c) : 0;
  for (int i = 0; i < n; i++) pthread_join(threads[i], NULL);
  pthread_cond_destroy(&c.ended);
  pthread_condattr_destroy(&clock);
  pthread_mutex_destroy(&c.lock);
  if (!n) return -1;
  if (agad_interrupt) return agad_interrupted(error);
  if (!stopped && job->progress && !atomic_load(&c.stop)) stopped = job->progress(job->watcher, job->n, job->n);
  return stopped ? agad_fail(error, "stopped") : 0;
}
