/* cache.h: rows of decoded pictures in one mapping: of memory, or of a file that other runs read.
 *
 * Both have one layout (cache.c), so a loader fills them alike. A file is written as base/file.h
 * says, so that a kill leaves nothing under the final name. Its disk space is taken before it is filled. Readers map it
 * privately: the kernel pages it, so it may be larger than memory, and writing to the pictures stays with the
 * writer. What a file is worth is told by its key (the caller's), its length and the checksum of all but the
 * pixels; pixels that went bad on disk are not noticed.
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
  int64_t capacity, count; /* rows there is room for, rows there are */
  int64_t skipped;
  int32_t channels, height, width, n_examples;
  char examples[CACHE_EXAMPLES][1024]; /* why files were skipped: the first ones */
} cache_header;

typedef struct cache_rows {
  cache_header *header;                          /* the mapping's beginning; NULL: nothing is held */
  int64_t *kept, *heights, *widths, *file_bytes; /* (capacity) */
  uint8_t *pixels;                               /* (capacity, channels, height, width) */
  size_t bytes;                                  /* of the mapping */
  file_new file;                                 /* that is being filled; its fd is -1: none */
} cache_rows;

/* Room for `capacity` rows, all zero, in memory (path NULL) or in a new file, which takes the place of path; the string stays until the commit. */
int cache_create(cache_rows *rows, const char *path, uint64_t key, int64_t capacity, int channels, int height,
                 int width, agad_error *error);

/* Gives what lies behind row `count` back and, where rows lie in a file, puts it in place (keep 0: removes it).
 * A failure of that is -1 with its reason, and the rows stay whole. */
int cache_commit(cache_rows *rows, int keep, agad_error *error);

/* An existing file. 0, or -1 where there is none with this key that is whole. */
int cache_open(cache_rows *rows, const char *path, uint64_t key);

/* Gives everything back; a file that was not committed is removed. May run twice. */
void cache_close(cache_rows *rows);

#endif
