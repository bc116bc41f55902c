/* state.c: see state.h. */
#include "lua/state.h"

#include <stdlib.h>
#include <string.h>

static const char key = 0; /* its address is the state's name in the registry */

void lua_agad_open_state(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &key) == LUA_TUSERDATA) {
    lua_pop(L, 1);
    return;
  }
  lua_pop(L, 1);
  lua_agad_state *state = lua_newuserdatauv(L, sizeof *state, 0);
  const char *stress = getenv("AGAD_GC_STRESS");
  memset(state, 0, sizeof *state);
  state->stress = stress && !strcmp(stress, "1");
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  state->main = lua_tothread(L, -1);
  lua_pop(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &key);
}

lua_agad_state *lua_agad_state_of(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &key);
  lua_agad_state *state = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return state;
}
