/* file.h: whole files.
 *
 * Reading takes ordinary files only, and no more than a limit.  Writing goes beside the target, to
 * TARGET.PID.new, is flushed to disk and renamed: a kill leaves the old file whole, and a failure leaves nothing.
 */
#ifndef AGAD_BASE_FILE_H
#define AGAD_BASE_FILE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* The bytes of a file and their number; free() them.  NULL after an error, whose message is a reason that reads well
 * after "PATH: ".  `max_bytes` < 0: no limit.  One byte more than the file has is allocated, and is 0. */
uint8_t *file_read(const char *path, int64_t max_bytes, size_t *n, agad_error *error);

/* Writes the parts one after the other in place of what is at `path`.  0, or -1 ("PATH: cannot be written: …"). */
int file_replace(const char *path, const void *const *parts, const size_t *sizes, int n, agad_error *error);

/* The same in two steps, for what is written piece by piece: a descriptor to write to; then done, or given up. */
typedef struct file_new {
  int fd; /* -1: none */
  char *aside;
} file_new;
int file_begin(file_new *f, const char *path, agad_error *error);
int file_commit(file_new *f, const char *path, agad_error *error); /* flushes, renames; closed either way */
void file_abandon(file_new *f);                                    /* removes what was written; idempotent */

#endif
