/* folder.c: listing folders; looking at headers.
 *
 * A walk goes down by descriptors (openat), so names are never longer than the system takes. Loops are told by
 * device and inode of the folders that lead here: a folder linked twice side by side is listed twice.
 */
#include "data/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "data/formats.h"

enum { DEEPEST = 64 };

typedef struct text_list {
  char **items;
  int64_t n, room;
} text_list;

typedef struct walk {
  text_list paths, others, problems;
  char *name; /* of what is looked at, relative to the folder */
  size_t room;
  struct {
    dev_t device;
    ino_t inode;
  } above[DEEPEST];
  int failed; /* without memory, or interrupted */
} walk;

static void append(walk *w, text_list *list, char *text) {
  if (text && list->n == list->room) {
    int64_t room = list->room ? 2 * list->room : 256;
    char **grown = base_realloc(list->items, room, sizeof *grown);
    if (grown) list->items = grown, list->room = room;
  }
  if (text && list->n < list->room) list->items[list->n++] = text;
  else {
    free(text);
    w->failed = 1;
  }
}

static void problem(walk *w, const char *what) {
  const char *name = *w->name ? w->name : ".";
  size_t room = 4 * strlen(name) + strlen(what) + 3;
  char *text = base_alloc((int64_t)room, 1);
  if (text) {
    size_t n = text_printable(text, room, name, strlen(name));
    snprintf(text + n, room - n, ": %s", what);
  }
  append(w, &w->problems, text);
}

/* Writes `name` behind the first `length` bytes of w->name; the new length, or 0 without memory. */
static size_t name_entry(walk *w, size_t length, const char *name) {
  size_t n = strlen(name), wanted = length + n + 2;
  if (wanted > w->room) {
    char *grown = base_realloc(w->name, 2 * (int64_t)wanted, 1);
    if (!grown) return w->failed = 1, 0;
    w->name = grown;
    w->room = 2 * wanted;
  }
  if (length) w->name[length++] = '/';
  memcpy(w->name + length, name, n + 1);
  return length + n;
}

int folder_skips(const char *name) {
  static const char *const names[] = {"#recycle",
                                      "#snapshot",
                                      "$RECYCLE.BIN",
                                      "@eaDir",
                                      "@Recycle",
                                      "@Recently-Snapshot",
                                      "__MACOSX",
                                      "__pycache__",
                                      "lost+found",
                                      "RECYCLER",
                                      "System Volume Information"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (!strcasecmp(name, names[i])) return 1;
  return name[0] == '.';
}

static void look_into(walk *w, int fd, size_t length, int depth);

static void look_at(walk *w, int folder, const struct dirent *entry, size_t length, int depth) {
  const char *name = entry->d_name;
  int type = entry->d_type, picture = data_format_named(name) != NULL, other = data_format_is_other(name);
  struct stat info;
  size_t longer;
  if (folder_skips(name)) return;
  if (type != DT_DIR && type != DT_REG && type != DT_LNK && type != DT_UNKNOWN) return;
  if ((type == DT_REG && !picture && !other) || !(longer = name_entry(w, length, name))) return;
  if (type == DT_LNK || type == DT_UNKNOWN) {
    if (fstatat(folder, name, &info, 0)) {
      if (picture || errno != ENOENT) problem(w, errno == ENOENT ? "the link is broken" : strerror(errno));
      return;
    }
    type = S_ISDIR(info.st_mode) ? DT_DIR : S_ISREG(info.st_mode) ? DT_REG : DT_UNKNOWN;
  }
  if (type == DT_REG && (picture || other)) append(w, picture ? &w->paths : &w->others, base_strdup(w->name));
  if (type != DT_DIR) return;
  int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) problem(w, strerror(errno));
  else look_into(w, fd, longer, depth + 1);
}

/* Closes fd. */
static void look_into(walk *w, int fd, size_t length, int depth) {
  struct stat info;
  DIR *dir = NULL;
  int looped = 0, unread = fstat(fd, &info);
  for (int i = 0; i < depth && i < DEEPEST && !unread; i++)
    looped |= w->above[i].device == info.st_dev && w->above[i].inode == info.st_ino;
  if (looped) problem(w, "a link to a folder that contains it; skipped");
  else if (depth == DEEPEST) problem(w, "more than 64 folders deep; skipped");
  else if (unread || !(dir = fdopendir(fd))) {
    w->failed |= errno == ENOMEM;
    problem(w, strerror(errno));
  }
  if (!dir) {
    close(fd);
    return;
  }
  w->above[depth].device = info.st_dev;
  w->above[depth].inode = info.st_ino;
  struct dirent *entry;
  while (errno = 0, !w->failed && !agad_interrupt && (entry = readdir(dir))) {
    look_at(w, fd, entry, length, depth);
    w->name[length] = 0;
  }
  if (errno && !w->failed && !agad_interrupt) problem(w, strerror(errno));
  closedir(dir);
}

static int by_bytes(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

int folder_find(const char *folder, folder_list *out, agad_error *error) {
  walk w = {.room = 256};
  *out = (folder_list){0};
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return agad_fail(error, "list: %s: %s", folder, errno == ENOTDIR ? "is not a folder; name one" : strerror(errno));
  w.name = base_calloc((int64_t)w.room, 1);
  if (w.name) look_into(&w, fd, 0, 0);
  else {
    close(fd);
    w.failed = 1;
  }
  free(w.name);
  text_list *lists[] = {&w.paths, &w.others, &w.problems};
  for (int i = 0; i < 3; i++)
    if (lists[i]->n) qsort(lists[i]->items, (size_t)lists[i]->n, sizeof *lists[i]->items, by_bytes);
  *out = (folder_list){w.paths.items, w.paths.n, w.others.items, w.others.n, w.problems.items, w.problems.n};
  if (!agad_interrupt && !w.failed) return 0;
  folder_free(out);
  if (agad_interrupt) return agad_interrupted(error);
  return agad_fail_as(error, AGAD_OUT_OF_MEMORY, "list: %s: no memory for its names", folder);
}

static void free_texts(char **texts, int64_t n) {
  for (int64_t i = 0; i < n; i++) free(texts[i]);
  free(texts);
}

void folder_free(folder_list *list) {
  free_texts(list->paths, list->n);
  free_texts(list->others, list->n_others);
  free_texts(list->problems, list->n_problems);
  *list = (folder_list){0};
}

/* ---- headers ---- */

/* Longer and longer beginnings, as some formats put other things before what tells. */
int picture_channels(const char *path) {
  enum { FIRST = 4096, LAST = FIRST << 12 };
  int channels = 0, fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  uint8_t *bytes = NULL;
  ssize_t n = 0;
  for (int room = FIRST; room <= LAST && !channels && fd >= 0; room *= 16) {
    uint8_t *grown = base_realloc(bytes, room, 1);
    if (!grown) channels = -1;
    if (!grown) break;
    bytes = grown;
    n = pread(fd, bytes, (size_t)room, 0);
    const data_format *format = n > 0 ? data_format_of(bytes, (size_t)n) : NULL;
    if (format) channels = format->channels(bytes, (size_t)n);
    if (!format || n < room) break; /* that was all */
  }
  if (fd >= 0) close(fd);
  free(bytes);
  return channels;
}
