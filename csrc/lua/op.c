/* op.c: any operator from Lua, with positional and keyword arguments.
 *
 *   agad.softmax(t, 2)   t:softmax(2)   t:sum({dim = {1, 2}, keepdim = true})   agad.rand(3, 4)   agad.cat(t, u, 2)
 *
 * A trailing table with string keys only holds keywords, one with an array part only is a list.  The overload
 * is chosen by looking at the arguments, never by trying.
 */
#include "lua/op_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_OVERLOADS = 64, MAX_RESULTS = 64 };

/* ---- families: all overloads of a name, digested once ---- */

typedef struct overload {
  const at_op *op;
  const at_arg *args;
  int n, in_place, has_out; /* writes its first argument; takes the result as a keyword */
  unsigned char shifts[MAX_ARGS];
  int least; /* so many arguments must be given */
  refusal refuse;
  unsigned short takes[MAX_ARGS]; /* the Lua types that can be read exactly, 1 << LUA_T… each */
} overload;

typedef struct family {
  char name[128];
  overload *list; /* those with out = … come last */
  int n;
  const overload *of_tensors[3]; /* the one that 1 or 2 tensors mean, by their number */
} family;

/* Why an overload cannot be called from Lua, or NULL. */
static const char *unusable(const at_op *op) {
  if (at_op_args(op) > MAX_ARGS) return "more than 32 arguments";
  for (int i = 0; i < at_op_args(op); i++) {
    const at_arg *a = at_op_arg(op, i);
    if (a->kind == AT_UNSUPPORTED && !a->has_default && !a->optional) return a->name;
  }
  return NULL;
}

/* Takes names of dimensions: such overloads are tried, and shown, after those that count them. */
static int is_named(const at_op *op) {
  for (int i = 0; i < at_op_args(op); i++)
    if (at_op_arg(op, i)->names_dims) return 1;
  return 0;
}

static int has_out(const at_op *op) {
  for (int i = 0; i < at_op_args(op); i++)
    if (at_op_arg(op, i)->keyword_only && at_op_arg(op, i)->written) return 1;
  return 0;
}

/* The first `n` arguments are tensors and nothing else is asked for. */
static int is_of_tensors(const overload *o, int n) {
  for (int i = 0; i < n; i++)
    if (i >= o->n || o->args[i].kind != AT_TENSOR || o->args[i].keyword_only) return 0;
  return o->least <= n;
}

static void digest(family *f, const at_op *op, const char *name) {
  overload *o = f->list + f->n++;
  *o = (overload){.op = op, .n = at_op_args(op), .has_out = has_out(op), .refuse = refusal_of(name, op)};
  if (o->n) o->args = at_op_arg(op, 0);
  o->in_place = o->n && o->args[0].written && !o->args[0].keyword_only;
  for (int i = 0; i < o->n; i++) {
    const at_arg *a = o->args + i;
    o->shifts[i] = (unsigned char)shift_of(name, a->name);
    o->takes[i] = (unsigned short)lua_types(a);
    if (!a->has_default && !(a->keyword_only && a->optional && !a->written)) o->least++;
  }
  for (int n = 1; n <= 2; n++)
    if (!f->of_tensors[n] && !o->refuse && !o->has_out && is_of_tensors(o, n)) f->of_tensors[n] = o;
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
    for (int named = 0; named < 2; named++)
      for (int i = 0; i < n; i++)
        if (!unusable(found[i]) && has_out(found[i]) == out && is_named(found[i]) == named) digest(f, found[i], name);
  if (f->n) return f;
  free(f->list);
  free(f);
  return NULL;
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
    return refuse(c, "a keyword does not belong here", "", "", "");
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
    if ((f->list[i].has_out || is_named(f->list[i].op)) && shown) break;
    lua_pushfstring(L, "%s %s", shown++ ? " or" : "", at_op_schema(f->list[i].op));
    lua_concat(L, 2);
  }
  lua_concat(L, 2);
  return lua_error(L);
}

/* The overload that fits the arguments, or NULL with c->worst.  The first round only saves time. */
static const overload *choose(lua_State *L, call *c, const family *f, int top, int keywords) {
  c->wrong = 0;
  c->worst = (problem){"its arguments fit no way of calling it", "", "", "", NULL, -1, 0};
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
  for (int i = 0; i < top; i++) {
    at_tensor *t = lua_agad_test_tensor(L, i + 1);
    if (!t) return 0;
    values[i] = at_v(t);
  }
  const at_op *op = f->of_tensors[top]->op;
  if (at_op_returns(op) != 1) return 0;
  agad_error error;
  at_scope scope = at_open();
  int n = at_op_call(op, values, top, &result, 1);
  if (n < 0 && at_failed_as() == AGAD_OUT_OF_MEMORY) {
    at_close(&scope, &error);
    lua_agad_collect(L);
    scope = at_open();
    n = at_op_call(op, values, top, &result, 1);
  }
  if (n == 1) push_result(L, &result);
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

/* AGAD_GC_STRESS=1: a full collection before every operator, which finds what holds a tensor too loosely. */
static void stress(lua_State *L) {
  static int on = -1;
  if (on < 0) {
    const char *value = getenv("AGAD_GC_STRESS");
    on = value && !strcmp(value, "1");
  }
  if (on) lua_agad_collect(L);
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

static int call_family(lua_State *L, const family *f) {
  int top = lua_gettop(L);
  stress(L);
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
  at_scope scope = at_open();
  const overload *o = choose(L, &c, f, top, keywords);
  if (!o) {
    at_close(&scope, &error);
    if (!c.wrong) return no_overload(L, f, &c.worst, keywords);
    return lua_agad_error(L, lua_pushfstring(L, "%s: %s", f->name, c.worst.form), c.worst.name, c.worst.expected,
                          c.worst.got);
  }
  const char *why = o->refuse ? o->refuse(o->op, c.values) : NULL;
  if (why) at_fail("refused, libtorch does not survive it: %s", why);
  int n = at_op_call(o->op, c.values, o->n, results, MAX_RESULTS);
  if (n < 0 && at_failed_as() == AGAD_OUT_OF_MEMORY && !o->in_place) { /* what Lua no longer needs may be enough */
    at_close(&scope, &error);
    lua_agad_collect(L);
    scope = at_open();
    n = at_op_call(o->op, c.values, o->n, results, MAX_RESULTS);
  }
  if (n > 8 && !lua_checkstack(L, n)) n = at_fail("too many results");
  for (int r = 0; r < n; r++) {
    if (r == 0 && o->in_place && results->kind == AT_TENSOR && top) lua_pushvalue(L, 1); /* t:mul_(2) is t */
    else push_result(L, results + r);
  }
  if (with_gradient > 0 && n == 1 && results->kind == AT_TENSOR) at_set_requires_grad(lua_agad_test_tensor(L, -1), 1);
  return at_close(&scope, &error) ? raise(L, f->name, &error) : n;
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

/* Pushes {argument = "dimension", "position", "end" or "as it is"} for those that are integers or lists of them. */
static void push_integers(lua_State *L, const char *name, const at_op *op) {
  static const char *const shifts[] = {
      [PLAIN] = "as it is", [DIMENSION] = "dimension", [POSITION] = "position", [STOP] = "end"};
  const char *space = strstr(name, "::");
  lua_newtable(L);
  for (int i = 0; op && i < at_op_args(op); i++) {
    const at_arg *a = at_op_arg(op, i);
    if (a->kind != AT_INT && (a->kind != AT_LIST || a->item != AT_INT)) continue;
    lua_pushstring(L, shifts[shift_of(space ? space + 2 : name, a->name)]);
    lua_setfield(L, -2, a->name);
  }
}

static void list_operator(void *context, const char *name, const char *variant, const char *schema) {
  lua_State *L = context;
  const at_op *op = at_op_find(name, variant);
  lua_createtable(L, 0, 6);
  lua_pushstring(L, name), lua_setfield(L, -2, "name");
  lua_pushstring(L, variant), lua_setfield(L, -2, "overload");
  lua_pushstring(L, schema), lua_setfield(L, -2, "schema");
  lua_pushboolean(L, op && has_out(op)), lua_setfield(L, -2, "out");
  push_integers(L, name, op), lua_setfield(L, -2, "integers");
  if (op && unusable(op)) lua_pushstring(L, unusable(op)), lua_setfield(L, -2, "unusable");
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
}

/* operators() -> list of {name, overload, schema, out (takes its result as a keyword), integers (how each is read),
 * unusable (the argument that Lua has no value for)}: the dispatcher's catalogue */
static int operators(lua_State *L) {
  lua_settop(L, 0);
  luaL_checkstack(L, 10, "operators");
  lua_newtable(L);
  at_op_each(list_operator, L);
  return 1;
}

void lua_agad_open_op(lua_State *L) {
  lua_pushcfunction(L, operator_function);
  lua_setfield(L, -2, "operator");
  lua_pushcfunction(L, operators);
  lua_setfield(L, -2, "operators");
}
