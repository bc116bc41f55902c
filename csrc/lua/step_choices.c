/* step_choices.c: how the convolutions of a step are computed, for Lua. */
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

/* choices() -> those ways that were taken, with their times, a line each; nil: shapes decide */
int lua_agad_step_choices(lua_State *L) {
  step_state *s = lua_agad_check_step(L, 1);
  if (!s->choices) return 0;
  char **text = (char **)lua_agad_new_holder(L, free);
  agad_error error;
  at_scope scope = at_open();
  *text = at_choices_text(s->choices);
  if (at_close(&scope, &error)) return lua_agad_raise(L, &error);
  lua_pushstring(L, *text);
  lua_agad_release(L, -2);
  return 1;
}

/* n_choices() -> how many, and the seconds that measuring took */
int lua_agad_step_n_choices(lua_State *L) {
  const at_choices *all = lua_agad_check_step(L, 1)->choices;
  lua_pushinteger(L, at_choices_count(all));
  lua_pushnumber(L, at_choices_seconds(all));
  return 2;
}
