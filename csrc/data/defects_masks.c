/* defects_masks.c: where a defect lies and what form it has. Built with -O3. */
#include "data/defects_draw.h"

/* ---- places ---- */

enum { CELLS = 16 }; /* along each side: contrast is looked at in cells */

/* The sums of x and of x * x over rows and columns. */
CLONES static void add_rows(const float *restrict x, size_t stride, int rows, int n, float *restrict sum,
                            float *restrict squares) {
  for (int i = 0; i < n; i++) sum[i] = x[i], squares[i] = x[i] * x[i];
  for (int y = 1; y < rows; y++)
    for (int i = 0; i < n; i++) {
      float v = x[y * stride + i];
      sum[i] += v;
      squares[i] += v * v;
    }
}

/* Adds to contrast the variance in each cell, and a quarter of the square of how far its mean is from their median. */
static void contrast_of(canvas *c, const float *x, float contrast[CELLS * CELLS]) {
  float mean[CELLS * CELLS], sorted[CELLS * CELLS], *sum = c->scratch, *squares = sum + c->width;
  for (int i = 0; i < CELLS; i++) {
    int top = i * c->height / CELLS, bottom = ((i + 1) * c->height + CELLS - 1) / CELLS;
    add_rows(x + (size_t)top * c->width, (size_t)c->width, bottom - top, c->width, sum, squares);
    for (int j = 0; j < CELLS; j++) {
      int left = j * c->width / CELLS, right = ((j + 1) * c->width + CELLS - 1) / CELLS;
      float s = 0, q = 0, n = (float)(bottom - top) * (float)(right - left);
      for (int k = left; k < right; k++) s += sum[k], q += squares[k];
      mean[i * CELLS + j] = s / n;
      float variance = q / n - s / n * (s / n);
      contrast[i * CELLS + j] += variance > 0 ? variance : 0;
    }
  }
  memcpy(sorted, mean, sizeof mean);
  float middle = defects_select(sorted, CELLS * CELLS, CELLS * CELLS / 2 - 1);
  for (int i = 0; i < CELLS * CELLS; i++) contrast[i] += .25f * (mean[i] - middle) * (mean[i] - middle);
}

void defects_place(canvas *c) {
  c->placed = 1;
  if (chance(c) < .6) {
    float contrast[CELLS * CELLS] = {0};
    double sum = 0;
    int i = 0;
    for (int k = 0; k < c->channels; k++) contrast_of(c, c->x + k * c->plane, contrast);
    for (int k = 0; k < CELLS * CELLS; k++) sum += sqrtf(contrast[k] / (float)c->channels) + 1e-6;
    for (double at = chance(c) * sum; i < CELLS * CELLS - 1; i++) {
      at -= sqrtf(contrast[i] / (float)c->channels) + 1e-6;
      if (at < 0) break;
    }
    c->row = (i / CELLS + chance(c)) * c->height / CELLS;
    c->column = (i % CELLS + chance(c)) * c->width / CELLS;
    return;
  }
  c->row = chance(c) * c->height;
  c->column = chance(c) * c->width;
  c->placed = chance(c) < .7;
}

void defects_centre(canvas *c, double *row, double *column) {
  if (c->placed) {
    *row = c->row + normal(c) * .02 * c->side;
    *column = c->column + normal(c) * .02 * c->side;
  } else {
    *row = chance(c) * c->height;
    *column = chance(c) * c->width;
  }
}

box defects_box(canvas *c, double low, double high) {
  double r = log_between(c, low, high) * c->side, aspect = exp(normal(c) * .7), row, column;
  int h = (int)fmin(fmax(r * sqrt(aspect), 3), c->height - 1);
  int w = (int)fmin(fmax(r / sqrt(aspect), 3), c->width - 1);
  int top = whole(c, 0, c->height - h), left = whole(c, 0, c->width - w);
  if (c->placed) {
    defects_centre(c, &row, &column);
    top = clip((int)(row - h / 2.), 0, c->height - h);
    left = clip((int)(column - w / 2.), 0, c->width - w);
  }
  return (box){top, left, top + h, left + w};
}

/* ---- masks in a box ---- */

/* -1 .. 1 over n pixels */
static inline float span(int i, int n) { return n > 1 ? -1 + 2 * (float)i / (float)(n - 1) : -1; }

/* logistic(slope * (strength field - 2.2 r^2 + bias)), r the distance from the middle, 1 at the sides */
CLONES static void blob(canvas *c, box b, float strength, float bias, float slope) {
  int h = b.bottom - b.top, w = b.right - b.left;
  for (int y = 0; y < h; y++) {
    size_t at = (size_t)(b.top + y) * c->width + b.left;
    float *restrict mask = c->mask + at, v = span(y, h), step = 2 / (float)(w > 1 ? w - 1 : 1);
    const float *restrict field = c->field + at;
    for (int x = 0; x < w; x++) {
      float u = -1 + step * (float)x;
      mask[x] = logistic((field[x] * strength - 2.2f * (u * u + v * v) + bias) * slope);
    }
  }
}

static box draw_blob(canvas *c) {
  box b = defects_box(c, .03, .4);
  int k = whole(c, 2, 4);
  defects_field(c, b, k, k, c->field);
  float strength = (float)between(c, .3, 1);
  blob(c, b, strength, .9f, (float)between(c, 3, 14));
  return b;
}

void defects_patch_mask(canvas *c, box b) {
  if (chance(c) < .5) {
    for (int y = b.top; y < b.bottom; y++)
      for (int x = b.left; x < b.right; x++) c->mask[(size_t)y * c->width + x] = 1;
    return;
  }
  defects_field(c, b, 3, 3, c->field);
  blob(c, b, .5f, 1.1f, 8);
}

CLONES static void cut_noise(canvas *c, box b, float threshold, float slope) {
  int h = b.bottom - b.top, w = b.right - b.left;
  for (int y = 0; y < h; y++) {
    size_t at = (size_t)(b.top + y) * c->width + b.left;
    float *restrict mask = c->mask + at, v = fabsf(span(y, h)), step = 2 / (float)(w > 1 ? w - 1 : 1);
    const float *restrict field = c->field + at;
    for (int x = 0; x < w; x++) {
      float u = fabsf(-1 + step * (float)x), edge = u > v ? u : v;
      mask[x] = logistic((field[x] - threshold) * slope) * logistic((1 - edge) * 8 - 1);
    }
  }
}

static int points_along(canvas *c, int side) {
  int most = side / 3 > 2 ? side / 3 : 2;
  return clip((int)exp2(between(c, 1, 4.5)), 2, most);
}

static box draw_noise(canvas *c) {
  box b = defects_box(c, .1, .6);
  int ky = points_along(c, b.bottom - b.top), kx = points_along(c, b.right - b.left), n = 0;
  defects_field(c, b, ky, kx, c->field);
  for (int y = b.top; y < b.bottom; y += 2)
    for (int x = b.left; x < b.right; x += 2) c->scratch[n++] = c->field[(size_t)y * c->width + x];
  float threshold = defects_select(c->scratch, n, (int)(between(c, .5, .9) * (n - 1)));
  cut_noise(c, b, threshold, (float)between(c, 5, 20));
  return b;
}

/* ---- ellipses and rectangles ---- */

CLONES static void draw_form(canvas *c, box b, const float u0[3], const float v0[3], int round, float slope) {
  const float uy = u0[0], ux = u0[1], u1 = u0[2], vy = v0[0], vx = v0[1], v1 = v0[2];
  for (int y = b.top; y < b.bottom; y++) {
    float *restrict mask = c->mask + (size_t)y * c->width;
    const float ub = uy * (float)y + u1, vb = vy * (float)y + v1;
    if (round)
      for (int x = b.left; x < b.right; x++) {
        float u = ub + ux * (float)x, v = vb + vx * (float)x;
        mask[x] = logistic((1 - sqrtf(u * u + v * v)) * slope);
      }
    else
      for (int x = b.left; x < b.right; x++) {
        float u = fabsf(ub + ux * (float)x), v = fabsf(vb + vx * (float)x);
        mask[x] = logistic((1 - (u > v ? u : v)) * slope);
      }
  }
}

static double half_axis(canvas *c) { return fmax(1, log_between(c, .012, .3) * c->side); }

static box draw_poly(canvas *c) {
  double turn = chance(c) < .7 ? between(c, 0, M_PI) : 0, row, column;
  defects_centre(c, &row, &column);
  double a = half_axis(c), b = half_axis(c);
  if (chance(c) < .4) b = a * exp(normal(c) * .25);
  int round = chance(c) < .6;
  double slope = fmin(a, b) * between(c, .5, 2.5), cosine = cos(turn), sine = sin(turn), reach = 1 + 7 / slope;
  double along = round ? hypot(a * cosine, b * sine) : fabs(a * cosine) + fabs(b * sine);
  double across = round ? hypot(a * sine, b * cosine) : fabs(a * sine) + fabs(b * cosine);
  box at =
      box_around(c, row - across * reach, column - along * reach, row + across * reach + 1, column + along * reach + 1);
  float u[3] = {(float)(sine / a), (float)(cosine / a), (float)(-(column * cosine + row * sine) / a)};
  float v[3] = {(float)(cosine / b), (float)(-sine / b), (float)((column * sine - row * cosine) / b)};
  draw_form(c, at, u, v, round, (float)slope);
  return at;
}

box defects_mask(canvas *c) {
  double form = chance(c);
  return form < .45 ? draw_blob(c) : form < .75 ? draw_noise(c) : draw_poly(c);
}

/* ---- lines ---- */

typedef struct segment {
  float row, column, down, along; /* from a point by a vector */
  float place, part;              /* what of the line lies before it, and what it is */
} segment;

CLONES static void draw_segment(canvas *c, box b, const segment *s) {
  const float dy = s->down, dx = s->along, length = dy * dy + dx * dx;
  const float scale = 1 / (length > 1e-6f ? length : 1e-6f), place = s->place, part = s->part, column = s->column;
  for (int y = b.top; y < b.bottom; y++) {
    float *restrict distance = c->distance + (size_t)y * c->width;
    const float v = (float)y - s->row;
    for (int x = b.left; x < b.right; x++) {
      float u = (float)x - column, h = (v * dy + u * dx) * scale;
      h = h < 0 ? 0 : h > 1 ? 1 : h;
      float p = v - h * dy, q = u - h * dx, thin = 1 - .5f * fabsf((place + part * h) * 2 - 1);
      float d = sqrtf(p * p + q * q) / thin;
      distance[x] = d < distance[x] ? d : distance[x];
    }
  }
}

CLONES static void line_mask(canvas *c, box b, float half_width, float slope) {
  for (int y = b.top; y < b.bottom; y++) {
    size_t at = (size_t)y * c->width;
    float *restrict mask = c->mask + at;
    const float *restrict distance = c->distance + at;
    for (int x = b.left; x < b.right; x++) mask[x] = logistic((half_width - distance[x]) * slope);
  }
}

box defects_line(canvas *c, double *half_width) {
  enum { MOST = 8 };
  segment s[MOST];
  box boxes[MOST], all = {0, 0, 0, 0};
  int n = whole(c, 1, MOST);
  double length = log_between(c, .06, .9) * c->side / n, turn = between(c, 0, 2 * M_PI), row, column;
  defects_centre(c, &row, &column);
  double bend = between(c, 0, .7), w = log_between(c, .35, 2.2) * fmax(1, c->side / 160), reach = (int)(6 * w + 4);
  for (int k = 0; k < n; k++) {
    turn += normal(c) * bend;
    double down = length * sin(turn), along = length * cos(turn);
    s[k] = (segment){(float)row, (float)column, (float)down, (float)along, (float)k / (float)n, 1 / (float)n};
    boxes[k] = box_around(c, fmin(row, row + down) - reach, fmin(column, column + along) - reach,
                          fmax(row, row + down) + reach + 1, fmax(column, column + along) + reach + 1);
    all = box_joined(all, boxes[k]);
    row += down;
    column += along;
  }
  for (int y = all.top; y < all.bottom; y++)
    for (int x = all.left; x < all.right; x++) c->distance[(size_t)y * c->width + x] = 1e9f;
  for (int k = 0; k < n; k++)
    if (!box_empty(boxes[k])) draw_segment(c, boxes[k], &s[k]);
  line_mask(c, all, (float)w, (float)between(c, 2, 5));
  *half_width = w;
  return all;
}

/* ---- regions and spots ---- */

static double softness(canvas *c) { return log_between(c, .08, 2); }

typedef struct strip {
  float row, column, cosine, sine, wobble, width, half, slope[3];
  int cut;
} strip;

/* Returns whether a row has a value over 1/1000, and the columns that have. */
CLONES static int region_row(const canvas *c, const strip *s, int y, float *restrict mask, int *left, int *right) {
  const float *restrict field = c->field + (size_t)y * c->width;
  const float dy = (float)y - s->row, column = s->column, cosine = s->cosine, sine = s->sine, wobble = s->wobble;
  const float width = s->width, half = s->half, s0 = s->slope[0], s1 = s->slope[1], s2 = s->slope[2];
  for (int x = 0; x < c->width; x++) {
    float dx = (float)x - column, u = dx * cosine + dy * sine, w = field[x] * wobble;
    float m = logistic((u + w) * s0) * logistic((width - u + w) * s1);
    if (s->cut) m *= logistic((half - fabsf(dy * cosine - dx * sine)) * s2);
    mask[x] = m < .001f ? 0 : m;
  }
  int first = 0, end = c->width;
  while (first < end && mask[first] == 0) first++;
  while (end > first && mask[end - 1] == 0) end--;
  *left = first, *right = end;
  return first < end;
}

box defects_region(canvas *c) {
  strip s = {0};
  double turn = chance(c) < .5 ? between(c, 0, 2 * M_PI) : whole(c, 0, 3) * M_PI / 2;
  int k = whole(c, 2, 7);
  s.row = (float)(between(c, .1, .9) * c->height), s.column = (float)(between(c, .1, .9) * c->width);
  s.cosine = (float)cos(turn), s.sine = (float)sin(turn);
  defects_field(c, box_whole(c), k, k, c->field);
  s.wobble = (float)(between(c, 0, .06) * c->side);
  s.width = (float)(between(c, .05, .5) * c->side);
  for (int i = 0; i < 3; i++) s.slope[i] = (float)softness(c);
  s.cut = chance(c) < .5;
  s.half = (float)(between(c, .1, .5) * c->side);
  box all = {0, 0, 0, 0};
  for (int y = 0; y < c->height; y++) {
    int left, right;
    if (region_row(c, &s, y, c->mask + (size_t)y * c->width, &left, &right))
      all = box_joined(all, (box){y, left, y + 1, right});
  }
  return all;
}

CLONES static void draw_spot(canvas *c, box b, float row, float column, float radius, float stretch) {
  for (int y = b.top; y < b.bottom; y++) {
    float *restrict mask = c->mask + (size_t)y * c->width;
    float v = ((float)y - row) * stretch, by = 1 / stretch;
    for (int x = b.left; x < b.right; x++) {
      float u = ((float)x - column) * by, m = logistic((radius - sqrtf(u * u + v * v)) * 2.5f);
      mask[x] = m > mask[x] ? m : mask[x];
    }
  }
}

box defects_spots(canvas *c) {
  enum { MOST = 17 };
  typedef struct spot {
    box at;
    double row, column, radius, stretch;
  } spot;
  spot spots[MOST];
  box all = {0, 0, 0, 0};
  double row, column;
  int n = (int)exp(between(c, 0, 2.8));
  defects_centre(c, &row, &column);
  double spread = between(c, .02, .3) * c->side, size = log_between(c, .6, 3.5) * fmax(1, c->side / 128);
  for (int i = 0; i < n; i++) {
    spot *s = &spots[i];
    s->row = row + normal(c) * spread, s->column = column + normal(c) * spread;
    s->radius = size * exp(normal(c) * .3), s->stretch = exp(normal(c) * .3);
    double reach = 3 * s->radius + 3;
    s->at = box_around(c, s->row - reach, s->column - reach, s->row + reach + 1, s->column + reach + 1);
    all = box_joined(all, s->at);
  }
  for (int y = all.top; y < all.bottom; y++)
    memset(c->mask + (size_t)y * c->width + all.left, 0, (size_t)(all.right - all.left) * sizeof *c->mask);
  for (int i = 0; i < n; i++) {
    const spot *s = &spots[i];
    if (!box_empty(s->at)) draw_spot(c, s->at, (float)s->row, (float)s->column, (float)s->radius, (float)s->stretch);
  }
  return all;
}
