/* data.c: agad.core.data: picture sets, PNG, channels, the shortcut statistics.
 *
 * A reader's result lives in a box of its own until its memory is handed to tensors, so that nothing is lost
 * when Lua raises in between. Labels count from 0.
 */
#include "lua/data.h"
#include "lua/pictures.h"

#include "data/idx.h"
#include "data/png.h"
#include "data/weave.h"
#include "score/shortcut.h"

#include <stdlib.h>
#include <string.h>

#define LUA_IMAGES "agad.images"

/* ---- sets: {images, labels, masks}, their memory handed over ---- */

static int free_images(lua_State *L) {
  data_images_free(luaL_checkudata(L, 1, LUA_IMAGES));
  return 0;
}

data_images *lua_agad_new_images(lua_State *L) {
  data_images *set = lua_newuserdatauv(L, sizeof *set, 0);
  memset(set, 0, sizeof *set);
  luaL_setmetatable(L, LUA_IMAGES);
  return set;
}

/* Gives the tensor on the top of the stack a block of memory, as numbers of `as`; in a scope. */
static void fill_from(lua_State *L, void *block, const int64_t *sizes, int ndim, at_dtype dtype, at_dtype as) {
  lua_agad_fill(L, -1, at_to(at_from_memory(block, sizes, ndim, dtype, free, block), as, AT_CPU));
}

/* Moves a block into a tensor and the tensor into field `name` of the table on the top. */
static void move_field(lua_State *L, const char *name, void **block, const int64_t *sizes, int ndim, at_dtype dtype,
                       at_dtype as) {
  lua_agad_new_tensor(L);
  at_scope scope = at_open();
  void *moved = *block;
  *block = NULL;
  fill_from(L, moved, sizes, ndim, dtype, as);
  lua_agad_end(L, &scope, 0);
  lua_setfield(L, -2, name);
}

/* Pushes the table of a set, which is empty afterwards. */
static void push_set(lua_State *L, data_images *set) {
  lua_createtable(L, 0, 3);
  int64_t sizes[4] = {set->count, set->channels, set->height, set->width};
  int64_t planes[3] = {set->count, set->height, set->width};
  move_field(L, "images", (void **)&set->pixels, sizes, 4, AT_U8, AT_U8);
  if (set->labels) move_field(L, "labels", (void **)&set->labels, sizes, 1, AT_I32, AT_I64);
  if (set->masks) move_field(L, "masks", (void **)&set->masks, planes, 3, AT_U8, AT_U8);
}

static void push_classes(lua_State *L, const data_images *set) {
  lua_createtable(L, set->n_classes, 0);
  for (int i = 0; i < set->n_classes; i++) {
    lua_pushstring(L, set->classes[i]);
    lua_rawseti(L, -2, i + 1);
  }
}

int lua_agad_push_sets(lua_State *L, data_images *train, data_images *test, const agad_error *failed) {
  if (failed) return lua_agad_raise(L, failed);
  push_set(L, train);
  push_set(L, test);
  push_classes(L, train);
  return 3;
}

int lua_agad_check_side(lua_State *L, int index) {
  lua_Integer side = luaL_checkinteger(L, index);
  luaL_argcheck(L, side >= 1 && side <= DATA_MAX_SIDE, index, "a side must be 1 to 65536 pixels");
  return (int)side;
}

int lua_agad_bring(data_images *train, data_images *test, const data_form *form, agad_error *error) {
  return data_images_bring(train, form, error) || data_images_bring(test, form, error);
}

/* mnist(name, root, form) -> {images, labels}, {images, labels}, classes */
static int mnist(lua_State *L) {
  const char *name = luaL_checkstring(L, 1), *root = luaL_checkstring(L, 2);
  data_form form = lua_agad_form(L, 3, name);
  data_images *train = lua_agad_new_images(L), *test = lua_agad_new_images(L);
  agad_error error;
  int failed = data_mnist(name, root, train, test, &error) || lua_agad_bring(train, test, &form, &error);
  return lua_agad_push_sets(L, train, test, failed ? &error : NULL);
}

/* textures() -> the names of the textures that weave knows */
static int textures(lua_State *L) {
  const char *name;
  lua_newtable(L);
  for (int i = 0; (name = data_weave_texture_name(i)); i++) lua_pushstring(L, name), lua_rawseti(L, -2, i + 1);
  return 1;
}

/* weave(texture, size, channels, seed, {train, defects, test, test defects}) -> train, test, classes */
static int weave(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  weave_options options = {WEAVE_CLOTH, lua_agad_check_side(L, 2), (int)luaL_checkinteger(L, 3),
                           (uint64_t)luaL_checkinteger(L, 4)};
  int64_t counts[4];
  luaL_checktype(L, 5, LUA_TTABLE);
  for (int i = 0; i < 4; i++) {
    lua_rawgeti(L, 5, i + 1);
    counts[i] = luaL_checkinteger(L, -1);
    lua_pop(L, 1);
  }
  data_images *train = lua_agad_new_images(L), *test = lua_agad_new_images(L);
  agad_error error;
  int texture = data_weave_texture(name, &error), failed = texture < 0;
  if (!failed) options.texture = (weave_texture)texture;
  failed = failed || data_weave(&options, WEAVE_TRAIN, counts[0], counts[1], train, &error) ||
           data_weave(&options, WEAVE_TEST, counts[2], counts[3], test, &error);
  return lua_agad_push_sets(L, train, test, failed ? &error : NULL);
}

/* ---- single pictures ---- */

/* write_png(path, tensor[, what]): uint8 (channels, height, width) or (height, width) */
static int write_png(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  at_tensor *given = lua_agad_check_tensor(L, 2);
  const char *what = luaL_optstring(L, 3, NULL);
  at_scope scope = at_open();
  pictures p;
  agad_error error;
  if (at_ndim(given) == 2) {
    int64_t sizes[3] = {1, at_size(given, 0), at_size(given, 1)};
    given = at_reshape(given, sizes, 3);
  }
  if (at_ok() && at_ndim(given) == 4)
    at_fail("write_png: give one picture, (channels, height, width); this has 4 dimensions");
  if (at_ok() && !lua_agad_pictures(given, PICTURES_OR_ONE, "write_png", &p) &&
      data_png_write(path, p.pixels, p.channels, p.height, p.width, what, &error))
    at_fail_with(&error);
  return lua_agad_end(L, &scope, 0);
}

/* Makes `set`, which is empty, one of its own with the pictures' bytes. */
static int copy_pictures(data_images *set, const pictures *p) {
  agad_error error;
  if (data_images_alloc(set, p->n, p->channels, p->height, p->width, 0, 0, &error)) return at_fail_with(&error);
  memcpy(set->pixels, p->pixels, (size_t)(p->n * p->channels * p->height) * (size_t)p->width);
  return 0;
}

/* set_channels(pictures, channels) -> a new tensor */
static int set_channels(lua_State *L) {
  at_tensor *given = lua_agad_check_tensor(L, 1);
  int channels = (int)luaL_checkinteger(L, 2);
  data_images *set = lua_agad_new_images(L);
  lua_agad_new_tensor(L);
  at_scope scope = at_open();
  pictures p;
  agad_error error;
  if (!lua_agad_pictures(given, PICTURES_OR_ONE, "set_channels", &p) && !copy_pictures(set, &p)) {
    if (data_images_set_channels(set, channels, &error)) at_fail_with(&error);
    else {
      int64_t sizes[4] = {set->count, set->channels, set->height, set->width};
      int ndim = at_ndim(given);
      void *pixels = set->pixels;
      set->pixels = NULL;
      fill_from(L, pixels, sizes + 4 - ndim, ndim, AT_U8, AT_U8);
    }
  }
  return lua_agad_end(L, &scope, 1);
}

/* ---- the shortcut statistics ---- */

static const char *const origin_fields[] = {"height", "width", "file_bytes"};

/* The field number `i`, which lies at 4 + i. */
static const int64_t *origin_field(lua_State *L, int i, int64_t n) {
  const char *name = origin_fields[i];
  int64_t count;
  if (lua_isnil(L, 4 + i)) return NULL;
  if (!lua_istable(L, 4 + i) && !lua_agad_test_tensor(L, 4 + i))
    return at_fail("%s: give a list or tensor of integers", name), NULL;
  const int64_t *values = lua_agad_integers(L, 4 + i, &count);
  if (at_ok() && count != n) at_fail("%s: %lld values for %lld pictures", name, (long long)count, (long long)n);
  return values;
}

/* shortcut(images, anomalous[, {height=, width=, file_bytes=}]) -> {{name=, auroc=}, ...} */
static int shortcut(lua_State *L) {
  at_tensor *given = lua_agad_check_tensor(L, 1);
  lua_agad_check_numbers(L, 2);
  data_shortcut found[SHORTCUT_MAX];
  agad_error error;
  int n = 0;
  luaL_checkstack(L, 12, "shortcut");
  lua_settop(L, 3);
  for (int i = 0; i < 3; i++) {
    if (lua_istable(L, 3)) lua_getfield(L, 3, origin_fields[i]);
    else lua_pushnil(L);
  }
  at_scope scope = at_open();
  pictures p;
  if (!lua_agad_pictures(given, PICTURES_OR_ONE, "shortcut", &p)) {
    const uint8_t *anomalous = lua_agad_labels(L, 2, p.n);
    data_origin origin = {origin_field(L, 0, p.n), origin_field(L, 1, p.n), origin_field(L, 2, p.n)};
    if (at_ok()) n = data_shortcuts(p.pixels, p.n, p.channels, p.height, p.width, anomalous, &origin, found, &error);
    if (n < 0) at_fail_with(&error);
  }
  lua_agad_end(L, &scope, 0);
  lua_createtable(L, n, 0);
  for (int i = 0; i < n; i++) {
    lua_createtable(L, 0, 2);
    lua_pushstring(L, found[i].name), lua_setfield(L, -2, "name");
    lua_pushnumber(L, found[i].auroc), lua_setfield(L, -2, "auroc");
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

static const luaL_Reg functions[] = {{"mnist", mnist},
                                     {"weave", weave},
                                     {"textures", textures},
                                     {"write_png", write_png},
                                     {"shortcut", shortcut},
                                     {"set_channels", set_channels},
                                     {NULL, NULL}};

void lua_agad_open_data(lua_State *L) {
  luaL_newmetatable(L, LUA_IMAGES);
  lua_pushcfunction(L, free_images), lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  lua_agad_open_sampler(L);
  lua_agad_open_loader(L);
  lua_agad_open_reader(L);
  lua_agad_open_decode(L);
  lua_agad_open_inspect(L);
  lua_agad_open_defects(L);
  lua_setfield(L, -2, "data");
  lua_newtable(L);
  lua_agad_open_metrics(L);
  lua_setfield(L, -2, "metrics");
}
