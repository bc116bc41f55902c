/* file.c: files that are written whole, and locks, for Lua. */
#include "lua/binding.h"
#include "base/file.h"
#include "base/lock.h"

#include <stdint.h>
#include <unistd.h>

#define LUA_LOCK "agad.lock"

/* file_replace(path, bytes): whole or not at all */
static int replace(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  size_t n;
  const void *bytes = luaL_checklstring(L, 2, &n);
  agad_error error;
  return file_replace(path, &bytes, &n, 1, &error) ? lua_agad_raise(L, &error) : 0;
}

/* file_check(path): nothing where a file can be written there, else the reason why it cannot; it leaves nothing behind */
static int check_target(lua_State *L) {
  file_new f;
  int why = file_begin(&f, luaL_checkstring(L, 1));
  if (!why) file_abandon(&f);
  return why ? lua_pushstring(L, file_reason(why)), 1 : 0;
}

/* A box holds a pointer: the descriptor, counted from 1. */
static void *pointer_of(int fd) { return (void *)((intptr_t)fd + 1); }

static void close_lock(void *pointer) { close((int)((intptr_t)pointer - 1)); }

/* file_lock(path) -> lock, which ends with lock:close(); false where somebody has it already; nil, reason */
static int lock(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  void **box = lua_agad_new_box(L, LUA_LOCK);
  agad_error error;
  int fd = file_lock(path, &error);
  if (fd >= 0) *box = pointer_of(fd);
  else if (fd == FILE_LOCK_HELD) lua_pushboolean(L, 0);
  else {
    lua_pushnil(L);
    lua_pushstring(L, error.message);
    return 2;
  }
  return 1;
}

/* file_is_locked(path) -> boolean */
static int is_locked(lua_State *L) {
  lua_pushboolean(L, file_is_locked(luaL_checkstring(L, 1)));
  return 1;
}

/* lock:fd() -> its descriptor; a child process that inherits it has the lock as well, until both have ended */
static int lock_fd(lua_State *L) {
  void **box = luaL_checkudata(L, 1, LUA_LOCK);
  if (!*box) return luaL_error(L, "the lock is closed");
  lua_pushinteger(L, (int)((intptr_t)*box - 1));
  return 1;
}

static int end_lock(lua_State *L) {
  void **box = luaL_checkudata(L, 1, LUA_LOCK);
  if (*box) close_lock(*box);
  *box = NULL;
  return 0;
}

static const luaL_Reg methods[] = {{"close", end_lock}, {"fd", lock_fd}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"file_replace", replace},
                                     {"file_check", check_target},
                                     {"file_lock", lock},
                                     {"file_is_locked", is_locked},
                                     {NULL, NULL}};

void lua_agad_open_file(lua_State *L) {
  lua_agad_type(L, LUA_LOCK, methods, close_lock);
  luaL_setfuncs(L, functions, 0);
}
