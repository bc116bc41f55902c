/* tensor.c: the tensor as a Lua object.
 *
 * Methods are looked up in one table; a miss asks for an attribute (shape, dtype …) or an operator of that
 * name, and an operator is then put into the table.
 *
 * Lua's collector sees some hundred bytes where a tensor may hold megabytes, and its incremental mode falls behind
 * objects with finalisers.  So tensors are counted here: a full collection runs when the bytes that Lua keeps
 * alive pass a budget, and when so many tensors have piled up that its cost, which grows with Lua's heap, stays
 * small beside theirs.  `collectgarbage "stop"` stops both; the generational mode keeps up by itself.
 */
#include "lua/positions.h"
#include "lua/tensor_parts.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

enum { SMALLEST_BUDGET = 32 << 20, FEWEST = 1000, TENSORS_A_KB = 10 };
typedef struct tensor_box {
  const void *mark; /* &metatable: tells a tensor's block from any other at the cost of a comparison */
  at_tensor *t;     /* in `place`; NULL: closed */
  at_place place;
  int64_t bytes;
  lua_agad_state *state;
} tensor_box;

static const char formatter = 0, nearest = 0, scopes = 0; /* their addresses: keys in the registry */
static const char metatable = 0; /* its address is the metatable's key in the registry: no string is hashed */

static tensor_box *test(lua_State *L, int index) {
  tensor_box *box = lua_touserdata(L, index);
  return box && lua_rawlen(L, index) == sizeof *box && box->mark == &metatable ? box : NULL;
}

void lua_agad_collect(lua_State *L) {
  lua_agad_state_of(L)->collections++;
  lua_gc(L, LUA_GCCOLLECT);
}

static void collect(lua_State *L, lua_agad_state *s) {
  if (!lua_gc(L, LUA_GCISRUNNING)) return;
  if (s->alive <= s->collect_at) lua_gc(L, LUA_GCSTEP, 0); /* in the generational mode: what is young, at little cost */
  if (s->alive > s->collect_at || s->bytes > s->budget / 5 * 4) lua_agad_collect(L);
  int64_t more = (int64_t)lua_gc(L, LUA_GCCOUNT) * TENSORS_A_KB;
  s->collect_at = s->alive + (more > FEWEST ? more : FEWEST);
  if (s->bytes > s->budget / 5 * 4) s->budget += s->budget / 5 * 2;
  else if (s->budget > SMALLEST_BUDGET && s->bytes < s->budget / 2)
    s->budget = s->bytes > SMALLEST_BUDGET / 2 ? 2 * s->bytes : SMALLEST_BUDGET;
}

/* Notes the tensor at `index` in the innermost scope, weakly: what nobody holds is collected as ever. */
static void note(lua_State *L, const lua_agad_state *s, int index) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &scopes);
  lua_rawgeti(L, -1, s->scopes);
  lua_pushvalue(L, index);
  lua_pushboolean(L, 1);
  lua_rawset(L, -3);
  lua_pop(L, 2);
}

void lua_agad_new_tensor_of(lua_State *L, lua_agad_state *s) {
  if (s->alive > s->collect_at || s->bytes > s->budget) collect(L, s);
  tensor_box *box = lua_newuserdatauv(L, sizeof *box, 0);
  box->mark = &metatable;
  box->t = NULL;
  box->state = s;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &metatable);
  lua_setmetatable(L, -2);
  if (s->scopes) note(L, s, lua_gettop(L));
}

void lua_agad_new_tensor(lua_State *L) { lua_agad_new_tensor_of(L, lua_agad_state_of(L)); }

void lua_agad_fill(lua_State *L, int index, at_tensor *t) {
  if (!t) {
    lua_pushnil(L);
    lua_replace(L, index < 0 ? index - 1 : index);
    return;
  }
  tensor_box *box = lua_touserdata(L, index);
  box->t = at_move_in(&box->place, t);
  box->bytes = at_nbytes(box->t);
  box->state->bytes += box->bytes;
  box->state->alive++;
}

void lua_agad_push_tensor(lua_State *L, at_tensor *t) {
  lua_agad_new_tensor(L);
  lua_agad_fill(L, -1, t);
}

void lua_agad_push_alias(lua_State *L, const at_tensor *t) {
  if (!t) {
    lua_pushnil(L);
    return;
  }
  lua_agad_new_tensor(L);
  at_scope scope = at_open();
  lua_agad_fill(L, -1, at_alias(t));
  lua_agad_end(L, &scope, 1);
}

/* open_scope() -> its number; tensors that are made from now on are noted in it */
static int open_scope(lua_State *L) {
  lua_agad_state *s = lua_agad_state_of(L);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &scopes) != LUA_TTABLE) {
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &scopes);
  }
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "k");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_rawseti(L, -2, s->scopes + 1);
  lua_pushinteger(L, ++s->scopes);
  return 1;
}

/* close_scope(number) -> a set of what was made in it; scopes within it that are still open end too */
static int close_scope(lua_State *L) {
  lua_agad_state *s = lua_agad_state_of(L);
  lua_Integer number = luaL_checkinteger(L, 1);
  luaL_argcheck(L, number >= 1 && number <= s->scopes, 1, "no such scope is open");
  lua_rawgetp(L, LUA_REGISTRYINDEX, &scopes);
  lua_rawgeti(L, -1, number);
  for (; s->scopes >= number; s->scopes--) {
    lua_pushnil(L);
    lua_rawseti(L, 2, s->scopes);
  }
  return 1;
}

/* note_in_scope(tensor): notes it in the innermost scope, where it is handed out of an inner one */
static int note_in_scope(lua_State *L) {
  const tensor_box *box = luaL_checkudata(L, 1, LUA_TENSOR);
  if (box->state->scopes) note(L, box->state, 1);
  return 0;
}

static int count_collections(lua_State *L) {
  lua_pushinteger(L, lua_agad_state_of(L)->collections);
  return 1;
}

at_tensor *lua_agad_test_tensor(lua_State *L, int index) {
  tensor_box *box = test(L, index);
  return box ? box->t : NULL;
}

int lua_agad_is_tensor(lua_State *L, int index) { return test(L, index) != NULL; }

at_tensor *lua_agad_check_tensor(lua_State *L, int index) {
  tensor_box *box = test(L, index);
  if (!box) return luaL_typeerror(L, index, "tensor"), NULL;
  if (!box->t) lua_agad_error(L, "this tensor is closed");
  return box->t;
}

static int close_tensor(lua_State *L) {
  tensor_box *box = test(L, 1);
  if (!box) return luaL_typeerror(L, 1, "tensor");
  if (!box->t) return 0;
  box->t = NULL;
  box->state->bytes -= box->bytes;
  box->state->alive--;
  at_move_out(&box->place);
  if (atomic_load_explicit(&box->state->released, memory_order_relaxed)) lua_agad_forget_callbacks(L, box->state);
  return 0;
}

static int is_closed(lua_State *L) {
  tensor_box *box = luaL_checkudata(L, 1, LUA_TENSOR);
  lua_pushboolean(L, !box->t);
  return 1;
}

static int item(lua_State *L) {
  at_tensor *t = lua_agad_check_tensor(L, 1);
  at_dtype dtype = at_dtype_of(t);
  if (at_numel(t) != 1)
    return lua_agad_error(L, "item: the tensor has %I numbers, not one; t:totable() gives all",
                          (LUAI_UACINT)at_numel(t));
  at_scope scope = at_open();
  if (dtype == AT_B8) lua_pushboolean(L, at_item_int(t) != 0);
  else if (dtype <= AT_I64) lua_pushinteger(L, at_item_int(t));
  else lua_pushnumber(L, at_item(t));
  return lua_agad_end(L, &scope, 1);
}

static void push_shape(lua_State *L, const at_tensor *t) {
  int64_t sizes[AT_MAX_DIM];
  int n = at_sizes(t, sizes);
  lua_createtable(L, n, 0);
  for (int i = 0; i < n; i++) {
    lua_pushinteger(L, sizes[i]);
    lua_rawseti(L, -2, i + 1);
  }
  luaL_setmetatable(L, LUA_LIST);
}

/* size() -> list; size(d) -> integer, d from 1 or negative from the end */
static int size(lua_State *L) {
  at_tensor *t = lua_agad_check_tensor(L, 1);
  if (lua_isnoneornil(L, 2)) return push_shape(L, t), 1;
  lua_pushinteger(L, at_size(t, lua_agad_check_dimension(L, 2, t)));
  return 1;
}

static int numel(lua_State *L) {
  lua_pushinteger(L, at_numel(lua_agad_check_tensor(L, 1)));
  return 1;
}

/* is_tensor(value): closed or not */
static int is_tensor(lua_State *L) {
  lua_pushboolean(L, lua_agad_is_tensor(L, 1));
  return 1;
}

static int is_contiguous(lua_State *L) {
  lua_pushboolean(L, at_is_contiguous(lua_agad_check_tensor(L, 1)));
  return 1;
}

static int dim(lua_State *L) {
  lua_pushinteger(L, at_ndim(lua_agad_check_tensor(L, 1)));
  return 1;
}

static int move(lua_State *L, int device) {
  at_tensor *t = lua_agad_check_tensor(L, 1);
  lua_agad_new_tensor(L);
  at_scope scope = at_open();
  lua_agad_fill(L, -1, at_to(t, at_dtype_of(t), device));
  return lua_agad_end(L, &scope, 1);
}

static int to_cpu(lua_State *L) { return move(L, AT_CPU); }
static int to_cuda(lua_State *L) {
  lua_Integer device = luaL_optinteger(L, 2, 0);
  luaL_argcheck(L, device >= 0 && device < at_devices(), 2,
                at_devices() ? "no such device" : "this machine has no device");
  return move(L, (int)device);
}

static void push_device(lua_State *L, const at_tensor *t) {
  int device = at_device_of(t);
  if (device < 0) lua_pushliteral(L, "cpu");
  else lua_pushfstring(L, "cuda:%d", device);
}

/* The number of a tensor without dimension, and a space; nothing for complex ones. */
static void write_number(const at_tensor *t, char *text, size_t size) {
  at_dtype dtype = at_dtype_of(t);
  text[0] = 0;
  if (at_ndim(t) || dtype == AT_C64 || dtype == AT_C128) return;
  at_scope scope = at_open();
  if (dtype == AT_B8) snprintf(text, size, at_item_int(t) ? "true " : "false ");
  else if (dtype <= AT_I64) snprintf(text, size, "%lld ", (long long)at_item_int(t));
  else text_print(text, size, "%.6g ", at_item(t));
  agad_error error;
  if (at_close(&scope, &error)) text[0] = 0;
}

/* summary(t): dtype, shape, device in one line; of a tensor without dimension its number before them */
static int summary(lua_State *L) {
  tensor_box *box = luaL_checkudata(L, 1, LUA_TENSOR);
  if (!box->t) return lua_pushliteral(L, "[closed tensor]"), 1;
  int64_t sizes[AT_MAX_DIM];
  int n = at_sizes(box->t, sizes);
  char number[64], text[64 + 20 * AT_MAX_DIM];
  write_number(box->t, number, sizeof number);
  size_t used = (size_t)snprintf(text, sizeof text, "%s[%s", number, at_dtype_name(at_dtype_of(box->t)));
  for (int i = 0; i < n; i++)
    used += (size_t)snprintf(text + used, sizeof text - used, "%s%lld", i ? "x" : " ", (long long)sizes[i]);
  push_device(L, box->t);
  lua_pushfstring(L, "%s %s%s]", text, lua_tostring(L, -1), at_requires_grad(box->t) ? ", grad" : "");
  return 1;
}

/* tostring(t): what set_formatter's function makes of it and its summary; without one the summary alone. */
static int to_string(lua_State *L) {
  lua_settop(L, 1);
  summary(L);
  lua_insert(L, 2); /* above it may lie what it was made of */
  lua_settop(L, 2);
  if (lua_agad_test_tensor(L, 1) && lua_rawgetp(L, LUA_REGISTRYINDEX, &formatter) == LUA_TFUNCTION) {
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 2);
    lua_call(L, 2, 1);
    return 1;
  }
  lua_settop(L, 2);
  return 1;
}

/* set_formatter(function(t, summary)): what tostring shows */
static int set_formatter(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &formatter);
  return 0;
}

/* set_nearest(function(name[, list])): the name that was meant (of the list, or of all operators), or nil */
static int set_nearest(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &nearest);
  return 0;
}

/* pairs(t): as t:rows() */
static int pairs(lua_State *L) {
  lua_settop(L, 1);
  return lua_agad_rows(L);
}

static int no_order(lua_State *L) {
  return lua_agad_error(L, "tensors cannot be compared by order in Lua; use t:lt(u), t:le(u), t:gt(u) or t:ge(u)");
}

const char *lua_agad_nearest(lua_State *L, const char *word, int list) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &nearest) != LUA_TFUNCTION) return NULL;
  lua_pushstring(L, word);
  if (list) lua_pushvalue(L, list);
  else lua_pushnil(L);
  lua_call(L, 2, 1);
  return lua_tostring(L, -1);
}

/* The miss of a method: an attribute of the tensor, or an operator, which is kept as a method. */
static int attribute(lua_State *L) {
  at_tensor *t = lua_agad_check_tensor(L, 1);
  const char *key = luaL_checkstring(L, 2);
  if (!strcmp(key, "shape")) return push_shape(L, t), 1;
  if (!strcmp(key, "is_cuda")) return lua_pushboolean(L, at_device_of(t) >= 0), 1;
  if (!strcmp(key, "ndim")) return lua_pushinteger(L, at_ndim(t)), 1;
  if (!strcmp(key, "dtype")) return lua_pushstring(L, at_dtype_name(at_dtype_of(t))), 1;
  if (!strcmp(key, "device")) return push_device(L, t), 1;
  if (!strcmp(key, "requires_grad")) return lua_pushboolean(L, at_requires_grad(t)), 1;
  if (!strcmp(key, "T")) {
    lua_agad_new_tensor(L);
    at_scope scope = at_open();
    lua_agad_fill(L, -1, at_call("numpy_T", "", (at_value[]){at_v(t)}, 1));
    return lua_agad_end(L, &scope, 1);
  }
  if (!strcmp(key, "grad")) {
    lua_agad_new_tensor(L);
    at_scope scope = at_open();
    lua_agad_fill(L, -1, at_gradient(t));
    return lua_agad_end(L, &scope, 1);
  }
  const char *meant = lua_agad_nearest(L, key, 0);
  if (meant) return lua_agad_error(L, "a tensor has no field or operator '%s'; did you mean %s?", key, meant);
  return lua_agad_error(L, "a tensor has no field or operator '%s'", key);
}

static int index_tensor(lua_State *L) {
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL) return 1;
  lua_pop(L, 1);
  const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "...";
  if (!strcmp(key, "...")) return lua_agad_index(L, 2);
  if (strcmp(key, "requires_grad") && lua_agad_push_op(L, key)) {
    lua_pushvalue(L, 2);
    lua_pushvalue(L, -2);
    lua_rawset(L, lua_upvalueindex(1));
    return 1;
  }
  return attribute(L);
}

/* t.requires_grad = b, t.grad = tensor or nil, or a part of it */
static int assign(lua_State *L) {
  if (lua_type(L, 2) != LUA_TSTRING || !strcmp(lua_tostring(L, 2), "...")) return lua_agad_assign(L);
  at_tensor *t = lua_agad_check_tensor(L, 1);
  const char *key = lua_tostring(L, 2);
  at_scope scope = at_open();
  if (!strcmp(key, "requires_grad") && lua_isboolean(L, 3)) at_set_requires_grad(t, lua_toboolean(L, 3));
  else if (!strcmp(key, "grad") && (lua_isnil(L, 3) || lua_agad_test_tensor(L, 3)))
    at_set_gradient(t, lua_agad_test_tensor(L, 3));
  else
    at_fail(
        "cannot set a tensor's '%s' to this; only grad (a tensor or nil) and requires_grad (true, false) can be set",
        key);
  return lua_agad_end(L, &scope, 0);
}

static int manual_seed(lua_State *L) {
  lua_Integer seed = luaL_checkinteger(L, 1);
  at_scope scope = at_open();
  at_manual_seed((uint64_t)seed);
  return lua_agad_end(L, &scope, 0);
}

/* clang-format off */
static const luaL_Reg methods[] = {{"item", item},          {"size", size},       {"numel", numel},   {"dim", dim},
                                   {"cpu", to_cpu},         {"cuda", to_cuda},         {"close", close_tensor},
                                   {"is_closed", is_closed}, {"is_contiguous", is_contiguous}, {"rows", lua_agad_rows},
                                   {"summary", summary}, {NULL, NULL}};
/* clang-format on */
static const luaL_Reg functions[] = {
    {"manual_seed", manual_seed},     {"set_formatter", set_formatter},   {"set_nearest", set_nearest},
    {"is_tensor", is_tensor},         {"open_scope", open_scope},         {"close_scope", close_scope},
    {"note_in_scope", note_in_scope}, {"collections", count_collections}, {NULL, NULL}};

void lua_agad_open_tensor(lua_State *L) {
  lua_agad_state *state = lua_agad_state_of(L);
  if (!state->budget) state->budget = SMALLEST_BUDGET, state->collect_at = FEWEST;
  luaL_setfuncs(L, functions, 0);
  lua_agad_open_generator(L);
  luaL_setfuncs(L, lua_agad_tensor_makers, 0);
  luaL_setfuncs(L, lua_agad_autograd_functions, 0);
  luaL_newmetatable(L, LUA_LIST);
  lua_pushliteral(L, "array"), lua_setfield(L, -2, "__jsontype");
  lua_setfield(L, -2, "list_metatable");
  luaL_newmetatable(L, LUA_TENSOR);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &metatable);
  lua_pushcfunction(L, close_tensor), lua_setfield(L, -2, "__gc");
  lua_pushcfunction(L, close_tensor), lua_setfield(L, -2, "__close");
  lua_pushcfunction(L, to_string), lua_setfield(L, -2, "__tostring");
  lua_pushcfunction(L, no_order), lua_setfield(L, -2, "__lt");
  lua_pushcfunction(L, no_order), lua_setfield(L, -2, "__le");
  lua_pushcfunction(L, assign), lua_setfield(L, -2, "__newindex");
  lua_pushcfunction(L, lua_agad_length), lua_setfield(L, -2, "__len");
  lua_pushcfunction(L, lua_agad_concat), lua_setfield(L, -2, "__concat");
  lua_pushcfunction(L, pairs), lua_setfield(L, -2, "__pairs");
  static const struct {
    const char *event, *op;
    int args;
  } events[] = {{"__add", "add", 2},
                {"__sub", "sub", 2},
                {"__mul", "mul", 2},
                {"__div", "div", 2},
                {"__unm", "neg", 1},
                {"__pow", "pow", 2},
                {"__mod", "remainder", 2},
                {"__idiv", "floor_divide", 2},
                {"__band", "bitwise_and", 2},
                {"__bor", "bitwise_or", 2},
                {"__bxor", "bitwise_xor", 2},
                {"__bnot", "bitwise_not", 1},
                {"__shl", "bitwise_left_shift", 2},
                {"__shr", "bitwise_right_shift", 2}};
  for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
    lua_pushstring(L, events[i].op);
    lua_pushinteger(L, events[i].args);
    lua_pushnil(L);
    lua_pushcclosure(L, lua_agad_metamethod, 3);
    lua_setfield(L, -2, events[i].event);
  }
  lua_newtable(L);
  luaL_setfuncs(L, methods, 0);
  luaL_setfuncs(L, lua_agad_tensor_takers, 0);
  luaL_setfuncs(L, lua_agad_autograd_methods, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -4, "tensor_methods");
  lua_pushcclosure(L, index_tensor, 1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
