/* decode.c: core.data.read and core.data.resample: picture files and tensors to a size.
 *
 * Options are a table; nil takes the default, an unknown name or a value out of range is an error that names it.
 */
#include "lua/data.h"

#include "data/decode.h"
#include "data/formats.h"
#include "data/resample.h"

#include <stdlib.h>
#include <string.h>

/* Raises for a key of the table at `index` that is not in the list. */
static void check_keys(lua_State *L, int index, const char *const *known, const char *list) {
  luaL_checktype(L, index, LUA_TTABLE);
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
    const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : luaL_typename(L, -2);
    int i = 0;
    while (known[i] && strcmp(known[i], key) != 0) i++;
    if (!known[i]) lua_agad_error(L, "unknown option %s; known: %s", key, list);
  }
}

static int64_t integer_option(lua_State *L, int index, const char *name, int64_t most) {
  int whole = 0;
  if (lua_getfield(L, index, name) == LUA_TNIL) return lua_pop(L, 1), 0;
  int64_t value = lua_tointegerx(L, -1, &whole);
  if (!whole || value < 1 || value > most)
    lua_agad_error(L, "%s = %s; give a whole number from 1 to %I", name, luaL_tolstring(L, -1, NULL),
                   (LUAI_UACINT)most);
  lua_pop(L, 1);
  return value;
}

static int choice_option(lua_State *L, int index, const char *name, const char *const *choices, const char *list) {
  if (lua_getfield(L, index, name) == LUA_TNIL) return lua_pop(L, 1), 0;
  const char *value = luaL_tolstring(L, -1, NULL);
  for (int i = 0; choices[i]; i++)
    if (strcmp(choices[i], value) == 0) return lua_pop(L, 2), i;
  return lua_agad_error(L, "%s = %s; give %s", name, value, list);
}

static const char *const form_options[] = {"channels", "filter", "fit", "height", "width", NULL};
static const char *const read_options[] = {"channels", "fast",      "fast_decode", "filter", "fit",
                                           "height",   "max_bytes", "max_pixels",  "width",  NULL};

static void read_fit(lua_State *L, int index, data_form *form) {
  form->fit = (data_fit)choice_option(L, index, "fit", data_fits, "resize, crop or pad");
  form->filter = (data_filter)choice_option(L, index, "filter", data_filters, "bilinear or area");
}

static data_form read_form(lua_State *L, int index) {
  data_form form = {0};
  form.height = (int)integer_option(L, index, "height", DATA_MAX_SIDE);
  form.width = (int)integer_option(L, index, "width", DATA_MAX_SIDE);
  form.channels = (int)integer_option(L, index, "channels", 3);
  read_fit(L, index, &form);
  if (!form.height != !form.width) lua_agad_error(L, "give height and width, or neither");
  if (form.channels == 2) lua_agad_error(L, "channels = 2; give 1 (grey) or 3 (colour)");
  return form;
}

data_form lua_data_check_form(lua_State *L, int index) {
  check_keys(L, index, form_options, "channels, filter, fit, height, width");
  return read_form(L, index);
}

static int flag_option(lua_State *L, int index, const char *name) {
  lua_getfield(L, index, name);
  int on = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return on;
}

static decode_options check_options(lua_State *L, int index) {
  decode_options o = {0};
  if (lua_isnoneornil(L, index)) return o;
  check_keys(L, index, read_options, "channels, fast_decode, filter, fit, height, max_bytes, max_pixels, width");
  o.form = read_form(L, index);
  o.max_pixels = integer_option(L, index, "max_pixels", INT64_MAX);
  o.max_bytes = integer_option(L, index, "max_bytes", INT64_MAX);
  o.fast_decode = flag_option(L, index, "fast_decode") || flag_option(L, index, "fast"); /* its name in 0.1 */
  return o;
}

static void set_integer(lua_State *L, const char *name, int64_t value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, name);
}

/* read(path[, options]) -> uint8 (channels, height, width), {height=, width=, file_bytes=} of the file */
static int read_picture(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  decode_options o = check_options(L, 2);
  decoded picture;
  agad_error error;
  luaL_checkstack(L, 8, "read");
  if (decode_file(path, &o, &picture, &error)) return lua_agad_raise(L, &error);
  at_scope scope = at_open();
  int64_t sizes[3] = {picture.channels, picture.height, picture.width};
  lua_agad_push_tensor(L, at_from_memory(picture.pixels, sizes, 3, AT_U8, free, picture.pixels));
  lua_createtable(L, 0, 3);
  set_integer(L, "height", picture.file_height);
  set_integer(L, "width", picture.file_width);
  set_integer(L, "file_bytes", picture.file_bytes);
  return lua_agad_end(L, &scope, 2);
}

/* What follows the size: nothing, a fit, or {fit=, filter=}. */
static data_form check_fit(lua_State *L, int index) {
  static const char *const known[] = {"filter", "fit", NULL};
  data_form form = {0};
  if (lua_type(L, index) == LUA_TSTRING) {
    lua_createtable(L, 0, 1);
    lua_pushvalue(L, index), lua_setfield(L, -2, "fit");
    lua_replace(L, index);
  }
  if (lua_isnoneornil(L, index)) return form;
  check_keys(L, index, known, "filter, fit");
  read_fit(L, index, &form);
  return form;
}

/* resample(pictures, height, width[, fit | {fit=, filter=}]): uint8 (n, c, h, w) or (c, h, w) to a new tensor */
static int resample(lua_State *L) {
  at_tensor *given = lua_agad_check_tensor(L, 1);
  int height = lua_data_check_side(L, 2), width = lua_data_check_side(L, 3);
  data_form form = check_fit(L, 4);
  agad_error error;
  at_scope scope = at_open();
  int ndim = at_ndim(given);
  int64_t sizes[AT_MAX_DIM];
  at_tensor *out = NULL;
  at_sizes(given, sizes);
  if (at_dtype_of(given) != AT_U8 || (ndim != 4 && ndim != 3))
    at_fail("resample: pictures are a uint8 tensor (count, channels, height, width) or (channels, height, width); "
            "this is %s with %d dimensions",
            at_dtype_name(at_dtype_of(given)), ndim);
  else if (sizes[ndim - 1] < 1 || sizes[ndim - 2] < 1 || sizes[ndim - 1] > DATA_MAX_SIDE ||
           sizes[ndim - 2] > DATA_MAX_SIDE || sizes[ndim - 3] < 1 || sizes[ndim - 3] > DATA_MAX_SIDE)
    at_fail("resample: pictures have channels and sides from 1 to %d", DATA_MAX_SIDE);
  else {
    int in_height = (int)sizes[ndim - 2], in_width = (int)sizes[ndim - 1];
    int64_t planes = (ndim == 4 ? sizes[0] : 1) * sizes[ndim - 3];
    sizes[ndim - 2] = height, sizes[ndim - 1] = width;
    at_tensor *in = at_to_layout(at_to(given, AT_U8, AT_CPU), AT_NCHW);
    out = at_empty(sizes, ndim, AT_U8, AT_CPU, AT_NCHW);
    if (at_ok() && data_resample_planes(at_data(in), planes, in_height, in_width, at_data(out), height, width, form.fit,
                                        form.filter, &error))
      lua_data_fail(&error);
  }
  lua_agad_push_tensor(L, out);
  return lua_agad_end(L, &scope, 1);
}

/* formats() -> {{name=, endings={...}}, ...}: of picture files, as messages and file names have them */
static int formats(lua_State *L) {
  lua_newtable(L);
  for (int i = 0; data_formats[i]; i++) {
    lua_createtable(L, 0, 2);
    lua_pushstring(L, data_formats[i]->name), lua_setfield(L, -2, "name");
    lua_newtable(L);
    for (int k = 0; data_formats[i]->endings[k]; k++)
      lua_pushstring(L, data_formats[i]->endings[k]), lua_rawseti(L, -2, k + 1);
    lua_setfield(L, -2, "endings");
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

static const luaL_Reg functions[] = {
    {"read", read_picture}, {"resize", resample}, {"resample", resample}, {"formats", formats}, {NULL, NULL}};

void lua_data_open_decode(lua_State *L) { luaL_setfuncs(L, functions, 0); }
