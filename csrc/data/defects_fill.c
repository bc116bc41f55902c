/* defects_fill.c: what fills a hole: the membrane of Poisson blending, and means of ever larger surroundings. -O3. */
#include "data/defects_draw.h"

/* ---- the membrane ---- */

/* The sum of p modes by q rows of s: out (p, q) = in (p, q) s (q, q). */
CLONES static void product(const float *restrict in, const float *restrict s, int p, int q, float *restrict out) {
  int y = 0;
  for (; y + 4 <= p; y += 4) {
    const float *i0 = in + (size_t)y * q, *i1 = i0 + q, *i2 = i1 + q, *i3 = i2 + q;
    float *o0 = out + (size_t)y * q, *o1 = o0 + q, *o2 = o1 + q, *o3 = o2 + q;
    memset(o0, 0, 4 * (size_t)q * sizeof *o0);
    for (int k = 0; k < q; k++) {
      const float *row = s + (size_t)k * q, a = i0[k], b = i1[k], d = i2[k], e = i3[k];
      for (int x = 0; x < q; x++) {
        o0[x] += a * row[x];
        o1[x] += b * row[x];
        o2[x] += d * row[x];
        o3[x] += e * row[x];
      }
    }
  }
  for (; y < p; y++) {
    const float *i0 = in + (size_t)y * q;
    float *o0 = out + (size_t)y * q;
    memset(o0, 0, (size_t)q * sizeof *o0);
    for (int k = 0; k < q; k++)
      for (int x = 0; x < q; x++) o0[x] += i0[k] * s[(size_t)k * q + x];
  }
}

/* Row k, column x: sqrt(2 / (q + 1)) sin(pi (k + 1) (x + 1) / (q + 1)); its own inverse. */
static void sines(float *s, int q, float *table) {
  int n = q + 1;
  for (int i = 0; i < 2 * n; i++) table[i] = (float)(sqrt(2. / n) * sin(M_PI * i / n));
  for (int k = 0; k < q; k++)
    for (int x = 0, i = k + 1; x < q; x++) {
      s[(size_t)k * q + x] = table[i];
      i += k + 1;
      if (i >= 2 * n) i -= 2 * n;
    }
}

/* p rows of q modes each: solves (4 - 2 cos) u[y] - u[y - 1] - u[y + 1] = f[y] down the rows, in place. */
CLONES static void down_the_rows(float *restrict f, float *restrict ahead, int p, int q) {
  for (int k = 0; k < q; k++) ahead[k] = 1 / (4 - 2 * (float)cos(M_PI * (k + 1) / (q + 1)));
  for (int k = 0; k < q; k++) f[k] *= ahead[k];
  for (int y = 1; y < p; y++) {
    const float *restrict before = ahead + (size_t)(y - 1) * q, *restrict solved = f + (size_t)(y - 1) * q;
    float *restrict here = ahead + (size_t)y * q, *restrict row = f + (size_t)y * q;
    for (int k = 0; k < q; k++) {
      /* the diagonal again, from the first row: 1 / ahead[k] */
      here[k] = 1 / (1 / ahead[k] - before[k]);
      row[k] = (row[k] + solved[k]) * here[k];
    }
  }
  for (int y = p - 2; y >= 0; y--) {
    float *restrict row = f + (size_t)y * q;
    const float *restrict after = row + q, *restrict here = ahead + (size_t)y * q;
    for (int k = 0; k < q; k++) row[k] += here[k] * after[k];
  }
}

/* Modes along the shorter side, q pixels; the other has p. A pixel is [y * down + x * along]. */
void defects_membrane(canvas *c, box b, const float *patch) {
  int h = b.bottom - b.top, w = b.right - b.left, flat = h < w;
  size_t wide = (size_t)c->width, down = flat ? 1 : wide, along = flat ? wide : 1;
  int p = (flat ? w : h) - 2, q = (flat ? h : w) - 2;
  float *s = c->scratch, *table = s + (size_t)q * q, *f = table + 2 * (q + 1), *ahead = f + (size_t)p * q;
  if (p > 0 && q > 0) sines(s, q, table);
  for (int k = 0; k < c->channels; k++) {
    size_t first = k * c->plane + (size_t)b.top * wide + b.left;
    const float *to = c->x + first, *from = patch + first;
    float *out = c->over + first;
    for (int y = 0; y < h; y++) memcpy(out + y * wide, to + y * wide, (size_t)w * sizeof *out);
    if (p < 1 || q < 1) continue;
#define EDGE(Y, X) (to[(Y)*down + (X)*along] - from[(Y)*down + (X)*along])
    for (int y = 0; y < p; y++) {
      float left = EDGE(y + 1, 0), right = EDGE(y + 1, q + 1);
      for (int m = 0; m < q; m++) f[(size_t)y * q + m] = left * s[m] + right * s[(size_t)(q - 1) * q + m];
    }
    for (int x = 0; x < q; x++) {
      float top = EDGE(0, x + 1), bottom = EDGE(p + 1, x + 1), *last = f + (size_t)(p - 1) * q;
      for (int m = 0; m < q; m++) f[m] += top * s[(size_t)x * q + m];
      for (int m = 0; m < q; m++) last[m] += bottom * s[(size_t)x * q + m];
    }
#undef EDGE
    down_the_rows(f, ahead, p, q);
    product(f, s, p, q, ahead);
    for (int y = 0; y < p; y++)
      for (int x = 0; x < q; x++) {
        size_t at = (y + 1) * down + (x + 1) * along;
        out[at] = from[at] + ahead[(size_t)y * q + x];
      }
  }
}

/* ---- inpainting ---- */

enum { LEVELS = 20 };

typedef struct level {
  int height, width;
  float *known, *value; /* (1), (channels): the share that is known, its sum of values; then the filled values */
} level;

static int levels_of(int height, int width) {
  int longer = height > width ? height : width, n = 0;
  while (longer >> (n + 1)) n++;
  return n;
}

static size_t pyramid(int channels, int height, int width) {
  size_t n = 0;
  for (int l = levels_of(height, width); l >= 0; l--, height = (height + 1) / 2, width = (width + 1) / 2)
    n += (size_t)height * width * (channels + 1);
  return n;
}

size_t defects_scratch(int channels, int height, int width) {
  return 4 * (size_t)height * width + 16 * ((size_t)height + width) + 256 + pyramid(channels, height, width);
}

/* value = value / known sqrt(known) + above (1 - sqrt(known)), to `out` */
CLONES static void fill_row(const float *restrict known, const float *restrict value, const float *restrict above,
                            int n, float *restrict out) {
  for (int x = 0; x < n; x++) {
    float d = known[x], root = sqrtf(d < 1 ? d : 1), seen = value[x] / (d > 1e-6f ? d : 1e-6f);
    out[x] = d > 0 ? seen * root + above[x] * (1 - root) : above[x];
  }
}

static void hide(canvas *c, box b, const level *l) {
  for (size_t i = 0; i < c->plane; i++) l->known[i] = 1;
  memcpy(l->value, c->x, c->channels * c->plane * sizeof(float));
  for (int y = b.top; y < b.bottom; y++)
    for (int x = b.left; x < b.right; x++) {
      size_t i = (size_t)y * c->width + x;
      if (!(c->mask[i] > .05f)) continue;
      l->known[i] = 0;
      for (int k = 0; k < c->channels; k++) l->value[k * c->plane + i] = 0;
    }
}

void defects_inpaint(canvas *c, box b) {
  level levels[LEVELS];
  int n = levels_of(c->height, c->width);
  float *next = c->scratch;
  for (int l = 0, h = c->height, w = c->width; l <= n; l++, h = (h + 1) / 2, w = (w + 1) / 2) {
    size_t plane = (size_t)h * w;
    levels[l] = (level){h, w, next, next + plane};
    next += plane * (c->channels + 1);
    if (!l) hide(c, b, levels);
    else {
      const level *below = &levels[l - 1];
      size_t wide = (size_t)below->width, under = wide * below->height;
      for (int k = -1; k < c->channels; k++) {
        const float *from = k < 0 ? below->known : below->value + k * under;
        defects_halve(from, wide, below->height, below->width, k < 0 ? levels[l].known : levels[l].value + k * plane);
      }
    }
  }
  for (int l = n; l >= 0; l--) {
    const level *here = &levels[l], *above = here + 1;
    size_t plane = (size_t)here->height * here->width, wide = (size_t)here->width;
    box part = l ? (box){0, 0, here->height, here->width} : b;
    int rows = part.bottom - part.top, cols = part.right - part.left;
    for (int k = 0; k < c->channels; k++) {
      float *up = next, *scratch = next + c->plane, *value = here->value + k * plane;
      if (l == n) memset(up, 0, plane * sizeof *up);
      else {
        scaling s = {
            (double)above->height / here->height, (double)above->width / here->width, part.top, part.left, rows, cols};
        defects_bilinear(above->value + k * (size_t)above->height * above->width, above->height, above->width,
                         (size_t)above->width, &s, up, (size_t)cols, scratch);
      }
      float *out = l ? value : c->over + k * plane;
      for (int y = part.top; y < part.bottom; y++) {
        size_t at = y * wide + part.left;
        if (l < n) {
          fill_row(here->known + at, value + at, up + (size_t)(y - part.top) * cols, cols, out + at);
          continue;
        }
        for (int x = 0; x < cols; x++) out[at + x] = value[at + x] / fmaxf(here->known[at + x], 1e-6f);
      }
    }
  }
}
