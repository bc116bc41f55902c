/* loader.c: agad.core.data: files in bulk: listing folders, loading pictures, IDX, CIFAR.
 *
 * Paths are copied before anything runs, since a progress function may change the list. What C holds lies in
 * userdata from the moment it exists, so an error that Lua raises loses nothing.
 */
#include "lua/data.h"
#include "lua/options.h"

#include "data/cifar.h"
#include "data/folder.h"
#include "data/idx.h"
#include "data/images.h"
#include "data/loader.h"
#include "data/mask.h"

#include <stdlib.h>
#include <string.h>

/* ---- arguments ---- */

const char **lua_agad_check_paths(lua_State *L, int index, const char *who, int64_t *n) {
  luaL_checktype(L, index, LUA_TTABLE);
  *n = (int64_t)lua_rawlen(L, index);
  size_t bytes = 0, length;
  for (int64_t i = 1; i <= *n; i++, lua_pop(L, 1)) {
    if (lua_rawgeti(L, index, i) != LUA_TSTRING)
      lua_agad_error(L, "%s: item %I of the paths is a %s, not a string", who, (lua_Integer)i, luaL_typename(L, -1));
    const char *path = lua_tolstring(L, -1, &length);
    if (strlen(path) != length) lua_agad_error(L, "%s: path %I holds a zero byte", who, (lua_Integer)i);
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

static const option load_options[] = {OPTION_STRING("cache", loader_options, cache),
                                      OPTION_INTEGER("channels", loader_options, decode.form.channels, 1, 3),
                                      OPTION_FLAG("fast_decode", loader_options, decode.fast_decode),
                                      OPTION_CHOICE("filter", loader_options, decode.form.filter, data_filters),
                                      OPTION_CHOICE("fit", loader_options, decode.form.fit, data_fits),
                                      OPTION_INTEGER("height", loader_options, decode.form.height, 1, DATA_MAX_SIDE),
                                      OPTION_FLAG("mask", loader_options, mask),
                                      OPTION_INTEGER("max_bytes", loader_options, decode.max_bytes, 1, INT64_MAX),
                                      OPTION_INTEGER("max_pixels", loader_options, decode.max_pixels, 1, INT64_MAX),
                                      OPTION_OTHER("on_progress"),
                                      OPTION_FLAG("strict", loader_options, strict),
                                      OPTION_INTEGER("threads", loader_options, threads, 1, 4096),
                                      OPTION_INTEGER("width", loader_options, decode.form.width, 1, DATA_MAX_SIDE),
                                      OPTION_END};

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
  lua_agad_new_tensor(L);
  at_scope scope = at_open();
  lua_agad_fill(L, -1, at_copy_of(numbers, &n, 1, AT_I64));
  lua_agad_end(L, &scope, 0);
  lua_setfield(L, -2, name);
}

/* The mapping goes over to the tensor of pictures. */
static void set_images(lua_State *L, cache_rows *rows) {
  const cache_header *h = rows->header;
  int64_t sizes[4] = {h->count, h->channels, h->height, h->width};
  lua_agad_new_tensor(L);
  at_scope scope = at_open();
  cache_rows *owner = at_calloc(1, sizeof *owner);
  if (owner) {
    *owner = *rows;
    *rows = (cache_rows){.file.fd = -1};
    lua_agad_fill(L, -1, at_from_memory(owner->pixels, sizes, 4, AT_U8, release_rows, owner));
  }
  lua_agad_end(L, &scope, 0);
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
  loader_options o = {0};
  lua_agad_options(L, 2, "load_files", load_options, &o);
  lua_agad_check_form(L, "load_files", &o.decode.form);
  watcher w = {L, 0, 0};
  if (lua_istable(L, 2) && lua_getfield(L, 2, "on_progress") != LUA_TNIL) {
    if (!lua_isfunction(L, -1)) lua_agad_error(L, "load_files: on_progress must be a function");
    w.function = lua_gettop(L);
    o.progress = on_progress;
    o.watcher = &w;
  }
  if (o.cache) o.cache = lua_pushstring(L, o.cache); /* the options' own may be changed meanwhile */
  const char **paths = lua_agad_check_paths(L, 1, "load_files", &n);
  loader_result *result = lua_newuserdatauv(L, sizeof *result, 0);
  memset(result, 0, sizeof *result);
  result->rows.file.fd = -1;
  luaL_setmetatable(L, LUA_LOADED);
  agad_error error;
  if (loader_run(paths, n, &o, result, &error)) return w.failed ? lua_error(L) : lua_agad_raise(L, &error);
  push_result(L, result);
  return 1;
}

/* mask_like(paths[, options]) -> {boolean, ...} */
static int mask_like(lua_State *L) {
  int64_t n;
  lua_settop(L, 2);
  loader_options o = {0};
  lua_agad_options(L, 2, "mask_like", load_options, &o);
  const char **paths = lua_agad_check_paths(L, 1, "mask_like", &n);
  uint8_t *found = lua_newuserdatauv(L, (size_t)n + 1, 0);
  agad_error error;
  if (data_mask_like(paths, n, &o.decode, found, &error)) return lua_agad_raise(L, &error);
  lua_createtable(L, n < INT32_MAX ? (int)n : 0, 0);
  for (int64_t i = 0; i < n; i++) lua_pushboolean(L, found[i]), lua_rawseti(L, -2, i + 1);
  return 1;
}

/* ---- listing ---- */

#define LUA_LISTED "agad.listed"

static int free_listed(lua_State *L) {
  folder_free(luaL_checkudata(L, 1, LUA_LISTED));
  return 0;
}

static void push_texts(lua_State *L, char *const *texts, int64_t n) {
  lua_createtable(L, n < INT32_MAX ? (int)n : 0, 0);
  for (int64_t i = 0; i < n; i++) lua_pushstring(L, texts[i]), lua_rawseti(L, -2, i + 1);
}

/* list(folder) -> {relative path, ...}, {problem, ...}, {relative path of a picture of another format, ...} */
static int list(lua_State *L) {
  const char *folder = luaL_checkstring(L, 1);
  folder_list *found = lua_newuserdatauv(L, sizeof *found, 0);
  agad_error error;
  memset(found, 0, sizeof *found);
  luaL_setmetatable(L, LUA_LISTED);
  if (folder_find(folder, found, &error)) return lua_agad_raise(L, &error);
  push_texts(L, found->paths, found->n);
  push_texts(L, found->problems, found->n_problems);
  push_texts(L, found->others, found->n_others);
  folder_free(found);
  return 3;
}

/* list_skips(name) -> whether list skips entries of this name */
static int list_skips(lua_State *L) {
  lua_pushboolean(L, folder_skips(luaL_checkstring(L, 1)));
  return 1;
}

/* channels(path) -> 1 for a grey picture, 3 for any other, 0 if its header does not tell */
static int channels(lua_State *L) {
  int found = picture_channels(luaL_checkstring(L, 1));
  if (found < 0) lua_agad_error(L, "channels: no memory to read a header");
  lua_pushinteger(L, found);
  return 1;
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
  lua_agad_new_tensor(L);
  if (data_idx_read(path, &array, &error)) return lua_agad_raise(L, &error);
  at_scope scope = at_open();
  lua_agad_fill(
      L, -1, at_from_memory(array.values, array.sizes, array.dims, (at_dtype)dtype_of(array.type), free, array.values));
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

/* cifar(root, 10 | 100, "fine" | "coarse", form) -> {images, labels}, {images, labels}, classes, {names, of} or nil */
static int cifar(lua_State *L) {
  static const char *const kinds[] = {"fine", "coarse", NULL};
  const char *root = luaL_checkstring(L, 1);
  lua_Integer classes = luaL_checkinteger(L, 2);
  luaL_argcheck(L, classes == 10 || classes == 100, 2, "10 or 100 classes expected");
  int coarse = luaL_checkoption(L, 3, "fine", kinds);
  data_form form = lua_agad_form(L, 4, "cifar");
  data_images *train = lua_agad_new_images(L), *test = lua_agad_new_images(L);
  data_superclasses *above = lua_newuserdatauv(L, sizeof *above, 0);
  memset(above, 0, sizeof *above);
  luaL_setmetatable(L, LUA_SUPERCLASSES);
  agad_error error;
  int failed =
      data_cifar(root, (int)classes, coarse, train, test, above, &error) || lua_agad_bring(train, test, &form, &error);
  lua_agad_push_sets(L, train, test, failed ? &error : NULL);
  if (above->n) push_superclasses(L, above);
  else lua_pushnil(L);
  return 4;
}

static void metatable(lua_State *L, const char *name, lua_CFunction close) {
  luaL_newmetatable(L, name);
  lua_pushcfunction(L, close), lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
}

void lua_agad_open_loader(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"list", list},           {"list_skips", list_skips}, {"channels", channels}, {"load_files", load_files},
      {"mask_like", mask_like}, {"read_idx", read_idx},     {"cifar", cifar},       {NULL, NULL}};
  metatable(L, LUA_LOADED, free_loaded);
  metatable(L, LUA_LISTED, free_listed);
  metatable(L, LUA_SUPERCLASSES, free_superclasses);
  luaL_setfuncs(L, functions, 0);
}
