/* autograd.c: gradients from Lua: backward, grad, hooks, and functions whose derivative is written in Lua.
 *
 * Lua functions are called back while libtorch walks the graph.  It does so on the calling thread, in the Lua
 * thread that asked (the state's `caller`), so that coroutines are safe; what they raise reaches that caller.  Their
 * arguments are pushed inside the protected call: no error of Lua's crosses libtorch's frames.
 * libtorch may let go of a function at any time and on any thread: it is noted, and leaves the registry later.
 */
#include "lua/op_read.h"
#include "lua/options.h"
#include "lua/tensor_parts.h"

lua_State *lua_agad_set_caller(lua_State *L, lua_agad_state *state) {
  lua_State *before = state->caller;
  state->caller = L;
  state->thread = pthread_self();
  return before;
}

/* Pushes a callback over the function at `index`: in the registry until callback_release. */
static callback *callback_new(lua_State *L, int index) {
  lua_agad_state *state = lua_agad_state_of(L);
  callback *c = lua_newuserdatauv(L, sizeof *c, 1);
  lua_pushvalue(L, index);
  lua_setiuservalue(L, -2, 1);
  lua_pushvalue(L, -1);
  *c = (callback){state, luaL_ref(L, LUA_REGISTRYINDEX), NULL};
  return c;
}

static void callback_release(void *arg) {
  callback *c = arg;
  c->next = atomic_load(&c->state->released);
  while (!atomic_compare_exchange_weak(&c->state->released, &c->next, c)) {}
}

void lua_agad_forget_callbacks(lua_State *L, lua_agad_state *state) {
  for (callback *c = atomic_exchange(&state->released, NULL), *next; c; c = next) {
    next = c->next;
    luaL_unref(L, LUA_REGISTRYINDEX, c->place);
  }
}

/* Runs a body, which calls the function, in who asked; an error is the sticky one. */
static int callback_call(const callback *c, lua_CFunction body, void *argument) {
  lua_agad_state *state = c->state;
  if (state->caller && !pthread_equal(state->thread, pthread_self()))
    return at_fail("a hook or backward in Lua can only be called on the thread that asked for the gradient");
  int mode = at_grad_mode(0);
  int bad = lua_agad_protected(state->caller ? state->caller : state->main, body, argument, 0, "", NULL);
  at_grad_mode(mode);
  return bad;
}

/* Pushes the function. */
static void callback_push(lua_State *L, const callback *c) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, c->place);
  lua_getiuservalue(L, -1, 1);
  lua_remove(L, -2);
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
  luaL_argcheck(L, last <= first + 1, first + 2, "unexpected argument");
  if (last > first || (last == first && !gradient)) lua_agad_options(L, last, who, known, flags);
  return gradient;
}

/* backward([gradient][, {retain_graph = true}]) */
static int backward(lua_State *L) {
  static const option known[] = {OPTION_FLAG("retain_graph", graph_flags, retain_graph), OPTION_END};
  graph_flags flags = {0};
  at_tensor *t = lua_agad_check_tensor(L, 1), *gradient = read_flags(L, 2, "backward", known, &flags);
  lua_agad_state *state = lua_agad_state_of(L);
  lua_State *before = lua_agad_set_caller(L, state);
  at_scope scope = at_open();
  at_backward(t, gradient, flags.retain_graph);
  lua_agad_set_caller(before, state);
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
    luaL_argcheck(L, count > 0 && count <= MAX_GRADS, 2, "a list of 1 to 256 tensors expected");
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
  for (int i = 0; i < n; i++) lua_agad_new_tensor(L);
  lua_agad_state *state = lua_agad_state_of(L);
  lua_State *before = lua_agad_set_caller(L, state);
  at_scope scope = at_open();
  int bad = at_grad(grads, output, gradient, inputs, n, flags.retain_graph, flags.create_graph, flags.allow_unused);
  lua_agad_set_caller(before, state);
  for (int i = 0; i < n && !bad; i++) lua_agad_fill(L, i - n, grads[i]);
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

typedef struct hook_call {
  const callback *function;
  at_tensor *gradient, *result;
} hook_call;

static int call_hook(lua_State *L) {
  hook_call *h = lua_touserdata(L, 1);
  callback_push(L, h->function);
  lua_agad_push_tensor(L, h->gradient);
  lua_call(L, 1, 1);
  at_tensor *given = lua_agad_test_tensor(L, -1);
  if (given) h->result = at_alias(given);
  else if (!lua_isnil(L, -1))
    at_fail("a hook must return a tensor (the new gradient) or nil, not a %s", luaL_typename(L, -1));
  return 0;
}

static at_tensor *run_hook(void *arg, at_tensor *gradient) {
  hook_call h = {arg, gradient, NULL};
  return callback_call(arg, call_hook, &h) ? NULL : h.result;
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
  lua_pushvalue(L, 1);
  lua_pushinteger(L, 0); /* the hook's number, once there is one */
  lua_pushboolean(L, 1);
  lua_pushcclosure(L, remove_hook, 3);
  callback *c = callback_new(L, 2);
  lua_pop(L, 1);
  at_scope scope = at_open();
  unsigned id = 0;
  at_hook(t, run_hook, c, callback_release, &id);
  lua_pushinteger(L, (lua_Integer)id);
  lua_setupvalue(L, -2, 2);
  return lua_agad_end(L, &scope, 1);
}

/* ---- functions with a derivative of their own ---- */

typedef struct backward_call {
  const callback *function;
  at_tensor *const *grad_out;
  at_tensor **grad_in;
  const int *needed;
  int n_out, n_in;
} backward_call;

static int call_backward(lua_State *L) {
  backward_call *b = lua_touserdata(L, 1);
  luaL_checkstack(L, b->n_out + b->n_in + 8, "too many gradients");
  callback_push(L, b->function);
  for (int i = 0; i < b->n_out; i++) lua_agad_push_alias(L, b->grad_out[i]);
  lua_call(L, b->n_out, b->n_in);
  for (int i = 0; i < b->n_in; i++) {
    int index = i - b->n_in;
    at_tensor *given = lua_agad_test_tensor(L, index);
    if (given && b->needed[i]) b->grad_in[i] = at_alias(given);
    else if (!given && !lua_isnil(L, index))
      at_fail("a backward must return a tensor or nil for input %d, not a %s", i + 1, luaL_typename(L, index));
  }
  return 0;
}

static int run_backward(void *arg, at_tensor *const *grad_out, int n_out, at_tensor **grad_in, const int *needed,
                        int n_in) {
  backward_call b = {arg, grad_out, grad_in, needed, n_out, n_in};
  return callback_call(arg, call_backward, &b) || !at_ok() ? -1 : 0;
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
    luaL_argcheck(L, n[list] >= 1 && n[list] <= MOST, list + 2, "a list of 1 to 64 tensors expected");
    for (int i = 0; i < n[list]; i++) {
      lua_rawgeti(L, list + 2, i + 1);
      tensors[list][i] = lua_agad_check_tensor(L, lua_gettop(L)); /* stays in the list */
      lua_pop(L, 1);
    }
  }
  luaL_checktype(L, 4, LUA_TFUNCTION);
  luaL_checkstack(L, n[1] + 4, "results");
  for (int i = 0; i < n[1]; i++) lua_agad_new_tensor(L);
  callback *c = callback_new(L, 4);
  lua_pop(L, 1);
  at_scope scope = at_open();
  at_tensor *outputs[MOST];
  for (int i = 0; i < n[1]; i++) outputs[i] = at_alias(tensors[1][i]);
  at_node(name, tensors[0], n[0], outputs, n[1], run_backward, c, callback_release);
  for (int i = 0; i < n[1] && at_ok(); i++) lua_agad_fill(L, i - n[1], outputs[i]);
  return lua_agad_end(L, &scope, n[1]);
}

const luaL_Reg lua_agad_autograd_functions[] = {{"grad", grad}, {"grad_mode", grad_mode}, {"node", node}, {NULL, NULL}};
const luaL_Reg lua_agad_autograd_methods[] = {
    {"backward", backward}, {"requires_grad_", requires_grad_}, {"register_hook", register_hook}, {NULL, NULL}};
