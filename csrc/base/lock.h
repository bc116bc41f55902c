/* lock.h: one process at a time, by a kernel lock on a file.
 *
 * The lock ends with its holder, however it ends.  It is the process's: a second lock on the same file by the same
 * process succeeds, and closing either ends both.  A file system that has no locks gives one to everybody.  A holder may
 * remove the file before it closes.
 */
#ifndef AGAD_BASE_LOCK_H
#define AGAD_BASE_LOCK_H

#include "base/error.h"

enum { FILE_LOCK_HELD = -2 };

/* Locks the file at `path`, which is made where there is none, and does not wait.  A descriptor that closing gives up;
 * FILE_LOCK_HELD where another process has the lock; -1 after an error, whose message is a reason that reads well after
 * "PATH: ". */
int file_lock(const char *path, agad_error *error);

#endif
