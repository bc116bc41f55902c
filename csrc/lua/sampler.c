/* sampler.c: the seeded sampler as a userdata. Rows count from 0: they are numbers inside tensors. */
#include "lua/data.h"
#include "lua/options.h"

#include "data/sampler.h"

#define LUA_SAMPLER "agad.sampler"

static void close_sampler(void *sampler) { data_sampler_free(sampler); }

/* sampler(normals, anomalies, batch, k, seed) -> sampler */
static int sampler(lua_State *L) {
  lua_agad_check_numbers(L, 1), lua_agad_check_numbers(L, 2);
  lua_Integer batch = luaL_checkinteger(L, 3), k = luaL_checkinteger(L, 4), seed = luaL_checkinteger(L, 5);
  void **box = lua_agad_new_box(L, LUA_SAMPLER);
  agad_error error;
  at_scope scope = at_open();
  int64_t n, m;
  const int64_t *normals = lua_agad_integers(L, 1, &n), *anomalies = lua_agad_integers(L, 2, &m);
  if (at_ok() && !(*box = data_sampler_new(normals, n, anomalies, m, batch, k, (uint64_t)seed, &error)))
    at_fail_with(&error);
  return lua_agad_end(L, &scope, 1);
}

/* anomalies_per_batch(batch, min_anom, gamma) -> k */
static int anomalies_per_batch(lua_State *L) {
  lua_pushinteger(L,
                  data_anomalies_per_batch(luaL_checkinteger(L, 1), luaL_checkinteger(L, 2), luaL_checknumber(L, 3)));
  return 1;
}

static data_sampler *check_sampler(lua_State *L) { return lua_agad_check_box(L, 1, LUA_SAMPLER); }

/* s:next() -> rows (int64 tensor, normals first, from 0), n_normal; nil at the epoch's end */
static int sampler_next(lua_State *L) {
  data_sampler *s = check_sampler(L);
  data_batch batch;
  lua_agad_new_tensor(L);
  if (!data_sampler_next(s, &batch)) return lua_pushnil(L), 1;
  at_scope scope = at_open();
  lua_agad_fill(L, -1, at_copy_of(batch.rows, &batch.n, 1, AT_I64));
  lua_pushinteger(L, batch.n_normal);
  return lua_agad_end(L, &scope, 2);
}

static int sampler_next_epoch(lua_State *L) {
  data_sampler_next_epoch(check_sampler(L));
  return 0;
}

static int sampler_batches(lua_State *L) {
  lua_pushinteger(L, data_sampler_batches(check_sampler(L)));
  return 1;
}

/* s:set_anomalies(rows, k[, batch]) */
static int sampler_set_anomalies(lua_State *L) {
  data_sampler *s = check_sampler(L);
  lua_agad_check_numbers(L, 2);
  lua_Integer k = luaL_checkinteger(L, 3), batch = luaL_optinteger(L, 4, 0);
  agad_error error;
  at_scope scope = at_open();
  int64_t n;
  const int64_t *rows = lua_agad_integers(L, 2, &n);
  if (at_ok() && ((!lua_isnoneornil(L, 4) && data_sampler_set_batch(s, batch, &error)) ||
                  data_sampler_set_anomalies(s, rows, n, k, &error)))
    at_fail_with(&error);
  return lua_agad_end(L, &scope, 0);
}

/* s:state() -> {seed, epoch, batch, cycle, cycle_position}; s:set_state(that) */
static int sampler_state(lua_State *L) {
  data_sampler_state at = data_sampler_get_state(check_sampler(L));
  lua_createtable(L, 0, 5);
  lua_pushinteger(L, (lua_Integer)at.seed), lua_setfield(L, -2, "seed");
  lua_pushinteger(L, at.epoch), lua_setfield(L, -2, "epoch");
  lua_pushinteger(L, at.batch), lua_setfield(L, -2, "batch");
  lua_pushinteger(L, at.cycle), lua_setfield(L, -2, "cycle");
  lua_pushinteger(L, at.cycle_position), lua_setfield(L, -2, "cycle_position");
  return 1;
}

static int sampler_set_state(lua_State *L) {
  static const option known[] = {
      OPTION_NEEDED_INTEGER("batch", data_sampler_state, batch, OPTION_ANY),
      OPTION_NEEDED_INTEGER("cycle", data_sampler_state, cycle, OPTION_ANY),
      OPTION_NEEDED_INTEGER("cycle_position", data_sampler_state, cycle_position, OPTION_ANY),
      OPTION_NEEDED_INTEGER("epoch", data_sampler_state, epoch, OPTION_ANY),
      OPTION_NEEDED_INTEGER("seed", data_sampler_state, seed, OPTION_ANY),
      OPTION_END};
  data_sampler *s = check_sampler(L);
  data_sampler_state at = {0};
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_agad_options(L, 2, "sampler state", known, &at);
  agad_error error;
  if (data_sampler_set_state(s, at, &error)) return lua_agad_raise(L, &error);
  return 0;
}

static const luaL_Reg sampler_methods[] = {{"next", sampler_next},
                                           {"next_epoch", sampler_next_epoch},
                                           {"batches", sampler_batches},
                                           {"set_anomalies", sampler_set_anomalies},
                                           {"state", sampler_state},
                                           {"set_state", sampler_set_state},
                                           {NULL, NULL}};

void lua_agad_open_sampler(lua_State *L) {
  lua_agad_type(L, LUA_SAMPLER, sampler_methods, close_sampler);
  lua_pushcfunction(L, sampler), lua_setfield(L, -2, "sampler");
  lua_pushcfunction(L, anomalies_per_batch), lua_setfield(L, -2, "anomalies_per_batch");
}
