/* model.c: scoring, saved models and safetensors files for Lua. */
#include "lua/options.h"

#include "base/file.h"
#include "net/json.h"
#include "net/safetensors.h"
#include "score/model.h"

#include <math.h>

#define LUA_MODEL "agad.model"

static const char *const modes[] = {[NET_BN_BATCH] = "batch", [NET_BN_RUNNING] = "running", NULL};

typedef struct scoring {
  score_input how;
  const char *output; /* the table's */
} scoring;

static scoring check_scoring(lua_State *L, int index, const char *who) {
  static const option known[] = {OPTION_INTEGER("batch", scoring, how.batch, OPTION_ANY),
                                 OPTION_CHOICE("bn", scoring, how.bn, modes),
                                 OPTION_NUMBER("high", scoring, how.high, -INFINITY, INFINITY),
                                 OPTION_NUMBER("low", scoring, how.low, -INFINITY, INFINITY),
                                 OPTION_STRING("output", scoring, output),
                                 OPTION_FLAG("padded", scoring, how.padded),
                                 OPTION_END};
  scoring s = {{.low = -1, .high = 1, .batch = 256, .bn = NET_BN_RUNNING}, "score"};
  lua_agad_options(L, index, who, known, &s);
  return s;
}

/* score(net, pictures, {low=, high=, batch=, bn=, padded=, output=}) -> tensor of one entry a picture */
static int score(lua_State *L) {
  net *n = lua_agad_check_net(L, 1);
  net_plan *plan = lua_agad_check_plan(L, 1);
  at_tensor *pictures = lua_agad_check_tensor(L, 2);
  scoring s = check_scoring(L, 3, "score");
  int place = net_program_output(n->program, s.output);
  luaL_argcheck(L, place >= 0, 1, "the program has no such output");
  lua_agad_new_tensor(L);
  at_scope scope = at_open();
  lua_agad_fill(L, -1, score_pictures(plan, pictures, &s.how, place));
  return lua_agad_end(L, &scope, 1);
}

/* recalibrate(net, pictures, {low=, high=, batch=}) */
static int recalibrate(lua_State *L) {
  lua_agad_check_net(L, 1);
  net_plan *plan = lua_agad_check_plan(L, 1);
  at_tensor *pictures = lua_agad_check_tensor(L, 2);
  scoring s = check_scoring(L, 3, "recalibrate");
  at_scope scope = at_open();
  score_recalibrate(plan, pictures, &s.how);
  return lua_agad_end(L, &scope, 0);
}

/* Reads {{name=, tensor=}, …} at `index`; strings and tensors stay in the tables. */
static named_tensor *read_tensors(lua_State *L, int index, int *n) {
  *n = lua_istable(L, index) ? (int)lua_rawlen(L, index) : 0;
  named_tensor *list = lua_newuserdatauv(L, (size_t)(*n + 1) * sizeof *list, 0); /* freed by the collector */
  for (int i = 0; i < *n; i++) {
    lua_rawgeti(L, index, i + 1);
    luaL_checktype(L, -1, LUA_TTABLE);
    lua_pushliteral(L, "name"), lua_rawget(L, -2);
    lua_pushliteral(L, "tensor"), lua_rawget(L, -3);
    luaL_checktype(L, -2, LUA_TSTRING);
    list[i].name = lua_tostring(L, -2);
    list[i].tensor = lua_agad_check_tensor(L, lua_gettop(L));
    lua_pop(L, 3);
  }
  return list;
}

static json_t *read_json(lua_State *L, int index) {
  size_t n;
  const char *text = luaL_checklstring(L, index, &n);
  json_error_t where;
  json_t *object = json_read(text, n, 0, &where);
  if (json_is_object(object)) return object;
  if (!object && json_kind(&where) == AGAD_OUT_OF_MEMORY) lua_agad_error(L, "JSON: out of memory");
  json_decref(object);
  luaL_argerror(L, index, "JSON object expected");
  return NULL;
}

/* model_save(path, about_json, net, {{name=, tensor=}, …}) */
static int save_model(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  net *n = lua_agad_check_net(L, 3);
  int n_more;
  named_tensor *more = read_tensors(L, 4, &n_more);
  json_t *about = read_json(L, 2);
  agad_error error;
  int bad = model_save(path, about, n, more, n_more, &error);
  json_decref(about);
  return bad ? lua_agad_raise(L, &error) : 0;
}

/* save(path, {{name=, tensor=}, …}, metadata_json): metadata values are strings */
static int save(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  int n;
  named_tensor *tensors = read_tensors(L, 2, &n);
  json_t *metadata = read_json(L, 3);
  agad_error error;
  int bad = safetensors_save(path, tensors, n, metadata, &error);
  json_decref(metadata);
  return bad ? lua_agad_raise(L, &error) : 0;
}

static void close_file(void *f) { safetensors_close(f); }

/* load(path) -> {name = tensor}, {key = string} (the metadata) */
static int load(lua_State *L) {
  const char *path = luaL_checkstring(L, 1), *key;
  json_t *value;
  agad_error error;
  void **held = lua_agad_new_holder(L, close_file);
  safetensors *f = *held = safetensors_open(path, &error);
  if (!f) return lua_agad_raise(L, &error);
  lua_newtable(L);
  for (int i = 0; i < safetensors_count(f); i++) {
    lua_agad_new_tensor(L);
    at_scope scope = at_open();
    lua_agad_fill(L, -1, safetensors_get(f, i));
    lua_agad_end(L, &scope, 0);
    lua_setfield(L, -2, safetensors_name(f, i));
  }
  lua_newtable(L);
  json_object_foreach(safetensors_about(f), key, value) {
    lua_pushlstring(L, json_string_value(value) ? json_string_value(value) : "", json_string_length(value));
    lua_setfield(L, -2, key);
  }
  lua_agad_release(L, -3);
  return 2;
}

/* ---- saved models ---- */

static agad_model *check(lua_State *L) { return lua_agad_check_box(L, 1, LUA_MODEL); }
static void close_model(void *pointer) { agad_model_close(pointer); }

static int open_model(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  void **box = lua_agad_new_box(L, LUA_MODEL);
  agad_error error;
  *box = agad_model_open(path, &error);
  return *box ? 1 : lua_agad_raise(L, &error);
}

/* model:about() -> its description as JSON text */
static int about(lua_State *L) {
  lua_pushstring(L, agad_model_info(check(L)).description);
  return 1;
}

/* model:alike() -> whether a picture's results are the same to the bit in every batch; if pictures are then scored each
 * for itself, on how many threads at a time, else nil */
static int alike(lua_State *L) {
  const agad_model *m = check(L);
  lua_pushboolean(L, m->how.padded || score_alike(m->plan));
  if (!score_apart(m->plan)) return 1;
  lua_pushinteger(L, at_set_threads(0));
  return 2;
}

/* model:run(pictures[, output][, bn]) -> tensor */
static int run_model(lua_State *L) {
  agad_model *m = check(L);
  at_tensor *pictures = lua_agad_check_tensor(L, 2);
  const char *output = luaL_optstring(L, 3, "score");
  net_bn bn = (net_bn)luaL_checkoption(L, 4, "running", modes), before = m->how.bn;
  lua_agad_new_tensor(L);
  at_scope scope = at_open();
  m->how.bn = bn;
  lua_agad_fill(L, -1, model_run(m, pictures, output));
  m->how.bn = before;
  return lua_agad_end(L, &scope, 1);
}

static const luaL_Reg methods[] = {{"about", about}, {"alike", alike}, {"run", run_model}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"score", score},
                                     {"recalibrate", recalibrate},
                                     {"model_save", save_model},
                                     {"model_open", open_model},
                                     {"save", save},
                                     {"load", load},
                                     {NULL, NULL}};

void lua_agad_open_model(lua_State *L) {
  lua_agad_type(L, LUA_MODEL, methods, close_model);
  luaL_setfuncs(L, functions, 0);
}
