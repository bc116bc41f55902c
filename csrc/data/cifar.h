/* cifar.h: CIFAR-10 and CIFAR-100 in their binary version.
 *
 * A record is its label bytes (CIFAR-100: coarse, then fine) and 3 planes of 32 x 32. Counts come from the files'
 * lengths: whole records, at most as many as the original has, and equally many in CIFAR-10's batches. Class names
 * come from the text files beside them.
 */
#ifndef AGAD_DATA_CIFAR_H
#define AGAD_DATA_CIFAR_H

#include "data/images.h"

enum { CIFAR_FINE = 100, CIFAR_COARSE = 20 };

typedef struct data_superclasses {
  int n;              /* 0: the set has none */
  char **names;       /* (n) */
  int of[CIFAR_FINE]; /* for each class its superclass, as the records say */
} data_superclasses;

/* classes: 10 or 100; coarse: CIFAR-100's superclasses are the labels, and `above` stays empty. Looks in ROOT/cifar10,
 * ROOT/cifar-10-batches-bin and ROOT/cifar10/cifar-10-batches-bin (cifar100, cifar-100-binary). Both sets get class
 * names. */
int data_cifar(const char *root, int classes, int coarse, data_images *train, data_images *test,
               data_superclasses *above, agad_error *error);
void data_superclasses_free(data_superclasses *above);

#endif
