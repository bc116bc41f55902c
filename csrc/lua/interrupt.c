/* interrupt.c: Ctrl-C, and the requests to end (SIGTERM, SIGHUP).
 *
 * The handlers set agad_interrupt, which loops in C poll. For Lua code they set a hook, as lua.c does: it raises
 * core.interruption before the next instruction, and until then nothing is slower for it. A hook belongs to one
 * coroutine, hence resume and wrap here, which note which one runs.
 */
#include "lua/binding.h"

#include <pthread.h>
#include <signal.h>

enum {
  ENOUGH = 3,   /* requests to end before the system's own action is taken */
  PAUSE = 10000 /* instructions that code has after a hold to look at the flag and to clear it */
};

static volatile sig_atomic_t requests, request;

static pthread_t owner;             /* the thread that runs Lua */
static lua_State *volatile running; /* the coroutine that runs; NULL before the first arm */
static volatile sig_atomic_t armed; /* whether Lua code is interrupted */
static volatile sig_atomic_t held;  /* how many poll the flag themselves, and are not */
static int delay = 1;               /* instructions until the hook is called */
static int insists, caught, stuck;  /* stuck: code caught an interruption, so that every instruction raises one */

/* ---- the hook ---- */

static void set_hook(lua_State *L, int count);

/* What clears the hook comes first: a signal that comes later sets it again. */
static void on_hook(lua_State *L, lua_Debug *at) {
  (void)at;
  lua_sethook(L, NULL, 0, 0);
  if (!armed || held || !(stuck || agad_interrupt)) return;
  if (!stuck) {
    agad_interrupt = 0;
    delay = 1;
    stuck = ++caught > 1 && insists;
  }
  if (stuck) set_hook(L, 1);
  lua_agad_raise(L, &(agad_error){.kind = AGAD_INTERRUPTED});
}

static void set_hook(lua_State *L, int count) { lua_sethook(L, on_hook, LUA_MASKCOUNT, count); }

/* For a coroutine that goes on: the one that ran before may have got the hook. */
static void hand_over(lua_State *L) {
  running = L;
  if (L && armed && (stuck || agad_interrupt) && lua_gethook(L) != on_hook) set_hook(L, stuck ? 1 : delay);
}

/* ---- the handlers ---- */

/* Kernels of oneDNN (up to 3.11: issue 4845 there) let the stack pointer point into the heap for a while. A handler that
 * ran on that stack would overwrite what lies there, hence a stack of its own. */
enum { STACK = 1 << 16 };

static void use_own_stack(void) {
  static char memory[STACK];
  stack_t own = {.ss_sp = memory, .ss_size = sizeof memory}, before;
  if (!sigaltstack(NULL, &before) && before.ss_flags & SS_DISABLE) sigaltstack(&own, NULL);
}

/* Whether the signal was sent on to the thread that runs Lua: no other one may set the hook. */
static int sent_on(int signal_number) {
  return !pthread_equal(owner, pthread_self()) && !pthread_kill(owner, signal_number);
}

static void interrupt(void) {
  agad_interrupt = 1;
  if (!armed || held) return;
  delay = 1;
  set_hook(running, 1);
}

static void on_interrupt(int signal_number) {
  if (!sent_on(signal_number)) interrupt();
}

static void on_request(int signal_number) {
  if (sent_on(signal_number)) return;
  interrupt();
  request = signal_number;
  if (++requests < ENOUGH) return;
  signal(signal_number, SIG_DFL);
  raise(signal_number);
}

/* One that was ignored when the program began, as under nohup, stays so. */
static void handle_request(int signal_number) {
  struct sigaction action = {.sa_handler = on_request, .sa_flags = SA_ONSTACK}, before;
  if (sigaction(signal_number, NULL, &before) || before.sa_handler == SIG_IGN) return;
  sigemptyset(&action.sa_mask);
  sigaction(signal_number, &action, NULL);
}

/* arm_interrupt(): from now on the signals set the flag */
static int arm_interrupt(lua_State *L) {
  (void)L;
  struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = SA_ONSTACK};
  owner = pthread_self();
  use_own_stack();
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, NULL);
  handle_request(SIGTERM);
  handle_request(SIGHUP);
  return 0;
}

/* ---- coroutines: Lua's own functions, which also note what runs ---- */

/* The number of results, which are pushed; -1: the error is. */
static int resume(lua_State *L, lua_State *co, int arguments) {
  int results, status;
  lua_State *before = running;
  if (!lua_checkstack(co, arguments)) {
    lua_pushliteral(L, "too many arguments to resume");
    return -1;
  }
  lua_xmove(L, co, arguments);
  hand_over(co);
  status = lua_resume(co, L, arguments, &results);
  hand_over(before);
  if (status == LUA_OK || status == LUA_YIELD) {
    if (lua_checkstack(L, results + 1)) {
      lua_xmove(co, L, results);
      return results;
    }
    lua_pop(co, results);
    lua_pushliteral(L, "too many results to resume");
  } else {
    lua_xmove(co, L, 1);
  }
  return -1;
}

static int coroutine_resume(lua_State *L) {
  lua_State *co = lua_tothread(L, 1);
  luaL_argexpected(L, co, 1, "coroutine");
  int results = resume(L, co, lua_gettop(L) - 1);
  lua_pushboolean(L, results >= 0);
  lua_insert(L, results < 0 ? -2 : -results - 1);
  return results < 0 ? 2 : results + 1;
}

static const char watcher; /* its address is the key of the function that coroutine_watch was given */

/* Lets it see the coroutine with the frames that led to the error, which is on the top of the stack. */
static void show_failure(lua_State *L) {
  lua_Debug here;
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &watcher) == LUA_TFUNCTION && lua_getstack(L, 0, &here)) {
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_getinfo(L, "f", &here);
    lua_pcall(L, 2, 0, 0); /* pops the function; an error in it takes its place */
  }
  lua_pop(L, lua_gettop(L) - 1);
}

static int wrapped(lua_State *L) {
  lua_State *co = lua_tothread(L, lua_upvalueindex(1));
  int results = resume(L, co, lua_gettop(L));
  if (results >= 0) return results;
  if (lua_gettop(L) > 1) lua_replace(L, 1), lua_settop(L, 1); /* the error alone */
  show_failure(L);
  int status = lua_status(co);
  if (status != LUA_OK && status != LUA_YIELD) { /* its variables that are to be closed */
    status = lua_resetthread(co);
    lua_xmove(co, L, 1);
  }
  if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
    luaL_where(L, 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

static int coroutine_wrap(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_State *co = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
  lua_pushcclosure(L, wrapped, 1);
  return 1;
}

/* coroutine_watch(f): f(coroutine, wrapper) is called when a coroutine of coroutine.wrap fails, before it is closed */
static int coroutine_watch(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &watcher);
  return 0;
}

/* ---- what agad.base.interrupt is made of ---- */

static int stop_watching(lua_State *L) {
  (void)L;
  armed = 0;
  running = NULL;
  return 0;
}

/* At the first call: Lua's table coroutine gets the functions above, and nothing is interrupted once the state is
 * being closed. */
static void watch(lua_State *L) {
  static const luaL_Reg own[] = {{"resume", coroutine_resume}, {"wrap", coroutine_wrap}, {NULL, NULL}};
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_getfield(L, -1, "coroutine") == LUA_TTABLE) luaL_setfuncs(L, own, 0);
  lua_newuserdatauv(L, 0, 0);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, stop_watching);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  luaL_ref(L, LUA_REGISTRYINDEX);
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  running = lua_tothread(L, -1);
  lua_pop(L, 3);
}

/* interrupt_arm(insist): and interrupt Lua code */
static int arm(lua_State *L) {
  insists = lua_toboolean(L, 1);
  caught = stuck = 0;
  arm_interrupt(L);
  if (!running) watch(L);
  armed = 1;
  hand_over(running);
  return 0;
}

static int disarm(lua_State *L) {
  (void)L;
  armed = stuck = 0;
  return 0;
}

static int hold(lua_State *L) {
  (void)L;
  held++;
  return 0;
}

/* Whoever held may still clear the flag. */
static int release(lua_State *L) {
  (void)L;
  if (--held || !armed) return 0;
  delay = PAUSE;
  hand_over(running);
  return 0;
}

/* end_requested() -> the number of the signal (SIGTERM or SIGHUP) that has asked the program to end, or nil */
static int end_requested(lua_State *L) {
  if (request) lua_pushinteger(L, request);
  else lua_pushnil(L);
  return 1;
}

static int interrupted(lua_State *L) {
  lua_pushboolean(L, agad_interrupt);
  return 1;
}

static int interrupt_clear(lua_State *L) {
  (void)L;
  agad_interrupt = 0;
  return 0;
}

static const luaL_Reg functions[] = {{"arm_interrupt", arm_interrupt},
                                     {"coroutine_watch", coroutine_watch},
                                     {"interrupt_arm", arm},
                                     {"interrupt_disarm", disarm},
                                     {"interrupt_hold", hold},
                                     {"interrupt_release", release},
                                     {"interrupted", interrupted},
                                     {"end_requested", end_requested},
                                     {"interrupt_clear", interrupt_clear},
                                     {NULL, NULL}};

void lua_agad_open_interrupt(lua_State *L) { luaL_setfuncs(L, functions, 0); }
