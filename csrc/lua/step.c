/* step.c: the step table for Lua. */
#include "lua/binding.h"
#include "lua/options.h"
#include "lua/step.h"

#include <stdlib.h>
#include <string.h>

#define LUA_STEP "agad.step"
#define MOST 1e30 /* of a step size and a decay */

/* The step, and the Lua state of the call that runs it: trampolines need it. */
typedef struct lua_step {
  step_state *state;
  lua_State *L;
  int anchor;
} lua_step;

typedef struct trampoline {
  lua_step *step;
  int function;
} trampoline;

static lua_step *check(lua_State *L, int index) { return lua_agad_check_box(L, index, LUA_STEP); }
step_state *lua_agad_check_step(lua_State *L, int index) { return check(L, index)->state; }

static void close_step(void *pointer) {
  lua_step *s = pointer;
  step_free(s->state);
}

/* step(method, options_json[, family]) -> step: C stages of the method `family` (its own name) need no prefix */
static int new_step(lua_State *L) {
  const char *method = luaL_checkstring(L, 1), *options = luaL_checkstring(L, 2);
  const char *family = luaL_optstring(L, 3, method);
  void **box = lua_agad_new_box(L, LUA_STEP);
  lua_newtable(L); /* what the step refers to stays alive here */
  lua_step *s = lua_newuserdatauv(L, sizeof *s, 0);
  *s = (lua_step){NULL, NULL, 0};
  lua_setfield(L, -2, "step");
  lua_setiuservalue(L, -2, 1);
  at_scope scope = at_open();
  s->state = step_new(method, family, options);
  if (s->state) *box = s;
  return lua_agad_end(L, &scope, 1);
}

/* Anchors the value at `index` to the step, under its own number; returns the number. */
static int anchor(lua_State *L, int index) {
  lua_step *s = check(L, 1);
  lua_getiuservalue(L, 1, 1);
  lua_pushvalue(L, index);
  lua_rawseti(L, -2, ++s->anchor);
  lua_pop(L, 1);
  return s->anchor;
}

static int add_net(lua_State *L) {
  lua_step *s = check(L, 1);
  const char *name = luaL_checkstring(L, 2);
  net *n = lua_agad_check_net(L, 3);
  net_plan *plan = lua_agad_check_plan(L, 3);
  anchor(L, 3);
  at_scope scope = at_open();
  step_add_net(s->state, name, n, plan);
  return lua_agad_end(L, &scope, 0);
}

typedef struct update_options {
  optimiser_options optimiser;
  gradient_options gradient;
} update_options;

static update_options read_update(lua_State *L, int index, const char *name) {
  static const option known[] = {OPTION_NEEDED_INTEGER("accumulate", update_options, gradient.accumulate, 1, INT32_MAX),
                                 OPTION_NEEDED_NUMBER("beta1", update_options, optimiser.beta1, 0, 1),
                                 OPTION_NEEDED_NUMBER("beta2", update_options, optimiser.beta2, 0, 1),
                                 OPTION_NEEDED_NUMBER("clip", update_options, gradient.clip, 0, INFINITY),
                                 OPTION_NEEDED_NUMBER("eps", update_options, optimiser.eps, 0, INFINITY),
                                 OPTION_NEEDED_NUMBER("lr", update_options, optimiser.lr, 0, MOST),
                                 OPTION_CHOICE("optimiser", update_options, optimiser.kind, update_optimisers),
                                 OPTION_NEEDED_NUMBER("weight_decay", update_options, optimiser.weight_decay, 0, MOST),
                                 OPTION_END};
  update_options o = {0};
  luaL_checktype(L, index, LUA_TTABLE);
  lua_agad_options(L, index, lua_pushfstring(L, "update %s", name), known, &o);
  lua_pop(L, 1);
  return o;
}

/* add_update(name, {net names}, {lr=, beta1=, …}): all options but `optimiser` are needed */
static int add_update(lua_State *L) {
  lua_step *s = check(L, 1);
  const char *name = luaL_checkstring(L, 2), *nets[STEP_MAX_NETS];
  luaL_checktype(L, 3, LUA_TTABLE);
  int n = (int)lua_rawlen(L, 3);
  luaL_argcheck(L, n >= 1 && n <= STEP_MAX_NETS, 3, "1 to 8 nets");
  for (int i = 0; i < n; i++) {
    lua_rawgeti(L, 3, i + 1);
    nets[i] = luaL_checkstring(L, -1); /* stays in the table */
    lua_pop(L, 1);
  }
  update_options o = read_update(L, 4, name);
  at_scope scope = at_open();
  step_add_update(s->state, name, nets, n, o.optimiser, o.gradient);
  return lua_agad_end(L, &scope, 0);
}

static int add_average(lua_State *L) {
  static const option known[] = {OPTION_NUMBER("decay", average_options, decay, 0, 1 - 1e-12),
                                 OPTION_NUMBER("share", average_options, share, 1e-9, 1), OPTION_END};
  lua_step *s = check(L, 1);
  const char *name = luaL_checkstring(L, 2);
  average_options how = {.decay = -1};
  lua_agad_options(L, 3, lua_pushfstring(L, "average of %s", name), known, &how);
  if ((how.decay >= 0) == (how.share > 0)) return lua_agad_error(L, "average of %s: give decay or share", name);
  at_scope scope = at_open();
  step_add_average(s->state, name, how);
  return lua_agad_end(L, &scope, 0);
}

/* Calls the function of a trampoline; the step's table is at 2. */
static int call_lua_stage(lua_State *L) {
  const trampoline *t = lua_touserdata(L, 1);
  lua_rawgeti(L, 2, t->function);
  lua_getfield(L, 2, "state");
  lua_call(L, 1, 0);
  return 0;
}

/* A Lua stage: function(state) with gradient mode on; its error becomes the sticky one, with step and stage. */
static int run_lua_stage(step_state *state, void *arg) {
  trampoline *t = arg;
  lua_State *L = t->step->L;
  int mode = at_grad_mode(1), top = lua_gettop(L);
  step_exchange_random(state);
  lua_getiuservalue(L, 1, 1);
  int bad = lua_agad_protected(L, call_lua_stage, t, -1, "stage ", state->stages[state->at].name);
  step_exchange_random(state);
  lua_settop(L, top);
  at_grad_mode(mode);
  return bad;
}

/* add_stage(name[, function]): one of those in C without a function */
static int add_stage(lua_State *L) {
  lua_step *s = check(L, 1);
  const char *name = luaL_checkstring(L, 2);
  trampoline *t = NULL;
  if (!lua_isnoneornil(L, 3)) {
    luaL_checktype(L, 3, LUA_TFUNCTION);
    int function = anchor(L, 3);
    t = lua_newuserdatauv(L, sizeof *t, 0);
    *t = (trampoline){s, function};
    anchor(L, lua_gettop(L));
  }
  at_scope scope = at_open();
  if (t) step_add_stage(s->state, name, run_lua_stage, t, NULL);
  else step_add_builtin(s->state, name);
  return lua_agad_end(L, &scope, 0);
}

/* seed(number): random states of the step's own, for what its Lua stages draw */
static int seed(lua_State *L) {
  lua_step *s = check(L, 1);
  lua_Integer number = luaL_checkinteger(L, 2);
  at_scope scope = at_open();
  step_seed(s->state, (uint64_t)number);
  return lua_agad_end(L, &scope, 0);
}

/* exchange_random(): the step's own states become those of the default generators, and theirs the step's */
static int exchange_random(lua_State *L) {
  lua_step *s = check(L, 1);
  at_scope scope = at_open();
  step_exchange_random(s->state);
  return lua_agad_end(L, &scope, 0);
}

/* set_state(object): what Lua stages are called with */
static int set_state(lua_State *L) {
  check(L, 1);
  lua_getiuservalue(L, 1, 1);
  lua_pushvalue(L, 2);
  lua_setfield(L, -2, "state");
  return 0;
}

/* guard(update, below, reset_moments, seed): what guard_collapse watches, and the spare initialisation's seed */
static int set_guard(lua_State *L) {
  lua_step *s = check(L, 1);
  const char *update = luaL_checkstring(L, 2);
  double below = luaL_checknumber(L, 3);
  luaL_checktype(L, 4, LUA_TBOOLEAN);
  int resets = lua_toboolean(L, 4);
  lua_Integer seed = luaL_checkinteger(L, 5);
  at_scope scope = at_open();
  at_generator *g = at_generator_new((uint64_t)seed, AT_CPU);
  step_guard(s->state, update, below, resets, g);
  at_generator_free(g);
  return lua_agad_end(L, &scope, 0);
}

/* spare(seed): redraws the spare initialisation */
static int spare(lua_State *L) {
  lua_step *s = check(L, 1);
  lua_Integer seed = luaL_checkinteger(L, 2);
  at_scope scope = at_open();
  at_generator *g = at_generator_new((uint64_t)seed, AT_CPU);
  step_spare(s->state, g);
  at_generator_free(g);
  return lua_agad_end(L, &scope, 0);
}

static int begin(lua_State *L) {
  lua_step *s = check(L, 1);
  at_tensor *x = lua_agad_check_tensor(L, 2);
  lua_Integer n_normal = luaL_checkinteger(L, 3);
  at_scope scope = at_open();
  step_begin(s->state, x, n_normal);
  return lua_agad_end(L, &scope, 0);
}

static int run_stage(lua_State *L) {
  lua_step *s = check(L, 1);
  lua_Integer i = luaL_checkinteger(L, 2);
  luaL_argcheck(L, i >= 1 && i <= s->state->n_stages, 2, "no such stage");
  luaL_checkstack(L, 20, "stage");
  lua_State *before = s->L;
  at_scope scope = at_open();
  s->L = L;
  step_run_stage(s->state, (int)i - 1);
  s->L = before;
  lua_agad_end(L, &scope, 0);
  lua_pushstring(L, s->state->stages[i - 1].name);
  return 1;
}

/* run(x, n_normal): the whole table in one call */
static int run(lua_State *L) {
  lua_step *s = check(L, 1);
  at_tensor *x = lua_agad_check_tensor(L, 2);
  lua_Integer n_normal = luaL_checkinteger(L, 3);
  luaL_checkstack(L, 20, "stage");
  lua_State *before = s->L;
  at_scope scope = at_open();
  s->L = L;
  step_run(s->state, x, n_normal);
  s->L = before;
  return lua_agad_end(L, &scope, 0);
}

/* get(slot) -> a copy of it, so that nothing done to it in place reaches C; or nil */
static int get(lua_State *L) {
  lua_step *s = check(L, 1);
  const char *name = luaL_checkstring(L, 2);
  lua_agad_new_tensor(L);
  at_scope scope = at_open();
  at_tensor *t = NULL;
  for (int i = 0; i < s->state->n_slots; i++)
    if (!strcmp(s->state->slot_names[i], name) && s->state->slots[i]) t = at_clone(s->state->slots[i]);
  lua_agad_fill(L, -1, t);
  return lua_agad_end(L, &scope, 1);
}

static int set(lua_State *L) {
  lua_step *s = check(L, 1);
  const char *name = luaL_checkstring(L, 2);
  at_tensor *t = lua_agad_check_tensor(L, 3);
  at_scope scope = at_open();
  step_put(s->state, step_slot(s->state, name), t);
  return lua_agad_end(L, &scope, 0);
}

/* n_normal([new]) -> the rows of x that are normal */
static int n_normal(lua_State *L) {
  step_state *s = check(L, 1)->state;
  if (!lua_isnone(L, 2)) {
    lua_Integer n = luaL_checkinteger(L, 2);
    at_scope scope = at_open();
    step_set_n_normal(s, n);
    lua_agad_end(L, &scope, 0);
  }
  lua_pushinteger(L, s->n_normal);
  return 1;
}

static int is_loss(const step_state *s, int slot) {
  return s->slots[slot] && !strncmp(s->slot_names[slot], "loss.", 5);
}

/* losses() -> {adv = number, …}: reads them from the device */
static int read_losses(lua_State *L) {
  step_state *s = check(L, 1)->state;
  double values[STEP_MAX_SLOTS];
  at_scope scope = at_open();
  for (int i = 0; i < s->n_slots; i++)
    if (is_loss(s, i)) values[i] = at_item(s->slots[i]);
  lua_agad_end(L, &scope, 0);
  lua_newtable(L);
  for (int i = 0; i < s->n_slots; i++)
    if (is_loss(s, i)) lua_pushnumber(L, values[i]), lua_setfield(L, -2, s->slot_names[i] + 5);
  return 1;
}

static int backward(lua_State *L) {
  lua_step *s = check(L, 1);
  const char *update = luaL_checkstring(L, 2);
  at_tensor *value = lua_agad_check_tensor(L, 3);
  int place = step_find_update(s->state, update);
  luaL_argcheck(L, place >= 0, 2, "no such update");
  lua_agad_state *state = lua_agad_state_of(L);
  lua_State *before = lua_agad_set_caller(L, state);
  at_scope scope = at_open();
  step_backward(s->state, place, value, lua_toboolean(L, 4));
  lua_agad_set_caller(before, state);
  return lua_agad_end(L, &scope, 0);
}

/* average(net) -> list of the averaged parameters in the program's order, or nil */
static int average(lua_State *L) {
  step_state *s = check(L, 1)->state;
  const char *name = luaL_checkstring(L, 2);
  lua_pushnil(L);
  for (int i = 0; i < s->n_averages; i++) {
    step_average *a = s->averages + i;
    if (strcmp(s->nets[a->net].name, name)) continue;
    lua_newtable(L);
    for (int j = 0; j < s->nets[a->net].net->program->n_params; j++) {
      lua_agad_push_alias(L, a->params[j]);
      lua_rawseti(L, -2, j + 1);
    }
  }
  return 1;
}

/* gradients(update) -> list of gradients (false where none) */
static int gradients(lua_State *L) {
  step_state *s = check(L, 1)->state;
  int place = step_find_update(s, luaL_checkstring(L, 2));
  luaL_argcheck(L, place >= 0, 2, "no such update");
  lua_newtable(L);
  for (int i = 0; i < s->updates[place].n; i++) {
    if (s->updates[place].grads[i]) lua_agad_push_alias(L, s->updates[place].grads[i]);
    else lua_pushboolean(L, 0);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* updates() -> list of their names */
static int updates(lua_State *L) {
  const step_state *s = check(L, 1)->state;
  lua_createtable(L, s->n_updates, 0);
  for (int i = 0; i < s->n_updates; i++) lua_pushstring(L, s->updates[i].name), lua_rawseti(L, -2, i + 1);
  return 1;
}

/* set_rate(update, lr): Adam's step size from now on */
static int set_rate(lua_State *L) {
  step_state *s = check(L, 1)->state;
  int place = step_find_update(s, luaL_checkstring(L, 2));
  double lr = luaL_checknumber(L, 3);
  luaL_argcheck(L, place >= 0, 2, "no such update");
  luaL_argcheck(L, lr >= 0 && lr <= MOST, 3, "a learning rate must be a number from 0");
  s->updates[place].optimiser.lr = lr;
  return 0;
}

/* set_option(path, number): a number among the method's options, from the next step on */
static int set_option(lua_State *L) {
  step_state *s = check(L, 1)->state;
  const char *path = luaL_checkstring(L, 2);
  double value = luaL_checknumber(L, 3);
  at_scope scope = at_open();
  step_set_option(s, path, value);
  return lua_agad_end(L, &scope, 0);
}

static void put_tensor(lua_State *L, const char *name, at_tensor *t) {
  if (!t) return;
  lua_agad_push_alias(L, t);
  lua_setfield(L, -2, name);
}

/* What one list of tensors, of the nets' parameters in their order, is called: PREFIX.NET.PARAMETER */
static void put_list(lua_State *L, const step_state *s, const step_update *u, const char *prefix, at_tensor **list) {
  char name[4 * NET_NAME];
  for (int i = 0, k = 0; i < u->n_nets; i++) {
    const step_net *n = s->nets + u->nets[i];
    for (int j = 0; j < n->net->program->n_params; j++, k++) {
      snprintf(name, sizeof name, "%s.%s.%s", prefix, n->name, n->net->program->params[j].name);
      put_tensor(L, name, list[k]);
    }
  }
}

/* tensors() -> {name = tensor}: all that a step holds beside its nets, the tensors themselves: optimisers' moments
 * and counts, averages, and the guard's spare and count.  Copying into them restores a checkpoint. */
static int tensors(lua_State *L) {
  step_state *s = check(L, 1)->state;
  char name[4 * NET_NAME];
  lua_newtable(L);
  for (int i = 0; i < s->n_updates; i++) {
    const step_update *u = s->updates + i;
    snprintf(name, sizeof name, "update.%s.m", u->name), put_list(L, s, u, name, u->m);
    snprintf(name, sizeof name, "update.%s.v", u->name), put_list(L, s, u, name, u->v);
    snprintf(name, sizeof name, "update.%s.count", u->name), put_tensor(L, name, u->count);
  }
  for (int i = 0; i < s->n_averages; i++) {
    const step_net *n = s->nets + s->averages[i].net;
    for (int j = 0; j < s->averages[i].n; j++) {
      snprintf(name, sizeof name, "average.%s.%s", n->name, n->net->program->params[j].name);
      put_tensor(L, name, s->averages[i].params[j]);
    }
  }
  if (s->guard_update >= 0) {
    put_list(L, s, s->updates + s->guard_update, "guard.spare", s->spare);
    put_tensor(L, "guard.collapses", s->collapses);
  }
  if (s->random[0]) put_tensor(L, "random.cpu", s->random[0]);
  if (s->random[1]) put_tensor(L, "random.cuda", s->random[1]);
  return 1;
}

/* collapses() -> how often the guard has acted */
static int collapses(lua_State *L) {
  step_state *s = check(L, 1)->state;
  at_scope scope = at_open();
  lua_pushinteger(L, s->collapses ? at_item_int(s->collapses) : 0);
  return lua_agad_end(L, &scope, 1);
}

static const luaL_Reg methods[] = {{"add_net", add_net},
                                   {"add_update", add_update},
                                   {"add_average", add_average},
                                   {"add_stage", add_stage},
                                   {"set_state", set_state},
                                   {"guard", set_guard},
                                   {"spare", spare},
                                   {"begin", begin},
                                   {"run_stage", run_stage},
                                   {"run", run},
                                   {"get", get},
                                   {"set", set},
                                   {"n_normal", n_normal},
                                   {"seed", seed},
                                   {"exchange_random", exchange_random},
                                   {"losses", read_losses},
                                   {"backward", backward},
                                   {"average", average},
                                   {"gradients", gradients},
                                   {"updates", updates},
                                   {"set_rate", set_rate},
                                   {"set_option", set_option},
                                   {"tensors", tensors},
                                   {"collapses", collapses},
                                   {"choose", lua_agad_step_choose},
                                   {"choices", lua_agad_step_choices},
                                   {"n_choices", lua_agad_step_n_choices},
                                   {"profile", lua_agad_step_profile},
                                   {"slots", lua_agad_step_slots},
                                   {NULL, NULL}};
static const luaL_Reg functions[] = {{"step", new_step}, {NULL, NULL}};

void lua_agad_open_step(lua_State *L) {
  lua_agad_type(L, LUA_STEP, methods, close_step);
  luaL_setfuncs(L, functions, 0);
  lua_newtable(L); /* core.optimisers: their names */
  for (int i = 0; update_optimisers[i]; i++) lua_pushstring(L, update_optimisers[i]), lua_rawseti(L, -2, i + 1);
  lua_setfield(L, -2, "optimisers");
}
