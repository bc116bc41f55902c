/* op.c: any operator from Lua, with positional and keyword arguments.
 *
 *   agad.softmax(t, 2)   t:softmax(2)   t:sum({dim = {1, 2}, keepdim = true})   agad.rand(3, 4)
 *
 * A trailing table with string keys only holds keywords, one with an array part only is a list.  The overload
 * is chosen by looking at the arguments, never by trying.  Dimensions and positions are 1-based: `shifts`
 * below is the one list of argument names that change; every other integer passes as it is.
 */
#include "lua/lua_agad.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ARGS = 32, MAX_ITEMS = 512, MAX_OVERLOADS = 64, MAX_RESULTS = 64 };

/* ---- which integers are 1-based ---- */

typedef enum shift { PLAIN, DIMENSION, POSITION, STOP } shift;

static shift shift_of(const char *op, const char *arg) {
  if (!strncmp(arg, "dim", 3) || !strncmp(arg, "axis", 4) || !strncmp(arg, "axes", 4) || !strcmp(arg, "start_dim") ||
      !strcmp(arg, "end_dim") || !strcmp(arg, "source") || !strcmp(arg, "destination"))
    return DIMENSION;
  if (strcmp(op, "select") && strcmp(op, "narrow") && strcmp(op, "slice")) return PLAIN;
  if (!strcmp(arg, "index") || !strcmp(arg, "start")) return POSITION;
  return !strcmp(arg, "end") ? STOP : PLAIN;
}

/* ---- families: all overloads of a name, digested once ---- */

typedef struct family {
  char name[128];
  const at_op *ops[MAX_OVERLOADS];
  unsigned char shifts[MAX_OVERLOADS][MAX_ARGS];
  int n;
} family;

static int usable(const at_op *op) {
  if (at_op_args(op) > MAX_ARGS) return 0;
  for (int i = 0; i < at_op_args(op); i++) {
    const at_arg *a = at_op_arg(op, i);
    if (a->kind == AT_UNSUPPORTED && !a->has_default && !a->optional) return 0;
  }
  return 1;
}

/* In-place names of Lua's reserved words and of TorchScript's builtins are not offered. */
static family *family_new(const char *lua_name) {
  const char *name = !strcmp(lua_name, "tile_repeat") ? "repeat" : lua_name;
  const at_op *found[MAX_OVERLOADS];
  family *f = calloc(1, sizeof *f);
  snprintf(f->name, sizeof f->name, "%s", name);
  int n = at_op_overloads(name, found, MAX_OVERLOADS);
  if (!n && !strchr(name, ':')) {
    char own[160];
    snprintf(own, sizeof own, "agad::%s", name);
    n = at_op_overloads(own, found, MAX_OVERLOADS);
  }
  for (int i = 0; i < n; i++) {
    if (!usable(found[i])) continue;
    for (int j = 0; j < at_op_args(found[i]); j++)
      f->shifts[f->n][j] = (unsigned char)shift_of(name, at_op_arg(found[i], j)->name);
    f->ops[f->n++] = found[i];
  }
  if (f->n) return f;
  free(f);
  return NULL;
}

/* ---- reading Lua values as an argument ---- */

typedef struct call {
  at_value values[MAX_ARGS], items[MAX_ITEMS];
  int n_items;
  int wrap;              /* numbers may stand for tensors */
  int wrong;             /* the problem stands whatever the overload */
  char problem[240];
} call;

static int mismatch(call *c, const at_arg *arg, const char *expected, const char *got) {
  snprintf(c->problem, sizeof c->problem, "argument '%s' must be %s, not %s", arg->name, expected, got);
  return 0;
}

/* 1-based to 0-based; 0 is refused. */
static int shift_integer(call *c, int64_t *i, shift kind, const at_arg *arg) {
  if (kind == PLAIN) return 1;
  if (kind == STOP) {
    *i = *i == -1 ? INT64_MAX : *i < -1 ? *i + 1 : *i;
    return 1;
  }
  if (*i == 0) {
    c->wrong = 1;
    snprintf(c->problem, sizeof c->problem, "argument '%s' is 0; %s are counted from 1, or from the end by -1",
             arg->name, kind == DIMENSION ? "dimensions" : "positions");
    return 0;
  }
  *i -= *i > 0;
  return 1;
}

static int read_integer(lua_State *L, int index, int64_t *out) {
  int whole;
  lua_Integer i = lua_tointegerx(L, index, &whole);
  if (!whole || lua_type(L, index) != LUA_TNUMBER) return 0;
  *out = i;
  return 1;
}

static int read_memory_format(const char *name, int64_t *out) {
  static const char *const names[] = {"contiguous", "preserve", "channels_last", "channels_last_3d"};
  for (int i = 0; i < 4; i++)
    if (!strcmp(name, names[i])) return *out = i, 1;
  return 0;
}

static int read_value(lua_State *L, call *c, int index, const at_arg *arg, at_kind kind, shift s, at_value *out);

static int read_list(lua_State *L, call *c, int index, const at_arg *arg, shift s, at_value *out) {
  at_arg item = *arg;
  item.optional = arg->item_optional;
  out->kind = AT_LIST;
  out->items = c->items + c->n_items;
  if (!lua_istable(L, index)) {
    /* one number for a list of fixed length, one tensor for a list of tensors is none */
    if (arg->item == AT_TENSOR || c->n_items >= MAX_ITEMS) return mismatch(c, arg, "a list", luaL_typename(L, index));
    if (!arg->list_size && arg->item != AT_INT) return mismatch(c, arg, "a list", luaL_typename(L, index));
    at_value *one = c->items + c->n_items++;
    if (!read_value(L, c, index, &item, arg->item, s, one)) return 0;
    out->n = 1;
    for (; out->n < arg->list_size && c->n_items < MAX_ITEMS; out->n++) c->items[c->n_items++] = *one;
    return 1;
  }
  lua_Integer n = (lua_Integer)lua_rawlen(L, index);
  if (n > MAX_ITEMS - c->n_items) return mismatch(c, arg, "a shorter list", "one of over 500 items");
  at_value *items = c->items + c->n_items;
  c->n_items += (int)n;
  out->n = (int)n;
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, index, i);
    int good = read_value(L, c, lua_gettop(L), &item, arg->item, s, items + i - 1);
    lua_pop(L, 1);
    if (!good) return 0;
  }
  return 1;
}

static int read_number(lua_State *L, int index, at_value *out) {
  if (lua_isinteger(L, index)) out->kind = AT_INT, out->as.i = lua_tointeger(L, index);
  else if (lua_type(L, index) == LUA_TNUMBER) out->kind = AT_DOUBLE, out->as.d = lua_tonumber(L, index);
  else if (lua_isboolean(L, index)) out->kind = AT_BOOL, out->as.i = lua_toboolean(L, index);
  else return 0;
  return 1;
}

static int read_name(lua_State *L, int index, at_kind kind, at_value *out) {
  if (lua_type(L, index) != LUA_TSTRING) return 0;
  const char *name = lua_tostring(L, index);
  at_dtype dtype;
  int device;
  out->kind = kind;
  if (kind == AT_DTYPE) return at_dtype_by_name(name, &dtype) ? 0 : (out->as.i = dtype, 1);
  if (kind == AT_DEVICE) return lua_agad_device(L, name, &device) ? 0 : (out->as.i = device, 1);
  if (kind == AT_MEMORY_FORMAT) return read_memory_format(name, &out->as.i);
  if (kind == AT_LAYOUT_KIND) return out->as.i = 0, !strcmp(name, "strided");
  out->as.s = name;
  return kind == AT_STRING;
}

static int read_value(lua_State *L, call *c, int index, const at_arg *arg, at_kind kind, shift s, at_value *out) {
  if (lua_isnil(L, index) && arg->optional) return out->kind = AT_NONE, 1;
  switch (kind) {
  case AT_TENSOR:
    out->kind = AT_TENSOR;
    if ((out->as.tensor = lua_agad_test_tensor(L, index))) return 1;
    if (c->wrap && read_number(L, index, out)) {
      at_dtype dtype = out->kind == AT_INT ? AT_I64 : out->kind == AT_BOOL ? AT_B8 : AT_F64;
      double value = out->kind == AT_DOUBLE ? out->as.d : (double)out->as.i;
      out->kind = AT_TENSOR;
      return (out->as.tensor = at_scalar(value, dtype, AT_CPU)) != NULL;
    }
    return mismatch(c, arg, "a tensor", lua_isuserdata(L, index) ? "closed" : luaL_typename(L, index));
  case AT_INT:
    out->kind = AT_INT;
    if (!read_integer(L, index, &out->as.i)) return mismatch(c, arg, "an integer", luaL_typename(L, index));
    return shift_integer(c, &out->as.i, s, arg);
  case AT_DOUBLE:
    out->kind = AT_DOUBLE;
    if (lua_type(L, index) != LUA_TNUMBER) return mismatch(c, arg, "a number", luaL_typename(L, index));
    out->as.d = lua_tonumber(L, index);
    return 1;
  case AT_NUMBER: return read_number(L, index, out) || mismatch(c, arg, "a number", luaL_typename(L, index));
  case AT_BOOL:
    out->kind = AT_BOOL, out->as.i = lua_toboolean(L, index);
    return lua_isboolean(L, index) || mismatch(c, arg, "true or false", luaL_typename(L, index));
  case AT_LIST: return read_list(L, c, index, arg, s, out);
  case AT_STRING: case AT_DTYPE: case AT_DEVICE: case AT_MEMORY_FORMAT: case AT_LAYOUT_KIND: {
    static const char *const expected[] = {[AT_STRING] = "a string", [AT_DTYPE] = "a dtype such as \"float32\"",
                                           [AT_DEVICE] = "a device such as \"cpu\" or \"cuda:0\"",
                                           [AT_MEMORY_FORMAT] = "\"contiguous\" or \"channels_last\"",
                                           [AT_LAYOUT_KIND] = "\"strided\""};
    return read_name(L, index, kind, out) ||
           mismatch(c, arg, expected[kind], lua_type(L, index) == LUA_TSTRING ? lua_tostring(L, index) : luaL_typename(L, index));
  }
  default: return mismatch(c, arg, "left out", luaL_typename(L, index));
  }
}

/* ---- matching an overload ---- */

/* Lua's reserved word: the keyword `stop` stands for `end`. */
static int push_keyword(lua_State *L, int keywords, const char *name) {
  lua_pushstring(L, strcmp(name, "end") ? name : "stop");
  return lua_rawget(L, keywords) != LUA_TNIL;
}

static int count_keys(lua_State *L, int index) {
  int n = 0;
  lua_pushnil(L);
  while (lua_next(L, index)) n++, lua_pop(L, 1);
  return n;
}

/* Tries to read `top` positional arguments and the keywords (0 = none) as those of one overload. */
static int match(lua_State *L, call *c, const family *f, int which, int top, int keywords) {
  const at_op *op = f->ops[which];
  int n = at_op_args(op), used = 0, given = 0;
  c->n_items = 0;
  for (int i = 0; i < n; i++) {
    const at_arg *arg = at_op_arg(op, i);
    shift s = (shift)f->shifts[which][i];
    at_value *v = c->values + i;
    v->kind = AT_UNSUPPORTED;
    if (!arg->keyword_only && given < top) {
      int index = ++given;
      /* numbers one by one for a list of integers that comes first (or after self) */
      if (arg->kind == AT_LIST && arg->item == AT_INT && !arg->list_size && i <= 1 && lua_type(L, index) == LUA_TNUMBER && top > index) {
        v->kind = AT_LIST, v->items = c->items + c->n_items, v->n = 0;
        for (given--; given < top && c->n_items < MAX_ITEMS && lua_type(L, given + 1) == LUA_TNUMBER; given++, v->n++)
          if (!read_value(L, c, given + 1, arg, AT_INT, s, c->items + c->n_items++)) return 0;
      } else if (!read_value(L, c, index, arg, arg->kind, s, v)) return 0;
      continue;
    }
    int found = keywords && push_keyword(L, keywords, arg->name);
    if (found) used++;
    int good = !found || read_value(L, c, lua_gettop(L), arg, arg->kind, s, v);
    if (keywords) lua_pop(L, 1);
    if (!good) return 0;
    if (!found && arg->keyword_only && arg->written)
      return snprintf(c->problem, sizeof c->problem, "argument '%s' is missing", arg->name), 0;
    if (!found && !arg->has_default) {
      if (!arg->optional || !arg->keyword_only) return snprintf(c->problem, sizeof c->problem, "argument '%s' is missing", arg->name), 0;
    }
  }
  if (given < top) return snprintf(c->problem, sizeof c->problem, "too many arguments"), 0;
  if (keywords && used < count_keys(L, keywords)) return snprintf(c->problem, sizeof c->problem, "an unknown keyword"), 0;
  return 1;
}

/* 0: a list or no table; 1: keywords; -1: mixed. */
static int holds_keywords(lua_State *L, int index) {
  if (!lua_istable(L, index)) return 0;
  int named = 0, listed = lua_rawlen(L, index) > 0;
  lua_pushnil(L);
  while (lua_next(L, index)) {
    if (lua_type(L, -2) == LUA_TSTRING) named = 1;
    else listed = 1;
    lua_pop(L, 1);
  }
  return named && listed ? -1 : named;
}

/* ---- results ---- */

static void push_result(lua_State *L, const at_value *v, int top) {
  switch (v->kind) {
  case AT_TENSOR:
    if (top > 0 && at_is_same(v->as.tensor, lua_agad_test_tensor(L, 1))) lua_pushvalue(L, 1); /* t:mul_(2) is t */
    else lua_agad_push_tensor(L, v->as.tensor);
    break;
  case AT_INT: lua_pushinteger(L, v->as.i); break;
  case AT_DOUBLE: lua_pushnumber(L, v->as.d); break;
  case AT_BOOL: lua_pushboolean(L, (int)v->as.i); break;
  case AT_LIST:
    lua_createtable(L, v->n, 0);
    for (int i = 0; i < v->n; i++) {
      push_result(L, v->items + i, 0);
      lua_rawseti(L, -2, i + 1);
    }
    break;
  default: lua_pushnil(L);
  }
}

static int no_overload(lua_State *L, const family *f, const char *problem) {
  luaL_where(L, 1);
  lua_pushfstring(L, "%s: %s; it is called as", f->name, problem);
  for (int i = 0; i < f->n && i < 6; i++) {
    lua_pushfstring(L, "%s %s", i ? " or" : "", at_op_schema(f->ops[i]));
    lua_concat(L, 2);
  }
  lua_concat(L, 2);
  return lua_error(L);
}

static int call_family(lua_State *L, const family *f) {
  int top = lua_gettop(L), keywords = 0, kind = top ? holds_keywords(L, top) : 0;
  if (kind < 0) return luaL_error(L, "%s: the last table mixes list items and keywords", f->name);
  if (kind > 0) keywords = top--;
  luaL_checkstack(L, MAX_RESULTS + 8, "arguments");
  call c;
  c.wrong = 0;
  at_value results[MAX_RESULTS];
  char first_problem[sizeof c.problem] = "";
  at_scope scope = at_open();
  for (c.wrap = 0; c.wrap < 2; c.wrap++)
    for (int i = 0; i < f->n; i++) {
      if (match(L, &c, f, i, top, keywords)) {
        int n = at_op_call(f->ops[i], c.values, at_op_args(f->ops[i]), results, MAX_RESULTS);
        for (int r = 0; r < n; r++) push_result(L, results + r, top);
        agad_error error;
        if (!at_close(&scope, &error)) return n;
        luaL_where(L, 1);
        lua_pushfstring(L, "%s: %s", f->name, error.message);
        lua_concat(L, 2);
        return lua_error(L);
      }
      if (!*first_problem || c.wrong) memcpy(first_problem, c.problem, sizeof first_problem);
      if (c.wrong) goto refused;
    }
refused:;
  agad_error error;
  at_close(&scope, &error);
  if (c.wrong) return luaL_error(L, "%s: %s", f->name, first_problem);
  return no_overload(L, f, first_problem);
}

static int call_upvalue(lua_State *L) { return call_family(L, lua_touserdata(L, lua_upvalueindex(1))); }

/* Families live as long as the process, in a table of the registry: name -> light userdata. */
static family *find_family(lua_State *L, const char *name) {
  static const char key = 0;
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &key) != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &key);
  }
  lua_getfield(L, -1, name);
  family *f = lua_touserdata(L, -1);
  if (!f && strlen(name) < sizeof f->name && (f = family_new(name))) {
    lua_pushlightuserdata(L, f);
    lua_setfield(L, -3, name);
  }
  lua_pop(L, 2);
  return f;
}

int lua_agad_push_op(lua_State *L, const char *name) {
  family *f = find_family(L, name);
  if (!f) return 0;
  lua_pushlightuserdata(L, f);
  lua_pushcclosure(L, call_upvalue, 1);
  return 1;
}

int lua_agad_call_op(lua_State *L, const char *name) {
  family *f = find_family(L, name);
  return f ? call_family(L, f) : luaL_error(L, "there is no operator '%s'", name);
}

/* operator(name) -> function, or nil */
static int operator_function(lua_State *L) {
  if (!lua_agad_push_op(L, luaL_checkstring(L, 1))) lua_pushnil(L);
  return 1;
}

void lua_agad_open_op(lua_State *L) {
  lua_pushcfunction(L, operator_function);
  lua_setfield(L, -2, "operator");
}
