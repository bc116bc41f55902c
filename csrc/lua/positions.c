/* positions.c: see positions.h. */
#include "lua/positions.h"

#include <string.h>

/* select, narrow, slice and their variants: select_copy, slice_scatter, … */
static int is_variant_of(const char *op, const char *base) {
  size_t n = strlen(base);
  return !strncmp(op, base, n) && (op[n] == '_' || !op[n]);
}

shift shift_of(const char *op, const char *arg) {
  static const char *const others[] = {"start_dim", "end_dim", "source", "destination", "ch_axis", "physical_layout"};
  if (!strcmp(op, "tile")) return PLAIN; /* its `dims` are counts */
  if (!strncmp(arg, "dim", 3) || !strncmp(arg, "axis", 4) || !strncmp(arg, "axes", 4)) return DIMENSION;
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    if (!strcmp(arg, others[i])) return DIMENSION;
  if (!is_variant_of(op, "select") && !is_variant_of(op, "narrow") && !is_variant_of(op, "slice")) return PLAIN;
  if (!strcmp(arg, "index") || !strcmp(arg, "start")) return POSITION;
  return !strcmp(arg, "end") ? STOP : PLAIN;
}

int shift_in(int64_t *i, shift kind) {
  if (kind == STOP) *i = *i == -1 ? INT64_MAX : *i < -1 ? *i + 1 : *i;
  if (kind == PLAIN || kind == STOP) return 1;
  if (*i == 0) return 0;
  *i -= *i > 0;
  return 1;
}

int64_t shift_out(int64_t i) { return i < 0 || i == INT64_MAX ? i : i + 1; }

const char *shift_counts(shift kind) { return kind == DIMENSION ? "dimensions" : "positions"; }

int lua_agad_check_dimension(lua_State *L, int index, const at_tensor *t) {
  int64_t d = luaL_checkinteger(L, index), n = at_ndim(t);
  if (d == 0) luaL_argerror(L, index, "dimension 0; dimensions are counted from 1, or from the end by -1");
  if (d > n || d < -n)
    luaL_argerror(L, index,
                  n ? lua_pushfstring(L,
                                      "there is no dimension %I; the last is %I, counted from 1, or from the end by -1",
                                      (LUAI_UACINT)d, (LUAI_UACINT)n)
                    : "a 0-d tensor has no dimensions");
  return (int)(d > 0 ? d - 1 : n + d);
}

/* Shifts the integer on the top; what is none stays for the operator to refuse. */
static void shift_top(lua_State *L, const char *arg, shift kind) {
  int whole = 0;
  int64_t i = lua_type(L, -1) == LUA_TNUMBER ? lua_tointegerx(L, -1, &whole) : 0;
  if (!whole) return;
  if (!shift_in(&i, kind))
    lua_agad_error(L, "op: %s is 0; %s are counted from 1, or from the end by -1", arg, shift_counts(kind));
  lua_pushinteger(L, i);
  lua_replace(L, -2);
}

/* shifted(operator, argument, value) -> the value for a program: where the argument is a dimension or a position (or a
 * list of them) as libtorch counts, else unchanged */
static int shifted(lua_State *L) {
  const char *op = luaL_checkstring(L, 1), *arg = luaL_checkstring(L, 2);
  lua_settop(L, 3);
  shift kind = shift_of(op, arg);
  if (kind == PLAIN) return 1;
  if (!lua_istable(L, 3)) return shift_top(L, arg, kind), 1;
  lua_Integer n = (lua_Integer)lua_rawlen(L, 3);
  lua_createtable(L, n < 64 ? (int)n : 64, 0);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, 3, i);
    shift_top(L, arg, kind);
    lua_rawseti(L, -2, i);
  }
  return 1;
}

void lua_agad_open_positions(lua_State *L) {
  lua_pushcfunction(L, shifted);
  lua_setfield(L, -2, "shifted");
}
