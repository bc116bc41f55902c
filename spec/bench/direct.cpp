// direct.cpp: what an operator call from Lua could cost at best: at::add bound by hand, and in a C++ loop.
// Compiled by overhead.lua; nothing else uses it.
#include <ATen/core/Tensor.h>
#include <ATen/ops/add.h>
#include <ATen/ops/rand.h>

#include <ctime>
#include <new>

extern "C" {
#include <lauxlib.h>
#include <lua.h>
}

static const char *const kName = "direct.tensor";

static at::Tensor *push(lua_State *L, at::Tensor t) {
  void *box = lua_newuserdatauv(L, sizeof(at::Tensor), 0);
  at::Tensor *made = new (box) at::Tensor(std::move(t));
  luaL_setmetatable(L, kName);
  return made;
}

static int rand4(lua_State *L) {
  push(L, at::rand({4}));
  return 1;
}

static int add(lua_State *L) {
  at::Tensor *a = static_cast<at::Tensor *>(luaL_checkudata(L, 1, kName));
  at::Tensor *b = static_cast<at::Tensor *>(luaL_checkudata(L, 2, kName));
  char message[200] = "";
  try {
    push(L, at::add(*a, *b));
  } catch (const std::exception &e) {
    snprintf(message, sizeof message, "%s", e.what());
  }
  return *message ? luaL_error(L, "%s", message) : 1;
}

static int collect(lua_State *L) {
  static_cast<at::Tensor *>(lua_touserdata(L, 1))->~Tensor();
  return 0;
}

// loop(n): seconds of processor time of n times at::add, each result freed at once
static int loop(lua_State *L) {
  lua_Integer n = luaL_checkinteger(L, 1);
  at::Tensor a = at::rand({4}), b = at::rand({4});
  std::clock_t begin = std::clock();
  for (lua_Integer i = 0; i < n; i++) at::Tensor c = at::add(a, b);
  lua_pushnumber(L, static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC);
  return 1;
}

extern "C" int luaopen_direct(lua_State *L) {
  luaL_newmetatable(L, kName);
  lua_pushcfunction(L, collect);
  lua_setfield(L, -2, "__gc");
  const luaL_Reg functions[] = {{"rand4", rand4}, {"add", add}, {"loop", loop}, {nullptr, nullptr}};
  luaL_newlib(L, functions);
  return 1;
}
