/* score.c: metrics, leak and localisation under the sanitizers: every size from 2, ties, one class, scores that are
 * no numbers, pictures of one pixel. Values are asserted by spec/metrics_spec.lua; here it is memory that counts. */
#include "check.h"

#include "base/error.c"
#include "base/memory.c"
#include "base/text.c"
#include "score/curves.c"
#include "score/interval.c"
#include "score/leak.c"
#include "score/localise.c"
#include "score/metrics.c"
#include "score/rank.c"
#include "score/shortcut.c"
#include "score/sort.c"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 5000 };
static double scores[MOST];
static uint8_t labels[MOST];
static agad_error error;

static void draw_case(base_random *r, int64_t n, int levels) {
  for (int64_t i = 0; i < n; i++) {
    scores[i] = (double)base_random_range(r, -levels, levels) / 8;
    labels[i] = (uint8_t)base_random_below(r, 2);
  }
  labels[0] = 0;
  labels[1] = 1;
}

static void all_metrics(int64_t n) {
  double a, b, edges[8];
  int64_t normal[7], bad[7];
  score_curve curve;
  CHECK(agad_auroc(scores, labels, n, &a, &error) == 0 && a >= 0 && a <= 1);
  CHECK(agad_average_precision(scores, labels, n, &a, &error) == 0 && a > 0 && a <= 1);
  CHECK(agad_f1(scores, labels, n, 0, &a, &error) == 0);
  CHECK(agad_best_f1(scores, labels, n, &a, &b, &error) == 0 && a > 0);
  CHECK(agad_tpr_at_fpr(scores, labels, n, .05, &a, &error) == 0);
  CHECK(agad_quantile(scores, n, .95, &a, &error) == 0);
  CHECK(agad_auroc_interval(scores, labels, n, 20, .95, 1, &a, &b, &error) == 0 && a <= b);
  for (int64_t most = 0; most < 40; most += most ? 12 : 3) {
    CHECK(agad_roc(scores, labels, n, most, &curve, &error) == 0);
    CHECK(curve.x[curve.n - 1] == 1 && curve.y[curve.n - 1] == 1 && (!most || curve.n <= most));
    score_curve_free(&curve);
  }
  CHECK(agad_precision_recall(scores, labels, n, &curve, &error) == 0 && curve.x[0] == 1);
  score_curve_free(&curve);
  CHECK(agad_histogram(scores, labels, n, 7, edges, normal, bad, &error) == 0);
}

static void sizes(void) {
  base_random r = base_random_new(1, 0, 0);
  for (int64_t n = 2; n < 200; n++) draw_case(&r, n, (int)(n % 17)), all_metrics(n);
  for (int64_t n = 1990; n <= MOST; n += 602) draw_case(&r, n, 100000), all_metrics(n); /* both ways of sorting */
}

static void refused(void) {
  double a;
  base_random r = base_random_new(2, 0, 0);
  draw_case(&r, 100, 9);
  scores[50] = NAN;
  CHECK(agad_auroc(scores, labels, 100, &a, &error) == -1 && !strchr(error.message, '\n'));
  for (int i = 0; i < 100; i++) scores[i] = i, labels[i] = 1;
  CHECK(agad_auroc(scores, labels, 100, &a, &error) == -1);
  CHECK(agad_auroc(scores, labels, 0, &a, &error) == -1);
}

static void pictures(void) {
  static uint8_t pixels[40 * 3 * 9 * 9];
  base_random r = base_random_new(3, 0, 0);
  for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)base_random_below(&r, 256);
  int64_t rows[5] = {39, 0, 0, 7, 12};
  double a;
  draw_case(&r, 40, 3);
  for (int channels = 1; channels <= 3; channels++)
    for (int side = 1; side <= 9; side += 4) {
      leak_pictures all = {pixels, 40, channels, side, 10 - side, NULL, 40}, some = all;
      some.rows = rows, some.n_rows = 5;
      CHECK(agad_thermometer(&some, &all, labels, 7, 0, 1, &a, &error) == 0);
      CHECK(agad_thermometer(&all, &all, labels, 64, 3, 1, &a, &error) == 0);
      rows[2] = 40;
      CHECK(agad_thermometer(&some, &all, labels, 7, 0, 1, &a, &error) == -1);
      rows[2] = 0;
      data_shortcut shortcut[SHORTCUT_MAX];
      if (channels != 2)
        CHECK(data_shortcuts(pixels, 40, channels, side, 10 - side, labels, NULL, shortcut, &error) == 4);
    }
}

static void maps(void) {
  static float map[12 * 81];
  static uint8_t mask[12 * 81];
  base_random r = base_random_new(4, 0, 0);
  for (int height = 1; height <= 9; height += 4)
    for (int width = 1; width <= 9; width += 2)
      for (int share = 0; share <= 4; share++) {
        int n = 12 * height * width;
        for (int i = 0; i < n; i++)
          map[i] = (float)base_random_below(&r, 5), mask[i] = base_random_below(&r, 4) < (unsigned)share;
        localiser *l = localise_new(12, height, width, &error);
        localisation found;
        CHECK(l && localise_add(l, map, mask, 5, &error) == 0);
        CHECK(localise_add(l, map + 5 * height * width, mask + 5 * height * width, 7, &error) == 0);
        CHECK(localise_add(l, map, mask, 1, &error) == -1);
        int status = localise_result(l, .3, &found, &error);
        CHECK(status == -1 || (found.pro >= 0 && found.pro <= 1 && found.defect_pixels + found.normal_pixels == n));
        localise_free(l);
      }
}

int main(void) {
  sizes();
  refused();
  pictures();
  maps();
  puts("score: clean");
  return 0;
}
