/* cache.c: the layout of decoded rows, and the file that holds them.
 *
 *   header, padded to HEADER_BYTES | kept, heights, widths, file_bytes: int64 (capacity) each | padding to a
 *   page | pixels: uint8 (capacity, channels, height, width), cut behind row `count` in the end
 *
 * Numbers are the machine's own: a file from another byte order fails its magic. VERSION changes with the layout.
 */
#include "data/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/lock.h"
#include "base/memory.h"
#include "data/images.h"

#define VERSION 1

enum { HEADER_BYTES = 8192, PAGE = 4096, NUMBERS = 4 };

_Static_assert(sizeof(cache_header) <= HEADER_BYTES, "the header outgrew its room");

static void set_magic(char magic[8]) {
  uint32_t version = VERSION;
  memcpy(magic, "agad", 4);
  memcpy(magic + 4, &version, 4);
}

/* Where the pixels begin, and how many bytes `count` rows of them make a file; -1 when that is absurd. */
static int64_t layout(const cache_header *h, int64_t count, int64_t *pixels_at) {
  const int64_t most = (int64_t)1 << 46;
  if (h->capacity < 0 || count < 0 || count > h->capacity || h->height < 0 || h->width < 0 ||
      h->height > DATA_MAX_SIDE || h->width > DATA_MAX_SIDE || (h->channels != 1 && h->channels != 3))
    return -1;
  int64_t numbers = base_product(h->capacity, NUMBERS * (int64_t)sizeof(int64_t), most);
  int64_t pixels = base_product(count, (int64_t)h->channels * h->height * h->width, most);
  if (numbers < 0 || pixels < 0) return -1;
  *pixels_at = (HEADER_BYTES + numbers + PAGE - 1) / PAGE * PAGE;
  return *pixels_at + pixels;
}

/* Unreserved: it may be larger than memory. */
static void *map_privately(int fd, size_t bytes) {
  return mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
}

static void place(cache_rows *rows, void *base, int64_t capacity, int64_t pixels_at) {
  int64_t *numbers = (int64_t *)((char *)base + HEADER_BYTES);
  rows->header = base;
  rows->kept = numbers;
  rows->heights = numbers + capacity;
  rows->widths = numbers + 2 * capacity;
  rows->file_bytes = numbers + 3 * capacity;
  rows->pixels = (uint8_t *)base + pixels_at;
}

static uint64_t checksum(const cache_rows *rows) {
  const char *from = (const char *)&rows->header->key;
  size_t n = sizeof *rows->header - (size_t)(from - (const char *)rows->header);
  return base_hash(rows->kept, (size_t)rows->header->capacity * NUMBERS * sizeof(int64_t), base_hash(from, n, 0));
}

/* ---- writing ---- */

/* Takes the disk space. More than is free is not asked for: the disk would be full for all until that fails.
 * A limit on file sizes raises SIGXFSZ, which is held back here and forgotten. */
static int take_space(int fd, int64_t bytes) {
  struct statvfs disk;
  int told = !fstatvfs(fd, &disk) && disk.f_frsize && disk.f_blocks;
  if (told && (uint64_t)bytes / disk.f_frsize > disk.f_bavail) return ENOSPC;
  sigset_t limit, before;
  struct timespec now = {0, 0};
  sigemptyset(&limit);
  sigaddset(&limit, SIGXFSZ);
  pthread_sigmask(SIG_BLOCK, &limit, &before);
  int code;
  do code = posix_fallocate(fd, 0, bytes);
  while (code == EINTR && !agad_interrupt);
  if (code && !sigismember(&before, SIGXFSZ)) sigtimedwait(&limit, NULL, &now);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return code;
}

int cache_create(cache_rows *rows, const char *path, uint64_t key, int64_t capacity, int channels, int height,
                 int width, agad_error *error) {
  cache_header header = {.key = key, .capacity = capacity, .channels = channels, .height = height, .width = width};
  int64_t pixels_at = 0, bytes = layout(&header, capacity, &pixels_at);
  *rows = (cache_rows){.file.fd = -1};
  if (bytes < 0)
    return agad_fail(error, "%lld pictures of %d x %d x %d are too large to store", (long long)capacity, channels,
                     height, width);
  set_magic(header.magic);
  int why = 0;
  if (path) file_sweep(path);
  if (path) why = file_begin(&rows->file, path);
  if (path && !why) why = take_space(rows->file.fd, bytes);
  if (why) {
    cache_close(rows);
    return agad_fail_as(error, why == ENOMEM ? AGAD_OUT_OF_MEMORY : AGAD_FAILED, "%s", file_reason(why));
  }
  void *base = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, path ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS,
                    rows->file.fd, 0);
  if (base == MAP_FAILED) {
    cache_close(rows);
    return agad_fail_as(error, AGAD_OUT_OF_MEMORY, "no memory for %lld pictures of %d x %d x %d", (long long)capacity,
                        channels, height, width);
  }
  rows->bytes = (size_t)bytes;
  place(rows, base, capacity, pixels_at);
  *rows->header = header;
  return 0;
}

/* Keeps a descriptor, or -1, whose shared lock says that the file is in use. */
static void set_used(cache_rows *rows, int fd) {
  if (fd >= 0) file_share(fd);
  rows->used = fd + 1;
}

static int publish(cache_rows *rows, int64_t bytes) {
  rows->header->checksum = checksum(rows);
  if (ftruncate(rows->file.fd, bytes) || msync(rows->header, rows->bytes, MS_SYNC)) return errno;
  return 0;
}

int cache_commit(cache_rows *rows, int keep, agad_error *error) {
  int64_t capacity = rows->header->capacity, pixels_at = 0;
  int64_t bytes = layout(rows->header, rows->header->count, &pixels_at);
  size_t whole_pages = ((size_t)bytes + PAGE - 1) / PAGE * PAGE;
  if (whole_pages < rows->bytes) munmap((char *)rows->header + whole_pages, rows->bytes - whole_pages);
  rows->bytes = (size_t)bytes;
  if (rows->file.fd < 0) return 0;
  int why = keep ? publish(rows, bytes) : 0;
  void *base = map_privately(rows->file.fd, rows->bytes); /* from here on writing must not reach the file */
  if (base == MAP_FAILED && !why) why = errno;
  if (base != MAP_FAILED) {
    munmap(rows->header, rows->bytes);
    place(rows, base, capacity, pixels_at);
  }
  if (why || !keep) file_abandon(&rows->file); /* its bytes live as long as the mapping */
  else {
    set_used(rows, fcntl(rows->file.fd, F_DUPFD_CLOEXEC, 0));
    why = file_commit(&rows->file);
  }
  return why ? agad_fail(error, "%s", file_reason(why)) : 0;
}

/* ---- reading ---- */

static int valid(const cache_rows *rows) {
  const cache_header *h = rows->header;
  if (h->skipped < 0 || h->count + h->skipped != h->capacity || h->n_examples < 0 || h->n_examples > CACHE_EXAMPLES)
    return 0;
  for (int i = 0; i < h->n_examples; i++)
    if (!memchr(h->examples[i], 0, sizeof h->examples[i])) return 0;
  return h->checksum == checksum(rows);
}

int cache_open(cache_rows *rows, const char *path, uint64_t key) {
  cache_header header;
  struct stat info;
  char magic[8];
  int64_t pixels_at = 0;
  *rows = (cache_rows){.file.fd = -1};
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return -1;
  set_magic(magic);
  int whole = !fstat(fd, &info) && S_ISREG(info.st_mode) && read(fd, &header, sizeof header) == sizeof header &&
              !memcmp(header.magic, magic, sizeof magic) && header.key == key &&
              layout(&header, header.count, &pixels_at) == info.st_size;
  void *base = MAP_FAILED;
  if (whole) base = map_privately(fd, (size_t)info.st_size);
  if (base == MAP_FAILED) {
    close(fd);
    return -1;
  }
  rows->bytes = (size_t)info.st_size;
  place(rows, base, header.capacity, pixels_at);
  set_used(rows, fd);
  if (!valid(rows)) {
    cache_close(rows);
    return -1;
  }
  (void)futimens(fd, NULL); /* of another user's file, the time stays */
  return 0;
}

void cache_close(cache_rows *rows) {
  if (rows->header) munmap(rows->header, rows->bytes);
  file_abandon(&rows->file);
  if (rows->used) close(rows->used - 1);
  *rows = (cache_rows){.file.fd = -1};
}
