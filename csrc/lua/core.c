/* core.c: the module agad.core: errors, boxes, and what concerns all of libtorch. */
#include "lua/binding.h"

#include "base/cores.h"
#include "base/hash.h"
#include "base/text.h"
#include "data/crew.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int luaopen_agad_core(lua_State *L);

/* set_own_files(prefix): errors name the line that called them, not one of theirs */
static int set_own_files(lua_State *L) {
  lua_agad_state *state = lua_agad_state_of(L);
  snprintf(state->own_files, sizeof state->own_files, "%s", luaL_checkstring(L, 1));
  return 0;
}

static int try_call(lua_State *L);

void lua_agad_where(lua_State *L) {
  const char *own_files = lua_agad_state_of(L)->own_files;
  lua_Debug ar;
  int level = 1;
  for (; *own_files && lua_getstack(L, level, &ar); level++) {
    lua_getinfo(L, "Slf", &ar);
    int tried = lua_tocfunction(L, -1) == try_call;
    lua_pop(L, 1);
    if (tried) break;
    int own = !strncmp(ar.source, own_files, strlen(own_files));
    if (!own && (ar.currentline > 0 || level == 1)) break; /* called by pcall itself: there is no position */
  }
  luaL_where(L, level);
}

int lua_agad_error(lua_State *L, const char *format, ...) {
  lua_agad_where(L);
  va_list args;
  va_start(args, format);
  const char *message = lua_pushvfstring(L, format, args);
  va_end(args);
  lua_agad_push_printable(L, message, strlen(message)); /* one line, whatever names it quotes */
  lua_remove(L, -2);
  lua_concat(L, 2);
  return lua_error(L);
}

/* fail(message): raises it with the user's line */
static int fail(lua_State *L) { return lua_agad_error(L, "%s", luaL_checkstring(L, 1)); }

static int try_done(lua_State *L, int status, lua_KContext context) {
  (void)context;
  if (status == LUA_OK || status == LUA_YIELD) return lua_gettop(L);
  lua_pushboolean(L, 0);
  lua_insert(L, -2);
  return 2;
}

/* try(f, …): as pcall, for Lua files of the module that catch an error to say more: what the core raises in it comes
 * without the user's line, which whoever raises it again adds */
static int try_call(lua_State *L) {
  luaL_checkany(L, 1);
  lua_pushboolean(L, 1);
  lua_insert(L, 1);
  return try_done(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, try_done), 0);
}

/* ---- Ctrl-C is one value, so that == tells it from every other error ---- */

static const char interruption; /* its address is the value's name in the registry */

static int interruption_text(lua_State *L) {
  lua_pushliteral(L, "interrupted");
  return 1;
}

static int interruption_joined(lua_State *L) {
  luaL_tolstring(L, 1, NULL);
  luaL_tolstring(L, 2, NULL);
  lua_concat(L, 2);
  return 1;
}

static void open_interruption(lua_State *L) {
  static const luaL_Reg as_text[] = {
      {"__tostring", interruption_text}, {"__concat", interruption_joined}, {NULL, NULL}};
  lua_newtable(L);
  luaL_newlib(L, as_text);
  lua_setmetatable(L, -2);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &interruption);
  lua_setfield(L, -2, "interruption");
}

int lua_agad_raise(lua_State *L, const agad_error *error) {
  if (error->kind != AGAD_INTERRUPTED) return lua_agad_error(L, "%s", error->message);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &interruption);
  return lua_error(L);
}

int lua_agad_caught(lua_State *L, const char *what, const char *name) {
  char number[64];
  const char *message = "an error that is not a string";
  lua_rawgetp(L, LUA_REGISTRYINDEX, &interruption);
  int interrupted = lua_rawequal(L, -1, -2);
  lua_pop(L, 1);
  if (lua_type(L, -1) == LUA_TSTRING) message = lua_tostring(L, -1);
  else if (lua_isinteger(L, -1)) /* lua_tostring would make a string of it */
    message = number, snprintf(number, sizeof number, "%lld", (long long)lua_tointeger(L, -1));
  else if (lua_type(L, -1) == LUA_TNUMBER)
    message = number, text_print(number, sizeof number, "%.14g", lua_tonumber(L, -1));
  if (interrupted) at_interrupted();
  else at_fail("%s%s%s%s", name ? what : "", name ? name : "", name ? ": " : "", message);
  lua_pop(L, 1);
  return -1;
}

int lua_agad_protected(lua_State *L, lua_CFunction f, void *argument, int index, const char *what, const char *name) {
  if (index) index = lua_absindex(L, index);
  if (!lua_checkstack(L, 8)) return at_fail("Lua's stack is full, or there is no memory to make it larger");
  lua_pushcfunction(L, f);
  lua_pushlightuserdata(L, argument);
  if (index) lua_pushvalue(L, index);
  else lua_pushnil(L);
  return lua_pcall(L, 2, 0, 0) == LUA_OK ? 0 : lua_agad_caught(L, what, name);
}

int lua_agad_end(lua_State *L, at_scope *scope, int results) {
  agad_error error;
  if (at_close(scope, &error)) return lua_agad_raise(L, &error);
  return results;
}

/* ---- boxes ---- */

void **lua_agad_new_box(lua_State *L, const char *name) {
  void **box = lua_newuserdatauv(L, sizeof *box, 1);
  *box = NULL;
  luaL_setmetatable(L, name);
  return box;
}

void *lua_agad_check_box(lua_State *L, int index, const char *name) {
  void **box = luaL_checkudata(L, index, name);
  luaL_argcheck(L, *box, index, "is closed");
  return *box;
}

static int close_box(lua_State *L) {
  void **box = lua_touserdata(L, 1);
  void (*close)(void *) = NULL;
  *(void **)&close = lua_touserdata(L, lua_upvalueindex(1));
  void *pointer = *box;
  *box = NULL;
  if (pointer) close(pointer);
  return 0;
}

/* ---- holders: boxes that carry the function that frees what they hold ---- */

typedef struct holder {
  void *pointer;
  void (*release)(void *);
} holder;

#define LUA_HOLDER "agad.holder"

void **lua_agad_new_holder(lua_State *L, void (*release)(void *)) {
  holder *h = lua_newuserdatauv(L, sizeof *h, 1); /* the user value: Lua memory that release needs */
  *h = (holder){NULL, release};
  luaL_setmetatable(L, LUA_HOLDER);
  return &h->pointer;
}

void lua_agad_release(lua_State *L, int index) {
  holder *h = lua_touserdata(L, index);
  void *pointer = h->pointer;
  h->pointer = NULL;
  if (pointer) h->release(pointer);
}

static int free_held(lua_State *L) { return lua_agad_release(L, 1), 0; }

void lua_agad_type(lua_State *L, const char *name, const luaL_Reg *methods, void (*close)(void *)) {
  luaL_newmetatable(L, name);
  lua_newtable(L);
  luaL_setfuncs(L, methods, 0);
  lua_setfield(L, -2, "__index");
  lua_pushlightuserdata(L, *(void **)&close);
  lua_pushcclosure(L, close_box, 1);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "__gc");
  lua_setfield(L, -2, "__close");
  lua_pop(L, 1);
}

/* ---- text and content ---- */

/* XXH64 of a string, as 16 hexadecimal digits. */
static int hash(lua_State *L) {
  size_t n;
  const char *text = luaL_checklstring(L, 1, &n);
  char digits[17];
  base_hash_digits(base_hash(text, n, 0), digits);
  lua_pushstring(L, digits);
  return 1;
}

void lua_agad_push_printable(lua_State *L, const char *text, size_t n) {
  luaL_Buffer out;
  char *room = luaL_buffinitsize(L, &out, 4 * n + 1);
  luaL_pushresultsize(&out, text_printable(room, 4 * n + 1, text, n));
}

/* printable(text): control characters, and bytes over 127 of text that is not UTF-8, as \xNN */
static int printable(lua_State *L) {
  size_t n;
  const char *text = luaL_checklstring(L, 1, &n);
  return lua_agad_push_printable(L, text, n), 1;
}

/* ---- libtorch ---- */

/* Operators and the reading of pictures use the same number. n < 1: as it is. */
static int share_threads(int n) {
  n = at_set_threads(n);
  crew_use_threads(n);
  return n;
}

static int probe(lua_State *L) {
  const char *note;
  at_scope scope = at_open();
  lua_pushinteger(L, at_probe(&note));
  share_threads(0);
  lua_agad_end(L, &scope, 0);
  lua_pushstring(L, note);
  return 2;
}

/* cores([root]): physical cores that this process may use, or a machine's whose /proc and /sys lie below root */
static int cores(lua_State *L) {
  lua_pushinteger(L, base_cores(luaL_optstring(L, 1, "")));
  return 1;
}

static int threads(lua_State *L) {
  lua_Integer n = luaL_optinteger(L, 1, 0);
  luaL_argcheck(L, n >= 0 && n <= 4096, 1, "the number of threads must be 1 to 4096");
  at_scope scope = at_open();
  lua_pushinteger(L, share_threads((int)n));
  return lua_agad_end(L, &scope, 1);
}

static int deterministic(lua_State *L) {
  int on = lua_toboolean(L, 1);
  at_scope scope = at_open();
  at_deterministic(on);
  return lua_agad_end(L, &scope, 0);
}

static int allow_tf32(lua_State *L) {
  int on = lua_toboolean(L, 1);
  at_scope scope = at_open();
  at_allow_tf32(on);
  return lua_agad_end(L, &scope, 0);
}

static int capability(lua_State *L) {
  at_scope scope = at_open();
  const char *name = at_capability();
  lua_agad_end(L, &scope, 0);
  lua_pushstring(L, name);
  lua_pushboolean(L, at_fast_bf16(AT_CPU));
  return 2;
}

static int memory(lua_State *L) {
  at_memory_use use = at_memory();
  lua_createtable(L, 0, 3);
  lua_pushinteger(L, use.tensors), lua_setfield(L, -2, "tensors");
  lua_pushinteger(L, use.bytes), lua_setfield(L, -2, "bytes");
  lua_pushinteger(L, use.peak), lua_setfield(L, -2, "peak");
  lua_newtable(L);
  for (int device = AT_CPU; device < at_devices(); device++) {
    char name[32] = "cpu";
    int64_t bytes = use.bytes, peak = use.peak;
    if (device >= 0) snprintf(name, sizeof name, "cuda:%d", device), at_device_memory(device, &bytes, &peak);
    lua_createtable(L, 0, 2);
    lua_pushinteger(L, bytes), lua_setfield(L, -2, "bytes");
    lua_pushinteger(L, peak), lua_setfield(L, -2, "peak");
    lua_setfield(L, -2, name);
  }
  lua_setfield(L, -2, "device");
  return 1;
}

static int restart_peak(lua_State *L) {
  at_scope scope = at_open();
  at_restart_peak();
  return lua_agad_end(L, &scope, 0);
}

int lua_agad_device(lua_State *L, const char *name, int *device) {
  (void)L;
  char *end;
  if (!strcmp(name, "cpu")) return *device = AT_CPU, 0;
  if (strncmp(name, "cuda", 4)) return -1;
  *device = 0;
  if (name[4] == ':') {
    long index = strtol(name + 5, &end, 10);
    *device = (int)index;
    return name[5] && !*end && index >= 0 && index < 128 ? 0 : -1;
  }
  return name[4] ? -1 : 0;
}

static const luaL_Reg functions[] = {{"hash", hash},
                                     {"printable", printable},
                                     {"set_own_files", set_own_files},
                                     {"fail", fail},
                                     {"try", try_call},
                                     {"probe", probe},
                                     {"cores", cores},
                                     {"threads", threads},
                                     {"deterministic", deterministic},
                                     {"allow_tf32", allow_tf32},
                                     {"capability", capability},
                                     {"memory", memory},
                                     {"restart_peak", restart_peak},
                                     {"json_encode", lua_agad_json_encode},
                                     {"json_decode", lua_agad_json_decode},
                                     {NULL, NULL}};

int luaopen_agad_core(lua_State *L) {
  lua_agad_open_state(L);
  luaL_newmetatable(L, LUA_HOLDER);
  lua_pushcfunction(L, free_held), lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  lua_pushstring(L, at_version());
  lua_setfield(L, -2, "libtorch");
  lua_pushlightuserdata(L, NULL); /* JSON's null */
  lua_setfield(L, -2, "null");
  lua_agad_open_host(L);
  lua_agad_open_readline(L);
  lua_agad_open_choices(L);
  lua_agad_open_interrupt(L);
  open_interruption(L);
  lua_agad_open_tensor(L);
  lua_agad_open_op(L);
  lua_agad_open_positions(L);
  lua_agad_open_net(L);
  lua_agad_open_step(L);
  lua_agad_open_losses(L);
  lua_agad_open_data(L);
  lua_agad_open_model(L);
  lua_agad_open_file(L);
  return 1;
}
