/* weave_draw.h: what textures (weave_textures.c), defects (weave_defects.c) and sets (weave.c) share.
 *
 * Lengths and coordinates are Q8 pixels; angles are 1/65536 of a turn; sines Q14; a picture is drawn
 * as a relief: signed grey levels in Q4 around the picture's brightness, before light and noise.
 * Products are taken in 64 bits; right shifts of negative numbers round down, as gcc and clang do.
 */
#ifndef AGAD_DATA_WEAVE_DRAW_H
#define AGAD_DATA_WEAVE_DRAW_H

#include "base/random.h"
#include "data/weave.h"

#define WEAVE_ONE 256 /* 1 in Q8 */

typedef struct weave_scene {
  weave_texture texture;
  int size;
  int unit;                       /* 1/32 of the side: what defects are measured in */
  int period;                     /* of the texture; grows with the square root of the size */
  int cosine, sine;               /* of the direction of the threads */
  int phase_u, phase_v;           /* along and across them */
  int brightness, contrast;       /* grey levels */
  int light_x, light_y, vignette; /* grey levels from the centre to the border */
  int noise;                      /* grey levels */
  int tint[3];                    /* red, green, blue in Q8 */
  uint32_t key;                   /* of everything hashed by position */
} weave_scene;

/* Q14; Bhaskara's formula, within .0017 of the sine. */
int weave_sine(int turn);
static inline int weave_cosine(int turn) { return weave_sine(turn + 16384); }

/* floor(sqrt(x)) */
uint32_t weave_root(uint64_t x);

/* A hash of a place, 0 .. 2^32 - 1. */
uint32_t weave_hash(uint32_t key, int x, int y);

/* Smooth noise with a value in -256 .. 256 at every multiple of cell. */
int weave_noise(uint32_t key, int64_t x, int64_t y, int cell_x, int cell_y);

/* Texture coordinates (along u, across v the threads) of a place. */
void weave_to_threads(const weave_scene *scene, int x, int y, int *u, int *v);

/* The sound texture, (size, size). */
void weave_draw_texture(const weave_scene *scene, int32_t *relief);

/* Draws a defect into relief and its extent into mask. */
void weave_draw_defect(const weave_scene *scene, weave_kind kind, base_random *random, int32_t *relief, uint8_t *mask);

#endif
