/* losses.c: the losses, each call one autograd node, and batches of pictures for Lua. */
#include "lua/options.h"
#include "net/pictures.h"
#include "train/losses.h"

/* losses.NAME(a, b) or (a, target) -> 0-d tensor; upvalue 1 is the loss's place in the list */
static int call_loss(lua_State *L) {
  const loss *l = losses + lua_tointeger(L, lua_upvalueindex(1));
  at_tensor *a = lua_agad_check_tensor(L, 1), *b = NULL;
  double target = 0;
  if (l->takes_target) {
    target = luaL_checknumber(L, 2);
    luaL_argcheck(L, target == 0 || target == 1, 2, "the target must be 0 or 1");
  } else b = lua_agad_check_tensor(L, 2);
  lua_agad_new_tensor(L);
  at_scope scope = at_open();
  lua_agad_fill(L, -1, loss_call(l, a, b, target));
  return lua_agad_end(L, &scope, 1);
}

typedef struct batch_options {
  at_dtype dtype;
  int device;
} batch_options;

/* batch(pictures, index or nil, low, high[, {dtype=, device=}]) -> float tensor, channels_last */
static int batch(lua_State *L) {
  at_tensor *pictures = lua_agad_check_tensor(L, 1),
            *index = lua_isnoneornil(L, 2) ? NULL : lua_agad_check_tensor(L, 2);
  double low = luaL_checknumber(L, 3), high = luaL_checknumber(L, 4);
  static const option known[] = {OPTION_DEVICE("device", batch_options, device),
                                 OPTION_DTYPE("dtype", batch_options, dtype), OPTION_END};
  batch_options o = {AT_F32, AT_CPU};
  lua_agad_options(L, 5, "batch", known, &o);
  lua_agad_new_tensor(L);
  at_scope scope = at_open();
  lua_agad_fill(L, -1, pictures_to_batch(pictures, index, low, high, o.dtype, o.device, AT_CHANNELS_LAST));
  return lua_agad_end(L, &scope, 1);
}

/* core.losses: {l1 = function, …}, one for each in csrc/train/losses.c */
void lua_agad_open_losses(lua_State *L) {
  lua_newtable(L);
  for (int i = 0; losses[i].name; i++) {
    lua_pushinteger(L, i);
    lua_pushcclosure(L, call_loss, 1);
    lua_setfield(L, -2, losses[i].name);
  }
  lua_setfield(L, -2, "losses");
  lua_pushcfunction(L, batch), lua_setfield(L, -2, "batch");
}
