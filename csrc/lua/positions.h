/* positions.h: dimensions and positions are counted from 1 in Lua, from 0 in libtorch; they are converted only here.
 *
 * 1, 2, … from the front, -1, -2, … from the end; 0 is refused. Numbers inside tensors are never converted.
 */
#ifndef AGAD_LUA_POSITIONS_H
#define AGAD_LUA_POSITIONS_H

#include "lua/binding.h"

typedef enum shift { PLAIN, DIMENSION, POSITION, STOP } shift; /* STOP: the end of a slice, which is included in Lua */

/* How an integer argument of an operator is read, by its name in the schema: the one list of names that shift. */
shift shift_of(const char *op, const char *arg);
/* Converts a number to libtorch's count. Returns 0 if it is 0, which is invalid. */
int shift_in(int64_t *i, shift kind);
/* Converts a number of libtorch's to Lua's count. */
int64_t shift_out(int64_t i);
/* What is counted, in the plural, for messages. */
const char *shift_counts(shift kind);

/* A dimension of t as an argument, from 0; raises. */
int lua_agad_check_dimension(lua_State *L, int index, const at_tensor *t);

#endif
