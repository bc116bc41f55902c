/* decode.c: core.data.read and core.data.resample: picture files and tensors to a size.
 *
 * Options are a table; nil takes the default, an unknown name or a value out of range is an error that names it.
 */
#include "lua/data.h"

#include "data/decode.h"
#include "data/images.h"
#include "data/resample.h"

#include <stdlib.h>
#include <string.h>

static const char *const fits[] = {"resize", "crop", "pad", NULL};
static const char *const filters[] = {"bilinear", "area", NULL};

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

static decode_options check_options(lua_State *L, int index) {
  static const char *const known[] = {"channels",  "fast",       "filter", "fit", "height",
                                      "max_bytes", "max_pixels", "width",  NULL};
  decode_options o = {0};
  if (lua_isnoneornil(L, index)) return o;
  check_keys(L, index, known, "channels, fast, filter, fit, height, max_bytes, max_pixels, width");
  o.height = (int)integer_option(L, index, "height", DATA_MAX_SIDE);
  o.width = (int)integer_option(L, index, "width", DATA_MAX_SIDE);
  o.channels = (int)integer_option(L, index, "channels", 3);
  o.max_pixels = integer_option(L, index, "max_pixels", INT64_MAX);
  o.max_bytes = integer_option(L, index, "max_bytes", INT64_MAX);
  o.fit = (decode_fit)choice_option(L, index, "fit", fits, "resize, crop or pad");
  o.filter = (decode_filter)choice_option(L, index, "filter", filters, "bilinear or area");
  lua_getfield(L, index, "fast");
  o.fast = lua_toboolean(L, -1);
  lua_pop(L, 1);
  if (!o.height != !o.width) lua_agad_error(L, "give height and width, or neither");
  if (o.channels == 2) lua_agad_error(L, "channels = 2; give 1 (grey) or 3 (colour)");
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

/* Every picture of a dense uint8 tensor into `out`, one after the other. */
static void resample_all(const at_tensor *in, at_tensor *out, int64_t count, decode_fit fit, decode_filter filter) {
  int channels = (int)at_size(in, -3), height = (int)at_size(out, -2), width = (int)at_size(out, -1);
  resample_source source = data_planar(at_data(in), channels, (int)at_size(in, -2), (int)at_size(in, -1));
  uint8_t *to = at_data(out);
  agad_error error;
  for (int64_t i = 0; i < count && at_ok(); i++) {
    if (agad_interrupt) at_interrupted();
    else if (data_resample(&source, to, height, width, fit, filter, &error)) at_fail("resample: %s", error.message);
    source.pixels += source.plane * (size_t)channels;
    to += (size_t)height * width * channels;
  }
}

/* resample(pictures, height, width[, {fit=, filter=}]): uint8 (n, c, h, w) or (c, h, w) to a new tensor */
static int resample(lua_State *L) {
  static const char *const known[] = {"filter", "fit", NULL};
  at_tensor *given = lua_agad_check_tensor(L, 1);
  lua_Integer height = luaL_checkinteger(L, 2), width = luaL_checkinteger(L, 3);
  decode_fit fit = DECODE_RESIZE;
  decode_filter filter = DECODE_BILINEAR;
  luaL_argcheck(L, height >= 1 && height <= DATA_MAX_SIDE, 2, "a side has 1 to 65536 pixels");
  luaL_argcheck(L, width >= 1 && width <= DATA_MAX_SIDE, 3, "a side has 1 to 65536 pixels");
  if (!lua_isnoneornil(L, 4)) {
    check_keys(L, 4, known, "filter, fit");
    fit = (decode_fit)choice_option(L, 4, "fit", fits, "resize, crop or pad");
    filter = (decode_filter)choice_option(L, 4, "filter", filters, "bilinear or area");
  }
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
    sizes[ndim - 2] = height, sizes[ndim - 1] = width;
    at_tensor *in = at_to_layout(at_to(given, AT_U8, AT_CPU), AT_NCHW);
    out = at_empty(sizes, ndim, AT_U8, AT_CPU, AT_NCHW);
    if (at_ok()) resample_all(in, out, ndim == 4 ? sizes[0] : 1, fit, filter);
  }
  lua_agad_push_tensor(L, out);
  return lua_agad_end(L, &scope, 1);
}

static const luaL_Reg functions[] = {{"read", read_picture}, {"resample", resample}, {NULL, NULL}};

void lua_data_open_decode(lua_State *L) { luaL_setfuncs(L, functions, 0); }
