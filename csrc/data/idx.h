/* idx.h: the IDX format of MNIST, plain or gzipped, with elements of any type, and the two data sets that come in it.
 *
 * A file is refused when its magic, sizes or length do not agree with each other; counts come from
 * the headers. Memory grows as data is read, so a header alone cannot ask for gigabytes.
 */
#ifndef AGAD_DATA_IDX_H
#define AGAD_DATA_IDX_H

#include "data/images.h"

#define IDX_MAX_BYTES ((int64_t)1 << 32) /* of one file, unpacked */

#define IDX_MAX_DIMS 8

typedef enum idx_type {
  IDX_U8 = 0x08,
  IDX_I8 = 0x09,
  IDX_I16 = 0x0b,
  IDX_I32 = 0x0c,
  IDX_F32 = 0x0d,
  IDX_F64 = 0x0e,
} idx_type;

typedef struct data_array {
  idx_type type;
  int dims;
  int64_t sizes[IDX_MAX_DIMS];
  void *values; /* in the machine's byte order; malloc'ed */
} data_array;

/* Reads any IDX file, with the type and the sizes of its header. */
int data_idx_read(const char *path, data_array *out, agad_error *error);

/* An images file (uint8, three dimensions) into set->pixels, one channel. */
int data_idx_images(const char *path, data_images *set, agad_error *error);

/* A labels file (uint8, one dimension); *labels is malloc'ed, (count). */
int data_idx_labels(const char *path, int32_t **labels, int64_t *count, agad_error *error);

/* name: "mnist" or "fashion-mnist". Looks for the four files, gzipped or not, in ROOT/NAME, ROOT/NAME/raw and where
 * torchvision puts them (ROOT/MNIST/raw, ROOT/FashionMNIST/raw). Both sets get class names. */
int data_mnist(const char *name, const char *root, data_images *train, data_images *test, agad_error *error);

#endif
