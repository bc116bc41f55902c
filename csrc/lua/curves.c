/* curves.c: agad.core.metrics continued: interval, curves, the thermometer, localisation. */
#include "lua/data.h"
#include "lua/options.h"
#include "lua/pictures.h"

#include "score/leak.h"
#include "score/localise.h"
#include "score/metrics.h"

#include <stdlib.h>

#define LUA_LOCALISER "agad.localiser"

enum { MOST_BINS = 100000 };

/* ---- interval and curves ---- */

/* auroc_interval(scores, labels[, {resamples=, level=, seed=}]) -> low, high */
static int auroc_interval(lua_State *L) {
  lua_agad_check_numbers(L, 1), lua_agad_check_numbers(L, 2);
  typedef struct interval {
    double level;
    int64_t seed;
    int resamples;
  } interval;
  static const option known[] = {OPTION_NUMBER("level", interval, level, -INFINITY, INFINITY),
                                 OPTION_INTEGER("resamples", interval, resamples, 2, 1000000),
                                 OPTION_INTEGER("seed", interval, seed, OPTION_ANY), OPTION_END};
  interval o = {0.95, 1, 1000};
  lua_agad_options(L, 3, "auroc_interval", known, &o);
  double low = 0, high = 0;
  agad_error error;
  int64_t n;
  at_scope scope = at_open();
  const double *scores = lua_agad_numbers(L, 1, &n);
  const uint8_t *anomalous = lua_agad_labels(L, 2, n);
  if (at_ok() && agad_auroc_interval(scores, anomalous, n, o.resamples, o.level, (uint64_t)o.seed, &low, &high, &error))
    at_fail_with(&error);
  lua_pushnumber(L, low);
  lua_pushnumber(L, high);
  return lua_agad_end(L, &scope, 2);
}

static void set_numbers(lua_State *L, const char *name, const double *values, int64_t n) {
  lua_createtable(L, (int)n, 0);
  for (int64_t i = 0; i < n; i++) {
    lua_pushnumber(L, values[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, name);
}

static void set_counts(lua_State *L, const char *name, const int64_t *values, int64_t n) {
  lua_createtable(L, (int)n, 0);
  for (int64_t i = 0; i < n; i++) {
    lua_pushinteger(L, values[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, name);
}

/* A block that Lua frees: pushing many numbers may raise for want of memory. */
static void *take_block(lua_State *L, size_t n) { return lua_newuserdatauv(L, n + 1, 0); }

static void free_curve(void *curve) { score_curve_free(curve); }

static int push_curve(lua_State *L, int is_roc) {
  lua_agad_check_numbers(L, 1), lua_agad_check_numbers(L, 2);
  lua_Integer most = is_roc ? luaL_optinteger(L, 3, 0) : 0;
  agad_error error;
  int64_t n;
  score_curve *c = take_block(L, sizeof *c);
  *c = (score_curve){0};
  *lua_agad_new_holder(L, free_curve) = c; /* its arrays; the struct is Lua's, and lives as long as the holder */
  lua_pushvalue(L, -2);
  lua_setiuservalue(L, -2, 1);
  at_scope scope = at_open();
  const double *scores = lua_agad_numbers(L, 1, &n);
  const uint8_t *anomalous = lua_agad_labels(L, 2, n);
  if (at_ok() && (is_roc ? agad_roc(scores, anomalous, n, most, c, &error)
                         : agad_precision_recall(scores, anomalous, n, c, &error)))
    at_fail_with(&error);
  lua_agad_end(L, &scope, 0);
  int held = lua_gettop(L);
  lua_createtable(L, 0, 3);
  set_numbers(L, is_roc ? "fpr" : "recall", c->x, c->n);
  set_numbers(L, is_roc ? "tpr" : "precision", c->y, c->n);
  set_numbers(L, "thresholds", c->threshold, c->n);
  lua_agad_release(L, held);
  return 1;
}

/* roc(scores, labels[, most points]), precision_recall(scores, labels) -> {fpr=, tpr=, thresholds=} */
static int roc(lua_State *L) { return push_curve(L, 1); }
static int precision_recall(lua_State *L) { return push_curve(L, 0); }

/* histogram(scores, labels[, bins]) -> {edges=, normal=, anomalous=} */
static int histogram(lua_State *L) {
  lua_agad_check_numbers(L, 1), lua_agad_check_numbers(L, 2);
  lua_Integer bins = luaL_optinteger(L, 3, 50);
  luaL_argcheck(L, bins >= 1 && bins <= MOST_BINS, 3, "1 to 100000 bins expected");
  double *edges = take_block(L, (size_t)(bins + 1) * sizeof *edges);
  int64_t *normal = take_block(L, (size_t)bins * 2 * sizeof *normal), *bad = normal + bins, n;
  agad_error error;
  at_scope scope = at_open();
  const double *scores = lua_agad_numbers(L, 1, &n);
  const uint8_t *anomalous = lua_agad_labels(L, 2, n);
  if (at_ok() && agad_histogram(scores, anomalous, n, (int)bins, edges, normal, bad, &error)) at_fail_with(&error);
  lua_agad_end(L, &scope, 0);
  lua_createtable(L, 0, 3);
  set_numbers(L, "edges", edges, bins + 1);
  set_counts(L, "normal", normal, bins);
  set_counts(L, "anomalous", bad, bins);
  return 1;
}

/* ---- the thermometer ---- */

static leak_pictures leak_rows(const pictures *p, const int64_t *rows, int64_t n_rows) {
  return (leak_pictures){p->pixels, p->n, p->channels, p->height, p->width, rows, n_rows < 0 ? p->n : n_rows};
}

/* thermometer(train, rows or nil, test, labels, {batch=, order=, shuffles=, seed=}) -> AUROC; labels belong to the
 * rows of test; order: rows of test, from 0 */
static int thermometer(lua_State *L) {
  at_tensor *train = lua_agad_check_tensor(L, 1), *test = lua_agad_check_tensor(L, 3);
  if (!lua_isnil(L, 2)) lua_agad_check_numbers(L, 2);
  lua_agad_check_numbers(L, 4);
  luaL_checktype(L, 5, LUA_TTABLE);
  typedef struct leak_options {
    int64_t batch, seed;
    int shuffles;
  } leak_options;
  static const option known[] = {OPTION_INTEGER("batch", leak_options, batch, OPTION_ANY), OPTION_OTHER("order"),
                                 OPTION_INTEGER("seed", leak_options, seed, OPTION_ANY),
                                 OPTION_INTEGER("shuffles", leak_options, shuffles, 0, 100000), OPTION_END};
  leak_options o = {256, 1, 0};
  lua_agad_options(L, 5, "thermometer", known, &o);
  lua_settop(L, 5);
  int has_order = lua_getfield(L, 5, "order") != LUA_TNIL;
  if (has_order) lua_agad_check_numbers(L, 6);
  agad_error error;
  double auroc = 0;
  int64_t n_rows = -1, n_order = -1; /* all */
  leak_pictures of_train = {0}, of_test = {0};
  pictures p;
  at_scope scope = at_open();
  const int64_t *rows = lua_isnil(L, 2) ? NULL : lua_agad_integers(L, 2, &n_rows);
  const int64_t *order = has_order ? lua_agad_integers(L, 6, &n_order) : NULL;
  if (at_ok() && !lua_agad_pictures(train, PICTURES_MANY, "thermometer", &p)) of_train = leak_rows(&p, rows, n_rows);
  if (at_ok() && !lua_agad_pictures(test, PICTURES_MANY, "thermometer", &p)) of_test = leak_rows(&p, order, n_order);
  const uint8_t *labels = lua_agad_labels(L, 4, of_test.count);
  uint8_t *ordered = has_order ? at_data(at_empty(&n_order, 1, AT_U8, AT_CPU, AT_NCHW)) : NULL;
  for (int64_t i = 0; i < n_order && at_ok(); i++) {
    if (order[i] < 0 || order[i] >= of_test.count)
      at_fail("thermometer: there is no row %lld among %lld", (long long)order[i], (long long)of_test.count);
    else ordered[i] = labels[order[i]];
  }
  if (at_ok() && agad_thermometer(&of_train, &of_test, has_order ? ordered : labels, o.batch, o.shuffles,
                                  (uint64_t)o.seed, &auroc, &error))
    at_fail_with(&error);
  lua_pushnumber(L, auroc);
  return lua_agad_end(L, &scope, 1);
}

/* ---- localisation ---- */

static void close_localiser(void *pointer) { localise_free(pointer); }

/* localiser(n, height, width) -> object with add and result */
static int new_localiser(lua_State *L) {
  int64_t n = luaL_checkinteger(L, 1);
  int height = lua_agad_check_side(L, 2), width = lua_agad_check_side(L, 3);
  void **box = lua_agad_new_box(L, LUA_LOCALISER);
  lua_newtable(L);
  lua_pushinteger(L, height), lua_rawseti(L, -2, 1);
  lua_pushinteger(L, width), lua_rawseti(L, -2, 2);
  lua_setiuservalue(L, -2, 1);
  agad_error error;
  *box = localise_new(n, height, width, &error);
  return *box ? 1 : lua_agad_raise(L, &error);
}

static int64_t side(lua_State *L, int which) {
  lua_getiuservalue(L, 1, 1);
  lua_rawgeti(L, -1, which);
  int64_t value = lua_tointeger(L, -1);
  lua_pop(L, 2);
  return value;
}

/* add(maps, masks): float (count, height, width), uint8 of the same sizes */
static int add_maps(lua_State *L) {
  localiser *l = lua_agad_check_box(L, 1, LUA_LOCALISER);
  at_tensor *maps = lua_agad_check_tensor(L, 2), *masks = lua_agad_check_tensor(L, 3);
  int64_t height = side(L, 1), width = side(L, 2);
  agad_error error;
  at_scope scope = at_open();
  at_tensor *t[2] = {maps, masks};
  for (int k = 0; k < 2 && at_ok(); k++)
    if (at_ndim(t[k]) != 3 || at_size(t[k], 1) != height || at_size(t[k], 2) != width ||
        at_size(t[k], 0) != at_size(maps, 0))
      at_fail("localisation: %s must be (count, %lld, %lld), one mask per map", k ? "masks" : "maps", (long long)height,
              (long long)width);
  maps = at_to_layout(at_to(at_detach(maps), AT_F32, AT_CPU), AT_NCHW);
  masks = at_to_layout(at_to(masks, AT_U8, AT_CPU), AT_NCHW);
  if (at_ok() && localise_add(l, at_data(maps), at_data(masks), at_size(maps, 0), &error)) at_fail_with(&error);
  return lua_agad_end(L, &scope, 0);
}

/* result([max_fpr]) -> {pixel_auroc=, pro=, regions=, defect_pixels=, normal_pixels=}; once: the scores are gone */
static int result(lua_State *L) {
  void **box = luaL_checkudata(L, 1, LUA_LOCALISER);
  localiser *l = lua_agad_check_box(L, 1, LUA_LOCALISER);
  double max_fpr = luaL_optnumber(L, 2, 0.3);
  localisation found;
  agad_error error;
  int bad = localise_result(l, max_fpr, &found, &error);
  *box = NULL;
  localise_free(l);
  if (bad) return lua_agad_raise(L, &error);
  lua_createtable(L, 0, 5);
  lua_pushnumber(L, found.pixel_auroc), lua_setfield(L, -2, "pixel_auroc");
  lua_pushnumber(L, found.pro), lua_setfield(L, -2, "pro");
  lua_pushinteger(L, found.regions), lua_setfield(L, -2, "regions");
  lua_pushinteger(L, found.defect_pixels), lua_setfield(L, -2, "defect_pixels");
  lua_pushinteger(L, found.normal_pixels), lua_setfield(L, -2, "normal_pixels");
  return 1;
}

static const luaL_Reg methods[] = {{"add", add_maps}, {"result", result}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"auroc_interval", auroc_interval},
                                     {"roc", roc},
                                     {"precision_recall", precision_recall},
                                     {"histogram", histogram},
                                     {"thermometer", thermometer},
                                     {"localiser", new_localiser},
                                     {NULL, NULL}};

void lua_agad_open_curves(lua_State *L) {
  lua_agad_type(L, LUA_LOCALISER, methods, close_localiser);
  luaL_setfuncs(L, functions, 0);
}
