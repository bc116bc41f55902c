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
  if (!strcmp(op, "tile")) return PLAIN; /* its `dims` are counts */
  if (!strncmp(arg, "dim", 3) || !strncmp(arg, "axis", 4) || !strncmp(arg, "axes", 4) || !strcmp(arg, "start_dim") ||
      !strcmp(arg, "end_dim") || !strcmp(arg, "source") || !strcmp(arg, "destination"))
    return DIMENSION;
  if (strcmp(op, "select") && strcmp(op, "narrow") && strcmp(op, "slice")) return PLAIN;
  if (!strcmp(arg, "index") || !strcmp(arg, "start")) return POSITION;
  return !strcmp(arg, "end") ? STOP : PLAIN;
}

/* ---- families: all overloads of a name, digested once ---- */

typedef struct overload {
  const at_op *op;
  const at_arg *args;
  int n, in_place, has_out; /* writes its first argument; takes the result as a keyword */
  unsigned char shifts[MAX_ARGS];
} overload;

typedef struct family {
  char name[128];
  overload *list; /* those with out = … come last */
  int n;
} family;

static int usable(const at_op *op) {
  if (at_op_args(op) > MAX_ARGS) return 0;
  for (int i = 0; i < at_op_args(op); i++) {
    const at_arg *a = at_op_arg(op, i);
    if (a->kind == AT_UNSUPPORTED && !a->has_default && !a->optional) return 0;
    if (a->kind == AT_STRING && !strncmp(a->name, "dim", 3)) return 0; /* named dimensions */
  }
  return 1;
}

static int has_out(const at_op *op) {
  for (int i = 0; i < at_op_args(op); i++)
    if (at_op_arg(op, i)->keyword_only && at_op_arg(op, i)->written) return 1;
  return 0;
}

static void digest(family *f, const at_op *op, const char *name) {
  overload *o = f->list + f->n++;
  *o = (overload){.op = op, .n = at_op_args(op), .has_out = has_out(op)};
  if (o->n) o->args = at_op_arg(op, 0);
  o->in_place = o->n && o->args[0].written && !o->args[0].keyword_only;
  for (int i = 0; i < o->n; i++) o->shifts[i] = (unsigned char)shift_of(name, o->args[i].name);
}

/* In-place names of Lua's reserved words and of TorchScript's builtins are not offered. */
static family *family_new(const char *lua_name) {
  const char *name = !strcmp(lua_name, "tile_repeat") ? "repeat" : lua_name;
  const at_op *found[MAX_OVERLOADS];
  family *f = calloc(1, sizeof *f);
  f->list = calloc(MAX_OVERLOADS, sizeof *f->list);
  snprintf(f->name, sizeof f->name, "%s", name);
  int n = at_op_overloads(name, found, MAX_OVERLOADS);
  if (!n && !strchr(name, ':')) {
    char own[160];
    snprintf(own, sizeof own, "agad::%s", name);
    n = at_op_overloads(own, found, MAX_OVERLOADS);
  }
  for (int out = 0; out < 2; out++)
    for (int i = 0; i < n; i++)
      if (usable(found[i]) && has_out(found[i]) == out) digest(f, found[i], name);
  if (f->n) return f;
  free(f->list);
  free(f);
  return NULL;
}

/* ---- reading Lua values as an argument ---- */

/* How much is read into a call: exact kinds; one number for a list of integers, numbers one by one; numbers for
 * tensors.  The first level at which an overload fits is taken. */
enum { EXACT, SPREAD, WRAP, LEVELS };

typedef struct problem {
  const char *form, *name, *expected, *got;
  int reached;
} problem;

typedef struct call {
  at_value values[MAX_ARGS], items[MAX_ITEMS];
  int n_items, level, at;
  int wrong;     /* the problem stands whatever the overload */
  problem worst; /* of the overload that could be read furthest */
} call;

static int refuse(call *c, const char *form, const char *name, const char *expected, const char *got) {
  if (c->at > c->worst.reached || c->wrong) c->worst = (problem){form, name, expected, got, c->at};
  return 0;
}

static int mismatch(call *c, const at_arg *arg, const char *expected, const char *got) {
  return refuse(c, "argument '%s' must be %s, not %s", arg->name, expected, got);
}

static const char *kind_name(lua_State *L, int index) {
  return lua_agad_is_tensor(L, index) ? "a closed one" : luaL_typename(L, index);
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
    return refuse(c, "argument '%s' is 0; %s are counted from 1, or from the end by -1", arg->name,
                  kind == DIMENSION ? "dimensions" : "positions", "");
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
    /* one number for a list of fixed length, or of integers where nothing else fits */
    int one_fits = arg->list_size ? arg->item != AT_TENSOR : arg->item == AT_INT && c->level >= SPREAD;
    if (!one_fits || c->n_items >= MAX_ITEMS) return mismatch(c, arg, "a list", kind_name(L, index));
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
  if (kind == AT_DEVICE) return !lua_agad_device(L, name, &device) && device < at_devices() && (out->as.i = device, 1);
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
    if (c->level == WRAP && read_number(L, index, out)) {
      out->as.tensor = at_number(out);
      out->kind = AT_TENSOR;
      return out->as.tensor != NULL;
    }
    return mismatch(c, arg, "a tensor", kind_name(L, index));
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
  case AT_STRING:
  case AT_DTYPE:
  case AT_DEVICE:
  case AT_MEMORY_FORMAT:
  case AT_LAYOUT_KIND: {
    const char *const expected[] = {[AT_STRING] = "a string",
                                    [AT_DTYPE] = "a dtype such as \"float32\"",
                                    [AT_DEVICE] = at_devices() ? "a device such as \"cpu\" or \"cuda:0\""
                                                               : "\"cpu\" (this machine has no device)",
                                    [AT_MEMORY_FORMAT] = "\"contiguous\" or \"channels_last\"",
                                    [AT_LAYOUT_KIND] = "\"strided\""};
    return read_name(L, index, kind, out) ||
           mismatch(c, arg, expected[kind],
                    lua_type(L, index) == LUA_TSTRING ? lua_tostring(L, index) : luaL_typename(L, index));
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

/* Numbers one by one for a list of integers that comes first (or after self). */
static int spread(lua_State *L, const call *c, const at_arg *arg, int i, int index, int top) {
  return c->level >= SPREAD && arg->kind == AT_LIST && arg->item == AT_INT && !arg->list_size && i <= 1 &&
         top > index && lua_type(L, index) == LUA_TNUMBER;
}

/* Tries to read `top` positional arguments and the keywords (0 = none) as those of one overload. */
static int match(lua_State *L, call *c, const overload *o, int top, int keywords) {
  int used = 0, given = 0;
  c->n_items = 0;
  for (int i = 0; i < o->n; i++) {
    const at_arg *arg = o->args + i;
    shift s = (shift)o->shifts[i];
    at_value *v = c->values + i;
    v->kind = AT_UNSUPPORTED;
    c->at = i;
    if (!arg->keyword_only && given < top) {
      int index = ++given;
      if (spread(L, c, arg, i, index, top)) {
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
    if (!found && (arg->keyword_only ? arg->written || (!arg->has_default && !arg->optional) : !arg->has_default)) {
      if (arg->written) c->at = -2; /* the variant with out = …: not what was meant */
      return refuse(c, "argument '%s' is missing", arg->name, "", "");
    }
  }
  c->at = 0; /* says less than what another overload makes of the same arguments */
  if (given < top) return refuse(c, "too many arguments", "", "", "");
  if (keywords && used < count_keys(L, keywords)) return refuse(c, "a keyword does not belong here", "", "", "");
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

static void push_result(lua_State *L, const at_value *v) {
  switch (v->kind) {
  case AT_TENSOR: lua_agad_push_tensor(L, v->as.tensor); break;
  case AT_INT: lua_pushinteger(L, v->as.i); break;
  case AT_DOUBLE: lua_pushnumber(L, v->as.d); break;
  case AT_BOOL: lua_pushboolean(L, (int)v->as.i); break;
  case AT_LIST:
    lua_createtable(L, v->n, 0);
    for (int i = 0; i < v->n; i++) {
      push_result(L, v->items + i);
      lua_rawseti(L, -2, i + 1);
    }
    break;
  default: lua_pushnil(L);
  }
}

/* The keyword that no overload knows, or NULL. */
static const char *unknown_keyword(lua_State *L, const family *f, int keywords) {
  lua_pushnil(L);
  while (keywords && lua_next(L, keywords)) {
    const char *key = lua_tostring(L, -2);
    int known = 0;
    for (int i = 0; i < f->n; i++)
      for (int j = 0; j < f->list[i].n; j++)
        known |= !strcmp(f->list[i].args[j].name, strcmp(key, "stop") ? key : "end");
    if (!known) return key;
    lua_pop(L, 1);
  }
  return NULL;
}

static int no_overload(lua_State *L, const family *f, const problem *p, int keywords) {
  char text[300];
  const char *unknown = unknown_keyword(L, f, keywords);
  if (unknown) snprintf(text, sizeof text, "unknown keyword '%.60s'", unknown);
  else snprintf(text, sizeof text, p->form, p->name, p->expected, p->got);
  luaL_where(L, 1);
  lua_pushfstring(L, "%s: %s; it is called as", f->name, text);
  int shown = 0;
  for (int i = 0; i < f->n && shown < 6; i++) {
    if (f->list[i].has_out && shown) break;
    lua_pushfstring(L, "%s %s", shown++ ? " or" : "", at_op_schema(f->list[i].op));
    lua_concat(L, 2);
  }
  lua_concat(L, 2);
  return lua_error(L);
}

/* The overload that fits the arguments, or NULL with c->worst. */
static const overload *choose(lua_State *L, call *c, const family *f, int top, int keywords) {
  c->wrong = 0;
  c->worst = (problem){"its arguments fit no way of calling it", "", "", "", -1};
  for (c->level = EXACT; c->level < LEVELS; c->level++)
    for (int i = 0; i < f->n; i++) {
      if (match(L, c, f->list + i, top, keywords)) return f->list + i;
      if (c->wrong) return NULL;
    }
  return NULL;
}

static int raise(lua_State *L, const char *name, const char *message) {
  luaL_where(L, 1);
  lua_pushfstring(L, "%s: %s", name, message);
  lua_concat(L, 2);
  return lua_error(L);
}

static int call_family(lua_State *L, const family *f) {
  int top = lua_gettop(L), keywords = 0, kind = top ? holds_keywords(L, top) : 0;
  if (kind < 0) return luaL_error(L, "%s: the last table mixes list items and keywords", f->name);
  if (kind > 0) keywords = top--;
  call c;
  at_value results[MAX_RESULTS];
  agad_error error;
  at_scope scope = at_open();
  const overload *o = choose(L, &c, f, top, keywords);
  if (!o) {
    at_close(&scope, &error);
    if (!c.wrong) return no_overload(L, f, &c.worst, keywords);
    snprintf(error.message, sizeof error.message, c.worst.form, c.worst.name, c.worst.expected);
    return raise(L, f->name, error.message);
  }
  int n = at_op_call(o->op, c.values, o->n, results, MAX_RESULTS);
  if (n > 8 && !lua_checkstack(L, n)) n = at_fail("too many results");
  for (int r = 0; r < n; r++) {
    if (r == 0 && o->in_place && results->kind == AT_TENSOR && top) lua_pushvalue(L, 1); /* t:mul_(2) is t */
    else push_result(L, results + r);
  }
  return at_close(&scope, &error) ? raise(L, f->name, error.message) : n;
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

int lua_agad_metamethod(lua_State *L) {
  family *f = lua_touserdata(L, lua_upvalueindex(3));
  lua_settop(L, (int)lua_tointeger(L, lua_upvalueindex(2)));
  if (!f) { /* the first time: not while the module is opened, since the device is not yet known then */
    f = find_family(L, lua_tostring(L, lua_upvalueindex(1)));
    lua_pushlightuserdata(L, f);
    lua_replace(L, lua_upvalueindex(3));
  }
  return call_family(L, f);
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
