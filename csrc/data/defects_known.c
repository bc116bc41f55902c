/* defects_known.c: known defects: what is marked of a defective picture, laid over a normal one. Built with -O3. */
#include "data/defects_draw.h"

enum {
  AROUND = 4
}; /* pixels around what is marked that come with it: the soft border, and what the level is taken of */

static box marked(const canvas *c, const float *mask) {
  box b = {0, 0, 0, 0};
  for (int y = 0; y < c->height; y++) {
    const float *row = mask + (size_t)y * c->width;
    int left = 0, right = c->width;
    while (left < right && !(row[left] > 0)) left++;
    while (right > left && !(row[right - 1] > 0)) right--;
    if (left < right) b = box_joined(b, (box){y, left, y + 1, right});
  }
  return b;
}

/* The mask keeps what is marked and gets a soft border, under what counts as marked. */
static void soften(canvas *c, box b) {
  defects_blur(c, c->field, b, 1, c->distance);
  for (int y = b.top; y < b.bottom; y++)
    for (int x = b.left; x < b.right; x++) {
      size_t i = (size_t)y * c->width + x;
      c->field[i] = c->field[i] > c->distance[i] ? c->field[i] : c->distance[i];
    }
}

/* How a box of the source comes to one of the picture: turned by quarters, mirrored, enlarged. */
typedef struct placing {
  box from;
  double row, column; /* of its middle in the picture */
  double height, width;
  int turned, mirrored;
  double zoom;
} placing;

/* Along one side of n pixels: the middle, so that the patch lies within where it fits. */
static double within(double middle, double size, int n) {
  double low = size / 2, high = n - size / 2;
  if (low > high) return n / 2.;
  middle = middle < low ? low : middle > high ? high : middle;
  return floor(middle - size / 2) + size / 2; /* pixels on pixels */
}

static placing choose_placing(canvas *c, box from) {
  placing p = {.from = from, .zoom = 1};
  int h = from.bottom - from.top, w = from.right - from.left;
  p.mirrored = chance(c) < .5;
  p.turned = chance(c) < .5 ? whole(c, 1, 3) : 0;
  if (chance(c) < .5) p.zoom = exp(between(c, -.3, .3));
  p.height = (p.turned % 2 ? w : h) * p.zoom, p.width = (p.turned % 2 ? h : w) * p.zoom;
  if (chance(c) < .5) { /* its own place: parts often lie alike */
    p.row = (from.top + from.bottom) / 2. + normal(c) * .02 * c->side;
    p.column = (from.left + from.right) / 2. + normal(c) * .02 * c->side;
  } else defects_centre(c, &p.row, &p.column);
  p.row = within(p.row, p.height, c->height);
  p.column = within(p.column, p.width, c->width);
  return p;
}

/* Row y, column x of the picture in the source, within the box. */
static void before_placing(const placing *p, int y, int x, float *row, float *column) {
  const box b = p->from;
  double down = (y + .5 - p->row) / p->zoom, along = (x + .5 - p->column) / p->zoom, t = down;
  if (p->turned == 1) down = along, along = -t;
  else if (p->turned == 2) down = -down, along = -along;
  else if (p->turned == 3) down = -along, along = t;
  if (p->mirrored) along = -along;
  double v = (b.top + b.bottom) / 2. + down - .5, u = (b.left + b.right) / 2. + along - .5;
  *row = (float)fmin(fmax(v, b.top), b.bottom - 1);
  *column = (float)fmin(fmax(u, b.left), b.right - 1);
}

/* over += what x is lighter or darker in the box where the mask is 0. */
static void level(canvas *c, box b) {
  for (int k = 0; k < c->channels; k++) {
    const float *x_ = c->x + k * c->plane;
    float *over = c->over + k * c->plane;
    double sum = 0, n = 0;
    for (int y = b.top; y < b.bottom; y++)
      for (int x = b.left; x < b.right; x++) {
        size_t i = (size_t)y * c->width + x;
        if (c->mask[i] < .01f) sum += x_[i] - over[i], n++;
      }
    for (int y = b.top; n > 0 && y < b.bottom; y++)
      for (int x = b.left; x < b.right; x++) over[(size_t)y * c->width + x] += (float)(sum / n);
  }
}

box defects_draw_known(canvas *c) {
  if (!c->draw_known(c)) return (box){0, 0, 0, 0};
  box from = box_grown(c, marked(c, c->field), AROUND);
  soften(c, from);
  placing p = choose_placing(c, from);
  box to = box_around(c, p.row - p.height / 2, p.column - p.width / 2, p.row + p.height / 2, p.column + p.width / 2);
  for (int y = to.top; y < to.bottom; y++)
    for (int x = to.left; x < to.right; x++) {
      size_t i = (size_t)y * c->width + x;
      float row, column;
      before_placing(&p, y, x, &row, &column);
      c->mask[i] = sampled(c->field, c->height, c->width, row, column);
      for (int k = 0; k < c->channels; k++)
        c->over[k * c->plane + i] = sampled(c->source + k * c->plane, c->height, c->width, row, column);
    }
  if (chance(c) < .5) level(c, to);
  return to;
}
