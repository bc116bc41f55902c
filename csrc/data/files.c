/* files.c: listing folders; looking at headers.
 *
 * A walk goes down by descriptors (openat), so names are never longer than the system takes. Loops are told by
 * device and inode of the folders that lead here: a folder linked twice side by side is listed twice.
 */
#include "data/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

enum { DEEPEST = 64 };

typedef struct text_list {
  char **items;
  int64_t n, room;
} text_list;

typedef struct walk {
  text_list paths, problems;
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
    char **grown = realloc(list->items, (size_t)room * sizeof *grown);
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
  char *text = malloc(room);
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
    char *grown = realloc(w->name, 2 * wanted);
    if (!grown) return w->failed = 1, 0;
    w->name = grown;
    w->room = 2 * wanted;
  }
  if (length) w->name[length++] = '/';
  memcpy(w->name + length, name, n + 1);
  return length + n;
}

static int is_picture(const char *name) {
  const char *dot = strrchr(name, '.');
  return dot && (!strcasecmp(dot, ".png") || !strcasecmp(dot, ".jpg") || !strcasecmp(dot, ".jpeg"));
}

static void look_into(walk *w, int fd, size_t length, int depth);

static void look_at(walk *w, int folder, const struct dirent *entry, size_t length, int depth) {
  const char *name = entry->d_name;
  int type = entry->d_type, picture = is_picture(name);
  struct stat info;
  size_t longer;
  if (name[0] == '.') return;
  if (type != DT_DIR && type != DT_REG && type != DT_LNK && type != DT_UNKNOWN) return;
  if ((type == DT_REG && !picture) || !(longer = name_entry(w, length, name))) return;
  if (type == DT_LNK || type == DT_UNKNOWN) {
    if (fstatat(folder, name, &info, 0)) {
      if (picture || errno != ENOENT) problem(w, errno == ENOENT ? "the link is broken" : strerror(errno));
      return;
    }
    type = S_ISDIR(info.st_mode) ? DT_DIR : S_ISREG(info.st_mode) ? DT_REG : DT_UNKNOWN;
  }
  if (type == DT_REG && picture) append(w, &w->paths, strdup(w->name));
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
  if (looped) problem(w, "a link back to a folder that it lies in; passed over");
  else if (depth == DEEPEST) problem(w, "more than 64 folders deep; passed over");
  else if (unread || !(dir = fdopendir(fd))) problem(w, strerror(errno));
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

int files_find(const char *folder, files_list *out, agad_error *error) {
  walk w = {.room = 256};
  *out = (files_list){0};
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return agad_fail(error, "list: %s: %s", folder, errno == ENOTDIR ? "is no folder; name one" : strerror(errno));
  w.name = calloc(w.room, 1);
  if (w.name) look_into(&w, fd, 0, 0);
  else {
    close(fd);
    w.failed = 1;
  }
  free(w.name);
  if (w.paths.n) qsort(w.paths.items, (size_t)w.paths.n, sizeof *w.paths.items, by_bytes);
  if (w.problems.n) qsort(w.problems.items, (size_t)w.problems.n, sizeof *w.problems.items, by_bytes);
  *out = (files_list){w.paths.items, w.paths.n, w.problems.items, w.problems.n};
  if (!agad_interrupt && !w.failed) return 0;
  files_free(out);
  if (agad_interrupt) return agad_interrupted(error);
  return agad_fail(error, "list: %s: no memory for its names", folder);
}

void files_free(files_list *list) {
  for (int64_t i = 0; i < list->n; i++) free(list->paths[i]);
  for (int64_t i = 0; i < list->n_problems; i++) free(list->problems[i]);
  free(list->paths);
  free(list->problems);
  *list = (files_list){0};
}

/* ---- headers ---- */

/* The number of components of a JPEG: walks its segments to the first frame header. */
static int jpeg_components(FILE *file) {
  uint8_t b[8];
  if (fseek(file, 2, SEEK_SET)) return 0;
  for (int segments = 0; segments < 256; segments++) {
    int marker, c = fgetc(file);
    while (c != EOF && c != 0xff) c = fgetc(file);
    while ((marker = fgetc(file)) == 0xff) {}
    if (c == EOF || marker == EOF) return 0;
    if (marker == 0 || marker == 1 || (marker >= 0xd0 && marker <= 0xd7)) continue; /* no length follows */
    if (marker == 0xd9 || marker == 0xda || fread(b, 1, 2, file) != 2) return 0;
    long length = (b[0] << 8 | b[1]) - 2;
    if (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc)
      return length >= 6 && fread(b, 1, 6, file) == 6 ? b[5] : 0;
    if (length < 0 || fseek(file, length, SEEK_CUR)) return 0;
  }
  return 0;
}

int files_channels(const char *path) {
  static const uint8_t png[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  uint8_t b[26];
  int channels = 0;
  FILE *file = fopen(path, "rbe");
  if (!file) return 0;
  size_t n = fread(b, 1, sizeof b, file);
  if (n == sizeof b && !memcmp(b, png, sizeof png)) channels = b[25] & 2 ? 3 : 1; /* bit 1: colour, or a palette */
  else if (n > 2 && b[0] == 0xff && b[1] == 0xd8) {
    int components = jpeg_components(file);
    channels = components > 1 ? 3 : components;
  }
  fclose(file);
  return channels;
}
