/* file.h: reading and writing whole files.
 *
 * Only regular files are read, and only up to a limit. A file is written under a temporary name beside its target that
 * ends with FILE_ASIDE, flushed to disk and renamed: a process that is killed leaves the old file intact, a failure
 * leaves nothing behind, and of several writers the last one wins, with a whole file.
 *
 * Links are followed: the link stays, and the file that it names is replaced. The new file takes over the permissions
 * of the old one and, where the system allows it, its owner; other names of the old file (hard links) keep its bytes.
 * Only regular files are replaced, and none that is write-protected.
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

/* The same in steps, for files that are written piece by piece. Each returns 0 or a reason: an errno or one of these
 * two; file_reason and file_failed turn it into words. After an error of file_begin or file_commit the file is already
 * abandoned; after one of file_write, the caller abandons it. */
enum { FILE_NOT_REGULAR = -1, FILE_READ_ONLY = -2 };
typedef struct file_new {
  int fd; /* open for reading too, so that it can be mapped; -1: none */
  char *aside, *target;
} file_new;
int file_begin(file_new *f, const char *path);
int file_write(file_new *f, const void *bytes, size_t n);
int file_commit(file_new *f);   /* flushes, renames; closed either way */
void file_abandon(file_new *f); /* removes what was written; idempotent */
const char *file_reason(int why);
int file_failed(const char *path, int why, agad_error *error); /* -1, "PATH: cannot be written: …" */

/* Removes temporary files in the folder of `path` that killed writers left behind, once they are a day old. */
void file_sweep(const char *path);

#endif
