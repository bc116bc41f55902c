/* defects.c: synthetic defects under the sanitizers: each operation against its plain formula or what must hold for it,
 * and every kind on canvases of odd shapes, whose planes are blocks of memory of their own.
 * To add a case: a function of a canvas, and its line in shapes(). */
#include "check.h"

#include "base/memory.h"
#include "data/crew.h"
#include "data/defects_draw.h"

static base_random source;

static float uniform(void) { return (float)base_random_between(&source, -1, 1); }

static float *fill(float *x, size_t n) {
  for (size_t i = 0; i < n; i++) x[i] = uniform();
  return x;
}

/* ---- canvases ---- */

static void other_picture(canvas *c) { fill(c->source, c->channels * c->plane); }

static box some_box(const canvas *c);

/* Marks a box, or nothing. */
static int known_picture(canvas *c) {
  box b = some_box(c);
  if (!base_random_below(&source, 8)) return 0;
  other_picture(c);
  for (size_t i = 0; i < c->plane; i++) c->field[i] = 0;
  for (int y = b.top; y < b.bottom; y++)
    for (int x = b.left; x < b.right; x++) c->field[(size_t)y * c->width + x] = 1;
  return 1;
}

static float **const *blocks(canvas *c, int *channels) {
  static float **all[12];
  float **const each[] = {&c->x,    &c->before,   &c->over,  &c->source, &c->blurred, &c->work,
                          &c->mask, &c->distance, &c->field, &c->marked, &c->change,  &c->scratch};
  memcpy(all, each, sizeof each);
  *channels = 6;
  return all;
}

static canvas new_canvas(int channels, int height, int width) {
  canvas c = {.channels = channels, .height = height, .width = width, .plane = (size_t)height * width};
  c.side = sqrt((double)c.plane);
  c.random = &source;
  c.sd = 1, c.low = -20, c.high = 20, c.faintest = 1.5, c.strongest = 12;
  c.draw_source = other_picture, c.draw_known = known_picture;
  int pictures;
  float **const *all = blocks(&c, &pictures);
  for (int i = 0; i < 12; i++) {
    size_t n = i == 11 ? defects_scratch(channels, height, width) : i < pictures ? channels * c.plane : c.plane;
    CHECK(*all[i] = malloc(n * sizeof(float)));
    for (size_t k = 0; k < n; k++) (*all[i])[k] = NAN; /* what is read before it is written shows */
  }
  return c;
}

static void free_canvas(canvas *c) {
  int pictures;
  float **const *all = blocks(c, &pictures);
  for (int i = 0; i < 12; i++) free(*all[i]);
}

static box some_box(const canvas *c) {
  int h = base_random_range(&source, 1, c->height), w = base_random_range(&source, 1, c->width);
  int top = base_random_range(&source, 0, c->height - h), left = base_random_range(&source, 0, c->width - w);
  return (box){top, left, top + h, left + w};
}

#define EACH(C, B)                             \
  for (int y = (B).top; y < (B).bottom; y++)   \
    for (int x = (B).left; x < (B).right; x++) \
      for (size_t i = (size_t)y * (C)->width + x, once_ = 1; once_; once_ = 0)

static int near(double a, double b, double tolerance) { return fabs(a - b) <= tolerance; }

/* ---- numbers ---- */

static void numbers(void) {
  enum { N = 200000 };
  static float v[N], sorted[N];
  double moments[4] = {0}, many[4] = {0};
  int counts[4] = {0};
  for (float z = -40; z < 40; z += .01f) CHECK(near(logistic(z), 1 / (1 + exp(-(double)z)), 2e-6));
  base_random_normals(&source, v, N);
  for (int i = 0; i < N; i++) {
    double one = base_random_normal(&source), u = base_random_unit(&source);
    CHECK(u >= 0 && u < 1);
    for (int k = 0; k < 4; k++) moments[k] += pow(one, k + 1) / N, many[k] += pow(v[i], k + 1) / N;
    counts[base_random_poisson(&source, .8, 3)]++;
  }
  static const double expected[] = {0, 1, 0, 3}, poisson[] = {.4493, .3595, .1438, .0474};
  for (int k = 0; k < 4; k++) {
    CHECK(near(moments[k], expected[k], .08) && near(many[k], expected[k], .08));
    CHECK(near(counts[k] / (double)N, poisson[k], .005));
  }
  CHECK(base_random_poisson(&source, 0, 3) == 0 && base_random_poisson(&source, 1e6, 3) == 3);
  for (int n = 1; n < 300; n++) {
    int k = base_random_range(&source, 0, n - 1), below = 0, equal = 0;
    for (int i = 0; i < n; i++) sorted[i] = v[i] = (float)base_random_range(&source, 0, n / 2);
    float found = defects_select(sorted, n, k);
    for (int i = 0; i < n; i++) below += v[i] < found, equal += v[i] == found;
    CHECK(below <= k && k < below + equal);
  }
}

/* ---- operations ---- */

/* The mean of the pixels around (y, x) that there are. */
static double mean_around(const canvas *c, const double *in, int y, int x, int r) {
  double sum = 0, n = 0;
  for (int v = y - r; v <= y + r; v++)
    for (int u = x - r; u <= x + r; u++)
      if (v >= 0 && u >= 0 && v < c->height && u < c->width) sum += in[(size_t)v * c->width + u], n++;
  return sum / n;
}

static void blurs(canvas *c) {
  double *a = malloc(2 * c->plane * sizeof *a), *once = a + c->plane;
  CHECK(a);
  fill(c->x, c->plane);
  for (int r = 1; r <= 3; r++) {
    box b = some_box(c);
    for (size_t i = 0; i < c->plane; i++) a[i] = c->x[i];
    for (int y = 0; y < c->height; y++)
      for (int x = 0; x < c->width; x++) once[(size_t)y * c->width + x] = mean_around(c, a, y, x, r);
    defects_blur(c, c->x, b, r, c->over);
    EACH(c, b) CHECK(near(c->over[i], mean_around(c, once, y, x, r), 1e-5));
  }
  free(a);
  for (int r = 1; r <= 40;
       r = r * 3 / 2 + 1) { /* of a part of the picture, as of the whole; of one value, that value */
    box b = some_box(c);
    defects_blur(c, c->x, box_whole(c), r, c->work);
    defects_blur(c, c->x, b, r, c->over);
    EACH(c, b) CHECK(c->work[i] == c->over[i] && fabsf(c->over[i]) < 1);
    for (size_t i = 0; i < c->plane; i++) c->before[i] = 3;
    defects_blur(c, c->before, b, r, c->over);
    EACH(c, b) CHECK(near(c->over[i], 3, 1e-5));
  }
}

static void resizes(canvas *c) {
  fill(c->x, c->plane);
  scaling same = {1, 1, 0, 0, c->height, c->width}, twice = {.5, .5, 1, 1, c->height, c->width};
  defects_bilinear(c->x, c->height, c->width, (size_t)c->width, &same, c->work, (size_t)c->width, c->scratch);
  CHECK(!memcmp(c->x, c->work, c->plane * sizeof *c->x));
  /* Pixel 1 of a picture twice as large lies a quarter of a pixel after the first. */
  defects_bilinear(c->x, c->height, c->width, (size_t)c->width, &twice, c->work, (size_t)c->width, c->scratch);
  const float *p = c->x;
  double top = .75 * p[0] + .25 * p[1], bottom = .75 * p[c->width] + .25 * p[c->width + 1];
  CHECK(near(c->work[0], .75 * top + .25 * bottom, 1e-6));
  defects_halve(c->x, (size_t)c->width, c->height, c->width, c->work);
  CHECK(near(c->work[0], (p[0] + p[1] + p[c->width] + p[c->width + 1]) / 4, 1e-6));
  size_t last = c->plane - 1, half = (size_t)((c->height + 1) / 2) * ((c->width + 1) / 2) - 1;
  if (c->height % 2 && c->width % 2) CHECK(c->work[half] == p[last]);
}

/* Borders are x's, and what was added to the patch inside is harmonic. */
static void membranes(canvas *c) {
  for (int turn = 0; turn < 6; turn++) {
    box b = some_box(c);
    fill(c->x, c->channels * c->plane), fill(c->work, c->channels * c->plane);
    defects_membrane(c, b, c->work);
    for (int k = 0; k < c->channels; k++) {
      const float *x_ = c->x + k * c->plane, *o = c->over + k * c->plane, *p = c->work + k * c->plane;
      size_t w = (size_t)c->width;
      EACH(c, b) {
        if (y == b.top || x == b.left || y == b.bottom - 1 || x == b.right - 1) CHECK(o[i] == x_[i]);
        else {
          double sum = 4 * (double)(o[i] - p[i]);
          for (int d = 0; d < 4; d++) {
            size_t n = d == 0 ? i - 1 : d == 1 ? i + 1 : d == 2 ? i - w : i + w;
            sum -= o[n] - p[n];
          }
          CHECK(near(sum, 0, 1e-4));
        }
      }
    }
  }
}

/* Only what is masked is filled, with values between the least and the greatest around. */
static void inpaints(canvas *c) {
  box b = some_box(c);
  fill(c->x, c->channels * c->plane);
  EACH(c, b) c->mask[i] = base_random_below(&source, 2) ? 1 : 0;
  defects_inpaint(c, b);
  for (int k = 0; k < c->channels; k++) EACH(c, b) {
      float v = c->over[k * c->plane + i];
      CHECK(c->mask[i] > .5f ? fabsf(v) <= 1 : near(v, c->x[k * c->plane + i], 1e-6));
    }
  b = box_whole(c);
  EACH(c, b) c->mask[i] = 1; /* nothing is known */
  defects_inpaint(c, b);
  EACH(c, b) CHECK(c->over[i] == 0);
}

static void fields(canvas *c) {
  double sum = 0, squares = 0, n = 0;
  for (int turn = 0; turn < 40; turn++) {
    box b = some_box(c);
    int ky = base_random_range(&source, 2, c->height / 2), kx = base_random_range(&source, 2, c->width / 2);
    defects_field(c, b, ky, kx, c->field);
    EACH(c, b) {
      CHECK(fabsf(c->field[i]) < 12);
      sum += c->field[i], squares += (double)c->field[i] * c->field[i], n++;
    }
  }
  CHECK(n < 5e4 || (near(sum / n, 0, .5) && squares / n > .3 && squares / n < 1.5));
}

/* What a region's mask has lies in its box. */
static void regions(canvas *c) {
  for (int turn = 0; turn < 20; turn++) {
    box b = defects_region(c), all = box_whole(c);
    EACH(c, all) {
      int inside = y >= b.top && y < b.bottom && x >= b.left && x < b.right;
      CHECK(inside ? c->mask[i] <= 1 : c->mask[i] == 0);
    }
  }
}

static box corner(canvas *c) { return (box){0, c->width - 3, 2, c->width}; }

static int known_corner(canvas *c) {
  box b = corner(c), all = box_whole(c);
  EACH(c, all) {
    int inside = y >= b.top && y < b.bottom && x >= b.left && x < b.right;
    c->field[i] = inside;
    for (int k = 0; k < c->channels; k++) c->source[k * c->plane + i] = inside ? 7 : 3;
  }
  return 1;
}

static int known_whole(canvas *c) {
  other_picture(c);
  for (size_t i = 0; i < c->plane; i++) c->field[i] = 1;
  return 1;
}

/* A small mark comes whole and of about its size, with its own values or with those around it levelled to the picture;
 * one as large as the picture fills it; where there is none, nothing is drawn. */
static void known(canvas *c) {
  int levelled = 0, turns = 60;
  for (size_t i = 0; i < c->channels * c->plane; i++) c->x[i] = -2;
  c->placed = 0;
  c->draw_known = known_corner;
  for (int turn = 0; turn < turns; turn++) {
    box b = defects_draw_known(c);
    double n = 0;
    int low = 0;
    EACH(c, b) {
      n += c->mask[i] > .35f;
      if (c->mask[i] < .999f) continue;
      for (int k = 0; k < c->channels; k++) low += c->over[k * c->plane + i] < 5;
      CHECK(near(c->over[i], 7, 2) || near(c->over[i], 2, 2));
    }
    CHECK(n >= 2 && n <= 30);
    levelled += low > 0;
  }
  CHECK(levelled > turns / 5 && levelled < turns * 4 / 5);
  c->draw_known = known_whole;
  for (int turn = 0; turn < 10; turn++) {
    box b = defects_draw_known(c);
    double n = 0;
    EACH(c, b) n += c->mask[i] > .99f;
    CHECK(n == (b.bottom - b.top) * (double)(b.right - b.left) && n > c->plane / 20.);
  }
  c->draw_known = known_picture;
}

/* Every kind changes what lies in its box only, and makes numbers of it. */
static void kinds(canvas *c) {
  for (int kind = 0; kind < DEFECTS_KINDS; kind++) {
    int changed = 0;
    for (int turn = 0; turn < 25; turn++) {
      size_t n = c->channels * c->plane;
      memcpy(c->before, fill(c->x, n), n * sizeof *c->x);
      box b = defects_draw_one(c, kind);
      CHECK(b.top >= 0 && b.left >= 0 && b.bottom <= c->height && b.right <= c->width);
      for (int k = 0; k < c->channels; k++)
        for (int y = 0; y < c->height; y++)
          for (int x = 0; x < c->width; x++) {
            size_t i = (size_t)y * c->width + x, at = k * c->plane + i;
            int inside = y >= b.top && y < b.bottom && x >= b.left && x < b.right;
            CHECK(c->x[at] >= c->low && c->x[at] <= c->high);
            CHECK(inside ? c->mask[i] >= 0 && c->mask[i] <= 1 : c->x[at] == c->before[at]);
            changed += c->x[at] != c->before[at];
          }
    }
    CHECK(changed > 0);
  }
}

static void shapes(void) {
  static const int sides[][2] = {{8, 8}, {8, 61}, {47, 9}, {32, 32}, {33, 35}, {64, 128}, {128, 128}};
  for (size_t s = 0; s < sizeof sides / sizeof *sides; s++)
    for (int channels = 1; channels <= 3; channels += 2) {
      canvas c = new_canvas(channels, sides[s][0], sides[s][1]);
      blurs(&c);
      resizes(&c);
      membranes(&c);
      inpaints(&c);
      fields(&c);
      regions(&c);
      known(&c);
      kinds(&c);
      free_canvas(&c);
    }
}

/* ---- whole sets ---- */

enum { PICTURES = 7, SIDE = 24, BATCH = 9 };

/* The same bytes with any number of threads; a pool of one picture, of pictures without contrast. */
static void batches(void) {
  static uint8_t pixels[PICTURES * 3 * SIDE * SIDE], drawn[sizeof pixels], masks[PICTURES * SIDE * SIDE];
  static float x[2][BATCH * 3 * SIDE * SIDE], mask[BATCH * SIDE * SIDE], weight[BATCH * SIDE * SIDE];
  static const int64_t rows[BATCH] = {0, 1, 2, 3, 4, 5, 6, 0, 1};
  static uint8_t marked[3 * SIDE * SIDE];
  int known = 0, found[2][BATCH * DEFECTS_MOST];
  agad_error error;
  for (int turn = 0; turn < 24; turn++) {
    int channels = turn % 2 ? 3 : 1, factor = 1 + turn / 2 % 3, window = SIDE / factor, flat = turn % 5 == 4;
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = flat ? 0 : (uint8_t)base_random_next(&source);
    defects_options o = {window, window, {9, 99, 199}, 40, (uint64_t)turn, 1.5, 12, 1.8, 1, 1, 1, turn % 3 > 0};
    /* pictures of which one pixel, a quarter and nothing is marked */
    for (size_t i = 0; i < sizeof marked; i++)
      marked[i] = i < 2 * SIDE * SIDE && (i < SIDE * SIDE ? i == 9 : base_random_below(&source, 4) == 0) ? 255 : 0;
    if (turn % 2) o.known = (defects_known){rows + 2, 3, marked};
    defects_pictures all = {pixels, PICTURES, channels, SIDE, SIDE};
    defects *d = data_defects_new(&all, rows, turn % 4 ? PICTURES : 1, &o, &error);
    CHECK(d);
    size_t n = (size_t)BATCH * channels * window * window;
    for (int k = 0; k < 2; k++) {
      crew_use_threads(k ? 5 : 1);
      agad_interrupt = k; /* a batch is drawn to its end */
      defects_batch b = {rows, BATCH, turn, turn % 7 == 0, NULL, x[k], mask, weight, found[k]};
      CHECK(!data_defects_batch(d, &b, &error));
      agad_interrupt = 0;
      for (size_t i = 0; i < n; i++) CHECK(isfinite(x[k][i]));
    }
    for (size_t i = 0; i < sizeof found[0] / sizeof found[0][0]; i++) {
      CHECK(found[0][i] <= DEFECTS_KINDS - !o.known.n);
      known += found[0][i] == DEFECTS_KINDS;
    }
    CHECK(!memcmp(x[0], x[1], n * sizeof(float)) && !memcmp(found[0], found[1], sizeof found[0]));
    CHECK(!data_defects_draw(d, &all, 5, drawn, masks, &error));
    CHECK(memcmp(drawn, pixels, (size_t)PICTURES * channels * SIDE * SIDE));
    data_defects_free(d);
  }
  crew_use_threads(0);
  CHECK(known > 5);
}

/* ---- memory that runs out ---- */

/* What a failed batch has made is used by the next. */
static int draw(agad_error *error) {
  static uint8_t pixels[3 * 256], drawn[2 * 256], masks[2 * 256];
  static float x[3 * 64], mask[3 * 64], weight[3 * 64];
  static const int64_t rows[] = {0, 1, 2};
  int found[3 * DEFECTS_MOST];
  for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * 7);
  static const double only[DEFECTS_KINDS] = {[DEFECTS_KINDS - 1] = 1};
  defects_options o = {8, 8, {99}, 40, 1, 1.5, 12, 1.8, 1, 1, 1, 1, {rows, 1, pixels}};
  defects_pictures all = {pixels, 3, 1, 16, 16}, two = {pixels, 2, 1, 16, 16};
  defects_batch b = {rows, 3, 1, 0, NULL, x, mask, weight, found};
  defects *d = data_defects_new(&all, rows, 3, &o, error);
  if (!d) return -1;
  int bad = data_defects_batch(d, &b, error) || data_defects_draw(d, &two, 1, drawn, masks, error);
  b.probabilities = only;
  bad = bad || data_defects_batch(d, &b, error);
  CHECK(bad || (isfinite(x[0]) && !found[0] && found[DEFECTS_MOST] > 0));
  data_defects_free(d);
  return bad ? -1 : 0;
}

/* Each allocation fails in turn. */
static void failures(void) {
  int64_t left = 0;
  for (int n = 1; !left; n++) {
    agad_error error = {0};
    base_fail_allocation(n);
    int status = draw(&error);
    left = base_fail_allocation(0);
    CHECK(!left == (status && error.kind == AGAD_OUT_OF_MEMORY && strstr(error.message, "no memory")));
    CHECK(!draw(&error));
  }
}

int main(void) {
  source = base_random_new(1, 2, 3);
  numbers();
  shapes();
  batches();
  failures();
  puts("defects: clean");
  return 0;
}
