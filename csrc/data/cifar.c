/* cifar.c: reads the records of CIFAR's binary files into pictures and labels. */
#include "data/cifar.h"

#include "base/memory.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SIDE = 32, PIXELS = 3 * SIDE * SIDE, NAME_BYTES = 256, PATH_ROOM = PATH_MAX + 64, BLOCK = 256 };

typedef struct version {
  const char *name, *folder, *files;
  const char *train[6], *test; /* ends with NULL */
  const char *names, *coarse_names;
  int classes, label_bytes;
  int64_t most; /* records of one file of train */
} version;

static const version ten = {
    "cifar10",
    "cifar-10-batches-bin",
    "data_batch_1.bin to data_batch_5.bin, test_batch.bin and batches.meta.txt",
    {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin", NULL},
    "test_batch.bin",
    "batches.meta.txt",
    NULL,
    10,
    1,
    10000};

static const version hundred = {"cifar100",
                                "cifar-100-binary",
                                "train.bin, test.bin, fine_label_names.txt and coarse_label_names.txt",
                                {"train.bin", NULL},
                                "test.bin",
                                "fine_label_names.txt",
                                "coarse_label_names.txt",
                                CIFAR_FINE,
                                2,
                                50000};

typedef struct reader {
  const version *v;
  const char *folder;
  int coarse;         /* the superclass is the label */
  int of[CIFAR_FINE]; /* the superclass seen with each class; -1: none yet */
  agad_error *error;
} reader;

/* ---- names ---- */

static void free_names(char **names, int n) {
  for (int i = 0; names && i < n; i++) free(names[i]);
  free(names);
}

/* The n non-empty lines of a text file; NULL after an error. */
static char **read_names(reader *r, const char *file, int n) {
  char path[PATH_ROOM], line[NAME_BYTES];
  int found = 0, too_long = 0;
  snprintf(path, sizeof path, "%s/%s", r->folder, file);
  FILE *in = fopen(path, "rb");
  if (!in) {
    agad_fail(r->error, "%s: %s: %s", r->v->name, path, strerror(errno));
    return NULL;
  }
  char **names = base_calloc(n, sizeof *names);
  int no_memory = !names;
  while (names && found <= n && fgets(line, sizeof line, in)) {
    too_long |= !strchr(line, '\n') && !feof(in);
    line[strcspn(line, "\r\n")] = 0;
    if (!*line) continue;
    if (found < n && (no_memory = !(names[found] = base_strdup(line)))) break;
    found++;
  }
  fclose(in);
  if (found == n && !too_long) return names;
  free_names(names, n);
  if (no_memory) agad_fail_as(r->error, AGAD_OUT_OF_MEMORY, "%s: %s: no memory for its names", r->v->name, path);
  else agad_fail(r->error, "%s: %s does not hold %d names, one a line; fetch it again", r->v->name, path, n);
  return NULL;
}

/* ---- records ---- */

/* How many records a file has. */
static int64_t count_records(reader *r, const char *file, int64_t most) {
  char path[PATH_ROOM];
  struct stat info;
  int64_t record = r->v->label_bytes + PIXELS;
  snprintf(path, sizeof path, "%s/%s", r->folder, file);
  if (stat(path, &info)) return agad_fail(r->error, "%s: %s: %s", r->v->name, path, strerror(errno));
  if (!S_ISREG(info.st_mode)) return agad_fail(r->error, "%s: %s is not a regular file", r->v->name, path);
  int64_t bytes = info.st_size;
  if (bytes > most * record)
    return agad_fail(r->error, "%s: %s has %lld bytes, more than the %lld of %lld records; fetch it again", r->v->name,
                     path, (long long)bytes, (long long)(most * record), (long long)most);
  if (bytes % record || !bytes)
    return agad_fail(r->error,
                     "%s: %s has %lld bytes, not whole records of %lld bytes; the file is truncated, "
                     "fetch it again",
                     r->v->name, path, (long long)bytes, (long long)record);
  return bytes / record;
}

/* One record's labels: in range, and each class always in the same superclass. */
static int take_labels(reader *r, const char *path, const uint8_t *record, int64_t at, int32_t *label) {
  int own = record[r->v->label_bytes - 1];
  *label = own;
  if (own >= r->v->classes)
    return agad_fail(r->error, "%s: %s: label %d of record %lld is over %d; fetch it again", r->v->name, path, own,
                     (long long)at, r->v->classes - 1);
  if (r->v->label_bytes == 1) return 0;
  int above = record[0];
  if (above >= CIFAR_COARSE)
    return agad_fail(r->error, "%s: %s: coarse label %d of record %lld is over %d; fetch it again", r->v->name, path,
                     above, (long long)at, CIFAR_COARSE - 1);
  if (r->of[own] < 0) r->of[own] = above;
  if (r->of[own] != above)
    return agad_fail(r->error,
                     "%s: %s: record %lld puts class %d into superclass %d, an earlier one into %d; "
                     "fetch it again",
                     r->v->name, path, (long long)at, own, above, r->of[own]);
  if (r->coarse) *label = above;
  return 0;
}

/* n records into set, from row `row` on. */
static int read_records(reader *r, const char *file, int64_t n, data_images *set, int64_t row) {
  char path[PATH_ROOM];
  size_t record = (size_t)r->v->label_bytes + PIXELS;
  snprintf(path, sizeof path, "%s/%s", r->folder, file);
  FILE *in = fopen(path, "rb");
  if (!in) return agad_fail(r->error, "%s: %s: %s", r->v->name, path, strerror(errno));
  uint8_t *block = base_alloc(BLOCK, record);
  int status = block ? 0 : agad_fail_as(r->error, AGAD_OUT_OF_MEMORY, "%s: no memory", r->v->name);
  for (int64_t at = 0; at < n && !status; at += BLOCK) {
    size_t wanted = n - at < BLOCK ? (size_t)(n - at) : BLOCK;
    if (agad_interrupt) status = agad_interrupted(r->error);
    else if (fread(block, record, wanted, in) != wanted)
      status = agad_fail(r->error, "%s: %s could not be read to its end", r->v->name, path);
    for (size_t i = 0; i < wanted && !status; i++) {
      const uint8_t *one = block + i * record;
      int64_t to = row + at + (int64_t)i;
      status = take_labels(r, path, one, at + (int64_t)i, &set->labels[to]);
      memcpy(set->pixels + (size_t)to * PIXELS, one + r->v->label_bytes, PIXELS);
    }
  }
  free(block);
  fclose(in);
  return status;
}

static int read_test(reader *r, data_images *set) {
  int64_t n = count_records(r, r->v->test, 10000);
  return n < 0 || data_images_alloc(set, n, 3, SIDE, SIDE, 1, 0, r->error) || read_records(r, r->v->test, n, set, 0);
}

static int read_train(reader *r, data_images *set) {
  int64_t each = 0;
  int files = 0;
  for (; r->v->train[files]; files++) {
    int64_t n = count_records(r, r->v->train[files], r->v->most);
    if (n < 0) return -1;
    if (files && n != each)
      return agad_fail(r->error, "%s: %s/%s has %lld records, but %s has %lld; one is truncated, fetch both again",
                       r->v->name, r->folder, r->v->train[files], (long long)n, r->v->train[0], (long long)each);
    each = n;
  }
  if (data_images_alloc(set, each * files, 3, SIDE, SIDE, 1, 0, r->error)) return -1;
  for (int i = 0; i < files; i++)
    if (read_records(r, r->v->train[i], each, set, i * each)) return -1;
  return 0;
}

/* ---- the set ---- */

/* The first of the places that has the test file; all files are wanted there. */
static int find_folder(const version *v, const char *root, char *folder, size_t n, agad_error *error) {
  char path[PATH_ROOM];
  const char *places[][3] = {{v->name, "", ""}, {v->folder, "", ""}, {v->name, "/", v->folder}};
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    int length = snprintf(folder, n, "%s/%s%s%s", root, places[i][0], places[i][1], places[i][2]);
    if (length < 0 || (size_t)length + 64 > n) continue;
    snprintf(path, sizeof path, "%s/%s", folder, v->test);
    if (!access(path, F_OK)) return 0;
    snprintf(path, sizeof path, "%s/%s", folder, v->train[0]);
    if (!access(path, F_OK)) return 0;
  }
  return agad_fail(error,
                   "%s: its files are missing; looked in %.200s/%s, %.200s/%s and %.200s/%s/%s; put %s there, or "
                   "name another root, or run: agad fetch %s",
                   v->name, root, v->name, root, v->folder, root, v->name, v->folder, v->files, v->name);
}

static int take_names(reader *r, data_images *train, data_images *test, data_superclasses *above) {
  char **coarse = NULL, **fine = read_names(r, r->v->names, r->v->classes);
  int n = r->v->classes, status = fine ? 0 : -1;
  if (!status && r->v->coarse_names && !(coarse = read_names(r, r->v->coarse_names, CIFAR_COARSE))) status = -1;
  const char *const *names = (const char *const *)(r->coarse ? coarse : fine);
  if (!status) status = data_images_set_classes(train, names, r->coarse ? CIFAR_COARSE : n, r->error);
  if (!status) status = data_images_set_classes(test, names, r->coarse ? CIFAR_COARSE : n, r->error);
  free_names(fine, n);
  if (!status && coarse && !r->coarse) {
    above->names = coarse;
    above->n = CIFAR_COARSE;
    memcpy(above->of, r->of, sizeof above->of);
  } else free_names(coarse, CIFAR_COARSE);
  return status;
}

int data_cifar(const char *root, int classes, int coarse, data_images *train, data_images *test,
               data_superclasses *above, agad_error *error) {
  char folder[PATH_MAX];
  const version *v = classes == 10 ? &ten : &hundred;
  reader r = {.v = v, .folder = folder, .coarse = coarse, .error = error};
  memset(train, 0, sizeof *train);
  memset(test, 0, sizeof *test);
  memset(above, 0, sizeof *above);
  for (int i = 0; i < CIFAR_FINE; i++) r.of[i] = -1;
  if (classes != 10 && classes != CIFAR_FINE) return agad_fail(error, "cifar: %d classes; give 10 or 100", classes);
  if (coarse && !v->coarse_names) return agad_fail(error, "cifar10 has no coarse labels; use cifar100");
  if (find_folder(v, root, folder, sizeof folder, error)) return -1;
  int status = read_train(&r, train) || read_test(&r, test);
  for (int i = 0; i < v->classes && !status && v->label_bytes == 2; i++)
    if (r.of[i] < 0) status = agad_fail(error, "%s: %s: no record of class %d; fetch it again", v->name, folder, i);
  if (status || take_names(&r, train, test, above)) {
    data_images_free(train);
    data_images_free(test);
    return -1;
  }
  return 0;
}

void data_superclasses_free(data_superclasses *above) {
  free_names(above->names, above->n);
  memset(above, 0, sizeof *above);
}
