/* agad.h: what the stages of AGAD (agad.c) share with its losses (agad_loss.c). */
#ifndef AGAD_TRAIN_AGAD_H
#define AGAD_TRAIN_AGAD_H

#include "train/step.h"

/* The slots that losses read, in the order of their names in agad.c: x, G(x), G(G(x)); logits and latents of D. */
typedef enum agad_part { X, X_HAT, X_HAT2, Y, Z, Y_HAT, Z_HAT, AGAD_PARTS } agad_part;

/* The option detach_pseudo: where the pseudo-anomaly's term lets no gradient through x^. */
enum { DETACH_NONE, DETACH_INPUT, DETACH_TARGET };

/* Rows of one kind, normals or anomalies, of each part, in the precision of losses; or a loss's gradients by them.
 * NULL = not read, no gradient. */
typedef struct agad_branch {
  at_tensor *part[AGAD_PARTS];
} agad_branch;

/* The terms with their weights, switches and loss slots. */
typedef struct agad_losses agad_losses;
agad_losses *agad_losses_new(step_state *s);
void agad_losses_free(agad_losses *l);
int agad_losses_read(agad_losses *l, const method_options *o); /* again whenever an option has changed */

/* Notes the terms of one branch in loss slots, adds weight * L to *total, and the gradients to *d. */
void agad_generator_loss(step_state *s, const agad_losses *l, const agad_branch *b, int anomalous, double weight,
                         at_tensor **total, agad_branch *d);
/* The same for both branches; `anomalous` may be NULL. */
void agad_discriminator_loss(step_state *s, const agad_losses *l, const agad_branch *normal,
                             const agad_branch *anomalous, const double weights[2], at_tensor **total,
                             agad_branch d[2]);

#endif
