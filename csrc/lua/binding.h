/* binding.h: what the bindings share.  Only this room knows lua.h.
 *
 * A binding checks all its arguments first (luaL_check* raise while nothing is held), then opens a scope,
 * computes, pushes its results, and ends with `return lua_agad_end(L, &scope, n)`, which closes the scope and
 * raises the sticky error as its last act.  Userdata are created closed, get their metatable, and then acquire;
 * __gc and __close are one function that may run twice.  Error messages are one line, after the position of the caller.
 */
#ifndef AGAD_LUA_BINDING_H
#define AGAD_LUA_BINDING_H

#include "at/at.h"
#include "net/net.h"

#include <lauxlib.h>
#include <lua.h>

/* ---- errors ---- */
/* Pushes "FILE:LINE: " of the caller; where that is a file of the module, of who called it from outside. */
void lua_agad_where(lua_State *L);
int lua_agad_error(lua_State *L, const char *format, ...); /* as luaL_error, from there */
int lua_agad_raise(lua_State *L, const agad_error *error); /* does not return; an interruption is core.interruption */
/* The error on the top of the stack, which Lua code raised, becomes the sticky one, after "WHAT NAME: " where there is a
 * name; an interruption stays one.  -1 */
int lua_agad_caught(lua_State *L, const char *what, const char *name);
int lua_agad_end(lua_State *L, at_scope *scope, int results); /* closes; returns `results` or raises */

/* ---- tensors: tensor.c ---- */
#define LUA_TENSOR "agad.tensor"
#define LUA_LIST "agad.list" /* shapes, results of several tensors: tables that print what they hold */
/* Pushes a tensor (or nil for NULL), which then belongs to Lua.  May run a full collection. */
void lua_agad_push_tensor(lua_State *L, at_tensor *t);
void lua_agad_collect(lua_State *L);                       /* a full collection, counted */
at_tensor *lua_agad_check_tensor(lua_State *L, int index); /* raises; never NULL */
at_tensor *lua_agad_test_tensor(lua_State *L, int index);  /* NULL when it is none (or closed) */
int lua_agad_is_tensor(lua_State *L, int index);           /* closed or not */
/* The name in the list at `list` (0: of all operators) that a mistyped one means, left on the stack; NULL: none. */
const char *lua_agad_nearest(lua_State *L, const char *word, int list);

/* Who is called back while libtorch walks a graph (hooks, backwards in Lua); returns who was: autograd.c */
lua_State *lua_agad_set_caller(lua_State *L);

#define LUA_GENERATOR "agad.generator"
at_generator *lua_agad_test_generator(lua_State *L, int index); /* NULL when it is none (or closed) */

/* ---- values ---- */
void lua_agad_push_printable(lua_State *L, const char *text, size_t n); /* one line, as base/text.h has it */
/* Pushes a Lua value of a JSON text / reads canonical JSON of a value: json.c */
int lua_agad_json_encode(lua_State *L);
int lua_agad_json_decode(lua_State *L);
int lua_agad_device(lua_State *L, const char *name, int *device); /* "cpu", "cuda", "cuda:1"; 0 or -1 */

/* ---- userdata with one pointer ---- */
/* Creates a closed box of metatable `name`; fill it once the resource is there. */
void **lua_agad_new_box(lua_State *L, const char *name);
void *lua_agad_check_box(lua_State *L, int index, const char *name); /* raises when it is closed */
/* Registers a metatable whose __gc and __close call `close(pointer)` and whose __index has the methods. */
void lua_agad_type(lua_State *L, const char *name, const luaL_Reg *methods, void (*close)(void *));

/* ---- nets: net.c ---- */
net *lua_agad_check_net(lua_State *L, int index); /* raise when it is none */
net_plan *lua_agad_check_plan(lua_State *L, int index);

/* ---- parts of the module: each adds its functions to the table on the top of the stack ---- */
void lua_agad_open_host(lua_State *L);
void lua_agad_open_tensor(lua_State *L);
void lua_agad_open_op(lua_State *L);
void lua_agad_open_positions(lua_State *L);
void lua_agad_open_net(lua_State *L);
void lua_agad_open_step(lua_State *L);
void lua_agad_open_data(lua_State *L);
void lua_agad_open_model(lua_State *L);
void lua_agad_open_file(lua_State *L);

/* The operator of upvalue 1 (a name) with as many arguments as upvalue 2 says; upvalue 3 is its own: op.c */
int lua_agad_metamethod(lua_State *L);
/* Pushes the function of an operator, or returns 0. */
int lua_agad_push_op(lua_State *L, const char *name);

#endif
