/* step_choices.c: the ways in which convolutions are computed, for Lua: those of a step, and those of other code. */
#include "lua/step.h"

#include <stdlib.h>

/* choose(text or nil): the ways of convolutions, as choices() gave them, "" for none yet; nil: their shapes decide */
int lua_agad_step_choose(lua_State *L) {
  step_state *s = lua_agad_check_step(L, 1);
  const char *text = luaL_optstring(L, 2, NULL);
  at_scope scope = at_open();
  step_choose(s, text);
  return lua_agad_end(L, &scope, 0);
}

/* the text of some choices */
static int push_text(lua_State *L, const at_choices *choices) {
  char **text = (char **)lua_agad_new_holder(L, free);
  agad_error error;
  at_scope scope = at_open();
  *text = at_choices_text(choices);
  if (at_close(&scope, &error)) return lua_agad_raise(L, &error);
  lua_pushstring(L, *text);
  lua_agad_release(L, -2);
  return 1;
}

/* choices() -> those ways that were taken, with their times, a line each; nil: shapes decide */
int lua_agad_step_choices(lua_State *L) {
  const step_state *s = lua_agad_check_step(L, 1);
  return s->choices ? push_text(L, s->choices) : 0;
}

/* n_choices() -> how many, and the seconds that measuring took */
int lua_agad_step_n_choices(lua_State *L) {
  const at_choices *all = lua_agad_check_step(L, 1)->choices;
  lua_pushinteger(L, at_choices_count(all));
  lua_pushnumber(L, at_choices_seconds(all));
  return 2;
}

static void release_choices(void *choices) { at_choices_free((at_choices *)choices); }

/* with_choices(text, f): calls f, whose convolutions outside of steps are computed in the ways of the text -> those that
 * were taken, as a step's choices() */
static int with_choices(lua_State *L) {
  const char *text = luaL_checkstring(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  at_choices **own = (at_choices **)lua_agad_new_holder(L, release_choices);
  agad_error error;
  at_scope scope = at_open();
  *own = at_choices_new(text);
  if (at_close(&scope, &error)) return lua_agad_raise(L, &error);
  lua_pushvalue(L, 2);
  at_choices *before = at_choices_use(*own);
  int status = lua_pcall(L, 0, 0, 0);
  at_choices_use(before);
  if (status) return lua_error(L);
  push_text(L, *own);
  lua_agad_release(L, 3);
  return 1;
}

void lua_agad_open_choices(lua_State *L) {
  static const luaL_Reg functions[] = {{"with_choices", with_choices}, {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
}
