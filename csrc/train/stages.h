/* stages.h: the C stages that there are, by name.  One of another method is a file with its list "METHOD.NAME" and a
 * line here and in stages.c.
 */
#ifndef AGAD_TRAIN_STAGES_H
#define AGAD_TRAIN_STAGES_H

#include "train/step.h"

typedef struct stage_entry {
  const char *name;
  stage_fn run;
} stage_entry;

extern const stage_entry agad_stages[]; /* the last one's name is NULL; so in every list */

int guard_collapse(step_state *s, void *arg);

#endif
