/* layers.c: the list of layers.  A new one is a file under layers/ and a line here and in layer.h. */
#include "net/layer.h"

#include <stdio.h>
#include <string.h>

static const layer *const layers[] = {
    &conv_layer, &conv_transpose_layer, &batch_norm_layer, &leaky_relu_layer, &relu_layer,
    &tanh_layer, &concat_layer,         &max_pool_layer,   &constant_layer,   &op_layer,
};
enum { N_LAYERS = sizeof layers / sizeof *layers };

const layer *layer_find(const char *name) {
  for (int i = 0; i < N_LAYERS; i++)
    if (!strcmp(layers[i]->name, name)) return layers[i];
  return NULL;
}

const char *layer_names(void) {
  static char names[400];
  if (!*names)
    for (int i = 0; i < N_LAYERS; i++) {
      size_t n = strlen(names);
      snprintf(names + n, sizeof names - n, "%s%s", i ? ", " : "", layers[i]->name);
    }
  return names;
}
