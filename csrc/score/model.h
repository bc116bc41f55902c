/* model.h: a saved model inside the library: what the bindings use besides agad.h. */
#ifndef AGAD_SCORE_MODEL_H
#define AGAD_SCORE_MODEL_H

#include "score/agad.h"
#include "score/scorer.h"

#include <jansson.h>

struct agad_model {
  json_t *about; /* the file's description: config, input, threshold, score, provenance */
  char *description;
  net *net; /* the scoring program with its weights */
  net_plan *plan;
  score_input how;
  double threshold;
};

/* Saves `about` (an object; "program" is added) and the scorer's tensors, with the further tensors given. */
struct named_tensor;
int model_save(const char *path, const json_t *about, net *scorer, const struct named_tensor *more, int n_more,
               agad_error *error);
at_tensor *model_run(agad_model *model, const at_tensor *pictures, const char *output);

#endif
