/* net.c: networks for Lua.  A net object holds a net and the plan of its parameters' dtype. */
#include "lua/options.h"

#include <stdlib.h>

#define LUA_NET "agad.net"

typedef struct lua_net {
  net *net;
  net_plan *plan;
} lua_net;

static void close_net(void *pointer) {
  lua_net *n = pointer;
  net_plan_free(n->plan);
  net_free(n->net);
}

static lua_net *check(lua_State *L, int index) { return lua_agad_check_box(L, index, LUA_NET); }

net *lua_agad_check_net(lua_State *L, int index) { return check(L, index)->net; }
net_plan *lua_agad_check_plan(lua_State *L, int index) { return check(L, index)->plan; }

/* net(program_json[, {dtype=, device=, layout=, compute=}]) -> net with zero weights */
static int new_net(lua_State *L) {
  static const char *const layouts[] = {[AT_NCHW] = "nchw", [AT_CHANNELS_LAST] = "channels_last", NULL};
  typedef struct choice {
    at_dtype dtype, compute;
    at_layout layout;
    int device;
  } choice;
  static const option known[] = {OPTION_DTYPE("compute", choice, compute), OPTION_DEVICE("device", choice, device),
                                 OPTION_DTYPE("dtype", choice, dtype), OPTION_CHOICE("layout", choice, layout, layouts),
                                 OPTION_END};
  const char *json = luaL_checkstring(L, 1);
  choice o = {AT_F32, AT_OTHER, AT_CHANNELS_LAST, AT_CPU};
  lua_agad_options(L, 2, "net", known, &o);
  if (o.compute == AT_OTHER) o.compute = o.dtype;
  luaL_argcheck(L, o.dtype == AT_F32 || o.dtype == AT_F64, 2, "dtype must be float32 or float64");
  luaL_argcheck(L, o.compute == o.dtype || o.compute == AT_BF16, 2, "compute must be dtype or bfloat16");
  void **box = lua_agad_new_box(L, LUA_NET);
  lua_net *object = lua_newuserdatauv(L, sizeof *object, 0); /* lives as long as the box */
  lua_setiuservalue(L, -2, 1);
  agad_error error;
  net_program *program = net_program_parse(json, &error);
  if (!program) return lua_agad_raise(L, &error);
  at_scope scope = at_open();
  net *n = net_new(program, o.dtype, o.device, o.layout);
  if (n) {
    *object = (lua_net){n, net_plan_new(n, o.compute)};
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

/* {bn = "batch" | "running", track = true} or a list of {first=, rows=, bn=, set=, track=}, 1-based */
static int read_groups(lua_State *L, int index, net_rows groups[NET_MAX_GROUPS]) {
  static const char *const modes[] = {
      [NET_BN_BATCH] = "batch", [NET_BN_RUNNING] = "running", [NET_BN_BYPASS] = "bypass", NULL};
  static const option known[] = {OPTION_CHOICE("bn", net_rows, bn, modes),
                                 OPTION_INTEGER("first", net_rows, first, 1, INT64_MAX),
                                 OPTION_INTEGER("rows", net_rows, rows, 1, INT64_MAX),
                                 OPTION_INTEGER("set", net_rows, set, 1, NET_MAX_SETS),
                                 OPTION_FLAG("track", net_rows, track),
                                 OPTION_END};
  int n = lua_istable(L, index) ? (int)lua_rawlen(L, index) : 0, list = n > 0;
  luaL_argcheck(L, n <= NET_MAX_GROUPS, index, "at most 4 row groups");
  if (!list) n = 1;
  for (int g = 0; g < n; g++) {
    net_rows *r = groups + g;
    *r = (net_rows){1, -1, NET_BN_BATCH, 1, 1};
    if (list) lua_rawgeti(L, index, g + 1);
    lua_agad_options(L, list ? lua_gettop(L) : index, "net", known, r);
    if (list) lua_pop(L, 1);
    r->first--, r->set--;
  }
  return n;
}

static int run(lua_State *L, void (*how)(net_plan *, const at_tensor *, const net_rows *, int, at_tensor **)) {
  lua_net *n = check(L, 1);
  at_tensor *x = lua_agad_check_tensor(L, 2), *outputs[NET_MAX_INPUTS] = {NULL};
  net_rows groups[NET_MAX_GROUPS];
  int n_groups = read_groups(L, 3, groups), n_out = n->net->program->n_outputs;
  luaL_argcheck(L, n_out <= NET_MAX_INPUTS, 1, "too many outputs");
  luaL_checkstack(L, n_out + 8, "outputs");
  for (int i = 0; i < n_out; i++) lua_agad_new_tensor(L);
  at_scope scope = at_open();
  how(n->plan, x, groups, n_groups, outputs);
  for (int i = 0; i < n_out; i++) lua_agad_fill(L, i - n_out, outputs[i]);
  return lua_agad_end(L, &scope, n_out);
}

static int call(lua_State *L) { return run(L, net_call); }
static int eager(lua_State *L) { return run(L, net_eager); }

static void push_tensors(lua_State *L, const net_param *list, at_tensor **tensors, int n) {
  for (int i = 0; i < n; i++) {
    lua_createtable(L, 0, 2);
    lua_pushstring(L, list[i].name), lua_setfield(L, -2, "name");
    lua_agad_push_alias(L, tensors[i]), lua_setfield(L, -2, "tensor");
    lua_rawseti(L, -2, i + 1);
  }
}

/* net:params() and net:buffers() -> list of {name=, tensor=}; the tensors are the net's own */
static int params(lua_State *L) {
  lua_net *n = check(L, 1);
  lua_newtable(L);
  push_tensors(L, n->net->program->params, n->net->params, n->net->program->n_params);
  return 1;
}

static int buffers(lua_State *L) {
  lua_net *n = check(L, 1);
  lua_newtable(L);
  push_tensors(L, n->net->program->buffers, n->net->buffers, n->net->program->n_buffers);
  return 1;
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
  const net_program *of = check(L, 1)->net->program;
  char **text = (char **)lua_agad_new_holder(L, free);
  *text = net_program_text(of);
  if (!*text) return lua_agad_error(L, "net: out of memory");
  lua_pushstring(L, *text);
  lua_agad_release(L, -2);
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
