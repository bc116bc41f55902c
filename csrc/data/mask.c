/* mask.c: nearest pixels under the three fits. */
#include "data/mask.h"

#include <string.h>

/* The part of one side that is taken, and where it lands. */
typedef struct span {
  double from, length;
  int at, n;
} span;

static void place(const decoded *p, decode_fit fit, int height, int width, span *y, span *x) {
  *y = (span){0, p->height, 0, height};
  *x = (span){0, p->width, 0, width};
  int64_t across = (int64_t)p->width * height, down = (int64_t)p->height * width;
  if (fit == DECODE_CROP) {
    if (across > down) x->length = (double)down / height;
    else y->length = (double)across / width;
    x->from = (p->width - x->length) / 2;
    y->from = (p->height - y->length) / 2;
  }
  if (fit == DECODE_PAD) {
    y->n = p->height, x->n = p->width;
    if (p->height > height || p->width > width) { /* the longer side limits */
      y->n = down > across ? height : (int)((down + p->width / 2) / p->width);
      x->n = down > across ? (int)((across + p->height / 2) / p->height) : width;
    }
    y->n += y->n < 1, x->n += x->n < 1;
    y->at = (height - y->n) / 2;
    x->at = (width - x->n) / 2;
  }
}

static int nearest(const span *s, int i, int in) {
  int at = (int)(s->from + (i + 0.5) * s->length / s->n);
  return at < in ? at : in - 1;
}

void data_mask(const decoded *picture, decode_fit fit, uint8_t *out, int height, int width) {
  size_t plane = (size_t)picture->height * picture->width;
  span y, x;
  place(picture, fit, height, width, &y, &x);
  memset(out, 0, (size_t)height * width);
  for (int i = 0; i < y.n; i++) {
    const uint8_t *row = picture->pixels + (size_t)nearest(&y, i, picture->height) * picture->width;
    for (int j = 0; j < x.n; j++) {
      const uint8_t *pixel = row + nearest(&x, j, picture->width);
      int any = 0;
      for (int c = 0; c < picture->channels; c++) any |= pixel[c * plane];
      out[(size_t)(y.at + i) * width + x.at + j] = any > 0;
    }
  }
}
