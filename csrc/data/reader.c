/* reader.c: a ring of places: workers fill the next free one, the caller takes the oldest.
 *
 * Workers stop when the reader is closed, not when agad_interrupt is set: the host may clear it and read on.
 */
#define _GNU_SOURCE /* pthread_rwlockattr_setkind_np */
#include "data/reader.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/memory.h"
#include "data/crew.h"

typedef struct place {
  reader_item item;
  int filled; /* under the lock; the item is the worker's before, the caller's after */
} place;

struct reader {
  const char *const *paths;
  int64_t n;
  decode_options decode;
  pthread_rwlock_t memory; /* held for reading by who decodes, for writing by who must do it alone */
  pthread_mutex_t lock;    /* of what follows */
  pthread_cond_t filled, room;
  int64_t begun, taken; /* files */
  int stop, n_threads, n_places;
  pthread_t threads[READER_AHEAD];
  place places[READER_AHEAD];
};

static place *place_of(reader *r, int64_t i) { return &r->places[i % r->n_places]; }

static void decode_one(reader *r, int64_t i, reader_item *item) {
  pthread_rwlock_rdlock(&r->memory);
  int bad = decode_file(r->paths[i], &r->decode, &item->picture, &item->error);
  pthread_rwlock_unlock(&r->memory);
  if (!bad || item->error.kind != AGAD_OUT_OF_MEMORY) return;
  pthread_rwlock_wrlock(&r->memory);
  decode_file(r->paths[i], &r->decode, &item->picture, &item->error);
  pthread_rwlock_unlock(&r->memory);
}

static void *worker(void *context) {
  reader *r = context;
  pthread_mutex_lock(&r->lock);
  while (!r->stop && r->begun < r->n) {
    if (r->begun - r->taken == r->n_places) {
      pthread_cond_wait(&r->room, &r->lock);
      continue;
    }
    int64_t i = r->begun++;
    place *p = place_of(r, i);
    pthread_mutex_unlock(&r->lock);
    decode_one(r, i, &p->item);
    pthread_mutex_lock(&r->lock);
    p->filled = 1;
    if (i == r->taken) pthread_cond_signal(&r->filled);
  }
  pthread_cond_broadcast(&r->room); /* who waits finds nothing left to begin */
  pthread_mutex_unlock(&r->lock);
  return NULL;
}

static int places_for(const data_form *form) {
  int64_t pixels = base_product(form->height, form->width, READER_BYTES), places = READER_AHEAD;
  if (pixels < 0 || pixels * form->channels * places > READER_BYTES)
    places = pixels < 0 ? 1 : READER_BYTES / (pixels * form->channels);
  return places < 1 ? 1 : (int)places;
}

static void init_locks(reader *r) {
  pthread_rwlockattr_t kind;
  pthread_rwlockattr_init(&kind);
  pthread_rwlockattr_setkind_np(&kind, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP); /* its turn comes */
  pthread_rwlock_init(&r->memory, &kind);
  pthread_rwlockattr_destroy(&kind);
  pthread_mutex_init(&r->lock, NULL);
  crew_condition(&r->filled);
  pthread_cond_init(&r->room, NULL);
}

reader *reader_open(const char *const *paths, int64_t n, const decode_options *o, int threads, agad_error *error) {
  const data_form *form = &o->form;
  if (form->channels < 1 || form->height < 1 || form->width < 1)
    return agad_fail(error, "give channels, height and width"), NULL;
  reader *r = base_calloc(1, sizeof *r);
  if (!r) return agad_fail_as(error, AGAD_OUT_OF_MEMORY, "no memory to read files"), NULL;
  r->paths = paths;
  r->n = n;
  r->decode = *o;
  r->n_places = places_for(form);
  init_locks(r);
  threads = crew_size(threads, n < r->n_places ? n : r->n_places);
  if (threads && !(r->n_threads = crew_start(r->threads, threads, worker, r, error))) return reader_close(r), NULL;
  return r;
}

int reader_ready(reader *r, int most, agad_error *error) {
  int ready = 0;
  if (r->taken == r->n) return 0;
  pthread_mutex_lock(&r->lock);
  const place *next = place_of(r, r->taken);
  while (!agad_interrupt && !next->filled) crew_doze(&r->filled, &r->lock);
  while (ready < most && ready < r->n_places && place_of(r, r->taken + ready)->filled) ready++;
  pthread_mutex_unlock(&r->lock);
  if (agad_interrupt) return agad_interrupted(error);
  for (int i = 0; i < ready; i++) {
    const reader_item *item = &place_of(r, r->taken + i)->item;
    if (item->picture.pixels || item->error.kind != AGAD_OUT_OF_MEMORY) continue;
    return i > 0 ? i : agad_fail_as(error, AGAD_OUT_OF_MEMORY, "%s", item->error.message);
  }
  return ready;
}

void reader_take(reader *r, reader_item *out) {
  pthread_mutex_lock(&r->lock);
  place *p = place_of(r, r->taken++);
  *out = p->item;
  p->item.picture.pixels = NULL;
  p->filled = 0;
  pthread_cond_signal(&r->room);
  pthread_mutex_unlock(&r->lock);
}

void reader_close(reader *r) {
  if (!r) return;
  pthread_mutex_lock(&r->lock);
  r->stop = 1;
  pthread_cond_broadcast(&r->room);
  pthread_mutex_unlock(&r->lock);
  for (int i = 0; i < r->n_threads; i++) pthread_join(r->threads[i], NULL);
  for (int i = 0; i < r->n_places; i++) free(r->places[i].item.picture.pixels);
  pthread_cond_destroy(&r->room);
  pthread_cond_destroy(&r->filled);
  pthread_mutex_destroy(&r->lock);
  pthread_rwlock_destroy(&r->memory);
  free(r);
}
