/* tensor_parts.h: what tensor.c puts into the metatable from its sister files. */
#ifndef AGAD_LUA_TENSOR_PARTS_H
#define AGAD_LUA_TENSOR_PARTS_H

#include "lua/binding.h"

/* tensor_index.c */
int lua_agad_index(lua_State *L, int index); /* pushes t[index], t at 1 */
int lua_agad_assign(lua_State *L);           /* t at 1, index at 2, value at 3 */
int lua_agad_length(lua_State *L);
int lua_agad_concat(lua_State *L);
int lua_agad_rows(lua_State *L);

/* tensor_make.c: functions of the module, methods of tensors */
extern const luaL_Reg lua_agad_tensor_makers[], lua_agad_tensor_takers[];
void lua_agad_open_generator(lua_State *L);
/* autograd.c: the same */
extern const luaL_Reg lua_agad_autograd_functions[], lua_agad_autograd_methods[];

#endif
