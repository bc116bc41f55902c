/* file.h: reading and writing whole files.
 *
 * Only regular files are read, and only up to a limit. A file is written under a temporary name beside its target that
 * ends with FILE_ASIDE, flushed to disk and renamed: a process that is killed leaves the old file intact, a failure
 * leaves nothing behind, and of several writers the last one wins, with a whole file.
 */
#ifndef AGAD_BASE_FILE_H
#define AGAD_BASE_FILE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define FILE_ASIDE ".agad-part"

/* Returns the bytes of a file, followed by a zero byte, and sets *n to their number; free() them. NULL after an error,
 * whose message is to follow "PATH: ". `max_bytes` < 0: no limit. */
uint8_t *file_read(const char *path, int64_t max_bytes, size_t *n, agad_error *error);

/* Replaces the file at `path` by the parts, one after the other. 0, or -1 ("PATH: cannot be written: …"). */
int file_replace(const char *path, const void *const *parts, const size_t *sizes, int n, agad_error *error);

/* The same in steps, for files that are written piece by piece. Each returns 0 or an errno, which file_failed turns
 * into a message; `path` must stay valid until the end. After an error of file_commit the file is already abandoned;
 * after any other, the caller abandons it. */
typedef struct file_new {
  int fd; /* open for reading too, so that it can be mapped; -1: none */
  char *aside;
  const char *path;
} file_new;
int file_begin(file_new *f, const char *path);
int file_write(file_new *f, const void *bytes, size_t n);
int file_commit(file_new *f);                                  /* flushes, renames; closed either way */
void file_abandon(file_new *f);                                /* removes what was written; idempotent */
int file_failed(const char *path, int why, agad_error *error); /* -1, "PATH: cannot be written: …" */

/* Removes temporary files in the folder of `path` that killed writers left behind, once they are a day old. */
void file_sweep(const char *path);

#endif
