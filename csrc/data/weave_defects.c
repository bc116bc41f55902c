/* weave_defects.c: scratch, hole, stain, missing thread and smudge.
 *
 * A defect is a shape with soft edges (its coverage, 0 .. 256, from a distance) and what it does to the
 * relief there: lay a tone over it, shift it, or wash it out. Dark and light are equally likely. The
 * mask holds the pixels covered by more than a third.
 */
#include "data/weave_draw.h"

#define MASK_COVERAGE 96

typedef struct shape {
  int x, y;          /* centre */
  int cosine, sine;  /* direction of its length */
  int length, width; /* half of each */
  int bend;          /* how far the middle of a line leaves the chord */
  uint32_t key;      /* of its ragged border */
  int ragged;        /* Q8: share of the radius that the border swings by */
} shape;

static int units(const weave_scene *scene, base_random *r, int low, int high) {
  return (int)((int64_t)base_random_range(r, low, high) * scene->unit / 10); /* tenths of a unit */
}

static int sign(base_random *r) { return base_random_below(r, 2) ? 1 : -1; }

static int clip(int64_t value) { return value < 0 ? 0 : value > WEAVE_ONE ? WEAVE_ONE : (int)value; }

/* Somewhere that leaves margin tenths of a unit to the border. */
static void place(const weave_scene *scene, base_random *r, int margin, shape *s) {
  s->x = units(scene, r, margin, 320 - margin);
  s->y = units(scene, r, margin, 320 - margin);
}

static void point(shape *s, int turn) {
  s->cosine = weave_cosine(turn);
  s->sine = weave_sine(turn);
}

static void to_shape(const shape *s, int x, int y, int64_t *along, int64_t *across) {
  int64_t dx = x - s->x, dy = y - s->y;
  *along = (dx * s->cosine + dy * s->sine) >> 14;
  *across = (dy * s->cosine - dx * s->sine) >> 14;
}

/* A line of 2 length by 2 width, bent to a parabola, rounded off over one pixel. */
static int line_coverage(const shape *s, int x, int y) {
  int64_t along, across;
  to_shape(s, x, y, &along, &across);
  int64_t part = along * WEAVE_ONE / s->length;
  across -= s->bend - (s->bend * part * part >> 16);
  int64_t out = across < 0 ? -across : across, end = (along < 0 ? -along : along) - s->length;
  out -= s->width;
  if (end > out) out = end;
  return clip(128 - out);
}

/* An ellipse with a ragged border; soft is the width of its edge. */
static int blob_coverage(const shape *s, int x, int y, int soft) {
  int64_t along, across;
  to_shape(s, x, y, &along, &across);
  int64_t level = across * s->length / s->width;
  int64_t radius = weave_root((uint64_t)(along * along + level * level));
  if (s->ragged) {
    int swing = weave_noise(s->key, x, y, s->width, s->width);
    radius += s->length * s->ragged / WEAVE_ONE * swing / WEAVE_ONE;
  }
  return clip((s->length - radius) * s->width / s->length * WEAVE_ONE / soft + 128);
}

/* relief moves towards tone by coverage. */
static void lay(int32_t *pixel, int tone, int coverage) { *pixel += (tone - *pixel) * coverage / WEAVE_ONE; }

/* A tone that lies margin grey levels beyond the texture's own, Q4. */
static int beyond(const weave_scene *scene, int direction, int margin) {
  return direction * (scene->contrast + margin) * 16;
}

#define EACH_PIXEL(scene, x, y)           \
  for (int y = 0; y < (scene)->size; y++) \
    for (int x = 0; x < (scene)->size; x++)
#define MIDDLE(x) ((x)*WEAVE_ONE + 128)

static void draw_line(const weave_scene *scene, const shape *s, int tone, int32_t *relief, uint8_t *mask) {
  EACH_PIXEL(scene, x, y) {
    size_t at = (size_t)y * scene->size + x;
    int coverage = line_coverage(s, MIDDLE(x), MIDDLE(y));
    lay(&relief[at], tone, coverage);
    mask[at] = coverage > MASK_COVERAGE;
  }
}

static void scratch(const weave_scene *scene, base_random *r, int32_t *relief, uint8_t *mask) {
  shape s = {0};
  place(scene, r, 90, &s);
  point(&s, base_random_range(r, 0, 65535));
  s.length = units(scene, r, 70, 120);
  s.width = units(scene, r, 8, 12);
  s.bend = units(scene, r, 0, 30) * sign(r);
  int direction = sign(r), margin = base_random_range(r, 40, 65);
  draw_line(scene, &s, beyond(scene, direction, margin), relief, mask);
}

static void hole(const weave_scene *scene, base_random *r, int32_t *relief, uint8_t *mask) {
  shape s = {0};
  place(scene, r, 60, &s);
  point(&s, base_random_range(r, 0, 65535));
  s.length = units(scene, r, 32, 46);
  s.width = (int)((int64_t)s.length * base_random_range(r, 180, 256) / WEAVE_ONE);
  s.key = (uint32_t)base_random_next(r);
  s.ragged = 40;
  int direction = sign(r), margin = base_random_range(r, 40, 65);
  int inside = beyond(scene, direction, margin), rim = beyond(scene, -direction, 10);
  shape outer = s;
  outer.length += scene->unit * 7 / 10;
  outer.width += scene->unit * 7 / 10;
  EACH_PIXEL(scene, x, y) {
    size_t at = (size_t)y * scene->size + x;
    int around = blob_coverage(&outer, MIDDLE(x), MIDDLE(y), WEAVE_ONE);
    lay(&relief[at], rim, around);
    lay(&relief[at], inside, blob_coverage(&s, MIDDLE(x), MIDDLE(y), WEAVE_ONE));
    mask[at] = around > MASK_COVERAGE;
  }
}

static void stain(const weave_scene *scene, base_random *r, int32_t *relief, uint8_t *mask) {
  shape s = {0};
  place(scene, r, 70, &s);
  point(&s, base_random_range(r, 0, 65535));
  s.length = units(scene, r, 45, 65);
  s.width = (int)((int64_t)s.length * base_random_range(r, 150, 256) / WEAVE_ONE);
  s.key = (uint32_t)base_random_next(r);
  s.ragged = 90;
  int shift = sign(r) * base_random_range(r, 50, 75) * 16;
  EACH_PIXEL(scene, x, y) {
    size_t at = (size_t)y * scene->size + x;
    int coverage = blob_coverage(&s, MIDDLE(x), MIDDLE(y), scene->unit * 2);
    relief[at] += shift * coverage / WEAVE_ONE;
    mask[at] = coverage > MASK_COVERAGE;
  }
}

/* The texture is gone: an even, faintly smeared patch. */
static void smudge(const weave_scene *scene, base_random *r, int32_t *relief, uint8_t *mask) {
  shape s = {0};
  place(scene, r, 80, &s);
  point(&s, base_random_range(r, 0, 65535));
  s.length = units(scene, r, 65, 95);
  s.width = units(scene, r, 35, 50);
  s.key = (uint32_t)base_random_next(r);
  s.ragged = 60;
  int tone = sign(r) * base_random_range(r, 35, 55) * 16;
  EACH_PIXEL(scene, x, y) {
    size_t at = (size_t)y * scene->size + x;
    int64_t along, across;
    int coverage = blob_coverage(&s, MIDDLE(x), MIDDLE(y), scene->unit * 2);
    to_shape(&s, MIDDLE(x), MIDDLE(y), &along, &across);
    int smear = weave_noise(s.key + 1, along, across, scene->unit * 8, scene->unit * 2) / 2;
    lay(&relief[at], tone + smear, coverage * 15 / 16);
    mask[at] = coverage > MASK_COVERAGE;
  }
}

/* One thread (a brush stroke, a row of dots) is not there; grain has no threads and gets a crack. */
static void missing_thread(const weave_scene *scene, base_random *r, int32_t *relief, uint8_t *mask) {
  shape s = {0};
  int across = (int)base_random_below(r, 2), u, v;
  place(scene, r, 70, &s);
  s.length = units(scene, r, 100, 160);
  s.width = scene->period * 9 / 20;
  s.cosine = scene->cosine;
  s.sine = scene->sine;
  if (across && scene->texture == WEAVE_CLOTH) { /* the other set of threads */
    s.cosine = -scene->sine;
    s.sine = scene->cosine;
  }
  if (scene->texture == WEAVE_GRAIN) {
    point(&s, base_random_range(r, 0, 65535));
    s.bend = units(scene, r, 10, 40) * sign(r);
    s.width = units(scene, r, 10, 15);
  } else { /* moved onto the middle of its thread */
    weave_to_threads(scene, s.x, s.y, &u, &v);
    int where = s.cosine == scene->cosine && s.sine == scene->sine ? v : -u;
    int rest = where % scene->period;
    if (rest < 0) rest += scene->period;
    int64_t move = scene->period / 2 - rest;
    s.x -= (int)(move * s.sine >> 14);
    s.y += (int)(move * s.cosine >> 14);
  }
  int direction = sign(r), margin = base_random_range(r, 30, 50);
  draw_line(scene, &s, beyond(scene, direction, margin), relief, mask);
}

void weave_draw_defect(const weave_scene *scene, weave_kind kind, base_random *random, int32_t *relief, uint8_t *mask) {
  switch (kind) {
  case WEAVE_SCRATCH: scratch(scene, random, relief, mask); break;
  case WEAVE_HOLE: hole(scene, random, relief, mask); break;
  case WEAVE_STAIN: stain(scene, random, relief, mask); break;
  case WEAVE_MISSING_THREAD: missing_thread(scene, random, relief, mask); break;
  case WEAVE_SMUDGE: smudge(scene, random, relief, mask); break;
  case WEAVE_SOUND:
  case WEAVE_N_KINDS: break;
  }
}
