/* net.c: networks for Lua.  A net object holds a net and the plan of its parameters' dtype. */
#include "lua/binding.h"

#include <stdlib.h>
#include <string.h>

#define LUA_NET "agad.net"

typedef struct lua_net {
  net *net;
  net_plan *plan;
} lua_net;

static void close_net(void *pointer) {
  lua_net *n = pointer;
  net_plan_free(n->plan);
  net_free(n->net);
  free(n);
}

static lua_net *check(lua_State *L, int index) { return lua_agad_check_box(L, index, LUA_NET); }

net *lua_agad_check_net(lua_State *L, int index) { return check(L, index)->net; }
net_plan *lua_agad_check_plan(lua_State *L, int index) { return check(L, index)->plan; }

/* Raises for a key of the table at `index` that is not in the list. */
static void known_keys(lua_State *L, int index, const char *const *keys) {
  lua_pushnil(L);
  while (lua_next(L, index)) {
    const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "(no name)";
    int i = 0;
    while (keys[i] && strcmp(keys[i], key)) i++;
    if (!keys[i]) {
      luaL_Buffer known;
      luaL_buffinit(L, &known);
      for (i = 0; keys[i]; i++) luaL_addstring(&known, i ? ", " : ""), luaL_addstring(&known, keys[i]);
      luaL_pushresult(&known);
      lua_agad_error(L, "net: unknown option '%s'; known: %s", key, lua_tostring(L, -1));
    }
    lua_pop(L, 1);
  }
}

/* net(program_json[, {dtype=, device=, layout=, compute=}]) -> net with zero weights */
static int new_net(lua_State *L) {
  const char *json = luaL_checkstring(L, 1);
  const char *text[4] = {"float32", "cpu", "channels_last", NULL};
  static const char *const keys[] = {"dtype", "device", "layout", "compute", NULL};
  if (!lua_isnoneornil(L, 2)) luaL_checktype(L, 2, LUA_TTABLE), known_keys(L, 2, keys);
  for (int i = 0; i < 4 && lua_istable(L, 2); i++) {
    if (lua_getfield(L, 2, keys[i]) == LUA_TSTRING) text[i] = lua_tostring(L, -1);
    else if (!lua_isnil(L, -1)) luaL_argerror(L, 2, "dtype, device, layout and compute are names");
  }
  at_dtype dtype, compute;
  int device;
  luaL_argcheck(L, !at_dtype_by_name(text[0], &dtype) && (dtype == AT_F32 || dtype == AT_F64), 2,
                "dtype is float32 or float64");
  luaL_argcheck(L, !at_dtype_by_name(text[3] ? text[3] : text[0], &compute), 2, "unknown dtype to compute with");
  luaL_argcheck(L, compute == dtype || compute == AT_BF16, 2, "compute is dtype or bfloat16");
  luaL_argcheck(L, !strcmp(text[2], "nchw") || !strcmp(text[2], "channels_last"), 2, "layout is nchw or channels_last");
  luaL_argcheck(L, !lua_agad_device(L, text[1], &device) && device < at_devices(), 2,
                "device: there is no such device");
  void **box = lua_agad_new_box(L, LUA_NET);
  agad_error error;
  net_program *program = net_program_parse(json, &error);
  if (!program) return lua_agad_raise(L, &error);
  at_scope scope = at_open();
  net *n = net_new(program, dtype, device, strcmp(text[2], "nchw") ? AT_CHANNELS_LAST : AT_NCHW);
  if (n) {
    lua_net *object = malloc(sizeof *object);
    *object = (lua_net){n, net_plan_new(n, compute)};
    *box = object;
  }
  return lua_agad_end(L, &scope, 1);
}

/* net:init([seed]): DCGAN's; without a seed from the default generator */
static int init(lua_State *L) {
  lua_net *n = check(L, 1);
  lua_Integer seed = luaL_optinteger(L, 2, 0);
  at_scope scope = at_open();
  at_generator *g = lua_isnoneornil(L, 2) ? NULL : at_generator_new((uint64_t)seed, AT_CPU);
  net_init(n->net, g);
  at_generator_free(g);
  lua_settop(L, 1);
  return lua_agad_end(L, &scope, 1);
}

/* The mode on the top of the stack; an error is argument `index`'s. */
static net_bn read_mode(lua_State *L, int index) {
  static const char *const modes[] = {
      [NET_BN_BATCH] = "batch", [NET_BN_RUNNING] = "running", [NET_BN_BYPASS] = "bypass"};
  for (int i = 0; i < 3 && lua_type(L, -1) == LUA_TSTRING; i++)
    if (!strcmp(lua_tostring(L, -1), modes[i])) return (net_bn)i;
  luaL_argerror(L, index, "bn is batch, running or bypass");
  return NET_BN_BATCH;
}

/* {bn = "batch" | "running", track = true} or a list of {first=, rows=, bn=, set=, track=}, 1-based */
static int read_groups(lua_State *L, int index, net_rows groups[NET_MAX_GROUPS]) {
  static const char *const keys[] = {"first", "rows", "bn", "set", "track", NULL};
  groups[0] = (net_rows){0, -1, NET_BN_BATCH, 0, 1};
  if (lua_isnoneornil(L, index)) return 1;
  luaL_checktype(L, index, LUA_TTABLE);
  int n = (int)lua_rawlen(L, index), list = n > 0;
  luaL_argcheck(L, n <= NET_MAX_GROUPS, index, "at most 4 row groups");
  if (!list) n = 1;
  for (int g = 0; g < n; g++) {
    if (list) lua_rawgeti(L, index, g + 1);
    else lua_pushvalue(L, index);
    luaL_checktype(L, -1, LUA_TTABLE);
    net_rows *r = groups + g;
    *r = (net_rows){0, -1, NET_BN_BATCH, 0, 1};
    known_keys(L, lua_gettop(L), keys);
    if (lua_getfield(L, -1, "first") == LUA_TNUMBER) r->first = lua_tointeger(L, -1) - 1;
    if (lua_getfield(L, -2, "rows") == LUA_TNUMBER) r->rows = lua_tointeger(L, -1);
    if (lua_getfield(L, -3, "bn") != LUA_TNIL) r->bn = read_mode(L, index);
    if (lua_getfield(L, -4, "set") == LUA_TNUMBER) r->set = (int)lua_tointeger(L, -1) - 1;
    if (lua_getfield(L, -5, "track") == LUA_TBOOLEAN) r->track = lua_toboolean(L, -1);
    lua_pop(L, 6);
  }
  return n;
}

static int run(lua_State *L, void (*how)(net_plan *, const at_tensor *, const net_rows *, int, at_tensor **)) {
  lua_net *n = check(L, 1);
  at_tensor *x = lua_agad_check_tensor(L, 2), *outputs[NET_MAX_INPUTS] = {NULL};
  net_rows groups[NET_MAX_GROUPS];
  int n_groups = read_groups(L, 3, groups), n_out = n->net->program->n_outputs;
  luaL_argcheck(L, n_out <= NET_MAX_INPUTS, 1, "too many outputs");
  at_scope scope = at_open();
  how(n->plan, x, groups, n_groups, outputs);
  for (int i = 0; i < n_out; i++) lua_agad_push_tensor(L, outputs[i]);
  return lua_agad_end(L, &scope, n_out);
}

static int call(lua_State *L) { return run(L, net_call); }
static int eager(lua_State *L) { return run(L, net_eager); }

static void push_tensors(lua_State *L, const net_param *list, at_tensor **tensors, int n) {
  for (int i = 0; i < n; i++) {
    lua_createtable(L, 0, 2);
    lua_pushstring(L, list[i].name), lua_setfield(L, -2, "name");
    lua_agad_push_tensor(L, at_alias(tensors[i])), lua_setfield(L, -2, "tensor");
    lua_rawseti(L, -2, i + 1);
  }
}

/* net:params() and net:buffers() -> list of {name=, tensor=}; the tensors are the net's own */
static int params(lua_State *L) {
  lua_net *n = check(L, 1);
  lua_newtable(L);
  at_scope scope = at_open();
  push_tensors(L, n->net->program->params, n->net->params, n->net->program->n_params);
  return lua_agad_end(L, &scope, 1);
}

static int buffers(lua_State *L) {
  lua_net *n = check(L, 1);
  lua_newtable(L);
  at_scope scope = at_open();
  push_tensors(L, n->net->program->buffers, n->net->buffers, n->net->program->n_buffers);
  return lua_agad_end(L, &scope, 1);
}

/* net:set(name, tensor): copies; net:share(name, tensor): uses the tensor itself */
static int set(lua_State *L) {
  lua_net *n = check(L, 1);
  const char *name = luaL_checkstring(L, 2);
  at_tensor *value = lua_agad_check_tensor(L, 3);
  at_scope scope = at_open();
  net_set(n->net, name, value);
  return lua_agad_end(L, &scope, 0);
}

static int share(lua_State *L) {
  lua_net *n = check(L, 1);
  const char *name = luaL_checkstring(L, 2);
  at_tensor *value = lua_agad_check_tensor(L, 3);
  at_scope scope = at_open();
  net_share(n->net, name, value);
  return lua_agad_end(L, &scope, 0);
}

static int requires_grad_(lua_State *L) {
  lua_net *n = check(L, 1);
  int on = lua_isnone(L, 2) || lua_toboolean(L, 2);
  at_scope scope = at_open();
  for (int i = 0; i < n->net->program->n_params; i++) at_set_requires_grad(n->net->params[i], on);
  lua_settop(L, 1);
  return lua_agad_end(L, &scope, 1);
}

/* net:info() -> {name=, params=, macs=, layers = {{name=, layer=, shape=, params=, macs=}, …}, outputs = {…}} */
static int info(lua_State *L) {
  const net_program *p = check(L, 1)->net->program;
  lua_newtable(L);
  lua_pushstring(L, p->name), lua_setfield(L, -2, "name");
  lua_pushinteger(L, net_program_param_count(p)), lua_setfield(L, -2, "params");
  lua_pushinteger(L, net_program_macs(p)), lua_setfield(L, -2, "macs");
  lua_newtable(L);
  for (int i = 1; i < p->n_nodes; i++) {
    const net_node *node = p->nodes + i;
    int64_t count = 0;
    for (int j = node->param; j < node->param + node->n_params && !node->shared; j++) {
      int64_t size = 1;
      for (int d = 0; d < p->params[j].ndim; d++) size *= p->params[j].sizes[d];
      count += size;
    }
    lua_newtable(L);
    lua_pushstring(L, node->name), lua_setfield(L, -2, "name");
    lua_pushstring(L, node->layer->name), lua_setfield(L, -2, "layer");
    lua_pushinteger(L, count), lua_setfield(L, -2, "params");
    lua_pushinteger(L, node->macs), lua_setfield(L, -2, "macs");
    lua_createtable(L, node->shape.ndim, 0);
    for (int d = 0; d < node->shape.ndim; d++) lua_pushinteger(L, node->shape.d[d]), lua_rawseti(L, -2, d + 1);
    lua_setfield(L, -2, "shape");
    lua_rawseti(L, -2, i);
  }
  lua_setfield(L, -2, "layers");
  lua_createtable(L, p->n_outputs, 0);
  for (int i = 0; i < p->n_outputs; i++) lua_pushstring(L, p->outputs[i].name), lua_rawseti(L, -2, i + 1);
  lua_setfield(L, -2, "outputs");
  return 1;
}

static int program(lua_State *L) {
  char *text = net_program_text(check(L, 1)->net->program);
  lua_pushstring(L, text);
  free(text);
  return 1;
}

static int to_string(lua_State *L) {
  const net_program *p = check(L, 1)->net->program;
  lua_pushfstring(L, "[net %s: %I parameters, %I MACs]", p->name, (LUAI_UACINT)net_program_param_count(p),
                  (LUAI_UACINT)net_program_macs(p));
  return 1;
}

static void push_attribute(lua_State *L, const layer_attribute *a) {
  static const char *const kinds[] = {
      [LAYER_INTEGER] = "integer", [LAYER_PAIR] = "pair", [LAYER_NUMBER] = "number", [LAYER_BOOLEAN] = "boolean",
      [LAYER_SHAPE] = "shape",     [LAYER_TEXT] = "text", [LAYER_TABLE] = "table"};
  int whole = a->kind == LAYER_INTEGER || a->kind == LAYER_PAIR, ranged = whole || a->kind == LAYER_NUMBER;
  double numbers[] = {a->min, a->max, a->standard};
  lua_newtable(L);
  lua_pushstring(L, a->name), lua_setfield(L, -2, "name");
  lua_pushstring(L, kinds[a->kind]), lua_setfield(L, -2, "kind");
  lua_pushstring(L, a->help), lua_setfield(L, -2, "help");
  lua_pushboolean(L, a->required), lua_setfield(L, -2, "required");
  for (int i = 0; ranged && i < 3 - a->required; i++) {
    if (numbers[i] == LAYER_NO_LIMIT) continue;
    if (whole) lua_pushinteger(L, (lua_Integer)numbers[i]);
    else lua_pushnumber(L, numbers[i]);
    lua_setfield(L, -2, i == 0 ? "min" : i == 1 ? "max" : "default");
  }
  if (a->kind == LAYER_BOOLEAN) lua_pushboolean(L, a->standard != 0), lua_setfield(L, -2, "default");
}

/* layers() -> list of {name=, help=, inputs= (-1: any number), has_weights=, attributes = {{name=, kind=, help=,
 * required=, default=, min=, max=}, …}}: what nets can be made of */
static int layers(lua_State *L) {
  int n = 0;
  lua_newtable(L);
  for (const layer *l = layer_first(); l; l = l->next) {
    int k = 0;
    lua_newtable(L);
    lua_pushstring(L, l->name), lua_setfield(L, -2, "name");
    lua_pushstring(L, l->help), lua_setfield(L, -2, "help");
    lua_pushinteger(L, l->n_inputs), lua_setfield(L, -2, "inputs");
    lua_pushboolean(L, l->has_weights), lua_setfield(L, -2, "has_weights");
    lua_newtable(L);
    for (const layer_attribute *a = l->attributes; a && a->name; a++) push_attribute(L, a), lua_rawseti(L, -2, ++k);
    lua_setfield(L, -2, "attributes");
    lua_rawseti(L, -2, ++n);
  }
  return 1;
}

static const luaL_Reg methods[] = {{"init", init},       {"eager", eager},     {"params", params},
                                   {"buffers", buffers}, {"set", set},         {"share", share},
                                   {"info", info},       {"program", program}, {"requires_grad_", requires_grad_},
                                   {NULL, NULL}};

void lua_agad_open_net(lua_State *L) {
  lua_agad_type(L, LUA_NET, methods, close_net);
  luaL_getmetatable(L, LUA_NET);
  lua_pushcfunction(L, call), lua_setfield(L, -2, "__call");
  lua_pushcfunction(L, to_string), lua_setfield(L, -2, "__tostring");
  lua_pop(L, 1);
  lua_pushcfunction(L, new_net);
  lua_setfield(L, -2, "net");
  lua_pushcfunction(L, layers);
  lua_setfield(L, -2, "layers");
}
