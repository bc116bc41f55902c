/* decode.c: core.data.read and core.data.resize: picture files and tensors to a size. */
#include "lua/data.h"
#include "lua/options.h"
#include "lua/pictures.h"

#include "data/decode.h"
#include "data/formats.h"
#include "data/resample.h"

#include <stdlib.h>
#include <string.h>

void lua_agad_check_form(lua_State *L, const char *who, const data_form *form) {
  if (!form->height != !form->width) lua_agad_error(L, "%s: give height and width, or neither", who);
  if (form->channels == 2) lua_agad_error(L, "%s: channels = 2; give 1 (grey) or 3 (colour)", who);
}

data_form lua_agad_form(lua_State *L, int index, const char *who) {
  static const option known[] = {OPTION_INTEGER("channels", data_form, channels, 1, 3),
                                 OPTION_CHOICE("filter", data_form, filter, data_filters),
                                 OPTION_CHOICE("fit", data_form, fit, data_fits),
                                 OPTION_INTEGER("height", data_form, height, 1, DATA_MAX_SIDE),
                                 OPTION_INTEGER("width", data_form, width, 1, DATA_MAX_SIDE),
                                 OPTION_END};
  data_form form = {0};
  lua_agad_options(L, index, who, known, &form);
  lua_agad_check_form(L, who, &form);
  return form;
}

static const option read_options[] = {OPTION_INTEGER("channels", decode_options, form.channels, 1, 3),
                                      OPTION_FLAG("fast", decode_options, fast_decode), /* its name in 0.1 */
                                      OPTION_FLAG("fast_decode", decode_options, fast_decode),
                                      OPTION_CHOICE("filter", decode_options, form.filter, data_filters),
                                      OPTION_CHOICE("fit", decode_options, form.fit, data_fits),
                                      OPTION_INTEGER("height", decode_options, form.height, 1, DATA_MAX_SIDE),
                                      OPTION_INTEGER("max_bytes", decode_options, max_bytes, 1, INT64_MAX),
                                      OPTION_INTEGER("max_pixels", decode_options, max_pixels, 1, INT64_MAX),
                                      OPTION_INTEGER("width", decode_options, form.width, 1, DATA_MAX_SIDE),
                                      OPTION_END};

decode_options lua_agad_decode_options(lua_State *L, int index, const char *who) {
  decode_options o = {0};
  lua_agad_options(L, index, who, read_options, &o);
  lua_agad_check_form(L, who, &o.form);
  return o;
}

static void set_integer(lua_State *L, const char *name, int64_t value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, name);
}

void lua_agad_fill_decoded(lua_State *L, const decoded *picture) {
  at_scope scope = at_open();
  int64_t sizes[3] = {picture->channels, picture->height, picture->width};
  lua_agad_fill(L, -1, at_from_memory(picture->pixels, sizes, 3, AT_U8, free, picture->pixels));
  lua_agad_end(L, &scope, 0);
}

/* read(path[, options]) -> uint8 (channels, height, width), {channels=, height=, width=, file_bytes=} of the file */
static int read_picture(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  decoded picture;
  agad_error error;
  luaL_checkstack(L, 8, "read");
  decode_options o = lua_agad_decode_options(L, 2, "read");
  lua_agad_new_tensor(L);
  if (decode_file(path, &o, &picture, &error)) return lua_agad_raise(L, &error);
  lua_agad_fill_decoded(L, &picture);
  lua_createtable(L, 0, 4);
  set_integer(L, "channels", picture.file_channels);
  set_integer(L, "height", picture.file_height);
  set_integer(L, "width", picture.file_width);
  set_integer(L, "file_bytes", picture.file_bytes);
  return 2;
}

/* What follows the size: nothing, a fit, or {fit=, filter=}. */
static data_form take_fit(lua_State *L, int index) {
  static const option known[] = {OPTION_CHOICE("filter", data_form, filter, data_filters),
                                 OPTION_CHOICE("fit", data_form, fit, data_fits), OPTION_END};
  data_form form = {0};
  if (lua_type(L, index) == LUA_TSTRING) {
    lua_createtable(L, 0, 1);
    lua_pushvalue(L, index), lua_setfield(L, -2, "fit");
    lua_replace(L, index);
  }
  lua_agad_options(L, index, "resize", known, &form);
  return form;
}

/* resize(pictures, height, width[, fit | {fit=, filter=}]): uint8 (n, c, h, w) or (c, h, w) to a new tensor */
static int resize(lua_State *L) {
  at_tensor *given = lua_agad_check_tensor(L, 1), *out = NULL;
  int height = lua_agad_check_side(L, 2), width = lua_agad_check_side(L, 3);
  data_form form = take_fit(L, 4);
  agad_error error;
  lua_agad_new_tensor(L);
  at_scope scope = at_open();
  pictures p;
  if (!lua_agad_pictures(given, PICTURES_OR_ONE, "resize", &p)) {
    int64_t sizes[4] = {p.n, p.channels, height, width};
    int ndim = at_ndim(given);
    out = at_empty(sizes + 4 - ndim, ndim, AT_U8, AT_CPU, AT_NCHW);
    if (at_ok() && data_resample_planes(p.pixels, p.n * p.channels, p.height, p.width, at_data(out), height, width,
                                        form.fit, form.filter, &error))
      at_fail_with(&error);
  }
  lua_agad_fill(L, -1, out);
  return lua_agad_end(L, &scope, 1);
}

/* formats() -> {{name=, lossy=, endings={...}}, ...}: of picture files, as messages and file names have them */
static int formats(lua_State *L) {
  lua_newtable(L);
  for (int i = 0; data_formats[i]; i++) {
    lua_createtable(L, 0, 3);
    lua_pushboolean(L, data_formats[i]->lossy), lua_setfield(L, -2, "lossy");
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
    {"read", read_picture}, {"resize", resize}, {"resample", resize}, {"formats", formats}, {NULL, NULL}};

void lua_agad_open_decode(lua_State *L) { luaL_setfuncs(L, functions, 0); }
