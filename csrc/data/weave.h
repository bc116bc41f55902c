/* weave.h: the built-in picture set: four textures, five defects with their masks, from a seed.
 *
 * Integer arithmetic only: the same bytes on every processor. Every picture is drawn from its own
 * stream, (seed, texture, split, kind, index), so splits share nothing and a shorter set is a prefix
 * of a longer one. Brightness, contrast, light, direction and period differ from picture to picture
 * more than a defect changes them: plain statistics of a picture do not give a defect away, its place
 * does. The bytes are frozen by hashes in spec/weave_spec.lua: do not make the set easier.
 */
#ifndef AGAD_DATA_WEAVE_H
#define AGAD_DATA_WEAVE_H

#include "data/images.h"

typedef enum weave_texture { WEAVE_CLOTH, WEAVE_METAL, WEAVE_GRAIN, WEAVE_DOTS, WEAVE_N_TEXTURES } weave_texture;

/* Classes of a set: 0 is the sound texture, named after it, then the defects. */
typedef enum weave_kind {
  WEAVE_SOUND,
  WEAVE_SCRATCH,
  WEAVE_HOLE,
  WEAVE_STAIN,
  WEAVE_MISSING_THREAD,
  WEAVE_SMUDGE,
  WEAVE_N_KINDS
} weave_kind;

typedef enum weave_split { WEAVE_TRAIN, WEAVE_TEST } weave_split;

#define WEAVE_MIN_SIZE 32
#define WEAVE_MAX_SIZE 1024

typedef struct weave_options {
  weave_texture texture;
  int size, channels; /* square pictures; 1 or 3 */
  uint64_t seed;
} weave_options;

/* The texture of a name (-1 with an error that lists them). */
int data_weave_texture(const char *name, agad_error *error);
const char *data_weave_texture_name(int texture); /* NULL if there is none of this number */

/* Sound pictures first, then defects, the kinds taking turns. The built-in set is 2,000 + 200 pictures
 * to train and 500 + 500 to test. Labels, masks and classes are filled. */
int data_weave(const weave_options *options, weave_split split, int64_t n_sound, int64_t n_defects, data_images *out,
               agad_error *error);

#endif
