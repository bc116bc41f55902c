/* loader.c: the first picture settles what is not given, workers fill the rows, rows close up, the cache is put
 * in place.
 *
 * Rows hold -1 in `kept` until their picture is there, so the workers share nothing but the list of failures.
 */
#include "data/loader.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "data/crew.h"
#include "data/folder.h"
#include "data/mask.h"

#define KEY_VERSION 2 /* changes with the options, and with what the decoder makes of a file */

typedef struct failure {
  int64_t row;
  agad_error error;
} failure;

typedef struct loader {
  const char *const *paths;
  int64_t n;
  const loader_options *o;
  decode_options decode; /* sizes and channels as settled */
  int height, width;
  int64_t first; /* the row that settled the size */
  cache_rows rows;
  pthread_mutex_t lock; /* of what follows */
  failure skipped[CACHE_EXAMPLES];
  int n_skipped;   /* of those listed */
  failure refused; /* what ends the run: the lowest row; row -1: nothing */
  int unopened;    /* some file could not be opened: that may be otherwise the next time */
  int colour;
} loader;

/* ---- what goes wrong with single files ---- */

static void keep_lowest(loader *l, int64_t row, const agad_error *error) {
  int at = l->n_skipped < CACHE_EXAMPLES ? l->n_skipped++ : CACHE_EXAMPLES;
  while (at > 0 && l->skipped[at - 1].row > row) at--;
  if (at == CACHE_EXAMPLES) return;
  for (int i = l->n_skipped - 1; i > at; i--) l->skipped[i] = l->skipped[i - 1];
  l->skipped[at] = (failure){row, *error};
}

static int skip(loader *l, int64_t row, const agad_error *error) {
  int fd = open(l->paths[row], O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd >= 0) close(fd);
  pthread_mutex_lock(&l->lock);
  if (fd < 0) l->unopened = 1;
  keep_lowest(l, row, error);
  pthread_mutex_unlock(&l->lock);
  return 0;
}

static int refuse(loader *l, int64_t row, const agad_error *error) {
  pthread_mutex_lock(&l->lock);
  if (l->refused.row < 0 || row < l->refused.row) l->refused = (failure){row, *error};
  pthread_mutex_unlock(&l->lock);
  return 1;
}

static int uneven(loader *l, int64_t row, const decoded *d) {
  agad_error error;
  agad_fail(&error,
            "load: %.300s has %d x %d pixels but %.300s has %d x %d; give a size to resize all to "
            "(size = N)",
            l->paths[l->first], l->height, l->width, l->paths[row], d->height, d->width);
  return refuse(l, row, &error);
}

/* ---- one file ---- */

/* Whether the picture has the size that all have; a mask is decoded as it is and brought to size here. */
static int put_picture(loader *l, int64_t row, const decoded *d) {
  size_t plane = (size_t)l->height * l->width;
  if (!l->o->mask || !l->o->decode.form.height)
    if (d->height != l->height || d->width != l->width) return 0;
  if (l->o->mask) {
    resample_source mask = data_planar(d->pixels, d->channels, d->height, d->width);
    data_mask(&mask, l->rows.pixels + (size_t)row * plane, l->height, l->width, l->decode.form.fit);
  } else memcpy(l->rows.pixels + (size_t)row * plane * d->channels, d->pixels, plane * d->channels);
  return 1;
}

/* A worker's item: not 0 ends the run. */
static int load_one(void *context, int64_t row) {
  loader *l = context;
  decoded d = {0};
  agad_error error;
  if (decode_file(l->paths[row], &l->decode, &d, &error))
    return l->o->strict || error.kind == AGAD_OUT_OF_MEMORY ? refuse(l, row, &error) : skip(l, row, &error);
  int status = 0;
  if (!put_picture(l, row, &d)) status = uneven(l, row, &d);
  else {
    l->rows.heights[row] = d.file_height;
    l->rows.widths[row] = d.file_width;
    l->rows.file_bytes[row] = d.file_bytes;
    l->rows.kept[row] = row;
  }
  free(d.pixels);
  return status;
}

/* ---- what is settled before ---- */

static int look_for_colour(void *context, int64_t row) {
  loader *l = context;
  agad_error error;
  int channels = picture_channels(l->paths[row]);
  if (channels < 0) {
    agad_fail_as(&error, AGAD_OUT_OF_MEMORY, "%s: cannot be read: no memory", l->paths[row]);
    return refuse(l, row, &error);
  }
  if (channels != 3) return 0;
  pthread_mutex_lock(&l->lock);
  l->colour = 1;
  pthread_mutex_unlock(&l->lock);
  return 1;
}

static int run(loader *l, int (*work)(void *, int64_t), int with_progress, agad_error *error) {
  const loader_options *o = l->o;
  crew_job job = {.n = l->n, .threads = o->threads, .work = work, .context = l, .watcher = o->watcher};
  if (with_progress) job.progress = o->progress;
  return crew_run(&job, error);
}

static int was_refused(const loader *l, agad_error *error) {
  return l->refused.row < 0 ? 0 : agad_fail_as(error, l->refused.error.kind, "%s", l->refused.error.message);
}

static int settle_channels(loader *l, agad_error *error) {
  if (l->decode.form.channels || l->o->mask) return 0;
  if (run(l, look_for_colour, 0, error) || was_refused(l, error)) return -1;
  l->decode.form.channels = l->colour ? 3 : 1;
  return 0;
}

/* The first picture that can be read has the size of all. */
static int settle_size(loader *l, agad_error *error) {
  failure first = {.row = -1};
  l->height = l->decode.form.height;
  l->width = l->decode.form.width;
  l->decode.mask = l->o->mask;
  if (l->o->mask) l->decode.form.height = l->decode.form.width = l->decode.form.channels = 0;
  if (l->height) return 0;
  for (; l->first < l->n; l->first++) {
    decoded d = {0};
    if (agad_interrupt) return agad_interrupted(error);
    if (!decode_file(l->paths[l->first], &l->decode, &d, error)) {
      l->height = d.height;
      l->width = d.width;
      free(d.pixels);
      return 0;
    }
    if (l->o->strict || error->kind == AGAD_OUT_OF_MEMORY) return -1;
    if (first.row < 0) first = (failure){l->first, *error};
  }
  if (!l->n) return agad_fail(error, "load: there are no files");
  return agad_fail(error, "load: none of %lld files can be read; the first one: %.800s", (long long)l->n,
                   first.error.message);
}

/* ---- afterwards ---- */

static void close_up(loader *l) {
  cache_rows *r = &l->rows;
  size_t picture = (size_t)r->header->channels * l->height * l->width;
  int64_t to = 0;
  for (int64_t from = 0; from < l->n; from++) {
    if (r->kept[from] < 0) continue;
    if (from != to) {
      memcpy(r->pixels + (size_t)to * picture, r->pixels + (size_t)from * picture, picture);
      r->kept[to] = r->kept[from];
      r->heights[to] = r->heights[from];
      r->widths[to] = r->widths[from];
      r->file_bytes[to] = r->file_bytes[from];
    }
    to++;
  }
  r->header->count = to;
  r->header->skipped = l->n - to;
  r->header->n_examples = l->n_skipped;
  for (int i = 0; i < l->n_skipped; i++)
    memcpy(r->header->examples[i], l->skipped[i].error.message, sizeof r->header->examples[i]);
}

static int create(loader *l, uint64_t key, loader_result *out, agad_error *error) {
  agad_error reason;
  int channels = l->o->mask ? 1 : l->decode.form.channels;
  if (l->o->cache) {
    if (!cache_create(&l->rows, l->o->cache, key, l->n, channels, l->height, l->width, &reason)) return 0;
    snprintf(out->note, sizeof out->note, "the decoded pictures are not kept in %.500s: %.300s", l->o->cache,
             reason.message);
  }
  if (!cache_create(&l->rows, NULL, key, l->n, channels, l->height, l->width, &reason)) return 0;
  return agad_fail_as(error, reason.kind, "load: %s; take a smaller size, fewer files or a cache on disk%s%.700s",
                      reason.message, out->note[0] ? "; " : "", out->note);
}

static int commit(loader *l, loader_result *out) {
  agad_error reason;
  int in_file = l->rows.file.fd >= 0, keep = !l->unopened;
  if (in_file && !keep)
    snprintf(out->note, sizeof out->note,
             "the decoded pictures are not kept in %.500s: a file could not be opened; run again when it can",
             l->o->cache);
  if (cache_commit(&l->rows, keep, &reason)) {
    snprintf(out->note, sizeof out->note, "the decoded pictures are not kept in %.500s: %.300s", l->o->cache,
             reason.message);
    return LOADER_DECODED;
  }
  return in_file && keep ? LOADER_WRITTEN : LOADER_DECODED;
}

static int decode_all(loader *l, uint64_t key, loader_result *out, agad_error *error) {
  if (settle_channels(l, error) || settle_size(l, error) || create(l, key, out, error)) return -1;
  for (int64_t i = 0; i < l->n; i++) l->rows.kept[i] = -1;
  if (run(l, load_one, 1, error)) return -1;
  if (was_refused(l, error)) return -1;
  close_up(l);
  if (l->n && !l->rows.header->count && !l->o->mask)
    return agad_fail(error, "load: none of %lld files can be read; the first one: %.800s", (long long)l->n,
                     l->skipped[0].error.message);
  out->source = (int)commit(l, out);
  return 0;
}

/* ---- the key ---- */

/* How many bytes of the paths are a folder that all share. */
static size_t shared_folder(const char *const *paths, int64_t n) {
  size_t length = 0;
  if (n > 0) {
    const char *slash = strrchr(paths[0], '/');
    length = slash ? (size_t)(slash - paths[0]) + 1 : 0;
  }
  for (int64_t i = 1; i < n; i++) {
    size_t same = 0, folder = 0;
    for (; same < length && paths[i][same] == paths[0][same]; same++)
      if (paths[0][same] == '/') folder = same + 1;
    if (same < length) length = folder;
  }
  return length;
}

uint64_t loader_key(const char *const *paths, int64_t n, const loader_options *o) {
  const decode_options *d = &o->decode;
  const data_form *f = &d->form;
  int64_t options[] = {KEY_VERSION, n,         f->height,      f->width,      f->channels,
                       f->fit,      f->filter, d->fast_decode, d->max_pixels, d->max_bytes,
                       o->mask};
  size_t shared = shared_folder(paths, n);
  base_hasher key;
  base_hasher_start(&key, 0);
  base_hasher_add(&key, options, sizeof options);
  for (int64_t i = 0; i < n; i++) {
    struct stat info;
    int64_t about[5] = {-1}; /* the time of change too: a copy may bring its time of modification with it */
    if (!stat(paths[i], &info)) {
      about[0] = info.st_size;
      about[1] = info.st_mtim.tv_sec, about[2] = info.st_mtim.tv_nsec;
      about[3] = info.st_ctim.tv_sec, about[4] = info.st_ctim.tv_nsec;
    }
    base_hasher_add(&key, paths[i] + shared, strlen(paths[i] + shared) + 1);
    base_hasher_add(&key, about, sizeof about);
  }
  return base_hasher_end(&key);
}

int loader_run(const char *const *paths, int64_t n, const loader_options *o, loader_result *out, agad_error *error) {
  loader l = {.paths = paths, .n = n, .o = o, .decode = o->decode, .rows.file.fd = -1, .refused.row = -1};
  uint64_t key = o->cache ? loader_key(paths, n, o) : 0;
  memset(out, 0, sizeof *out);
  out->rows.file.fd = -1;
  if (o->cache && !cache_open(&out->rows, o->cache, key)) {
    const cache_header *header = out->rows.header;
    if (!o->strict || !header->skipped) return out->source = LOADER_CACHED, 0;
    agad_fail(error, "%s", header->n_examples ? header->examples[0] : "load: a file could not be read");
    cache_close(&out->rows);
    return -1;
  }
  pthread_mutex_init(&l.lock, NULL);
  int status = decode_all(&l, key, out, error);
  pthread_mutex_destroy(&l.lock);
  if (status) cache_close(&l.rows);
  else out->rows = l.rows;
  return status;
}
