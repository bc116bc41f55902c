/* weave_textures.c: woven cloth, brushed metal, grain and dots, as heights over the plane.
 *
 * A texture is a function of (u, v), the coordinates along and across its threads, with values around 0
 * that stay near -256 .. 256. Fine textures are sampled 2 x 2 per pixel.
 */
#include "data/weave_draw.h"

int weave_sine(int turn) {
  int64_t half = turn & 0x7fff;               /* position within half a turn, Q15 */
  int64_t q = (half * (0x8000 - half)) >> 16; /* h (1 - h), Q14 */
  int value = (int)((16 * q << 14) / (5 * 16384 - 4 * q));
  return turn & 0x8000 ? -value : value;
}

uint32_t weave_root(uint64_t x) {
  uint64_t root = 0;
  for (uint64_t bit = (uint64_t)1 << 31; bit; bit >>= 1)
    if ((root | bit) * (root | bit) <= x) root |= bit;
  return (uint32_t)root;
}

uint32_t weave_hash(uint32_t key, int x, int y) {
  uint32_t h = key ^ (uint32_t)x * 0x9e3779b1u;
  h = (h ^ h >> 15) * 0x85ebca77u;
  h ^= (uint32_t)y * 0xc2b2ae3du;
  h = (h ^ h >> 13) * 0x27d4eb2fu;
  h = (h ^ h >> 16) * 0x165667b1u;
  return h ^ h >> 15;
}

static int floor_div(int64_t a, int b) { return (int)(a >= 0 ? a / b : -((-a + b - 1) / b)); }

/* 3t^2 - 2t^3 in Q8 */
static int smooth(int t) { return (t * t * (3 * WEAVE_ONE - 2 * t)) >> 16; }

static int at_lattice(uint32_t key, int i, int j) { return (int)(weave_hash(key, i, j) % 513) - 256; }

int weave_noise(uint32_t key, int64_t x, int64_t y, int cell_x, int cell_y) {
  int i = floor_div(x, cell_x), j = floor_div(y, cell_y);
  int s = smooth((int)((x - (int64_t)i * cell_x) * WEAVE_ONE / cell_x));
  int t = smooth((int)((y - (int64_t)j * cell_y) * WEAVE_ONE / cell_y));
  int top = at_lattice(key, i, j) * (WEAVE_ONE - s) + at_lattice(key, i + 1, j) * s;
  int bottom = at_lattice(key, i, j + 1) * (WEAVE_ONE - s) + at_lattice(key, i + 1, j + 1) * s;
  return (int)(((int64_t)top * (WEAVE_ONE - t) + (int64_t)bottom * t) >> 16);
}

void weave_to_threads(const weave_scene *scene, int x, int y, int *u, int *v) {
  int64_t middle = (int64_t)scene->size * WEAVE_ONE / 2, dx = x - middle, dy = y - middle;
  *u = (int)((dx * scene->cosine + dy * scene->sine) >> 14) + scene->phase_u;
  *v = (int)((dy * scene->cosine - dx * scene->sine) >> 14) + scene->phase_v;
}

/* Plain weave: at each crossing one thread lies on top, bulging in the middle. */
static int cloth(const weave_scene *scene, int u, int v) {
  int i = floor_div(u, scene->period), j = floor_div(v, scene->period);
  int fu = (u - i * scene->period) * 32768 / scene->period; /* half a turn per thread */
  int fv = (v - j * scene->period) * 32768 / scene->period;
  int lengthwise = (i + j) & 1;
  int across = weave_sine(lengthwise ? fv : fu) >> 6, along = weave_sine(lengthwise ? fu : fv) >> 6;
  int height = across * (160 + ((96 * along) >> 8)) >> 8;
  int thread = (int)(weave_hash(scene->key, lengthwise ? j : i, lengthwise) % 97) - 48;
  return 2 * height - 282 + (lengthwise ? 20 : -20) + thread;
}

/* Brushed metal: noise drawn out along the brush, by more in one picture than in another. */
static int metal(const weave_scene *scene, int u, int v) {
  int p = scene->period, stroke = p * (150 + (int)(scene->key % 600)) / WEAVE_ONE;
  int fine = weave_noise(scene->key, u, v, stroke, p / 4);
  int coarse = weave_noise(scene->key + 1, u, v, 2 * stroke, 3 * p / 4);
  return (fine * 300 + coarse * 200) >> 8;
}

/* Grain: speckles of two sizes. */
static int grain(const weave_scene *scene, int u, int v) {
  int p = scene->period;
  int coarse = weave_noise(scene->key, u, v, p / 2, p / 2);
  int fine = weave_noise(scene->key + 1, u, v, p / 4, p / 4);
  return (coarse * 260 + fine * 200) >> 8;
}

/* Printed dots, each row shifted by half a step. */
static int dots(const weave_scene *scene, int u, int v) {
  int p = scene->period, j = floor_div(v, p);
  if (j & 1) u += p / 2;
  int i = floor_div(u, p);
  int64_t du = u - i * p - p / 2, dv = v - j * p - p / 2;
  int distance = (int)((int64_t)weave_root((uint64_t)(du * du + dv * dv)) * WEAVE_ONE / p);
  int radius = 76 + (int)(weave_hash(scene->key, i, j) % 13);
  int inside = (radius - distance) * 6 + 128; /* a soft edge, 0 .. 256 */
  inside = inside < 0 ? 0 : inside > 256 ? 256 : inside;
  return 110 - ((370 * inside) >> 8);
}

void weave_draw_texture(const weave_scene *scene, int32_t *relief) {
  static int (*const height[WEAVE_N_TEXTURES])(const weave_scene *, int, int) = {cloth, metal, grain, dots};
  for (int y = 0; y < scene->size; y++)
    for (int x = 0; x < scene->size; x++) {
      int sum = 0, u, v;
      for (int sample = 0; sample < 4; sample++) {
        weave_to_threads(scene, x * WEAVE_ONE + 64 + 128 * (sample & 1), y * WEAVE_ONE + 64 + 128 * (sample >> 1), &u,
                         &v);
        sum += height[scene->texture](scene, u, v);
      }
      relief[(size_t)y * scene->size + x] = sum * scene->contrast / 64; /* / 4 samples, Q8 to Q4 */
    }
}
