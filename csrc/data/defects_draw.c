/* defects_draw.c: the kinds, and how one is laid over the picture. Built with -O3. */
#include "data/defects_draw.h"

const char *const defects_kinds[DEFECTS_KINDS + 1] = {"blend", "paste",   "texture", "fill",  "line",  "region",
                                                      "warp",  "inpaint", "filter",  "spots", "known", NULL};

/* ---- amplitudes ---- */

static double amplitude(canvas *c) {
  double sign = chance(c) < .4 ? 1 : -1;
  return sign * log_between(c, c->faintest, c->strongest) * c->sd;
}

/* An amplitude for each channel: the same for half of the colour pictures. */
static void tint(canvas *c, double scale, float v[3]) {
  double a = amplitude(c) * scale;
  int same = c->channels == 1 || chance(c) < .5;
  for (int k = 0; k < c->channels; k++) v[k] = (float)(same ? a : a * between(c, -.5, 1.5));
}

/* ---- loops over a box ---- */

/* over = base + gain (x - base) + v, for each channel. */
CLONES static void combine(canvas *c, box b, const float *base, float gain, const float v[3]) {
  for (int k = 0; k < c->channels; k++)
    for (int y = b.top; y < b.bottom; y++) {
      size_t at = k * c->plane + (size_t)y * c->width;
      const float *restrict from = base + at, *restrict x = c->x + at, shift = v[k];
      float *restrict to = c->over + at;
      for (int i = b.left; i < b.right; i++) to[i] = from[i] + gain * (x[i] - from[i]) + shift;
    }
}

static void blur_picture(canvas *c, const float *picture, box b, int radius, float *out) {
  for (int k = 0; k < c->channels; k++) defects_blur(c, picture + k * c->plane, b, radius, out + k * c->plane);
}

static int part(const canvas *c, int n) { return (int)(c->side / n); }

/* Where pixel (y, x) of a picture comes from that is turned k times by a quarter, counterclockwise. */
static inline void before_turning(const canvas *c, int k, int y, int x, int *v, int *u) {
  *v = k == 0 ? y : k == 1 ? x : k == 2 ? c->height - 1 - y : c->height - 1 - x;
  *u = k == 0 ? x : k == 1 ? c->width - 1 - y : k == 2 ? c->width - 1 - x : y;
}

/* A number of quarter turns, of those that keep the shape. */
static int turns(canvas *c, int low) {
  int k = whole(c, low, 3);
  return c->height == c->width ? k : low ? 2 : k / 2 * 2;
}

/* ---- the kinds ---- */

static const float none[3];

static box blend(canvas *c) {
  box b = defects_box(c, .06, .5);
  int h = b.bottom - b.top, w = b.right - b.left;
  double f = exp(between(c, -.7, .7));
  int sh = clip((int)(h * f), 3, c->height), sw = clip((int)(w * f), 3, c->width), top, left;
  c->draw_source(c);
  if (chance(c) < .5) top = whole(c, 0, c->height - sh), left = whole(c, 0, c->width - sw);
  else {
    top = clip((int)(b.top + normal(c) * .1 * c->side), 0, c->height - sh);
    left = clip((int)(b.left + normal(c) * .1 * c->side), 0, c->width - sw);
  }
  int upside_down = chance(c) < .3, mirrored = chance(c) < .3;
  scaling s = {(double)sh / h, (double)sw / w, 0, 0, h, w};
  for (int k = 0; k < c->channels; k++) {
    const float *from = c->source + k * c->plane + (size_t)top * c->width + left;
    for (int y = 0; y < sh; y++) {
      const float *row = from + (size_t)(upside_down ? sh - 1 - y : y) * c->width;
      float *to = c->blurred + (size_t)y * sw;
      if (mirrored)
        for (int x = 0; x < sw; x++) to[x] = row[sw - 1 - x];
      else memcpy(to, row, (size_t)sw * sizeof *to);
    }
    defects_bilinear(c->blurred, sh, sw, (size_t)sw, &s, c->work + k * c->plane + (size_t)b.top * c->width + b.left,
                     (size_t)c->width, c->scratch);
  }
  defects_membrane(c, b, c->work);
  defects_patch_mask(c, b);
  return b;
}

static box paste(canvas *c) {
  double w;
  float v[3];
  box b = chance(c) < .7 ? defects_mask(c) : defects_line(c, &w);
  c->draw_source(c);
  int down = whole(c, 0, c->height - 1), along = whole(c, 0, c->width - 1), mirrored = chance(c) < .5;
  int turned = chance(c) < .5 ? turns(c, 1) : 0;
  tint(c, .5, v);
  double share = chance(c);
  for (int k = 0; k < c->channels; k++)
    for (int y = b.top; y < b.bottom; y++)
      for (int x = b.left; x < b.right; x++) {
        int row, column;
        before_turning(c, turned, y, x, &row, &column);
        if (mirrored) column = c->width - 1 - column;
        row -= down, column -= along;
        row += row < 0 ? c->height : 0, column += column < 0 ? c->width : 0;
        c->over[k * c->plane + (size_t)y * c->width + x] =
            c->source[k * c->plane + (size_t)row * c->width + column] + v[k] * (float)share;
      }
  return b;
}

static double sd_of(const float *x, size_t n) {
  double sum = 0, squares = 0;
  for (size_t i = 0; i < n; i++) sum += x[i], squares += (double)x[i] * x[i];
  double variance = squares / (double)n - sum / (double)n * (sum / (double)n);
  return variance > 0 ? sqrt(variance) : 0;
}

/* A smooth field of random fineness over a blur of the picture. */
static void noise_texture(canvas *c, box b) {
  int fields = chance(c) < .5 ? c->channels : 1;
  for (int k = 0; k < fields; k++) {
    int ky = (int)exp2(between(c, 1, log2(fmax(2, c->height / 2.)))),
        kx = (int)exp2(between(c, 1, log2(fmax(2, c->width / 2.))));
    defects_field(c, box_whole(c), ky, kx, c->work + k * c->plane);
  }
  double sd = sd_of(c->work, (size_t)fields * c->plane);
  float scale = (float)(fabs(amplitude(c)) * .7 / (sd + 1e-6)), v[3];
  tint(c, 1, v);
  double share = chance(c);
  int radius = part(c, 16);
  blur_picture(c, c->x, b, radius > 1 ? radius : 1, c->over);
  for (int k = 0; k < c->channels; k++)
    for (int y = b.top; y < b.bottom; y++) {
      size_t at = (size_t)y * c->width;
      float *to = c->over + k * c->plane + at, *field = c->work + (fields > 1 ? k * c->plane : 0) + at;
      for (int x = b.left; x < b.right; x++) to[x] += field[x] * scale + v[k] * (float)share;
    }
}

/* A part of another picture, enlarged and turned. */
static void enlarged_texture(canvas *c, box b) {
  double zoom = log_between(c, 1, 5), mean = 0;
  int h = clip((int)(c->height / zoom), 1, c->height), w = clip((int)(c->width / zoom), 1, c->width);
  c->draw_source(c);
  int top = whole(c, 0, c->height - h), left = whole(c, 0, c->width - w), turned = turns(c, 0);
  int inverted = chance(c) < .5;
  float gain = (float)between(c, .5, 2);
  int levelled = chance(c)<.5, radius = part(c, 8)> 1 ? part(c, 8) : 1;
  /* what is needed of the turned picture, and of the one before */
  box need = levelled ? box_whole(c) : b, from;
  int v0, u0, v1, u1;
  before_turning(c, turned, need.top, need.left, &v0, &u0);
  before_turning(c, turned, need.bottom - 1, need.right - 1, &v1, &u1);
  from = (box){v0 < v1 ? v0 : v1, u0 < u1 ? u0 : u1, (v0 < v1 ? v1 : v0) + 1, (u0 < u1 ? u1 : u0) + 1};
  scaling s = {(double)h / c->height,  (double)w / c->width,  from.top, from.left,
               from.bottom - from.top, from.right - from.left};
  for (int k = 0; inverted && k < c->channels; k++)
    for (int y = top; y < top + h; y++) {
      const float *row = c->source + k * c->plane + (size_t)y * c->width;
      for (int x = left; x < left + w; x++) mean += row[x];
    }
  mean /= (double)h * w * c->channels;
  for (int k = 0; k < c->channels; k++) {
    float *plane = c->work + k * c->plane, *to = c->over + k * c->plane;
    defects_bilinear(c->source + k * c->plane + (size_t)top * c->width + left, h, w, (size_t)c->width, &s,
                     plane + (size_t)from.top * c->width + from.left, (size_t)c->width, c->scratch);
    for (int y = need.top; y < need.bottom; y++)
      for (int x = need.left; x < need.right; x++) {
        int v, u;
        before_turning(c, turned, y, x, &v, &u);
        float value = plane[(size_t)v * c->width + u];
        to[(size_t)y * c->width + x] = inverted ? (float)mean - (value - (float)mean) * gain : value;
      }
    if (!levelled) continue;
    float *other = c->blurred + k * c->plane;
    defects_blur(c, to, b, radius, plane);
    defects_blur(c, c->x + k * c->plane, b, radius, other);
    for (int y = b.top; y < b.bottom; y++)
      for (int x = b.left; x < b.right; x++) {
        size_t i = (size_t)y * c->width + x;
        to[i] += other[i] - plane[i];
      }
  }
}

static box texture(canvas *c) {
  box b = defects_mask(c);
  if (box_empty(b)) return b;
  if (chance(c) < .5) noise_texture(c, b);
  else enlarged_texture(c, b);
  return b;
}

static box fill(canvas *c) {
  box b = defects_mask(c);
  float v[3];
  double weight = 0, base[3] = {0, 0, 0};
  if (chance(c) < .7) {
    for (int y = b.top; y < b.bottom; y++)
      for (int x = b.left; x < b.right; x++) {
        size_t i = (size_t)y * c->width + x;
        weight += c->mask[i];
        for (int k = 0; k < c->channels; k++) base[k] += c->x[k * c->plane + i] * c->mask[i];
      }
    for (int k = 0; k < c->channels; k++) base[k] /= fmax(1e-3, weight);
  } else base[0] = base[1] = base[2] = between(c, c->low, c->high);
  tint(c, 1, v);
  for (int k = 0; k < c->channels; k++)
    for (int y = b.top; y < b.bottom; y++)
      for (int x = b.left; x < b.right; x++) c->over[k * c->plane + (size_t)y * c->width + x] = (float)base[k] + v[k];
  double share = chance(c);
  defects_add_noise(c, b, (float)(c->sd * .4 * share * share));
  return b;
}

/* A lighter or darker rim beside the line. */
CLONES static void rim(canvas *c, box b, float half_width, float share, const float v[3]) {
  for (int y = b.top; y < b.bottom; y++) {
    size_t at = (size_t)y * c->width;
    float *restrict mask = c->mask + at, *restrict over = c->over + at;
    const float *restrict distance = c->distance + at, *restrict x = c->x + at;
    for (int i = b.left; i < b.right; i++) {
      float m = mask[i], r = logistic((2.5f * half_width - distance[i]) * 2) * .6f, all = m > r ? m : r;
      float change = (m - share * (r - m * .6f)) / (all > 1e-3f ? all : 1e-3f);
      for (int k = 0; k < c->channels; k++) over[k * c->plane + i] = x[k * c->plane + i] + v[k] * change;
      mask[i] = all;
    }
  }
}

static box line(canvas *c) {
  double w;
  float v[3];
  box b = defects_line(c, &w);
  tint(c, 1, v);
  if (chance(c) < .3) rim(c, b, (float)w, (float)chance(c), v);
  else if (chance(c) < .4) {
    blur_picture(c, c->x, b, part(c, 20) > 2 ? part(c, 20) : 2, c->blurred);
    combine(c, b, c->blurred, 0, v);
  } else combine(c, b, c->x, 1, v);
  return b;
}

static box region(canvas *c) {
  float v[3];
  box b = defects_region(c);
  if (chance(c) < .5) {
    tint(c, .6, v);
    combine(c, b, c->x, 1, v);
    return b;
  }
  blur_picture(c, c->x, b, part(c, 6) > 1 ? part(c, 6) : 1, c->blurred);
  float gain = (float)exp(normal(c) * .5);
  tint(c, .5, v);
  combine(c, b, c->blurred, gain, v);
  return b;
}

/* The picture shifted by (down, along) where the mask is 1: linear in the distance from the middle. */
typedef struct shifts {
  float row, column, down[3], along[3]; /* constant, per row, per column */
} shifts;

CLONES static void sample_row(const canvas *c, const shifts *s, int y, int left, int right, const float *restrict mask,
                              const float *restrict x, float *restrict out) {
  const float last_row = (float)(c->height - 1), last_column = (float)(c->width - 1), dy = (float)y - s->row;
  const float down0 = s->down[0] + s->down[1] * dy, along0 = s->along[0] + s->along[1] * dy;
  for (int i = left; i < right; i++) {
    float dx = (float)i - s->column;
    float v = (float)y + (down0 + s->down[2] * dx) * mask[i], u = (float)i + (along0 + s->along[2] * dx) * mask[i];
    v = v < 0 ? 0 : v > last_row ? last_row : v;
    u = u < 0 ? 0 : u > last_column ? last_column : u;
    out[i] = sampled(x, c->height, c->width, v, u);
  }
}

static box warp(canvas *c) {
  box b = defects_mask(c);
  double n = 0, row = 0, column = 0;
  for (int y = b.top; y < b.bottom; y++)
    for (int x = b.left; x < b.right; x++)
      if (c->mask[(size_t)y * c->width + x] > .4f) n++, row += y, column += x;
  if (n == 0) return (box){0, 0, 0, 0};
  double r = fmax(2, sqrt(n)), how = chance(c), strength = between(c, .08, .5);
  shifts s = {.row = (float)(row / n), .column = (float)(column / n)};
  if (how < .4) {
    double reach = strength * fmin(r, .2 * c->side);
    s.down[0] = (float)(normal(c) * reach);
    s.along[0] = (float)(normal(c) * reach);
  } else if (how < .7) {
    double turn = normal(c) * 2.5 * strength;
    s.down[1] = s.along[2] = (float)(cos(turn) - 1);
    s.down[2] = (float)sin(turn), s.along[1] = (float)-sin(turn);
  } else {
    double f = exp(normal(c) * 1.2 * strength) - 1;
    s.down[1] = (float)f;
    s.along[2] = (float)(f * whole(c, -1, 1));
  }
  if (chance(c) < .5) {
    int radius = (int)(r / 8) > 1 ? (int)(r / 8) : 1;
    box wider = box_grown(c, b, 2 * radius + 2);
    for (int y = 0; y < c->height; y++) { /* the blur reads beyond the box too */
      float *to = c->change + (size_t)y * c->width;
      memset(to, 0, (size_t)c->width * sizeof *to);
      if (y >= b.top && y < b.bottom)
        memcpy(to + b.left, c->mask + (size_t)y * c->width + b.left, (size_t)(b.right - b.left) * sizeof *to);
    }
    defects_blur(c, c->change, wider, radius, c->mask);
    b = wider;
  }
  for (int k = 0; k < c->channels; k++)
    for (int y = b.top; y < b.bottom; y++)
      sample_row(c, &s, y, b.left, b.right, c->mask + (size_t)y * c->width, c->x + k * c->plane,
                 c->over + k * c->plane + (size_t)y * c->width);
  for (int y = b.top; y < b.bottom; y++)
    for (int x = b.left; x < b.right; x++) {
      float *m = &c->mask[(size_t)y * c->width + x];
      *m = *m > .15f ? 1 : 0;
    }
  return b;
}

static box inpaint(canvas *c) {
  box b = defects_mask(c);
  if (box_empty(b)) return b;
  defects_inpaint(c, b);
  defects_add_noise(c, b, (float)(c->sd * .2 * chance(c)));
  return b;
}

static box filter(canvas *c) {
  box b = chance(c) < .7 ? defects_mask(c) : defects_region(c);
  double how = chance(c), radius = exp(between(c, 0, 1.6)) * c->side / 128;
  int r = (int)fmin(fmax(radius, 1), fmax(1, part(c, 8)));
  if (how < .65) {
    blur_picture(c, c->x, b, r, c->blurred);
    combine(c, b, c->blurred, how < .35 ? 0 : (float)between(c, 1.8, 4), none);
    return b;
  }
  int coarse = chance(c) < .5;
  float strength = (float)(fabs(amplitude(c)) * .5);
  combine(c, b, c->x, 1, none);
  if (!coarse) return defects_add_noise(c, b, strength), b;
  box wider = box_grown(c, b, 2);
  for (int y = wider.top; y < wider.bottom; y++)
    base_random_normals(c->random, c->change + (size_t)y * c->width + wider.left, wider.right - wider.left);
  for (int k = 0; k < c->channels; k++) {
    if (!k) defects_blur(c, c->change, b, 1, c->work);
    for (int y = b.top; y < b.bottom; y++)
      for (int x = b.left; x < b.right; x++) {
        size_t i = (size_t)y * c->width + x;
        c->over[k * c->plane + i] += c->work[i] * 3 * strength;
      }
  }
  return b;
}

static box spots(canvas *c) {
  float v[3];
  tint(c, 1, v);
  box b = defects_spots(c);
  combine(c, b, c->x, 1, v);
  return b;
}

/* ---- laying it over ---- */

CLONES static void lay_over(float *restrict x, const float *restrict over, const float *restrict mask, int n, float low,
                            float high) {
  for (int i = 0; i < n; i++) {
    float v = over[i];
    v = v < low ? low : v > high ? high : v;
    x[i] = x[i] * (1 - mask[i]) + v * mask[i];
  }
}

box defects_draw_one(canvas *c, int kind) {
  static box (*const draw[DEFECTS_KINDS])(canvas *) = {
      blend, paste, texture, fill, line, region, warp, inpaint, filter, spots, defects_draw_known};
  defects_place(c);
  box b = draw[kind](c);
  if (box_empty(b)) return (box){0, 0, 0, 0};
  int real = draw[kind] == defects_draw_known; /* its values are what they are */
  float low = real ? -INFINITY : c->low, high = real ? INFINITY : c->high;
  for (int k = 0; k < c->channels; k++)
    for (int y = b.top; y < b.bottom; y++) {
      size_t i = (size_t)y * c->width + b.left;
      lay_over(c->x + k * c->plane + i, c->over + k * c->plane + i, c->mask + i, b.right - b.left, low, high);
    }
  return b;
}
