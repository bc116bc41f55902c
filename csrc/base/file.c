#include "base/file.h"

#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { A_DAY = 24 * 3600 };

/* ---- reading ---- */

static uint8_t *read_open(int fd, int64_t max_bytes, size_t *n, agad_error *error) {
  struct stat info;
  if (fstat(fd, &info)) return agad_fail(error, "cannot be read: %s", strerror(errno)), NULL;
  if (!S_ISREG(info.st_mode)) return agad_fail(error, "is not a regular file"), NULL;
  if (max_bytes >= 0 && info.st_size > max_bytes) {
    agad_fail(error, "has %lld bytes, over the limit of %lld; raise max_bytes to read it", (long long)info.st_size,
              (long long)max_bytes);
    return NULL;
  }
  size_t size = (size_t)info.st_size;
  uint8_t *bytes = base_alloc((int64_t)size, 1);
  if (!bytes) return agad_fail_as(error, AGAD_OUT_OF_MEMORY, "cannot be read: no memory for its %zu bytes", size), NULL;
  for (*n = 0; *n < size;) {
    ssize_t got = read(fd, bytes + *n, size - *n);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      free(bytes);
      return agad_fail(error, "cannot be read: %s", strerror(errno)), NULL;
    }
    if (got == 0) break; /* it shrank meanwhile */
    *n += (size_t)got;
  }
  bytes[*n] = 0;
  return bytes;
}

uint8_t *file_read(const char *path, int64_t max_bytes, size_t *n, agad_error *error) {
  *n = 0;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe is refused, not waited for */
  if (fd < 0) return agad_fail(error, "%s", strerror(errno)), NULL;
  uint8_t *bytes = read_open(fd, max_bytes, n, error);
  close(fd);
  return bytes;
}

/* ---- writing ---- */

int file_failed(const char *path, int why, agad_error *error) {
  return agad_fail_as(error, why == ENOMEM ? AGAD_OUT_OF_MEMORY : AGAD_FAILED, "%s: cannot be written: %s", path,
                      strerror(why));
}

/* Names hold process and time: several machines may write into one folder. */
static int open_aside(file_new *f, size_t room) {
  struct timespec now;
  for (int attempt = 0; attempt < 16 && f->fd < 0; attempt++) {
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(f->aside, room, "%s.%ld-%llx%s", f->path, (long)getpid(),
             (unsigned long long)now.tv_sec * 1000000000ull + (unsigned long long)now.tv_nsec, FILE_ASIDE);
    f->fd = open(f->aside, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (f->fd < 0 && errno != EEXIST) break;
  }
  return f->fd < 0 ? errno : 0;
}

int file_begin(file_new *f, const char *path) {
  size_t room = strlen(path) + 64;
  *f = (file_new){-1, base_alloc((int64_t)room, 1), path};
  int why = f->aside ? open_aside(f, room) : ENOMEM;
  if (!why) return 0;
  free(f->aside);
  f->aside = NULL;
  return why;
}

int file_write(file_new *f, const void *bytes, size_t n) {
  for (const char *at = bytes; n;) {
    ssize_t wrote = write(f->fd, at, n);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return wrote < 0 ? errno : EIO;
    at += wrote, n -= (size_t)wrote;
  }
  return 0;
}

int file_commit(file_new *f) {
  int why = fsync(f->fd) ? errno : 0;
  if (close(f->fd) && !why) why = errno;
  f->fd = -1;
  if (!why && rename(f->aside, f->path)) why = errno;
  if (!why) { /* there is nothing left to remove */
    free(f->aside);
    f->aside = NULL;
  }
  file_abandon(f);
  return why;
}

void file_abandon(file_new *f) {
  if (f->fd >= 0) close(f->fd);
  if (f->aside) unlink(f->aside);
  free(f->aside);
  f->fd = -1;
  f->aside = NULL;
}

int file_replace(const char *path, const void *const *parts, const size_t *sizes, int n, agad_error *error) {
  file_new f;
  int why = file_begin(&f, path);
  for (int i = 0; i < n && !why; i++) why = file_write(&f, parts[i], sizes[i]);
  if (why) file_abandon(&f);
  else why = file_commit(&f);
  return why ? file_failed(path, why, error) : 0;
}

void file_sweep(const char *path) {
  char *folder = base_strdup(path), *slash = folder ? strrchr(folder, '/') : NULL;
  if (slash) slash[slash == folder] = 0;
  DIR *dir = folder ? opendir(slash ? folder : ".") : NULL;
  for (struct dirent *entry; dir && (entry = readdir(dir));) {
    struct stat info;
    size_t n = strlen(entry->d_name);
    if (n < sizeof FILE_ASIDE || strcmp(entry->d_name + n + 1 - sizeof FILE_ASIDE, FILE_ASIDE)) continue;
    if (!fstatat(dirfd(dir), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) && S_ISREG(info.st_mode) &&
        info.st_mtime < time(NULL) - A_DAY)
      unlinkat(dirfd(dir), entry->d_name, 0);
  }
  if (dir) closedir(dir);
  free(folder);
}
