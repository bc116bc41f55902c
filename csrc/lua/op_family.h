/* op_family.h: all overloads of an operator's name, digested once for each Lua state. */
#ifndef AGAD_LUA_OP_FAMILY_H
#define AGAD_LUA_OP_FAMILY_H

#include "lua/op_read.h"

typedef struct overload {
  const at_op *op;
  const at_arg *args;
  int n, in_place, has_out; /* writes its first argument; takes the result as a keyword */
  int tensors;              /* results, where all are single tensors; 0: none is a tensor or a list; -1: else */
  unsigned char shifts[MAX_ARGS];
  int least; /* the number of arguments that must be given */
  refusal refuse;
  unsigned short takes[MAX_ARGS]; /* the Lua types that can be read exactly, 1 << LUA_T… each */
} overload;

typedef struct family {
  char name[128];
  lua_agad_state *state;
  int n;
  const overload *of_tensors[3]; /* the one that 1 or 2 tensors mean, by their number */
  overload list[];               /* those with out = … come last */
} family;

/* Pushes the family of a name, which the state keeps, and returns it; NULL, and pushes nothing, where there is none. */
family *lua_agad_push_family(lua_State *L, const char *name);

/* Why an overload cannot be called from Lua, or NULL. */
const char *op_unusable(const at_op *op);
int op_has_out(const at_op *op);
/* Takes names of dimensions: such overloads are tried, and shown, after those that count them. */
int op_is_named(const at_op *op);

/* operators(), the catalogue: op_list.c */
int lua_agad_operators(lua_State *L);

#endif
