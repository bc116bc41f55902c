/* reader.c: picture files decoded ahead, as a userdata that keeps the list of paths. */
#include "lua/data.h"

#include "data/reader.h"

#define LUA_READER "agad.reader"

static void close_reader(void *r) { reader_close(r); }

/* reader(paths, options as of read; channels, height and width are needed) -> reader */
static int open_reader(lua_State *L) {
  int64_t n;
  lua_settop(L, 2);
  decode_options o = lua_agad_decode_options(L, 2, "reader");
  const char **paths = lua_agad_check_paths(L, 1, "reader", &n);
  if (!o.form.channels || !o.form.height) lua_agad_error(L, "reader: give channels, height and width");
  void **box = lua_agad_new_box(L, LUA_READER);
  lua_pushvalue(L, 3);
  lua_setiuservalue(L, -2, 1);
  agad_error error;
  *box = reader_open(paths, n, &o, 0, &error);
  return *box ? 1 : lua_agad_raise(L, &error);
}

static void push_file(lua_State *L, const decoded *picture) {
  lua_createtable(L, 0, 3);
  lua_pushinteger(L, picture->file_channels), lua_setfield(L, -2, "channels");
  lua_pushinteger(L, picture->file_height), lua_setfield(L, -2, "height");
  lua_pushinteger(L, picture->file_width), lua_setfield(L, -2, "width");
}

/* r:next([most]) -> a list of those that lie ready, up to `most` (1), waiting for the first: for each file a uint8
 * tensor (channels, height, width), or the reason why it cannot be read; and a list of what each file has: {channels=,
 * height=, width=}, or false. nil at the end */
static int next(lua_State *L) {
  reader *r = lua_agad_check_box(L, 1, LUA_READER);
  lua_Integer most = luaL_optinteger(L, 2, 1);
  luaL_argcheck(L, most >= 1, 2, "at least one picture must be asked for");
  lua_settop(L, 2);
  agad_error error;
  const int ready = reader_ready(r, most < READER_AHEAD ? (int)most : READER_AHEAD, &error);
  if (ready < 0) return lua_agad_raise(L, &error);
  if (!ready) return lua_pushnil(L), 1;
  lua_createtable(L, ready, 0);
  lua_createtable(L, ready, 0);
  for (int i = 1; i <= ready; i++) {
    reader_item item;
    lua_agad_new_tensor(L);
    reader_take(r, &item);
    if (item.picture.pixels) lua_agad_fill_decoded(L, &item.picture);
    else lua_pushstring(L, item.error.message);
    lua_rawseti(L, 3, i);
    lua_settop(L, 4);
    if (item.picture.pixels) push_file(L, &item.picture);
    else lua_pushboolean(L, 0);
    lua_rawseti(L, 4, i);
  }
  return 2;
}

/* r:close() ends the threads, each after the file that it is at; the collector does it too. */
static int close_now(lua_State *L) {
  void **box = luaL_checkudata(L, 1, LUA_READER);
  reader_close(*box);
  *box = NULL;
  return 0;
}

void lua_agad_open_reader(lua_State *L) {
  static const luaL_Reg methods[] = {{"next", next}, {"close", close_now}, {NULL, NULL}};
  lua_agad_type(L, LUA_READER, methods, close_reader);
  lua_pushcfunction(L, open_reader), lua_setfield(L, -2, "reader");
}
