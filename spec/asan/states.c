/* states.c: Lua's memory, and ours, runs out at the n-th allocation, for each n of the cases in states.lua.
 *
 * After each failure: an error came or the work was done; no scope is open and no failure pending; the same work, once
 * more in the same state, succeeds; and when the state is closed, no tensor is left.  Lua asks a second time after a
 * full collection, so two allocations in a row fail.  In the end two states work on two threads at once. */
#include "at/at.h"
#include "base/memory.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK(condition, ...)                                         \
  do {                                                                \
    if (!(condition)) {                                               \
      fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition); \
      fprintf(stderr, __VA_ARGS__), fputc('\n', stderr);              \
      exit(1);                                                        \
    }                                                                 \
  } while (0)

enum { SAMPLES = 200, MOST_FRESH = 20000 };

int luaopen_agad_core(lua_State *L);
static const char *name = "";

typedef struct faults {
  int64_t until, count; /* allocations until one fails, 0: none is to; all so far */
  int again;            /* it has: the next one fails too */
} faults;

static void *allocate(void *context, void *block, size_t old, size_t size) {
  faults *f = context;
  if (size == 0) return free(block), NULL;
  if (block && size <= old) return realloc(block, size);
  f->count++;
  int second = f->again;
  f->again = f->until && --f->until == 0;
  return second || f->again ? NULL : realloc(block, size);
}

/* A state with the libraries; the function `run` of case i at 1 and what it is called with after it. */
static lua_State *start(faults *f, int i) {
  *f = (faults){0, 0, 0};
  lua_State *L = lua_newstate(allocate, f);
  CHECK(L, "%s", name);
  luaL_openlibs(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_agad_core); /* of the objects that this driver is linked with, whose allocations fail */
  lua_setfield(L, -2, "agad.core");
  lua_pop(L, 1);
  const char *cases =
      "package.path = 'lua/?.lua;lua/?/init.lua;' .. package.path; return dofile 'spec/asan/states.lua'";
  CHECK(!luaL_dostring(L, cases), "%s", lua_tostring(L, -1));
  lua_rawgeti(L, -1, i);
  lua_getfield(L, -1, "run");
  lua_getfield(L, -2, "prepare");
  CHECK(!lua_pcall(L, 0, LUA_MULTRET, 0), "%s: %s", name, lua_tostring(L, -1));
  for (int k = 0; k < 2; k++) lua_remove(L, 1);
  return L;
}

/* Runs the case, whose function and arguments are all that is on the stack; 0 or -1 and `message`. */
static int run(lua_State *L, char message[300]) {
  int n = lua_gettop(L);
  for (int k = 1; k <= n; k++) lua_pushvalue(L, k);
  int bad = lua_pcall(L, n - 1, 0, 0);
  snprintf(message, 300, "%s", bad && lua_tostring(L, -1) ? lua_tostring(L, -1) : "");
  lua_settop(L, n);
  return bad ? -1 : 0;
}

static void check_clean(int64_t n) {
  at_scope scope = at_open();
  CHECK(scope.depth == 1, "%s: allocation %lld: a scope is left open", name, (long long)n);
  CHECK(at_ok(), "%s: allocation %lld: a failure is left", name, (long long)n);
  at_close(&scope, NULL);
}

/* Orders that the n-th allocation of Lua's, or of ours, fails; `pending` ends that and says what was still to come. */
static void order(faults *f, int ours, int64_t n) {
  if (ours) base_fail_allocation(n);
  else f->until = n;
}

static int64_t pending(faults *f, int ours) {
  int64_t left = ours ? base_fail_allocation(0) : f->until;
  f->until = 0, f->again = 0;
  return left;
}

static void close_state(lua_State *L, int64_t before) {
  lua_close(L);
  CHECK(at_memory().tensors == before, "%s: %lld tensors are left", name, (long long)(at_memory().tensors - before));
}

/* What a run allocates that has been run before. */
static int64_t count(int i, int ours) {
  faults f;
  char message[300];
  lua_State *L = start(&f, i);
  CHECK(!run(L, message), "%s: %s", name, message);
  int64_t before = f.count, most = 1 << 30;
  order(&f, ours, ours ? most : 0);
  CHECK(!run(L, message), "%s: %s", name, message);
  int64_t n = ours ? most - base_fail_allocation(0) : f.count - before;
  lua_close(L);
  return n;
}

static void try_case(int i, int ours, int fresh, int sampled) {
  faults f;
  char message[300], again[300];
  int64_t errors = 0, tried = 0, step = 1, before = at_memory().tensors;
  if (sampled) step = count(i, ours) / SAMPLES;
  if (step < 1) step = 1;
  lua_State *L = fresh ? NULL : start(&f, i);
  for (int64_t n = 1, fired = 1; fired && n < MOST_FRESH * step; n += step, tried++) {
    if (fresh) L = start(&f, i);
    order(&f, ours, n);
    int bad = run(L, message);
    fired = !pending(&f, ours);
    check_clean(n);
    errors += bad != 0;
    CHECK(fired || !bad, "%s: %s", name, message);
    if (bad) CHECK(message[0], "%s: allocation %lld: an error without a message", name, (long long)n);
    CHECK(!run(L, again), "%s: after allocation %lld (%s): %s", name, (long long)n, message, again);
    check_clean(n);
    if (fresh) close_state(L, before);
    else lua_gc(L, LUA_GCCOLLECT); /* nets and steps hold memory that Lua does not count */
  }
  if (!fresh) close_state(L, before);
  printf("  %s: %lld places where %s memory fails, %lld errors\n", name, (long long)tried, ours ? "our" : "Lua's",
         (long long)errors);
  fflush(stdout);
}

/* ---- two states on two threads ---- */

static void *work(void *argument) {
  faults f;
  char message[300];
  lua_State *L = start(&f, *(int *)argument);
  for (int i = 0; i < 20; i++) CHECK(!run(L, message), "%s: on a thread: %s", name, message);
  lua_close(L);
  return NULL;
}

static void try_threads(void) {
  pthread_t threads[2];
  int cases[2] = {3, 2};
  for (int i = 0; i < 2; i++) CHECK(!pthread_create(threads + i, NULL, work, cases + i), "no thread");
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  printf("  two states on two threads\n");
}

int main(int argc, char **argv) {
  char folder[] = "/tmp/states.XXXXXX", command[200];
  CHECK(mkdtemp(folder), "no place to work");
  setenv("STATES_FOLDER", folder, 1);
  snprintf(command, sizeof command, "mkdir %s/pictures", folder);
  CHECK(!system(command), "%s", folder);
  faults f = {0, 0, 0};
  lua_State *L = lua_newstate(allocate, &f);
  luaL_openlibs(L);
  CHECK(!luaL_dofile(L, "spec/asan/states.lua"), "%s", lua_tostring(L, -1));
  for (int i = 1; lua_rawgeti(L, 1, i) == LUA_TTABLE; i++) {
    lua_getfield(L, 2, "fresh"), lua_getfield(L, 2, "sampled"), lua_rawgeti(L, 2, 1);
    name = lua_tostring(L, 5);
    for (int ours = 0; ours < 2 && (argc < 2 || atoi(argv[1]) == i); ours++)
      try_case(i, ours, lua_toboolean(L, 3), lua_toboolean(L, 4));
    lua_settop(L, 1);
  }
  if (argc < 2) try_threads();
  lua_close(L);
  snprintf(command, sizeof command, "rm -r '%s'", folder);
  return system(command) != 0;
}
