/* stages.h: the C stages by name. To add those of another method, write a file with their list (names are
 * "METHOD.NAME") and add a line here and in stages.c.
 */
#ifndef AGAD_TRAIN_STAGES_H
#define AGAD_TRAIN_STAGES_H

#include "train/step.h"

typedef struct stage_entry {
  const char *name;
  stage_fn run;
} stage_entry;

extern const stage_entry agad_stages[]; /* ended by a name of NULL, as every such list */

int guard_collapse(step_state *s, void *arg);

#endif
