/* defects.c: synthetic local defects as a userdata that keeps the tensor of pictures. Rows count from 0. */
#include "lua/data.h"
#include "lua/options.h"
#include "lua/pictures.h"

#include "base/memory.h"
#include "data/defects.h"

#include <string.h>

#define LUA_DEFECTS "agad.defects"

typedef struct holder {
  defects *d;
  at_tensor *images, *masks; /* kept: their memory is the pool's and that of known defects */
  int channels, height, width, window_height, window_width;
} holder;

static void close_defects(void *pointer) {
  holder *h = pointer;
  data_defects_free(h->d);
  at_free(h->images), at_free(h->masks);
  free(h);
}

/* ---- options ---- */

/* Reads `n` numbers, or fewer down to `least`, of option `name` of the table at `index`; returns how many. */
static int numbers(lua_State *L, int index, const char *who, const char *name, double *out, int least, int n) {
  int type = lua_getfield(L, index, name), given = type == LUA_TTABLE ? (int)lua_rawlen(L, -1) : 0;
  if (type == LUA_TNIL) return lua_pop(L, 1), 0;
  int good = given >= least && given <= n;
  for (int i = 0; good && i < given; i++, lua_pop(L, 1)) {
    good = lua_rawgeti(L, -1, i + 1) == LUA_TNUMBER && isfinite(lua_tonumber(L, -1));
    out[i] = lua_tonumber(L, -1);
  }
  if (!good && least == n) lua_agad_error(L, "%s: %s must be a list of %d numbers", who, name, n);
  if (!good) lua_agad_error(L, "%s: %s must be a list of %d to %d numbers", who, name, least, n);
  lua_pop(L, 1);
  return given;
}

static int read_window(lua_State *L, int index, defects_options *o) {
  double sides[2];
  if (lua_getfield(L, index, "window") == LUA_TNUMBER) {
    sides[0] = sides[1] = lua_tonumber(L, -1);
    lua_pop(L, 1);
  } else {
    lua_pop(L, 1);
    if (!numbers(L, index, "defects", "window", sides, 2, 2)) return 0;
  }
  for (int i = 0; i < 2; i++)
    if (!(sides[i] >= 1 && sides[i] <= DATA_MAX_SIDE) || sides[i] != floor(sides[i])) return 0;
  o->window_height = (int)sides[0], o->window_width = (int)sides[1];
  return 1;
}

static const option known[] = {OPTION_OTHER("amplitude"),
                               OPTION_NUMBER("count", defects_options, count, 1, 100),
                               OPTION_OTHER("flips"),
                               OPTION_FLAG("jitter", defects_options, jitter),
                               OPTION_OTHER("known"),
                               OPTION_OTHER("mean"),
                               OPTION_NEEDED_NUMBER("sd", defects_options, sd, 1e-6, 1e6),
                               OPTION_INTEGER("seed", defects_options, seed, OPTION_ANY),
                               OPTION_OTHER("window"),
                               OPTION_END};
static const option of_known[] = {OPTION_OTHER("masks"), OPTION_OTHER("rows"), OPTION_END};
static const option flips[] = {OPTION_FLAG("horizontal", defects_options, flip_horizontal),
                               OPTION_FLAG("transpose", defects_options, transpose),
                               OPTION_FLAG("vertical", defects_options, flip_vertical), OPTION_END};

/* Of the table at `index`; *means: how many there are in it. */
static defects_options read_options(lua_State *L, int index, int *means) {
  defects_options o = {.low = 1.5, .high = 12, .count = 1.8, .jitter = 1};
  double amplitude[2] = {o.low, o.high};
  luaL_checktype(L, index, LUA_TTABLE);
  lua_agad_options(L, index, "defects", known, &o);
  if (!read_window(L, index, &o))
    lua_agad_error(L, "defects: window must be a side in pixels or a list of two, height and width");
  numbers(L, index, "defects", "amplitude", amplitude, 2, 2);
  if (!(amplitude[0] > 0 && amplitude[1] >= amplitude[0] && amplitude[1] <= 1e6))
    lua_agad_error(L, "defects: amplitude must be two numbers over 0, the smaller one first");
  o.low = amplitude[0], o.high = amplitude[1];
  *means = numbers(L, index, "defects", "mean", o.mean, 1, 3);
  for (int k = 0; k < *means; k++)
    if (!(o.mean[k] >= 0 && o.mean[k] <= 255)) lua_agad_error(L, "defects: mean must be numbers from 0 to 255");
  if (lua_getfield(L, index, "flips") != LUA_TNIL) {
    if (!lua_istable(L, -1)) lua_agad_error(L, "defects: flips must be a table");
    lua_agad_options(L, lua_gettop(L), "defects: flips", flips, &o);
  }
  lua_pop(L, 1);
  return o;
}

/* Pushes the rows and the masks of known defects of the table at `index`; returns the masks, or NULL where there are no
 * known defects (rows and masks are nil then). */
static at_tensor *push_known(lua_State *L, int index) {
  at_tensor *masks = NULL;
  int type = lua_getfield(L, index, "known"), given = lua_gettop(L);
  if (type == LUA_TNIL) return lua_pushnil(L), NULL;
  if (type == LUA_TTABLE) {
    lua_agad_options(L, given, "defects: known", of_known, &masks); /* both are read here */
    if (lua_getfield(L, given, "rows") == LUA_TTABLE && (lua_getfield(L, given, "masks"), lua_agad_is_tensor(L, -1)))
      masks = lua_agad_check_tensor(L, -1);
  }
  if (!masks) lua_agad_error(L, "defects: known must be a table of rows, a list, and masks, a tensor");
  lua_remove(L, given);
  return masks;
}

/* The masks' memory, dense; NULL after a failure. */
static at_tensor *read_masks(at_tensor *masks, const pictures *p, int64_t n) {
  if (at_dtype_of(masks) != AT_U8 || at_ndim(masks) != 3 || at_size(masks, 0) != n || at_size(masks, 1) != p->height ||
      at_size(masks, 2) != p->width)
    return at_fail("defects: known: masks must be a uint8 tensor (%lld, %d, %d), a mask for each of its rows",
                   (long long)n, p->height, p->width),
           NULL;
  return at_to_layout(at_to(masks, AT_U8, AT_CPU), AT_NCHW);
}

/* defects(images, rows, options) -> defects */
static int new_defects(lua_State *L) {
  at_tensor *given = lua_agad_check_tensor(L, 1);
  int means;
  lua_settop(L, 3);
  lua_agad_check_numbers(L, 2);
  luaL_checkstack(L, 12, "defects");
  defects_options o = read_options(L, 3, &means);
  at_tensor *masks = push_known(L, 3);
  void **box = lua_agad_new_box(L, LUA_DEFECTS);
  agad_error error;
  at_scope scope = at_open();
  pictures p;
  int64_t n;
  const int64_t *rows = lua_agad_integers(L, 2, &n);
  holder *h = at_calloc(1, sizeof *h);
  *box = h;
  if (h && !lua_agad_pictures(given, PICTURES_MANY, "defects", &p)) {
    if (means != p.channels) at_fail("defects: mean must be a list of %d numbers, one for each channel", p.channels);
    defects_pictures all = {p.pixels, p.n, p.channels, p.height, p.width};
    *h = (holder){NULL, NULL, NULL, p.channels, p.height, p.width, o.window_height, o.window_width};
    if (at_ok()) h->images = at_keep(at_alias(p.t));
    if (at_ok() && masks) {
      o.known.rows = lua_agad_integers(L, 4, &o.known.n);
      if (at_ok()) masks = read_masks(masks, &p, o.known.n);
      if (at_ok()) h->masks = at_keep(at_alias(masks)), o.known.masks = at_data(masks);
    }
    if (at_ok() && !(h->d = data_defects_new(&all, rows, n, &o, &error))) at_fail_with(&error);
  }
  return lua_agad_end(L, &scope, 1);
}

/* ---- drawing ---- */

static const option batch_options[] = {OPTION_FLAG("crop", defects_batch, crop), OPTION_OTHER("probabilities"),
                                       OPTION_END};

/* The probabilities of the table at `index`, or NULL. */
static const double *read_probabilities(lua_State *L, int index, double out[DEFECTS_KINDS]) {
  double sum = 0;
  if (!lua_istable(L, index)) return NULL;
  if (!numbers(L, index, "defects: batch", "probabilities", out, DEFECTS_KINDS, DEFECTS_KINDS)) return NULL;
  for (int i = 0; i < DEFECTS_KINDS; i++) sum += out[i] >= 0 ? out[i] : NAN;
  if (!(sum > 0 && isfinite(sum)))
    lua_agad_error(L, "defects: batch: probabilities must not be negative, and one of them must be over 0");
  return out;
}

static void push_kinds(lua_State *L, const int *kinds, int64_t n) {
  lua_createtable(L, (int)n, 0);
  for (int64_t i = 0; i < n; i++) {
    lua_createtable(L, DEFECTS_MOST, 0);
    for (int k = 0; k < DEFECTS_MOST && kinds[i * DEFECTS_MOST + k]; k++)
      lua_pushinteger(L, kinds[i * DEFECTS_MOST + k]), lua_rawseti(L, -2, k + 1);
    lua_rawseti(L, -2, i + 1);
  }
}

/* d:batch(rows, step[, {crop=, probabilities=}]) -> x, mask, weight, kinds */
static int batch(lua_State *L) {
  const holder *h = lua_agad_check_box(L, 1, LUA_DEFECTS);
  double probabilities[DEFECTS_KINDS];
  defects_batch b = {.step = 0};
  lua_settop(L, 4);
  luaL_checkstack(L, 12, "batch");
  lua_agad_check_numbers(L, 2);
  b.step = luaL_checkinteger(L, 3);
  luaL_argcheck(L, b.step >= 0, 3, "a step must be a whole number from 0");
  lua_agad_options(L, 4, "defects: batch", batch_options, &b);
  b.probabilities = read_probabilities(L, 4, probabilities);
  int **kinds = (int **)lua_agad_new_holder(L, free);
  for (int i = 0; i < 3; i++) lua_agad_new_tensor(L);
  agad_error error;
  at_scope scope = at_open();
  b.rows = lua_agad_integers(L, 2, &b.n);
  int64_t sizes[4] = {b.n, h->channels, h->window_height, h->window_width};
  at_tensor *x = at_empty(sizes, 4, AT_F32, AT_CPU, AT_NCHW);
  sizes[1] = 1;
  at_tensor *mask = at_empty(sizes, 4, AT_F32, AT_CPU, AT_NCHW), *weight = at_empty(sizes, 4, AT_F32, AT_CPU, AT_NCHW);
  *kinds = at_calloc(b.n * DEFECTS_MOST, sizeof **kinds);
  if (at_ok()) {
    b.x = at_data(x), b.mask = at_data(mask), b.weight = at_data(weight), b.kinds = *kinds;
    if (data_defects_batch(h->d, &b, &error)) at_fail_with(&error);
  }
  if (at_ok()) lua_agad_fill(L, 6, x), lua_agad_fill(L, 7, mask), lua_agad_fill(L, 8, weight);
  lua_agad_end(L, &scope, 0);
  push_kinds(L, *kinds, b.n);
  lua_agad_release(L, 5);
  return 4;
}

/* d:pictures(pictures, seed) -> pictures with defects, masks */
static int draw(lua_State *L) {
  const holder *h = lua_agad_check_box(L, 1, LUA_DEFECTS);
  at_tensor *given = lua_agad_check_tensor(L, 2);
  lua_Integer seed = luaL_checkinteger(L, 3);
  lua_settop(L, 3);
  lua_agad_new_tensor(L), lua_agad_new_tensor(L);
  agad_error error;
  pictures p;
  at_scope scope = at_open();
  if (!lua_agad_pictures(given, PICTURES_MANY, "defects: pictures", &p)) {
    defects_pictures in = {p.pixels, p.n, p.channels, p.height, p.width};
    int64_t sizes[4] = {p.n, p.channels, p.height, p.width}, planes[3] = {p.n, p.height, p.width};
    at_tensor *out = at_empty(sizes, 4, AT_U8, AT_CPU, AT_NCHW), *mask = at_empty(planes, 3, AT_U8, AT_CPU, AT_NCHW);
    if (at_ok() && data_defects_draw(h->d, &in, (uint64_t)seed, at_data(out), at_data(mask), &error))
      at_fail_with(&error);
    if (at_ok()) lua_agad_fill(L, 4, out), lua_agad_fill(L, 5, mask);
  }
  return lua_agad_end(L, &scope, 2);
}

void lua_agad_open_defects(lua_State *L) {
  static const luaL_Reg methods[] = {{"batch", batch}, {"pictures", draw}, {NULL, NULL}};
  lua_agad_type(L, LUA_DEFECTS, methods, close_defects);
  luaL_getmetatable(L, LUA_DEFECTS);
  lua_getfield(L, -1, "__index");
  lua_createtable(L, DEFECTS_KINDS, 0);
  for (int i = 0; i < DEFECTS_KINDS; i++) lua_pushstring(L, defects_kinds[i]), lua_rawseti(L, -2, i + 1);
  lua_pushvalue(L, -1), lua_setfield(L, -5, "defect_kinds"); /* core.data.defect_kinds */
  lua_setfield(L, -2, "kinds");
  lua_pop(L, 2);
  lua_pushcfunction(L, new_defects), lua_setfield(L, -2, "defects");
}
