/* idx.h: the IDX format of MNIST, plain or gzip, and the two sets that come in it.
 *
 * A file is refused when its magic, sizes or length do not agree with each other; counts come from
 * the headers. Memory grows with what was really read, so a header alone cannot ask for gigabytes.
 */
#ifndef AGAD_DATA_IDX_H
#define AGAD_DATA_IDX_H

#include "data/images.h"

#define IDX_MAX_BYTES ((int64_t)1 << 32) /* of one file, unpacked */

/* An images file (uint8, three dimensions) into set->pixels, one channel. */
int data_idx_images(const char *path, data_images *set, agad_error *error);

/* A labels file (uint8, one dimension); *labels is malloc'ed, (count). */
int data_idx_labels(const char *path, int32_t **labels, int64_t *count, agad_error *error);

/* name: "mnist" or "fashion-mnist". Looks for the four files, gzip or not, in ROOT/NAME, ROOT/NAME/raw
 * and where torchvision puts them (ROOT/MNIST/raw, ROOT/FashionMNIST/raw). Sets have classes. */
int data_mnist(const char *name, const char *root, data_images *train, data_images *test, agad_error *error);

#endif
