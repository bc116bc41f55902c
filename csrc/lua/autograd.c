/* autograd.c: gradients from Lua: backward, grad, hooks, and functions whose derivative is written in Lua.
 *
 * Lua functions are called back while libtorch walks the graph.  It does so on the calling thread, in the Lua
 * thread that asked (`caller`), so that coroutines are safe; what they raise reaches that caller.
 */
#include "lua/op_read.h"
#include "lua/options.h"
#include "lua/tensor_parts.h"

#include <stdlib.h>

static lua_State *caller; /* who is in a backward now; only the thread that runs Lua comes here */

lua_State *lua_agad_set_caller(lua_State *L) {
  lua_State *before = caller;
  caller = L;
  return before;
}

/* A Lua function that C calls: kept in the registry as long as the graph needs it. */
typedef struct callback {
  lua_State *main;
  int function;
} callback;

static callback *callback_new(lua_State *L, int index) {
  callback *c = malloc(sizeof *c);
  lua_pushvalue(L, index);
  int function = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  if (c) *c = (callback){lua_tothread(L, -1), function};
  lua_pop(L, 1);
  return c;
}

static void callback_free(void *arg) {
  callback *c = arg;
  luaL_unref(c->main, LUA_REGISTRYINDEX, c->function);
  free(c);
}

/* The function on the stack of whoever asked; NULL and the sticky error where there is no room. */
static lua_State *callback_push(const callback *c, int room) {
  lua_State *L = caller ? caller : c->main;
  if (!lua_checkstack(L, room + 8)) return at_fail("too many gradients for Lua's stack"), NULL;
  lua_rawgeti(L, LUA_REGISTRYINDEX, c->function);
  return L;
}

static int callback_call(lua_State *L, int arguments, int results) {
  int mode = at_grad_mode(0), failed = lua_pcall(L, arguments, results, 0) != LUA_OK;
  at_grad_mode(mode);
  if (failed) lua_agad_caught(L, "", NULL);
  return !failed;
}

/* ---- backward and grad ---- */

typedef struct graph_flags {
  int retain_graph, create_graph, allow_unused;
} graph_flags;

/* Reads [gradient][, {key = boolean, …}] from `first` on: the gradient or NULL, and the flags that are given. */
static at_tensor *read_flags(lua_State *L, int first, const char *who, const option *known, graph_flags *flags) {
  at_tensor *gradient = NULL;
  int last = lua_gettop(L);
  if (last >= first && !lua_istable(L, first) && !lua_isnil(L, first)) gradient = lua_agad_check_tensor(L, first);
  luaL_argcheck(L, last <= first + 1, first + 2, "nothing is expected here");
  if (last > first || (last == first && !gradient)) lua_agad_options(L, last, who, known, flags);
  return gradient;
}

/* backward([gradient][, {retain_graph = true}]) */
static int backward(lua_State *L) {
  static const option known[] = {OPTION_FLAG("retain_graph", graph_flags, retain_graph), OPTION_END};
  graph_flags flags = {0};
  at_tensor *t = lua_agad_check_tensor(L, 1), *gradient = read_flags(L, 2, "backward", known, &flags);
  lua_State *before = lua_agad_set_caller(L);
  at_scope scope = at_open();
  at_backward(t, gradient, flags.retain_graph);
  lua_agad_set_caller(before);
  return lua_agad_end_reworded(L, &scope, 0);
}

/* grad(output, inputs[, gradient][, {retain_graph=, create_graph=, allow_unused=}]) -> one gradient per input */
static int grad(lua_State *L) {
  enum { MAX_GRADS = 256 };
  at_tensor *output = lua_agad_check_tensor(L, 1), *inputs[MAX_GRADS], *grads[MAX_GRADS] = {NULL};
  static const option known[] = {OPTION_FLAG("allow_unused", graph_flags, allow_unused),
                                 OPTION_FLAG("create_graph", graph_flags, create_graph),
                                 OPTION_FLAG("retain_graph", graph_flags, retain_graph), OPTION_END};
  graph_flags flags = {.retain_graph = -1};
  int n = 0;
  if (lua_agad_is_tensor(L, 2)) inputs[n++] = lua_agad_check_tensor(L, 2);
  else {
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_Integer count = (lua_Integer)lua_rawlen(L, 2);
    luaL_argcheck(L, count > 0 && count <= MAX_GRADS, 2, "a list of 1 to 256 tensors");
    for (lua_Integer i = 1; i <= count; i++) {
      lua_rawgeti(L, 2, i);
      inputs[n++] = lua_agad_check_tensor(L, lua_gettop(L));
      lua_pop(L, 1);
    }
  }
  at_tensor *gradient = read_flags(L, 3, "grad", known, &flags);
  if (flags.retain_graph < 0)
    flags.retain_graph = flags.create_graph; /* a graph that is differentiated on is kept, as in PyTorch */
  luaL_checkstack(L, n + 4, "gradients");
  lua_State *before = lua_agad_set_caller(L);
  at_scope scope = at_open();
  int bad = at_grad(grads, output, gradient, inputs, n, flags.retain_graph, flags.create_graph, flags.allow_unused);
  lua_agad_set_caller(before);
  for (int i = 0; i < n && !bad; i++) lua_agad_push_tensor(L, grads[i]);
  return lua_agad_end_reworded(L, &scope, n);
}

static int grad_mode(lua_State *L) {
  if (lua_isnone(L, 1)) lua_pushboolean(L, at_grad_enabled());
  else lua_pushboolean(L, at_grad_mode(lua_toboolean(L, 1)));
  return 1;
}

static int requires_grad_(lua_State *L) {
  at_tensor *t = lua_agad_check_tensor(L, 1);
  int on = lua_isnone(L, 2) || lua_toboolean(L, 2);
  at_scope scope = at_open();
  at_set_requires_grad(t, on);
  lua_settop(L, 1);
  return lua_agad_end(L, &scope, 1);
}

/* ---- hooks ---- */

static at_tensor *run_hook(void *arg, at_tensor *gradient) {
  lua_State *L = callback_push(arg, 2);
  at_tensor *result = NULL;
  if (!L) return NULL;
  lua_agad_push_tensor(L, gradient);
  if (callback_call(L, 1, 1) && !lua_isnil(L, -1)) {
    at_tensor *given = lua_agad_test_tensor(L, -1);
    if (given) result = at_alias(given);
    else at_fail("a hook gives a tensor in the gradient's place, or nil; this one gave a %s", luaL_typename(L, -1));
  }
  lua_pop(L, 1);
  return result;
}

static int remove_hook(lua_State *L) {
  at_tensor *t = lua_agad_test_tensor(L, lua_upvalueindex(1));
  if (!t || !lua_toboolean(L, lua_upvalueindex(3))) return 0;
  lua_pushboolean(L, 0);
  lua_replace(L, lua_upvalueindex(3));
  at_scope scope = at_open();
  at_unhook(t, (unsigned)lua_tointeger(L, lua_upvalueindex(2)));
  return lua_agad_end(L, &scope, 0);
}

/* register_hook(f) -> function that removes it */
static int register_hook(lua_State *L) {
  at_tensor *t = lua_agad_check_tensor(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  callback *c = callback_new(L, 2);
  at_scope scope = at_open();
  unsigned id = 0;
  at_hook(t, run_hook, c, callback_free, &id);
  lua_pushvalue(L, 1);
  lua_pushinteger(L, (lua_Integer)id);
  lua_pushboolean(L, 1);
  lua_pushcclosure(L, remove_hook, 3);
  return lua_agad_end(L, &scope, 1);
}

/* ---- functions with a derivative of their own ---- */

static int run_backward(void *arg, at_tensor *const *grad_out, int n_out, at_tensor **grad_in, const int *needed,
                        int n_in) {
  lua_State *L = callback_push(arg, n_out + n_in);
  if (!L) return -1;
  for (int i = 0; i < n_out; i++) lua_agad_push_tensor(L, grad_out[i] ? at_alias(grad_out[i]) : NULL);
  if (!callback_call(L, n_out, n_in)) return lua_pop(L, 1), -1;
  for (int i = 0; i < n_in; i++) {
    int index = i - n_in;
    at_tensor *given = lua_agad_test_tensor(L, index);
    if (given && needed[i]) grad_in[i] = at_alias(given);
    else if (!given && !lua_isnil(L, index))
      at_fail("a backward gives a tensor or nil for input %d, not a %s", i + 1, luaL_typename(L, index));
  }
  lua_pop(L, n_in);
  return at_ok() ? 0 : -1;
}

/* node(name, {inputs}, {outputs}, backward) -> outputs, as results of a node over the inputs */
static int node(lua_State *L) {
  enum { MOST = 64 };
  const char *name = luaL_checkstring(L, 1);
  at_tensor *tensors[2][MOST];
  int n[2];
  for (int list = 0; list < 2; list++) {
    luaL_checktype(L, list + 2, LUA_TTABLE);
    n[list] = (int)lua_rawlen(L, list + 2);
    luaL_argcheck(L, n[list] >= 1 && n[list] <= MOST, list + 2, "a list of 1 to 64 tensors");
    for (int i = 0; i < n[list]; i++) {
      lua_rawgeti(L, list + 2, i + 1);
      tensors[list][i] = lua_agad_check_tensor(L, lua_gettop(L)); /* stays in the list */
      lua_pop(L, 1);
    }
  }
  luaL_checktype(L, 4, LUA_TFUNCTION);
  luaL_checkstack(L, n[1] + 4, "results");
  callback *c = callback_new(L, 4);
  at_scope scope = at_open();
  at_tensor *outputs[MOST];
  for (int i = 0; i < n[1]; i++) outputs[i] = at_alias(tensors[1][i]);
  at_node(name, tensors[0], n[0], outputs, n[1], run_backward, c, callback_free);
  for (int i = 0; i < n[1] && at_ok(); i++) lua_agad_push_tensor(L, outputs[i]);
  return lua_agad_end(L, &scope, n[1]);
}

const luaL_Reg lua_agad_autograd_functions[] = {{"grad", grad}, {"grad_mode", grad_mode}, {"node", node}, {NULL, NULL}};
const luaL_Reg lua_agad_autograd_methods[] = {
    {"backward", backward}, {"requires_grad_", requires_grad_}, {"register_hook", register_hook}, {NULL, NULL}};
