/* lock.h: a kernel lock on a file, which keeps out every other holder, in this process too.
 *
 * The lock ends when its descriptor is closed or its process ends, in whatever way.  On a file system without locks
 * everybody gets the lock.  The holder may remove the file before closing it.
 */
#ifndef AGAD_BASE_LOCK_H
#define AGAD_BASE_LOCK_H

#include "base/error.h"

enum { FILE_LOCK_HELD = -2 };

/* Locks the file at `path`, creating it if needed, without waiting.  Returns a descriptor (close() releases the lock),
 * FILE_LOCK_HELD if somebody has the lock, or -1 after an error, whose message is to follow "PATH: ". */
int file_lock(const char *path, agad_error *error);

/* Shares the lock of an open file with other sharers: others see it as locked until all have closed theirs. Without
 * effect where that cannot be had. */
void file_share(int fd);

/* Whether somebody has the lock; it is not taken to find out, not even for a moment. */
int file_is_locked(const char *path);

#endif
