/* mnist.c: MNIST and Fashion-MNIST: where their files may lie, and what must agree between them. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data/idx.h"

#define N_CLASSES 10

typedef struct known_set {
  const char *name, *torchvision;
  const char *classes[N_CLASSES];
} known_set;

static const known_set known[] = {
    {"mnist", "MNIST", {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}},
    {"fashion-mnist",
     "FashionMNIST",
     {"t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle-boot"}},
};

/* The first of the places that holds STEM or STEM.gz; 0, or -1 when none does. */
static int find_file(const known_set *set, const char *root, const char *stem, char *path, size_t n) {
  const char *folders[][2] = {{set->name, ""}, {set->name, "/raw"}, {set->torchvision, "/raw"}};
  for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
    for (int gz = 0; gz < 2; gz++) {
      int length = snprintf(path, n, "%s/%s%s/%s%s", root, folders[i][0], folders[i][1], stem, gz ? ".gz" : "");
      if (length > 0 && (size_t)length < n && access(path, F_OK) == 0) return 0;
    }
  return -1;
}

static int missing(const known_set *set, const char *root, const char *stem, agad_error *error) {
  return agad_fail(error,
                   "%s: %s.gz is missing; looked in %.200s/%s, %.200s/%s/raw and %.200s/%s/raw; put "
                   "train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz "
                   "and t10k-labels-idx1-ubyte.gz there, gzipped or not, or name another root, or run: agad fetch %s",
                   set->name, stem, root, set->name, root, set->name, root, set->torchvision, set->name);
}

static int check_labels(const known_set *set, const data_images *part, int64_t labels, const char *images_path,
                        const char *labels_path, agad_error *error) {
  if (labels != part->count)
    return agad_fail(error,
                     "%s: %s: %lld labels but %lld images in %s; a file is truncated, fetch "
                     "both again",
                     set->name, labels_path, (long long)labels, (long long)part->count, images_path);
  for (int64_t i = 0; i < labels; i++)
    if (part->labels[i] >= N_CLASSES)
      return agad_fail(error, "%s: %s: label %d of image %lld is over %d; fetch it again", set->name, labels_path,
                       part->labels[i], (long long)i, N_CLASSES - 1);
  return 0;
}

static int read_part(const known_set *set, const char *root, const char *prefix, data_images *part, agad_error *error) {
  char images[PATH_MAX], labels[PATH_MAX], stem[64];
  int64_t n_labels = 0;
  snprintf(stem, sizeof stem, "%s-images-idx3-ubyte", prefix);
  if (find_file(set, root, stem, images, sizeof images)) return missing(set, root, stem, error);
  snprintf(stem, sizeof stem, "%s-labels-idx1-ubyte", prefix);
  if (find_file(set, root, stem, labels, sizeof labels)) return missing(set, root, stem, error);
  if (data_idx_images(images, part, error)) return -1;
  if (data_idx_labels(labels, &part->labels, &n_labels, error)) return -1;
  if (check_labels(set, part, n_labels, images, labels, error)) return -1;
  return data_images_set_classes(part, set->classes, N_CLASSES, error);
}

int data_mnist(const char *name, const char *root, data_images *train, data_images *test, agad_error *error) {
  const known_set *set = NULL;
  memset(train, 0, sizeof *train);
  memset(test, 0, sizeof *test);
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (!strcmp(known[i].name, name)) set = &known[i];
  if (!set) return agad_fail(error, "data: unknown IDX set %s; known: mnist, fashion-mnist", name);
  int status = read_part(set, root, "train", train, error);
  if (!status) status = read_part(set, root, "t10k", test, error);
  if (!status && (train->height != test->height || train->width != test->width))
    status = agad_fail(error, "%s: train images are %d x %d, test images %d x %d; fetch them again", name,
                       train->height, train->width, test->height, test->width);
  if (status) {
    data_images_free(train);
    data_images_free(test);
  }
  return status;
}
