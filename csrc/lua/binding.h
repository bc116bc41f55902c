/* binding.h: what the bindings share.  Only this room knows lua.h.
 *
 * lua_error jumps over C frames: whatever they hold then is lost.  So a binding checks its arguments and makes the Lua
 * objects of its results (closed) first; then it opens a scope, computes and fills them, and `return lua_agad_end(L,
 * &scope, n)` closes the scope and raises the sticky error as its last act.  While a scope is open, or C holds memory,
 * nothing of Lua's that raises, allocates or runs Lua code is called: lua_rawget*, lua_to*, lua_next and pushing
 * anything but strings, tables and userdata are fine.  Tables of results are made after the scope.  All else happens
 * inside lua_agad_protected, also in callbacks from libtorch, whose frames no error may cross.
 * __gc and __close are one function that may run twice.
 */
#ifndef AGAD_LUA_BINDING_H
#define AGAD_LUA_BINDING_H

#include "at/at.h"
#include "lua/state.h"
#include "net/net.h"

#include <lauxlib.h>
#include <lua.h>

/* ---- errors ---- */
/* Pushes "FILE:LINE: " of the calling Lua code outside of the module's own files. */
void lua_agad_where(lua_State *L);
int lua_agad_error(lua_State *L, const char *format, ...); /* as luaL_error, from there */
int lua_agad_raise(lua_State *L, const agad_error *error); /* does not return; an interruption is core.interruption */
/* Pops an error that Lua code raised: it becomes the sticky one, after "WHAT NAME: " where there is a name; an
 * interruption stays one.  -1 */
int lua_agad_caught(lua_State *L, const char *what, const char *name);
int lua_agad_end(lua_State *L, at_scope *scope, int results); /* closes; returns `results` or raises */
/* Calls f(argument as light userdata, the value at `index` or (0) nil) and drops its results.  0, or -1 if it raised,
 * which makes its error the sticky one, as lua_agad_caught does.  Raises nothing. */
int lua_agad_protected(lua_State *L, lua_CFunction f, void *argument, int index, const char *what, const char *name);

/* ---- tensors: tensor.c ---- */
#define LUA_TENSOR "agad.tensor"
#define LUA_LIST "agad.list" /* shapes, results of several tensors: tables that print what they hold */
/* A tensor goes to Lua in two steps.  Before the scope: pushes a closed one; may run a full collection.  In the scope:
 * the one at `index` gets its tensor, which then belongs to Lua; for NULL nil takes its place.  Raises nothing. */
void lua_agad_new_tensor(lua_State *L);
void lua_agad_new_tensor_of(lua_State *L, lua_agad_state *state); /* the same for who has the state at hand */
void lua_agad_fill(lua_State *L, int index, at_tensor *t);
/* Both in one: in a protected call only. */
void lua_agad_push_tensor(lua_State *L, at_tensor *t);
/* Pushes another handle of a tensor that something else holds, or nil for NULL; where an error may be raised. */
void lua_agad_push_alias(lua_State *L, const at_tensor *t);
void lua_agad_collect(lua_State *L);                       /* a full collection, counted */
at_tensor *lua_agad_check_tensor(lua_State *L, int index); /* raises; never NULL */
at_tensor *lua_agad_test_tensor(lua_State *L, int index);  /* NULL if it is not a tensor (or closed) */
int lua_agad_is_tensor(lua_State *L, int index);           /* closed or not */
/* The name in the list at `list` (0: of all operators) that a mistyped one means, left on the stack; NULL: none. */
const char *lua_agad_nearest(lua_State *L, const char *word, int list);

/* Who is called back while libtorch walks a graph (hooks, backwards in Lua); returns who was: autograd.c */
lua_State *lua_agad_set_caller(lua_State *L, lua_agad_state *state);
/* Takes the functions that no graph needs any more out of the registry. */
void lua_agad_forget_callbacks(lua_State *L, lua_agad_state *state);

#define LUA_GENERATOR "agad.generator"
at_generator *lua_agad_test_generator(lua_State *L, int index); /* NULL if it is not a generator (or closed) */

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
/* A holder of memory that Lua frees when an error comes: pushes it empty; fill it at once.  lua_agad_release frees what
 * it holds; where it was handed on, empty the holder instead. */
void **lua_agad_new_holder(lua_State *L, void (*release)(void *));
void lua_agad_release(lua_State *L, int index);
/* Registers a metatable whose __gc and __close call `close(pointer)` and whose __index has the methods. */
void lua_agad_type(lua_State *L, const char *name, const luaL_Reg *methods, void (*close)(void *));

/* ---- nets: net.c ---- */
net *lua_agad_check_net(lua_State *L, int index); /* raise if it is not one */
net_plan *lua_agad_check_plan(lua_State *L, int index);

/* ---- parts of the module: each adds its functions to the table on the top of the stack ---- */
void lua_agad_open_host(lua_State *L);
void lua_agad_open_readline(lua_State *L);
void lua_agad_open_choices(lua_State *L);
void lua_agad_open_interrupt(lua_State *L);
void lua_agad_open_tensor(lua_State *L);
void lua_agad_open_op(lua_State *L);
void lua_agad_open_positions(lua_State *L);
void lua_agad_open_net(lua_State *L);
void lua_agad_open_step(lua_State *L);
void lua_agad_open_losses(lua_State *L);
void lua_agad_open_data(lua_State *L);
void lua_agad_open_model(lua_State *L);
void lua_agad_open_file(lua_State *L);

/* The operator of upvalue 1 (a name) with as many arguments as upvalue 2 says; upvalue 3 is its own: op.c */
int lua_agad_metamethod(lua_State *L);
/* Pushes the function of an operator, or returns 0. */
int lua_agad_push_op(lua_State *L, const char *name);

#endif
