/* state.h: what the bindings keep for one Lua state, which all its coroutines share.
 *
 * Nothing that changes is static in this room, so that several Lua states run side by side on threads of their own; a
 * state may move to another thread between two calls.  What is shared by the process (the interrupt flag, the number of
 * threads, the default generators) is libagad's.
 */
#ifndef AGAD_LUA_STATE_H
#define AGAD_LUA_STATE_H

#include <lua.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

/* A Lua function that libtorch calls: kept in the registry as long as a graph needs it. */
typedef struct callback {
  struct lua_agad_state *state;
  int place; /* of this userdata in the registry; its user value is the function */
  struct callback *next;
} callback;

typedef struct lua_agad_state {
  lua_State *main;
  /* Who is called back while libtorch walks a graph (hooks, backwards in Lua), and on which thread; NULL: nobody */
  lua_State *caller;
  pthread_t thread;
  _Atomic(callback *) released; /* no graph needs them any more: a list, which autograd.c takes out of the registry */
  char own_files[512];          /* "@", and where the module's Lua files are */
  /* tensor.c: what Lua keeps alive, and when a full collection is due */
  int64_t bytes, budget, alive, collect_at, collections;
  int scopes; /* open ones (agad.scope); each is a list in the registry of what was made in it */
  int stress; /* AGAD_GC_STRESS=1: a full collection before every operator */
} lua_agad_state;

void lua_agad_open_state(lua_State *L); /* the first thing that the module does */
lua_agad_state *lua_agad_state_of(lua_State *L);

#endif
