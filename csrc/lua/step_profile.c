/* step_profile.c: where a step's time goes, for Lua. */
#include "lua/step.h"

static const char *const works[NET_WORKS] = {
    [NET_FORWARD] = "forward", [NET_AGAIN] = "again", [NET_BACKWARD] = "backward", [NET_DX] = "dx",
    [NET_DW] = "dw",           [NET_SUM] = "sum",     [NET_CONVERT] = "convert",   [NET_PASS] = "pass",
    [NET_STAGE] = "stage",     [NET_STEP] = "step"};

/* A net that a stage alone knows has the name of its program. */
static const char *net_name(const step_state *s, const net_profile_part *part) {
  for (int i = 0; i < s->n_nets; i++)
    if (s->nets[i].net->program == part->program) return s->nets[i].name;
  return part->net;
}

static void push_part(lua_State *L, const step_state *s, const net_profile_part *part) {
  const int of_layer = part->work <= NET_SUM;
  lua_createtable(L, 0, 6);
  lua_pushstring(L, works[part->work]), lua_setfield(L, -2, "work");
  lua_pushnumber(L, part->seconds), lua_setfield(L, -2, "seconds");
  lua_pushinteger(L, part->calls), lua_setfield(L, -2, "calls");
  if (part->work == NET_STAGE) lua_pushstring(L, s->stages[part->place].name), lua_setfield(L, -2, "stage");
  if (part->program) lua_pushstring(L, net_name(s, part)), lua_setfield(L, -2, "net");
  if (of_layer || part->work == NET_STEP) lua_pushinteger(L, part->rows), lua_setfield(L, -2, "rows");
  if (of_layer) lua_pushstring(L, part->node), lua_setfield(L, -2, "layer");
}

/* profile(true): measures from now on, from zero; profile(false): no more.
 * profile() -> list of {work=, seconds=, calls=, net=, layer=, stage=, rows= (of all calls)}, whose seconds add up to
 * those of the steps; nil: nothing is measured.  work is, of a layer, "forward", "again" (for the backward), "backward"
 * (of a convolution only what its "dx" and "dw" both need) or "sum" (adding its gradients up); of a net
 * "convert" (weights and input) or "pass" (what is left); "stage"; "step" (what is left). */
int lua_agad_step_profile(lua_State *L) {
  step_state *s = lua_agad_check_step(L, 1);
  if (!lua_isnone(L, 2)) {
    luaL_checktype(L, 2, LUA_TBOOLEAN);
    const int on = lua_toboolean(L, 2);
    at_scope scope = at_open();
    step_profile(s, on);
    return lua_agad_end(L, &scope, 0);
  }
  if (!s->profile) return 0;
  int n;
  const net_profile_part *parts = net_profile_parts(s->profile, &n);
  lua_createtable(L, n, 0);
  for (int i = 0; i < n; i++) push_part(L, s, parts + i), lua_rawseti(L, -2, i + 1);
  return 1;
}
