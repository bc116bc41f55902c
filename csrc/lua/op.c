/* op.c: any operator from Lua, with positional and keyword arguments.
 *
 *   agad.softmax(t, 2)   t:softmax(2)   t:sum({dim = {1, 2}, keepdim = true})   agad.rand(3, 4)   agad.cat(t, u, 2)
 *
 * A trailing table with string keys only holds keywords, one with an array part only is a list.  The overload
 * is chosen by looking at the arguments, never by trying.
 */
#include "lua/op_family.h"

#include <stdio.h>
#include <string.h>

enum { MAX_RESULTS = 64 };

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

/* How many keywords an overload does not know: the one that knows most is what was meant. */
static int foreign_keywords(lua_State *L, const overload *o, int keywords) {
  int known = 0;
  for (int i = 0; keywords && i < o->n; i++) {
    known += push_keyword(L, keywords, o->args[i].name);
    lua_pop(L, 1);
  }
  return keywords ? count_keys(L, keywords) - known : 0;
}

/* An item of a list that is written without its braces. */
static int is_item(lua_State *L, const at_arg *arg, int index) {
  return arg->item == AT_TENSOR ? lua_agad_test_tensor(L, index) != NULL : lua_type(L, index) == LUA_TNUMBER;
}

/* Numbers one by one for a list of integers that comes first (or after self), or tensors for a list of tensors; the
 * first argument is more than one, since a single tensor there is mostly a forgotten list. */
static int spread(lua_State *L, const call *c, const at_arg *arg, int i, int index, int top) {
  if (c->level < SPREAD || arg->kind != AT_LIST || arg->list_size || !is_item(L, arg, index)) return 0;
  if (arg->item == AT_TENSOR) return !arg->item_optional && (i > 0 || (index < top && is_item(L, arg, index + 1)));
  return arg->item == AT_INT && i <= 1 && top > index;
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
        for (given--; given < top && c->n_items < MAX_ITEMS && is_item(L, arg, given + 1); given++, v->n++)
          if (!read_value(L, c, given + 1, arg, arg->item, s, c->items + c->n_items++)) return 0;
      } else if (!read_value(L, c, index, arg, arg->kind, s, v)) return 0;
      continue;
    }
    int found = keywords && push_keyword(L, keywords, arg->name);
    if (found) used++;
    int good = !found || read_value(L, c, lua_gettop(L), arg, arg->kind, s, v);
    if (keywords) lua_pop(L, 1);
    if (!good) return 0;
    if (!found && keywords && arg->optional && !arg->has_default && c->level >= SPREAD) {
      v->kind = AT_NONE; /* among keywords nil cannot be written */
      continue;
    }
    if (!found && (arg->keyword_only ? arg->written || (!arg->has_default && !arg->optional) : !arg->has_default)) {
      if (arg->written) c->at = -2; /* the variant with out = …: not what was meant */
      return refuse(c, "argument '%s' is missing", arg->name, "", "");
    }
  }
  c->at = 0; /* says less than what another overload makes of the same arguments */
  while (given < top && lua_isnil(L, given + 1)) given++; /* f(x, nil) is f(x) */
  if (given < top) return refuse(c, "too many arguments", "", "", "");
  if (keywords && used + c->taken < count_keys(L, keywords))
    return refuse(c, "a keyword argument is not expected", "", "", "");
  return 1;
}

/* Whether it may be worth to match exactly: by the number of arguments and the Lua types of the positional ones. */
static int plausible(const call *c, const overload *o, int top, int keywords) {
  if (top > o->n || (!keywords && top < o->least)) return 0;
  for (int i = 0; i < top; i++)
    if (!(o->takes[i] >> c->types[i] & 1)) return 0;
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
    luaL_setmetatable(L, LUA_LIST);
    break;
  default: lua_pushnil(L);
  }
}

/* Pushes a list of the keywords that the overloads take. */
static int push_known_keywords(lua_State *L, const family *f) {
  lua_newtable(L);
  lua_Integer n = 0;
  for (int i = 0; i < f->n; i++)
    for (int j = 0; j < f->list[i].n; j++) {
      const char *name = f->list[i].args[j].name;
      lua_pushstring(L, strcmp(name, "end") ? name : "stop");
      lua_rawseti(L, -2, ++n);
    }
  return lua_gettop(L);
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
  if (unknown) {
    const char *meant = lua_agad_nearest(L, unknown, push_known_keywords(L, f));
    snprintf(text, sizeof text, "unknown keyword '%.60s'%s%.60s%s", unknown, meant ? " (did you mean '" : "",
             meant ? meant : "", meant ? "'?)" : "");
  } else {
    char expected[128];
    snprintf(expected, sizeof expected, "%s%s%s", p->expected, p->other ? " or " : "", p->other ? p->other : "");
    snprintf(text, sizeof text, p->form, p->name, expected, p->got);
  }
  lua_agad_where(L);
  lua_pushfstring(L, "%s: %s; it is called as", f->name, text);
  int shown = 0;
  for (int i = 0; i < f->n && shown < 6; i++) {
    if ((f->list[i].has_out || op_is_named(f->list[i].op)) && shown) break;
    lua_pushfstring(L, "%s %s", shown++ ? " or" : "", at_op_schema(f->list[i].op));
    lua_concat(L, 2);
  }
  lua_concat(L, 2);
  return lua_error(L);
}

/* The overload that fits the arguments, or NULL with c->worst.  The first round only saves time. */
static const overload *choose(lua_State *L, call *c, const family *f, int top, int keywords) {
  c->wrong = 0;
  c->worst = (problem){"its arguments match none of its overloads", "", "", "", NULL, -1, 0};
  c->level = EXACT, c->foreign = 0;
  for (int i = 0; i < top && i < MAX_ARGS; i++) c->types[i] = (signed char)lua_type(L, i + 1);
  for (int i = 0; top <= MAX_ARGS && i < f->n && !c->wrong; i++)
    if (plausible(c, f->list + i, top, keywords) && match(L, c, f->list + i, top, keywords)) return f->list + i;
  if (c->wrong) return NULL;
  for (c->level = EXACT; c->level < LEVELS; c->level++)
    for (int i = 0; i < f->n; i++) {
      if (match(L, c, f->list + i, top, keywords)) return f->list + i;
      if (c->wrong) return NULL;
    }
  if (!keywords) return NULL;
  c->worst.foreign = MAX_ARGS; /* once more, only to say what is wrong */
  for (int i = 0; i < f->n; i++) {
    c->level = SPREAD, c->foreign = foreign_keywords(L, f->list + i, keywords);
    match(L, c, f->list + i, top, keywords);
  }
  return NULL;
}

static int raise(lua_State *L, const char *name, agad_error *error) {
  if (error->kind == AGAD_INTERRUPTED) return lua_agad_raise(L, error);
  reword(error->message, sizeof error->message);
  return lua_agad_error(L, "%s: %s", name, error->message);
}

/* One or two tensors and nothing else: what most calls are.  0: it is not that. */
static int call_of_tensors(lua_State *L, const family *f, int top) {
  at_value values[2], result;
  if (top < 1 || top > 2 || !f->of_tensors[top] || f->of_tensors[top]->in_place) return 0;
  const overload *o = f->of_tensors[top];
  if (o->tensors != 1) return 0;
  for (int i = 0; i < top; i++) {
    at_tensor *t = lua_agad_test_tensor(L, i + 1);
    if (!t) return 0;
    values[i] = at_v(t);
  }
  agad_error error;
  lua_agad_new_tensor_of(L, f->state);
  at_scope scope = at_open();
  int n = at_op_call(o->op, values, top, &result, 1);
  if (n < 0 && at_failed_as() == AGAD_OUT_OF_MEMORY) {
    at_close(&scope, &error);
    lua_agad_collect(L);
    scope = at_open();
    n = at_op_call(o->op, values, top, &result, 1);
  }
  if (n == 1) lua_agad_fill(L, -1, result.kind == AT_TENSOR ? result.as.tensor : NULL);
  return at_close(&scope, &error) ? raise(L, f->name, &error) : 1;
}

/* Makes tensors of given sizes: takes a dtype and a device, and no tensor. */
static int makes_tensors(const family *f) {
  int dtype = 0;
  for (int i = 0; i < f->n; i++)
    for (int j = 0; j < f->list[i].n; j++) {
      const at_arg *a = f->list[i].args + j;
      dtype |= a->keyword_only && a->kind == AT_DTYPE;
    }
  return dtype;
}

/* The keyword requires_grad, which no schema has, where a tensor is made: its value, or -1 where it is not given. */
static int read_requires_grad(lua_State *L, const family *f, int keywords) {
  if (!keywords) return -1;
  int given = lua_getfield(L, keywords, "requires_grad"), on = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return given == LUA_TBOOLEAN && makes_tensors(f) ? on : -1;
}

/* agad.ones(2, 3, "float64") is agad.ones(2, 3, {dtype = "float64"}) */
static void dtype_to_keyword(lua_State *L, const family *f, int top) {
  at_dtype dtype;
  if (!top || lua_type(L, top) != LUA_TSTRING || at_dtype_by_name(lua_tostring(L, top), &dtype) || !makes_tensors(f))
    return;
  lua_createtable(L, 0, 1);
  lua_insert(L, top);
  lua_setfield(L, top, "dtype");
}

static int refuse_call(lua_State *L, const family *f, const call *c, int keywords) {
  if (!c->wrong) return no_overload(L, f, &c->worst, keywords);
  return lua_agad_error(L, lua_pushfstring(L, "%s: %s", f->name, c->worst.form), c->worst.name, c->worst.expected,
                        c->worst.got);
}

/* Numbers where tensors are wanted become such, now that a scope owns them. */
static void wrap(at_value *v) {
  if (v->kind != AT_INT && v->kind != AT_DOUBLE && v->kind != AT_BOOL) return;
  v->as.tensor = at_number(v);
  v->kind = AT_TENSOR;
}

static int call_overload(const overload *o, call *c, at_value *results) {
  for (int i = 0; i < o->n && c->level == WRAP; i++) {
    at_value *v = c->values + i;
    if (o->args[i].kind == AT_TENSOR) wrap(v);
    else if (o->args[i].kind == AT_LIST && o->args[i].item == AT_TENSOR && v->kind == AT_LIST)
      for (int k = 0; k < v->n; k++) wrap(c->items + (v->items - c->items) + k);
  }
  const char *why = at_ok() && o->refuse ? o->refuse(o->op, c->values) : NULL;
  if (why) at_fail("refused, libtorch would crash: %s", why);
  return at_op_call(o->op, c->values, o->n, results, MAX_RESULTS);
}

typedef struct result_list {
  const at_value *values;
  int n;
} result_list;

static int push_results(lua_State *L) {
  const result_list *list = lua_touserdata(L, 1);
  luaL_checkstack(L, list->n + 8, "too many results");
  for (int r = 0; r < list->n; r++) push_result(L, list->values + r);
  return list->n;
}

/* Gives the results to the tensors that lie ready on the stack; where there are none, pushes them, in a protected call
 * if that allocates. */
static void give_results(lua_State *L, const overload *o, const at_value *results, int n, int ready, int top) {
  if (ready == n) {
    for (int r = 0; r < n; r++) lua_agad_fill(L, r - n, results[r].kind == AT_TENSOR ? results[r].as.tensor : NULL);
    return;
  }
  int own = o->in_place && results->kind == AT_TENSOR && top; /* t:mul_(2) is t */
  if (own) lua_pushvalue(L, 1);
  result_list list = {results + own, n - own};
  int allocates = 0;
  for (int r = own; r < n; r++) allocates |= results[r].kind == AT_TENSOR || results[r].kind == AT_LIST;
  if (!lua_checkstack(L, n + 8)) at_fail("too many results for Lua's stack");
  else if (!allocates)
    for (int r = own; r < n; r++) push_result(L, results + r);
  else {
    lua_pushcfunction(L, push_results);
    lua_pushlightuserdata(L, &list);
    if (lua_pcall(L, 1, list.n, 0) != LUA_OK) lua_agad_caught(L, "", NULL);
  }
}

static int call_family(lua_State *L, const family *f) {
  int top = lua_gettop(L);
  if (f->state->stress) lua_agad_collect(L);
  if (call_of_tensors(L, f, top)) return 1;
  dtype_to_keyword(L, f, top);
  int keywords = 0, kind = top ? holds_keywords(L, top) : 0;
  if (kind < 0) return lua_agad_error(L, "%s: the last table mixes list items and keywords", f->name);
  if (kind > 0) keywords = top--;
  call c;
  at_value results[MAX_RESULTS];
  agad_error error;
  int with_gradient = read_requires_grad(L, f, keywords);
  c.taken = with_gradient >= 0;
  const overload *o = choose(L, &c, f, top, keywords);
  if (!o) return refuse_call(L, f, &c, keywords);
  int ready = o->in_place && top ? 0 : o->tensors;
  if (ready > 8) luaL_checkstack(L, ready + 8, f->name);
  for (int r = 0; r < ready; r++) lua_agad_new_tensor_of(L, f->state);
  lua_State *before = lua_agad_set_caller(L, f->state); /* there is an operator that walks a graph */
  at_scope scope = at_open();
  int n = call_overload(o, &c, results);
  if (n < 0 && at_failed_as() == AGAD_OUT_OF_MEMORY && !o->in_place) { /* what Lua no longer needs may be enough */
    at_close(&scope, &error);
    lua_agad_collect(L);
    const overload *again = choose(L, &c, f, top, keywords); /* a number that became a tensor went with the scope */
    scope = at_open();
    n = again == o ? call_overload(o, &c, results) : at_fail_with(&error);
  }
  lua_agad_set_caller(before, f->state);
  if (n > 0) give_results(L, o, results, n, ready, top);
  if (with_gradient > 0 && n == 1 && results->kind == AT_TENSOR) at_set_requires_grad(lua_agad_test_tensor(L, -1), 1);
  return at_close(&scope, &error) ? raise(L, f->name, &error) : n;
}

static int call_upvalue(lua_State *L) { return call_family(L, lua_touserdata(L, lua_upvalueindex(1))); }

int lua_agad_push_op(lua_State *L, const char *name) {
  if (!lua_agad_push_family(L, name)) return 0;
  lua_pushcclosure(L, call_upvalue, 1);
  return 1;
}

int lua_agad_metamethod(lua_State *L) {
  family *f = lua_touserdata(L, lua_upvalueindex(3));
  lua_settop(L, (int)lua_tointeger(L, lua_upvalueindex(2)));
  if (!f) { /* the first time: not while the module is opened, since the device is not yet known then */
    f = lua_agad_push_family(L, lua_tostring(L, lua_upvalueindex(1)));
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
  lua_pushcfunction(L, lua_agad_operators);
  lua_setfield(L, -2, "operators");
}
