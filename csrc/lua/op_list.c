/* op_list.c: the catalogue of operators: names, schemas, and how Lua calls each. */
#include "lua/op_family.h"

#include <string.h>

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

/* What at_op_each says of an operator, for the call that notes it. */
typedef struct entry {
  lua_State *L;
  const char *name, *variant, *schema;
  int failed; /* an earlier one has raised: nothing more is noted */
} entry;

static int note_entry(lua_State *L) {
  const entry *e = lua_touserdata(L, 1);
  const at_op *op = at_op_find(e->name, e->variant);
  lua_createtable(L, 0, 6);
  lua_pushstring(L, e->name), lua_setfield(L, -2, "name");
  lua_pushstring(L, e->variant), lua_setfield(L, -2, "overload");
  lua_pushstring(L, e->schema), lua_setfield(L, -2, "schema");
  lua_pushboolean(L, op && op_has_out(op)), lua_setfield(L, -2, "out");
  push_integers(L, e->name, op), lua_setfield(L, -2, "integers");
  if (op && op_unusable(op)) lua_pushstring(L, op_unusable(op)), lua_setfield(L, -2, "unusable");
  lua_rawseti(L, 2, (lua_Integer)lua_rawlen(L, 2) + 1);
  return 0;
}

static void visit(void *context, const char *name, const char *variant, const char *schema) {
  entry *e = context;
  e->name = name, e->variant = variant, e->schema = schema;
  if (!e->failed) e->failed = lua_agad_protected(e->L, note_entry, e, 1, "", NULL);
}

/* operators() -> list of {name, overload, schema, out (takes its result as a keyword), integers (how each is read),
 * unusable (the argument that Lua has no value for)}: the dispatcher's catalogue */
int lua_agad_operators(lua_State *L) {
  entry e = {.L = L};
  lua_settop(L, 0);
  lua_newtable(L);
  at_scope scope = at_open();
  at_op_each(visit, &e);
  return lua_agad_end(L, &scope, 1);
}
