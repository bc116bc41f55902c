/* weave.c: how pictures differ from each other, and the sets made of them. */
#include "data/weave.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/weave_draw.h"

static const char *const textures[WEAVE_N_TEXTURES] = {"cloth", "metal", "grain", "dots"};

const char *data_weave_texture_name(int texture) {
  return texture >= 0 && texture < WEAVE_N_TEXTURES ? textures[texture] : NULL;
}
static const char *const defects[WEAVE_N_KINDS] = {"", "scratch", "hole", "stain", "missing_thread", "smudge"};
/* Colour of each texture, Q8; a picture's own colour swings around it. */
static const int tints[WEAVE_N_TEXTURES][3] = {{236, 256, 284}, {262, 256, 250}, {300, 252, 212}, {270, 250, 256}};

int data_weave_texture(const char *name, agad_error *error) {
  for (int i = 0; i < WEAVE_N_TEXTURES; i++)
    if (!strcmp(name, textures[i])) return i;
  return agad_fail(error, "weave: no texture %s; known: cloth, metal, grain, dots", name);
}

static weave_scene set_scene(const weave_options *options, base_random *r) {
  weave_scene s = {.texture = options->texture, .size = options->size};
  s.unit = options->size * WEAVE_ONE / 32;
  int grown = (int)weave_root((uint64_t)s.unit * WEAVE_ONE); /* square root of size / 32, Q8 */
  /* cloth and dots lie as before a camera on a line: nearly aligned; metal and grain as they come */
  int aligned = s.texture == WEAVE_CLOTH || s.texture == WEAVE_DOTS;
  s.period = (aligned ? base_random_range(r, 1430, 1450) : base_random_range(r, 1300, 1600)) * grown / WEAVE_ONE;
  int swing = aligned ? 200 : s.texture == WEAVE_METAL ? 4000 : 2000; /* 1, 22 or 11 degrees either way */
  int turn = base_random_range(r, -swing, swing), shift = aligned ? 80 : 1 << 15;
  s.cosine = weave_cosine(turn);
  s.sine = weave_sine(turn);
  s.phase_u = base_random_range(r, -shift, shift);
  s.phase_v = base_random_range(r, -shift, shift);
  s.brightness = base_random_range(r, 90, 165);
  s.contrast = base_random_range(r, 14, 34) + (s.texture == WEAVE_METAL ? 8 : 0); /* streaks are soft */
  s.light_x = base_random_range(r, -52, 52);
  s.light_y = base_random_range(r, -52, 52);
  s.vignette = base_random_range(r, -20, 36);
  s.noise = base_random_range(r, 2, 5);
  for (int c = 0; c < 3; c++) s.tint[c] = tints[options->texture][c] + base_random_range(r, -10, 10);
  s.key = (uint32_t)base_random_next(r);
  return s;
}

/* Brightness of the light at a pixel, Q4, relative to the picture's. */
static int light(const weave_scene *s, int x, int y) {
  int dx = (2 * x + 1 - s->size) * WEAVE_ONE / s->size, dy = (2 * y + 1 - s->size) * WEAVE_ONE / s->size;
  int radius = (dx * dx + dy * dy) / WEAVE_ONE - WEAVE_ONE * 2 / 3; /* about 0 on average */
  return (s->light_x * dx + s->light_y * dy - s->vignette * radius) / 16;
}

/* Triangular noise of about s->noise grey levels, Q4. */
static int grain_noise(const weave_scene *s, int x, int y, int channel) {
  uint32_t h = weave_hash(s->key + 7 + (uint32_t)channel, x, y);
  return ((int)(h & 0xff) + (int)(h >> 8 & 0xff) - 255) * s->noise / 8;
}

static uint8_t to_byte(int q4) {
  int value = (q4 + 8) >> 4;
  return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static void expose(const weave_scene *s, int channels, const int32_t *relief, uint8_t *pixels) {
  size_t plane = (size_t)s->size * s->size;
  for (int y = 0; y < s->size; y++)
    for (int x = 0; x < s->size; x++) {
      size_t at = (size_t)y * s->size + x;
      int value = s->brightness * 16 + relief[at] + light(s, x, y);
      for (int c = 0; c < channels; c++) {
        int toned = channels == 1 ? value : value * s->tint[c] / WEAVE_ONE;
        pixels[c * plane + at] = to_byte(toned + grain_noise(s, x, y, c));
      }
    }
}

static void draw_picture(const weave_options *options, weave_split split, weave_kind kind, int64_t index,
                         int32_t *relief, uint8_t *pixels, uint8_t *mask) {
  uint64_t purpose = (uint64_t)options->texture << 16 | (uint64_t)split << 8 | (uint64_t)kind;
  base_random r = base_random_new(options->seed, purpose, (uint64_t)index);
  weave_scene scene = set_scene(options, &r);
  weave_draw_texture(&scene, relief);
  weave_draw_defect(&scene, kind, &r, relief, mask);
  expose(&scene, options->channels, relief, pixels);
}

int data_weave(const weave_options *options, weave_split split, int64_t n_sound, int64_t n_defects, data_images *out,
               agad_error *error) {
  int size = options->size;
  memset(out, 0, sizeof *out);
  if (size < WEAVE_MIN_SIZE || size > WEAVE_MAX_SIZE)
    return agad_fail(error, "weave: size %d; give %d to %d", size, WEAVE_MIN_SIZE, WEAVE_MAX_SIZE);
  if (n_sound < 0 || n_defects < 0 || n_sound > INT32_MAX || n_defects > INT32_MAX)
    return agad_fail(error, "weave: %lld + %lld pictures; give 0 or more of each", (long long)n_sound,
                     (long long)n_defects);
  if (data_images_alloc(out, n_sound + n_defects, options->channels, size, size, 1, 1, error)) return -1;
  size_t plane = (size_t)size * size;
  int32_t *relief = base_alloc((int64_t)plane, sizeof *relief);
  int status =
      relief ? 0 : agad_fail_as(error, AGAD_OUT_OF_MEMORY, "weave: no memory for a picture of %d x %d", size, size);
  for (int64_t i = 0; i < out->count && !status; i++) {
    int64_t defect = i - n_sound; /* the kinds take turns */
    weave_kind kind = defect < 0 ? WEAVE_SOUND : (weave_kind)(1 + defect % (WEAVE_N_KINDS - 1));
    int64_t index = defect < 0 ? i : defect / (WEAVE_N_KINDS - 1);
    out->labels[i] = kind;
    draw_picture(options, split, kind, index, relief, out->pixels + (size_t)i * plane * out->channels,
                 out->masks + (size_t)i * plane);
    if (agad_interrupt) status = agad_interrupted(error);
  }
  free(relief);
  const char *names[WEAVE_N_KINDS];
  memcpy(names, defects, sizeof names);
  names[0] = textures[options->texture];
  if (!status) status = data_images_set_classes(out, names, WEAVE_N_KINDS, error);
  if (status) data_images_free(out);
  return status;
}
