#include "base/file.h"

#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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

enum { MOST_LINKS = 40, LONGEST_STEM = 180 };

const char *file_reason(int why) {
  if (why == FILE_NOT_REGULAR) return "it is not a regular file";
  if (why == FILE_READ_ONLY) return "the file is write-protected; allow writing (chmod u+w) or give another name";
  return strerror(why);
}

int file_failed(const char *path, int why, agad_error *error) {
  return agad_fail_as(error, why == ENOMEM ? AGAD_OUT_OF_MEMORY : AGAD_FAILED, "%s: cannot be written: %s", path,
                      file_reason(why));
}

/* Puts what the link *name says in its place. */
static int follow(char **name) {
  const char *slash = strrchr(*name, '/');
  size_t before = slash ? (size_t)(slash + 1 - *name) : 0;
  char *longer = base_alloc((int64_t)before + PATH_MAX, 1);
  if (!longer) return ENOMEM;
  ssize_t n = readlink(*name, longer + before, PATH_MAX - 1);
  if (n < 0) {
    int why = errno;
    free(longer);
    return why;
  }
  longer[before + (size_t)n] = 0;
  if (longer[before] == '/') memmove(longer, longer + before, (size_t)n + 1);
  else memcpy(longer, *name, before);
  free(*name);
  *name = longer;
  return 0;
}

/* Where a name leads through links, into f->target, and what lies there: mode 0 where nothing does. The links of /proc
 * (/dev/stdout is one of them) are open files, not names. */
static int find_target(file_new *f, const char *path, struct stat *there) {
  struct stat process;
  int no_process = stat("/proc/self/fd", &process), why = 0;
  f->target = base_strdup(path);
  if (!f->target) return ENOMEM;
  for (int links = 0; !why; links++) {
    if (lstat(f->target, there)) {
      memset(there, 0, sizeof *there);
      return errno == ENOENT ? 0 : errno;
    }
    if (!S_ISLNK(there->st_mode)) break;
    if (!no_process && there->st_dev == process.st_dev) return FILE_NOT_REGULAR;
    why = links < MOST_LINKS ? follow(&f->target) : ELOOP;
  }
  if (why || S_ISREG(there->st_mode)) return why;
  return S_ISDIR(there->st_mode) ? EISDIR : FILE_NOT_REGULAR;
}

/* A file that nobody may write is left alone by root too. */
static int check_permission(const char *target, const struct stat *there) {
  if (!there->st_mode) return 0;
  if (!(there->st_mode & 0222)) return FILE_READ_ONLY;
  if (!faccessat(AT_FDCWD, target, W_OK, AT_EACCESS)) return 0;
  return errno == EACCES ? FILE_READ_ONLY : errno;
}

/* Names hold process and time: several machines may write into one folder. */
static int open_aside(file_new *f) {
  const char *slash = strrchr(f->target, '/');
  int folder = slash ? (int)(slash + 1 - f->target) : 0;
  size_t room = strlen(f->target) + 64;
  struct timespec now;
  f->aside = base_alloc((int64_t)room, 1);
  if (!f->aside) return ENOMEM;
  for (int attempt = 0; attempt < 16 && f->fd < 0; attempt++) {
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(f->aside, room, "%.*s%.*s.%ld-%llx%s", folder, f->target, LONGEST_STEM, f->target + folder, (long)getpid(),
             (unsigned long long)now.tv_sec * 1000000000ull + (unsigned long long)now.tv_nsec, FILE_ASIDE);
    f->fd = open(f->aside, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (f->fd < 0 && errno != EEXIST) break;
  }
  if (f->fd >= 0) return 0;
  int why = errno;
  free(f->aside); /* there is nothing to remove */
  f->aside = NULL;
  return why;
}

/* The owner as far as the system allows it. */
static int keep_mode(int fd, const struct stat *there) {
  struct stat own;
  if (!there->st_mode) return 0;
  if (fstat(fd, &own)) return errno;
  int other = own.st_uid != there->st_uid || own.st_gid != there->st_gid;
  if (other && fchown(fd, there->st_uid, there->st_gid)) other = fchown(fd, (uid_t)-1, there->st_gid);
  return fchmod(fd, there->st_mode & 0777) ? errno : 0;
}

int file_begin(file_new *f, const char *path) {
  struct stat there;
  *f = (file_new){-1, NULL, NULL};
  int why = find_target(f, path, &there);
  if (!why) why = check_permission(f->target, &there);
  if (!why) why = open_aside(f);
  if (!why) why = keep_mode(f->fd, &there);
  if (why) file_abandon(f);
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
  if (!why && rename(f->aside, f->target)) why = errno;
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
  free(f->target);
  *f = (file_new){-1, NULL, NULL};
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
