/* op_family.c: see op_family.h. */
#include "lua/op_family.h"

#include <stdio.h>
#include <string.h>

enum { MAX_OVERLOADS = 64 };

const char *op_unusable(const at_op *op) {
  if (at_op_args(op) > MAX_ARGS) return "more than 32 arguments";
  for (int i = 0; i < at_op_args(op); i++) {
    const at_arg *a = at_op_arg(op, i);
    if (a->kind == AT_UNSUPPORTED && !a->has_default && !a->optional) return a->name;
  }
  return NULL;
}

int op_is_named(const at_op *op) {
  for (int i = 0; i < at_op_args(op); i++)
    if (at_op_arg(op, i)->names_dims) return 1;
  return 0;
}

int op_has_out(const at_op *op) {
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

/* As `tensors` of an overload, by what its schema says behind the arrow. */
static int tensor_results(const at_op *op) {
  const char *results = at_op_schema(op);
  int n = 0;
  for (const char *next; (next = strstr(results, "-> ")); results = next + 3) {}
  if (strchr(results, '[')) return -1;
  for (const char *at = results; (at = strstr(at, "Tensor")); at++) n++;
  return !n || n == at_op_returns(op) ? n : -1;
}

static void digest(family *f, const at_op *op, const char *name) {
  overload *o = f->list + f->n++;
  *o = (overload){.op = op,
                  .n = at_op_args(op),
                  .has_out = op_has_out(op),
                  .tensors = tensor_results(op),
                  .refuse = refusal_of(name, op)};
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

/* All overloads that can be called, of an operator or of one of our own; how many. */
static int find(const char *name, const at_op **found) {
  const at_op *all[MAX_OVERLOADS];
  int n = at_op_overloads(name, all, MAX_OVERLOADS), usable = 0;
  if (!n && !strchr(name, ':')) {
    char own[160];
    snprintf(own, sizeof own, "agad::%s", name);
    n = at_op_overloads(own, all, MAX_OVERLOADS);
  }
  for (int out = 0; out < 2; out++)
    for (int named = 0; named < 2; named++)
      for (int i = 0; i < n; i++)
        if (!op_unusable(all[i]) && op_has_out(all[i]) == out && op_is_named(all[i]) == named) found[usable++] = all[i];
  return usable;
}

/* In-place names of Lua's reserved words and of TorchScript's builtins are not offered. */
static family *push_new_family(lua_State *L, const char *lua_name) {
  const char *name = !strcmp(lua_name, "tile_repeat") ? "repeat" : lua_name;
  const at_op *found[MAX_OVERLOADS];
  if (strlen(name) >= sizeof((family *)0)->name) return NULL;
  at_scope scope = at_open();
  int n = find(name, found);
  lua_agad_end(L, &scope, 0);
  if (!n) return NULL;
  family *f = lua_newuserdatauv(L, sizeof *f + (size_t)n * sizeof *f->list, 0);
  memset(f, 0, sizeof *f);
  strcpy(f->name, name);
  f->state = lua_agad_state_of(L);
  for (int i = 0; i < n; i++) digest(f, found[i], name);
  return f;
}

family *lua_agad_push_family(lua_State *L, const char *name) {
  static const char key = 0; /* of a table in the registry: name -> family */
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &key) != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &key);
  }
  lua_getfield(L, -1, name);
  family *f = lua_touserdata(L, -1);
  if (!f) {
    lua_pop(L, 1);
    f = push_new_family(L, name);
    if (!f) return lua_pop(L, 1), NULL;
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, name);
  }
  lua_remove(L, -2);
  return f;
}
