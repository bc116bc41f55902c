/* lock.h: a kernel lock on a file, which keeps out every other holder, in this process too.
 *
 * The lock ends when its descriptor is closed or its process ends, in whatever way.  On a file system without locks
 * everybody gets one.  The holder may remove the file before closing it.
 */
#ifndef AGAD_BASE_LOCK_H
#define AGAD_BASE_LOCK_H

#include "base/error.h"

enum { FILE_LOCK_HELD = -2 };

/* Locks the file at `path`, which is made where there is none, and does not wait.  A descriptor that closing gives up;
 * FILE_LOCK_HELD where somebody has the lock; -1 after an error, whose message is a reason that reads well after
 * "PATH: ". */
int file_lock(const char *path, agad_error *error);

#endif
