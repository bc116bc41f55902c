/* lua_data.h: what the bindings of pictures, sampler and metrics share: lists of numbers from Lua. */
#ifndef AGAD_LUA_DATA_H
#define AGAD_LUA_DATA_H

#include "lua/lua_agad.h"

/* Raises unless the argument is a list or a tensor; before a scope is open. */
void lua_data_check_numbers(lua_State *L, int index);

/* Its numbers, dense, owned by the scope; NULL after a failure. Booleans count as 0 and 1. */
const double *lua_data_numbers(lua_State *L, int index, int64_t *n);
const int64_t *lua_data_integers(lua_State *L, int index, int64_t *n);
/* n labels, each 0 (normal) or 1 (anomalous). */
const uint8_t *lua_data_labels(lua_State *L, int index, int64_t n);

/* Makes an agad_error the scope's failure; -1. */
int lua_data_fail(const agad_error *error);

/* Each adds to the table on the top of the stack: `sampler` and `anomalies_per_batch`; the metrics. */
void lua_data_open_sampler(lua_State *L);
void lua_data_open_metrics(lua_State *L);
void lua_data_open_curves(lua_State *L); /* called by lua_data_open_metrics */

#endif
