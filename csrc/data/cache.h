/* cache.h: rows of decoded pictures in one memory mapping: anonymous, or of a file that other runs can read.
 *
 * Both have the same layout (cache.c), so a loader fills them in the same way. A file is written as in base/file.h, so
 * a process that is killed leaves nothing under the final name; its disk space is reserved before it is filled. Readers
 * map it privately: the kernel pages it, so it may be larger than memory, and changes to the pictures stay in the
 * process that makes them. A file is accepted if its key (given by the caller), its length and the checksum of
 * everything but the pixels agree; pixels that went bad on disk are not noticed.
 *
 * While a file is mapped, a shared lock (base/lock.h) says that it is in use; its time of modification is that of its
 * last opening.
 */
#ifndef AGAD_DATA_CACHE_H
#define AGAD_DATA_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "base/file.h"

enum { CACHE_EXAMPLES = 5 };

typedef struct cache_header {
  char magic[8];
  uint64_t checksum; /* of the header from here on and of the rows' numbers */
  uint64_t key;
  int64_t capacity, count; /* rows allocated, rows filled */
  int64_t skipped;
  int32_t channels, height, width, n_examples;
  char examples[CACHE_EXAMPLES][1024]; /* why files were skipped: the first ones */
} cache_header;

typedef struct cache_rows {
  cache_header *header;                          /* start of the mapping; NULL: there is none */
  int64_t *kept, *heights, *widths, *file_bytes; /* (capacity) */
  uint8_t *pixels;                               /* (capacity, channels, height, width) */
  size_t bytes;                                  /* of the mapping */
  file_new file;                                 /* the file that is being filled; fd -1: none */
  int used;                                      /* holds a shared lock on the file; counted from 1, 0: none */
} cache_rows;

/* Makes room for `capacity` rows of zeros, in memory (path NULL) or in a new file, which replaces `path` at the commit;
 * the string must stay valid until then. */
int cache_create(cache_rows *rows, const char *path, uint64_t key, int64_t capacity, int channels, int height,
                 int width, agad_error *error);

/* Releases the space after row `count` and moves a file into place (keep 0: removes it). -1 with a reason if that
 * fails; the rows stay valid. */
int cache_commit(cache_rows *rows, int keep, agad_error *error);

/* Opens an existing file. 0, or -1 if there is no intact one with this key. */
int cache_open(cache_rows *rows, const char *path, uint64_t key);

/* Releases everything and removes a file that was not committed. May be called twice. */
void cache_close(cache_rows *rows);

#endif
