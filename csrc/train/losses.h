/* losses.h: losses by name, each as a pair: its value, and its gradient by its first argument.
 *
 * Values are 0-d tensors on the device; means run over all elements.  Gradients are multiplied by `scale`.  A loss of
 * two tensors is a function of their difference: its gradient by the second is minus that by the first.
 */
#ifndef AGAD_TRAIN_LOSSES_H
#define AGAD_TRAIN_LOSSES_H

#include "at/at.h"

/* Two tensors, or one and a target. */
typedef struct loss_input {
  const at_tensor *a, *b;
  double target;
} loss_input;

typedef struct loss {
  const char *name;
  int takes_target; /* 0 or 1, in place of b */
  at_tensor *(*forward)(loss_input);
  at_tensor *(*backward)(loss_input, double scale);
} loss;

extern const loss losses[];              /* the last one's name is NULL */
const loss *loss_find(const char *name); /* NULL with the sticky error set */

/* The same under autograd: one node a call.  `b` is NULL where the loss takes a target. */
at_tensor *loss_call(const loss *l, at_tensor *a, at_tensor *b, double target);

#endif
