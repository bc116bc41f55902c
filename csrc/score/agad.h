/* agad.h: the C API of libagad.so, which opens, runs and closes saved models.  It needs no Lua.
 *
 *   agad_error error;
 *   agad_model *model = agad_model_open("cloth.safetensors", &error);
 *   if (model && !agad_model_score(model, pixels, 1, scores, &error)) ... scores[0] > agad_model_info(model).threshold
 *   agad_model_close(model);
 *
 * Calls return 0, or -1 (NULL) with one line in error->message and its kind in error->kind.  A model is used by one
 * thread at a time.
 */
#ifndef AGAD_H
#define AGAD_H

#include "base/error.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct agad_model agad_model;

typedef struct agad_model_facts {
  int channels, height, width; /* of the pictures it takes */
  double threshold;            /* a score above it is anomalous; NaN: none was stored */
  int has_map;
  const char *description; /* JSON: configuration, programs, provenance; lives as long as the model */
} agad_model_facts;

agad_model *agad_model_open(const char *path, agad_error *error);
void agad_model_close(agad_model *model);
agad_model_facts agad_model_info(const agad_model *model);
/* pixels: n pictures, [channels][height][width] bytes each; scores: n numbers, larger = more anomalous. */
int agad_model_score(agad_model *model, const uint8_t *pixels, int64_t n, double *scores, agad_error *error);
/* maps: n maps of [height][width], the mean over channels of |x - x^|, in units of the input range. */
int agad_model_map(agad_model *model, const uint8_t *pixels, int64_t n, float *maps, agad_error *error);

#ifdef __cplusplus
}
#endif
#endif
