/* file.h: whole files.
 *
 * Reading takes ordinary files only, and no more than a limit.  Writing goes beside the target, to a name of its own
 * that ends with FILE_ASIDE, is flushed to disk and renamed: a kill leaves the old file whole, a failure leaves
 * nothing, and of several writers the last one wins, each with a whole file.
 */
#ifndef AGAD_BASE_FILE_H
#define AGAD_BASE_FILE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define FILE_ASIDE ".agad-part"

/* The bytes of a file and their number; free() them.  NULL after an error, whose message is a reason that reads well
 * after "PATH: ".  `max_bytes` < 0: no limit.  One byte more than the file has is allocated, and is 0. */
uint8_t *file_read(const char *path, int64_t max_bytes, size_t *n, agad_error *error);

/* Writes the parts one after the other in place of what is at `path`.  0, or -1 ("PATH: cannot be written: …"). */
int file_replace(const char *path, const void *const *parts, const size_t *sizes, int n, agad_error *error);

/* The same step by step, for what is written piece by piece.  Each gives 0 or an errno, which file_failed words; `path`
 * is the caller's and stays until the end.  After an error it is abandoned: by file_commit itself, else by the caller. */
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

/* Removes what killed writers left in the folder of `path` a day ago or earlier. */
void file_sweep(const char *path);

#endif
