/* loader.c: agad.core.data: files in bulk: listing folders, loading pictures, IDX, CIFAR.
 *
 * Paths are copied before anything runs, since a progress function may change the list. What C holds lies in
 * userdata from the moment it exists, so an error that Lua raises loses nothing.
 */
#include "lua/data.h"

#include "data/cifar.h"
#include "data/files.h"
#include "data/idx.h"
#include "data/images.h"
#include "data/loader.h"

#include <stdlib.h>
#include <string.h>

/* ---- arguments ---- */

/* The strings of the list at `index`, in one userdata that is left on the stack. */
static const char **check_paths(lua_State *L, int index, int64_t *n) {
  luaL_checktype(L, index, LUA_TTABLE);
  *n = (int64_t)lua_rawlen(L, index);
  size_t bytes = 0, length;
  for (int64_t i = 1; i <= *n; i++, lua_pop(L, 1)) {
    if (lua_rawgeti(L, index, i) != LUA_TSTRING)
      lua_agad_error(L, "load_files: item %I of the paths is a %s, not a string", (lua_Integer)i, luaL_typename(L, -1));
    const char *path = lua_tolstring(L, -1, &length);
    if (strlen(path) != length) lua_agad_error(L, "load_files: path %I holds a zero byte", (lua_Integer)i);
    bytes += length + 1;
  }
  const char **paths = lua_newuserdatauv(L, (size_t)(*n + 1) * sizeof *paths + bytes, 0);
  char *to = (char *)(paths + *n + 1);
  for (int64_t i = 0; i < *n; i++, lua_pop(L, 1)) {
    lua_rawgeti(L, index, i + 1);
    const char *path = lua_tolstring(L, -1, &length);
    paths[i] = memcpy(to, path, length + 1);
    to += length + 1;
  }
  return paths;
}

static int64_t whole_field(lua_State *L, const char *name, int64_t least, int64_t most) {
  int whole = 1;
  lua_Integer value = lua_getfield(L, 2, name) == LUA_TNIL ? 0 : lua_tointegerx(L, -1, &whole);
  if (!whole || (value != 0 && value < least) || value < 0 || value > most)
    lua_agad_error(L, "load_files: %s is a whole number from %I to %I", name, (lua_Integer)least, (lua_Integer)most);
  lua_pop(L, 1);
  return value;
}

static int flag_field(lua_State *L, const char *name) {
  lua_getfield(L, 2, name);
  int on = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return on;
}

static int choice_field(lua_State *L, const char *name, const char *const *choices) {
  int chosen = -1;
  if (lua_getfield(L, 2, name) == LUA_TNIL) chosen = 0;
  else if (lua_type(L, -1) == LUA_TSTRING)
    for (int i = 0; choices[i]; i++)
      if (!strcmp(choices[i], lua_tostring(L, -1))) chosen = i;
  if (chosen < 0)
    lua_agad_error(L, "load_files: %s = %s; give %s, %s%s%s", name, luaL_tolstring(L, -1, NULL), choices[0], choices[1],
                   choices[2] ? " or " : "", choices[2] ? choices[2] : "");
  lua_pop(L, 1);
  return chosen;
}

static void check_known(lua_State *L) {
  static const char *const known[] = {"height",      "width",   "channels",    "fit",       "filter",
                                      "fast_decode", "threads", "max_pixels",  "max_bytes", "strict",
                                      "cache",       "mask",    "on_progress", NULL};
  for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1)) {
    int found = 0;
    for (int i = 0; known[i] && lua_type(L, -2) == LUA_TSTRING; i++) found |= !strcmp(known[i], lua_tostring(L, -2));
    if (!found)
      lua_agad_error(L,
                     "load_files: unknown option %s; known: cache, channels, fast_decode, filter, fit, height, mask, "
                     "max_bytes, max_pixels, on_progress, strict, threads, width",
                     luaL_tolstring(L, -2, NULL));
  }
}

/* The options at 2; `cache` stays a string of theirs. */
static loader_options check_options(lua_State *L) {
  static const char *const fits[] = {"resize", "crop", "pad", NULL}, *const filters[] = {"bilinear", "area", NULL};
  loader_options o = {0};
  if (lua_isnoneornil(L, 2)) return o;
  luaL_checktype(L, 2, LUA_TTABLE);
  check_known(L);
  o.decode.height = (int)whole_field(L, "height", 1, DATA_MAX_SIDE);
  o.decode.width = (int)whole_field(L, "width", 1, DATA_MAX_SIDE);
  o.decode.channels = (int)whole_field(L, "channels", 1, 3);
  o.decode.fit = (decode_fit)choice_field(L, "fit", fits);
  o.decode.filter = (decode_filter)choice_field(L, "filter", filters);
  o.decode.fast = flag_field(L, "fast_decode");
  o.decode.max_pixels = whole_field(L, "max_pixels", 1, (int64_t)1 << 40);
  o.decode.max_bytes = whole_field(L, "max_bytes", 1, (int64_t)1 << 40);
  o.threads = (int)whole_field(L, "threads", 1, 4096);
  o.strict = flag_field(L, "strict");
  o.mask = flag_field(L, "mask");
  if (o.decode.channels == 2) lua_agad_error(L, "load_files: channels = 2; give 1 (grey), 3 (colour) or neither");
  if (!o.decode.height != !o.decode.width) lua_agad_error(L, "load_files: give both height and width, or neither");
  if (lua_getfield(L, 2, "cache") != LUA_TNIL && lua_type(L, -1) != LUA_TSTRING)
    lua_agad_error(L, "load_files: cache is the path of a file");
  o.cache = lua_tostring(L, -1);
  lua_pop(L, 1);
  return o;
}

/* ---- loading ---- */

#define LUA_LOADED "agad.loaded"

static int free_loaded(lua_State *L) {
  cache_close(&((loader_result *)luaL_checkudata(L, 1, LUA_LOADED))->rows);
  return 0;
}

typedef struct watcher {
  lua_State *L;
  int function, failed;
} watcher;

/* An error of the function stops the loading; it stays on the stack. */
static int on_progress(void *context, int64_t done, int64_t n) {
  watcher *w = context;
  lua_pushvalue(w->L, w->function);
  lua_pushinteger(w->L, done);
  lua_pushinteger(w->L, n);
  w->failed = lua_pcall(w->L, 2, 0, 0) != LUA_OK;
  return w->failed;
}

static void release_rows(void *argument) {
  cache_close(argument);
  free(argument);
}

static void set_numbers(lua_State *L, const char *name, const int64_t *numbers, int64_t n) {
  lua_agad_push_tensor(L, at_copy_of(numbers, &n, 1, AT_I64));
  lua_setfield(L, -2, name);
}

/* The mapping goes over to the tensor of pictures. */
static void set_images(lua_State *L, cache_rows *rows) {
  const cache_header *h = rows->header;
  int64_t sizes[4] = {h->count, h->channels, h->height, h->width};
  cache_rows *owner = malloc(sizeof *owner);
  if (!owner || !at_ok()) {
    free(owner);
    at_fail("load: no memory");
    return;
  }
  *owner = *rows;
  *rows = (cache_rows){.file.fd = -1};
  lua_agad_push_tensor(L, at_from_memory(owner->pixels, sizes, 4, AT_U8, release_rows, owner));
  lua_setfield(L, -2, "images");
}

static void push_result(lua_State *L, loader_result *r) {
  const cache_header *h = r->rows.header;
  static const char *const sources[] = {"decoded", "written", "cached"};
  lua_createtable(L, 0, 9);
  set_numbers(L, "kept", r->rows.kept, h->count);
  set_numbers(L, "height", r->rows.heights, h->count);
  set_numbers(L, "width", r->rows.widths, h->count);
  set_numbers(L, "file_bytes", r->rows.file_bytes, h->count);
  lua_pushinteger(L, h->skipped), lua_setfield(L, -2, "skipped");
  lua_createtable(L, h->n_examples, 0);
  for (int i = 0; i < h->n_examples; i++) lua_pushstring(L, h->examples[i]), lua_rawseti(L, -2, i + 1);
  lua_setfield(L, -2, "examples");
  lua_pushstring(L, sources[r->source]), lua_setfield(L, -2, "source");
  if (r->note[0]) lua_pushstring(L, r->note), lua_setfield(L, -2, "note");
  set_images(L, &r->rows);
}

/* load_files(paths[, options]) -> {images, kept, height, width, file_bytes, skipped, examples, source, note} */
static int load_files(lua_State *L) {
  int64_t n;
  lua_settop(L, 2);
  luaL_checkstack(L, 16, "load_files");
  loader_options o = check_options(L);
  watcher w = {L, 0, 0};
  if (lua_istable(L, 2) && lua_getfield(L, 2, "on_progress") != LUA_TNIL) {
    if (!lua_isfunction(L, -1)) lua_agad_error(L, "load_files: on_progress is a function");
    w.function = lua_gettop(L);
    o.progress = on_progress;
    o.watcher = &w;
  }
  if (o.cache) o.cache = lua_pushstring(L, o.cache); /* the options' own may be changed meanwhile */
  const char **paths = check_paths(L, 1, &n);
  loader_result *result = lua_newuserdatauv(L, sizeof *result, 0);
  memset(result, 0, sizeof *result);
  result->rows.file.fd = -1;
  luaL_setmetatable(L, LUA_LOADED);
  agad_error error;
  if (loader_run(paths, n, &o, result, &error)) return w.failed ? lua_error(L) : lua_agad_raise(L, &error);
  at_scope scope = at_open();
  push_result(L, result);
  return lua_agad_end(L, &scope, 1);
}

/* ---- listing ---- */

#define LUA_LISTED "agad.listed"

static int free_listed(lua_State *L) {
  files_free(luaL_checkudata(L, 1, LUA_LISTED));
  return 0;
}

static void push_texts(lua_State *L, char *const *texts, int64_t n) {
  lua_createtable(L, n < INT32_MAX ? (int)n : 0, 0);
  for (int64_t i = 0; i < n; i++) lua_pushstring(L, texts[i]), lua_rawseti(L, -2, i + 1);
}

/* list(folder) -> {relative path, ...}, {problem, ...} */
static int list(lua_State *L) {
  const char *folder = luaL_checkstring(L, 1);
  files_list *found = lua_newuserdatauv(L, sizeof *found, 0);
  agad_error error;
  memset(found, 0, sizeof *found);
  luaL_setmetatable(L, LUA_LISTED);
  if (files_find(folder, found, &error)) return lua_agad_raise(L, &error);
  push_texts(L, found->paths, found->n);
  push_texts(L, found->problems, found->n_problems);
  files_free(found);
  return 2;
}

/* ---- IDX and CIFAR ---- */

static int dtype_of(idx_type type) {
  switch (type) {
  case IDX_I8: return AT_I8;
  case IDX_I16: return AT_I16;
  case IDX_I32: return AT_I32;
  case IDX_F32: return AT_F32;
  case IDX_F64: return AT_F64;
  default: return AT_U8;
  }
}

/* read_idx(path) -> a tensor of the type and the sizes that the file has */
static int read_idx(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  data_array array;
  agad_error error;
  luaL_checkstack(L, 8, "read_idx");
  if (data_idx_read(path, &array, &error)) return lua_agad_raise(L, &error);
  at_scope scope = at_open();
  lua_agad_push_tensor(
      L, at_from_memory(array.values, array.sizes, array.dims, (at_dtype)dtype_of(array.type), free, array.values));
  return lua_agad_end(L, &scope, 1);
}

#define LUA_SUPERCLASSES "agad.superclasses"

static int free_superclasses(lua_State *L) {
  data_superclasses_free(luaL_checkudata(L, 1, LUA_SUPERCLASSES));
  return 0;
}

static void push_superclasses(lua_State *L, const data_superclasses *above) {
  lua_createtable(L, 0, 2);
  lua_createtable(L, above->n, 0);
  for (int i = 0; i < above->n; i++) lua_pushstring(L, above->names[i]), lua_rawseti(L, -2, i + 1);
  lua_setfield(L, -2, "names");
  lua_createtable(L, CIFAR_FINE, 0);
  for (int i = 0; i < CIFAR_FINE; i++) lua_pushinteger(L, above->of[i]), lua_rawseti(L, -2, i + 1);
  lua_setfield(L, -2, "of");
}

/* cifar(root, 10 | 100, size, channels[, labels[, fit]]) -> {images, labels}, {images, labels}, classes,
 * {names, of} or nil; labels: "fine" or "coarse" */
static int cifar(lua_State *L) {
  static const char *const kinds[] = {"fine", "coarse", NULL};
  const char *root = luaL_checkstring(L, 1);
  lua_Integer classes = luaL_checkinteger(L, 2);
  luaL_argcheck(L, classes == 10 || classes == 100, 2, "10 or 100 classes");
  int side = lua_data_check_side(L, 3), channels = (int)luaL_checkinteger(L, 4);
  int coarse = luaL_checkoption(L, 5, "fine", kinds);
  data_fit fit = lua_data_check_fit(L, 6);
  data_images *train = lua_data_new_images(L), *test = lua_data_new_images(L);
  data_superclasses *above = lua_newuserdatauv(L, sizeof *above, 0);
  memset(above, 0, sizeof *above);
  luaL_setmetatable(L, LUA_SUPERCLASSES);
  agad_error error;
  int failed = data_cifar(root, (int)classes, coarse, train, test, above, &error) ||
               data_images_resize(train, side, side, fit, &error) ||
               data_images_resize(test, side, side, fit, &error) || data_images_set_channels(train, channels, &error) ||
               data_images_set_channels(test, channels, &error);
  lua_data_push_sets(L, train, test, failed ? &error : NULL);
  if (above->n) push_superclasses(L, above);
  else lua_pushnil(L);
  return 4;
}

static void metatable(lua_State *L, const char *name, lua_CFunction close) {
  luaL_newmetatable(L, name);
  lua_pushcfunction(L, close), lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
}

void lua_data_open_loader(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"list", list}, {"load_files", load_files}, {"read_idx", read_idx}, {"cifar", cifar}, {NULL, NULL}};
  metatable(L, LUA_LOADED, free_loaded);
  metatable(L, LUA_LISTED, free_listed);
  metatable(L, LUA_SUPERCLASSES, free_superclasses);
  luaL_setfuncs(L, functions, 0);
}
