#define _GNU_SOURCE /* F_OFD_SETLK */
#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whether what lies at `path` is still the open file. */
static int still_there(int fd, const char *path) {
  struct stat locked, named;
  return !fstat(fd, &locked) && !stat(path, &named) && locked.st_ino == named.st_ino && locked.st_dev == named.st_dev;
}

void file_share(int fd) {
  struct flock whole = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
  (void)fcntl(fd, F_OFD_SETLK, &whole);
}

int file_is_locked(const char *path) {
  struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  int known = !fcntl(fd, F_OFD_GETLK, &whole);
  close(fd);
  return known && whole.l_type != F_UNLCK;
}

int file_lock(const char *path, agad_error *error) {
  struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  for (;;) {
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) return agad_fail(error, "%s", strerror(errno));
    int refused = fcntl(fd, F_OFD_SETLK, &whole), held = refused && (errno == EAGAIN || errno == EACCES);
    if (!held && (refused || still_there(fd, path))) return fd;
    close(fd);
    if (held) return FILE_LOCK_HELD;
  }
}
