#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static uint8_t *read_open(int fd, int64_t max_bytes, size_t *n, agad_error *error) {
  struct stat info;
  if (fstat(fd, &info)) return agad_fail(error, "cannot be read: %s", strerror(errno)), NULL;
  if (!S_ISREG(info.st_mode)) return agad_fail(error, "is no ordinary file"), NULL;
  if (max_bytes >= 0 && info.st_size > max_bytes) {
    agad_fail(error, "has %lld bytes; at most %lld are read, raise max_bytes for more", (long long)info.st_size,
              (long long)max_bytes);
    return NULL;
  }
  size_t size = (size_t)info.st_size;
  uint8_t *bytes = malloc(size + 1);
  if (!bytes) return agad_fail(error, "cannot be read: no memory for its %zu bytes", size), NULL;
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

static int fail(const char *path, int why, agad_error *error) {
  return agad_fail(error, "%s: cannot be written: %s", path, strerror(why));
}

int file_begin(file_new *f, const char *path, agad_error *error) {
  size_t room = strlen(path) + 32;
  *f = (file_new){-1, malloc(room)};
  if (!f->aside) return fail(path, ENOMEM, error);
  snprintf(f->aside, room, "%s.%ld.new", path, (long)getpid());
  f->fd = open(f->aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (f->fd >= 0) return 0;
  int why = errno;
  free(f->aside);
  f->aside = NULL;
  return fail(path, why, error);
}

int file_commit(file_new *f, const char *path, agad_error *error) {
  int bad = fsync(f->fd), why = errno;
  if (close(f->fd) && !bad) bad = 1, why = errno;
  f->fd = -1;
  if (!bad && rename(f->aside, path)) bad = 1, why = errno;
  if (bad) {
    file_abandon(f);
    return fail(path, why, error);
  }
  free(f->aside);
  f->aside = NULL;
  return 0;
}

void file_abandon(file_new *f) {
  if (f->fd >= 0) close(f->fd);
  if (f->aside) unlink(f->aside);
  free(f->aside);
  *f = (file_new){-1, NULL};
}

static int write_all(int fd, const char *at, size_t left) {
  while (left) {
    ssize_t wrote = write(fd, at, left);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return -1;
    at += wrote, left -= (size_t)wrote;
  }
  return 0;
}

int file_replace(const char *path, const void *const *parts, const size_t *sizes, int n, agad_error *error) {
  file_new f;
  if (file_begin(&f, path, error)) return -1;
  for (int i = 0; i < n; i++)
    if (write_all(f.fd, parts[i], sizes[i])) {
      int why = errno;
      file_abandon(&f);
      return fail(path, why, error);
    }
  return file_commit(&f, path, error);
}
