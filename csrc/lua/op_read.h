/* op_read.h: Lua values as the arguments of an operator. */
#ifndef AGAD_LUA_OP_READ_H
#define AGAD_LUA_OP_READ_H

#include "lua/positions.h"

enum { MAX_ARGS = 32, MAX_ITEMS = 512 };

/* How much is read into a call: exact kinds; one number for a list of integers, numbers one by one; numbers for
 * tensors.  The first level at which an overload fits is taken. */
enum { EXACT, SPREAD, WRAP, LEVELS };

typedef struct problem {
  const char *form, *name, *expected, *got, *other; /* other: what a second overload expects there */
  int reached, foreign;
} problem;

typedef struct call {
  at_value values[MAX_ARGS], items[MAX_ITEMS];
  signed char types[MAX_ARGS]; /* of the positional arguments */
  int n_items, level, at;
  int taken;     /* keywords that are read elsewhere */
  int foreign;   /* keywords that the overload which is being read does not know */
  int wrong;     /* the problem stands whatever the overload */
  problem worst; /* of the overload that could be read furthest */
} call;

/* Each returns 1, or notes what is wrong and returns 0. */
int refuse(call *c, const char *form, const char *name, const char *expected, const char *got);
int read_value(lua_State *L, call *c, int index, const at_arg *arg, at_kind kind, shift s, at_value *out);

/* Rewrites a message of libtorch's in Lua's terms: op_message.c */
void reword(char *text, size_t size);
int lua_agad_end_reworded(lua_State *L, at_scope *scope, int results); /* lua_agad_end for what libtorch says */

/* What is wrong with values that would kill the process, or NULL; NULL for nearly all operators: op_refuse.c */
typedef const char *(*refusal)(const at_op *op, const at_value *values);
refusal refusal_of(const char *name, const at_op *op);
const char *refuse_recurrent(const at_op *op, const at_value *values); /* op_refuse_rnn.c */
/* The value of an argument by its name; NULL: there is no such argument, or (op_tensor) it is not a tensor. */
const at_value *op_argument(const at_op *op, const at_value *values, const char *name);
at_tensor *op_tensor(const at_op *op, const at_value *values, const char *name);

/* The Lua types that can be read exactly as this argument, 1 << LUA_T… each. */
unsigned lua_types(const at_arg *arg);

#endif
