/* step.h: what the bindings of a step share. */
#ifndef AGAD_LUA_STEP_H
#define AGAD_LUA_STEP_H

#include "lua/binding.h"
#include "train/step.h"

step_state *lua_agad_check_step(lua_State *L, int index); /* raises if it is not one */
int lua_agad_step_profile(lua_State *L);                  /* the method `profile`: step_profile.c */
int lua_agad_step_slots(lua_State *L);                    /* the method `slots`: step_slots.c */
/* the methods `choose`, `choices` and `n_choices`: step_choices.c */
int lua_agad_step_choose(lua_State *L);
int lua_agad_step_choices(lua_State *L);
int lua_agad_step_n_choices(lua_State *L);

#endif
