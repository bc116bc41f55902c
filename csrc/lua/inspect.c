/* inspect.c: what is known of each picture of a set: a hash of its content, and its plain statistics. */
#include "lua/data.h"

#include "base/hash.h"
#include "score/shortcut.h"

/* Dense uint8 pictures (n, c, h, w) in main memory; NULL after a failure. */
static const uint8_t *take(at_tensor *given, int64_t size[4]) {
  if (at_dtype_of(given) != AT_U8 || at_ndim(given) != 4)
    return at_fail("pictures are a uint8 tensor (count, channels, height, width); this is %s with %d dimensions",
                   at_dtype_name(at_dtype_of(given)), at_ndim(given)),
           NULL;
  at_tensor *dense = at_to_layout(at_to(given, AT_U8, AT_CPU), AT_NCHW);
  for (int d = 0; d < 4; d++) size[d] = at_size(dense, d);
  if (at_ok() &&
      (size[1] < 1 || size[2] < 1 || size[3] < 1 || size[1] > 3 || size[2] > DATA_MAX_SIDE || size[3] > DATA_MAX_SIDE))
    at_fail("pictures have 1 to 3 channels and sides of 1 to %d; these are %lld x %lld x %lld", DATA_MAX_SIDE,
            (long long)size[1], (long long)size[2], (long long)size[3]);
  return at_ok() ? at_data(dense) : NULL;
}

/* hashes(pictures) -> int64 (n): XXH64 of each picture's bytes; equal pictures of equal shape have equal hashes */
static int hashes(lua_State *L) {
  at_tensor *given = lua_agad_check_tensor(L, 1);
  int64_t size[4];
  at_scope scope = at_open();
  const uint8_t *pixels = take(given, size);
  at_tensor *out = at_ok() ? at_empty(size, 1, AT_I64, AT_CPU, AT_NCHW) : NULL;
  int64_t *hash = at_data(out), bytes = at_ok() ? size[1] * size[2] * size[3] : 0;
  for (int64_t i = 0; at_ok() && i < size[0]; i++) {
    if (agad_interrupt) at_interrupted();
    hash[i] = (int64_t)base_hash(pixels + i * bytes, (size_t)bytes, 0);
  }
  lua_agad_push_tensor(L, out);
  return lua_agad_end(L, &scope, 1);
}

/* statistics(pictures) -> float64 (n, 4): mean, sd, grad_x, grad_y, as of the shortcut check */
static int statistics(lua_State *L) {
  at_tensor *given = lua_agad_check_tensor(L, 1);
  int64_t size[4];
  at_scope scope = at_open();
  const uint8_t *pixels = take(given, size);
  int64_t shape[2] = {at_ok() ? size[0] : 0, SHORTCUT_PIXEL_STATISTICS};
  at_tensor *out = at_empty(shape, 2, AT_F64, AT_CPU, AT_NCHW);
  agad_error error;
  if (at_ok() && data_statistics(pixels, size[0], (int)size[1], (int)size[2], (int)size[3], at_data(out), &error))
    lua_data_fail(&error);
  lua_agad_push_tensor(L, out);
  return lua_agad_end(L, &scope, 1);
}

void lua_data_open_inspect(lua_State *L) {
  lua_pushcfunction(L, hashes), lua_setfield(L, -2, "hashes");
  lua_pushcfunction(L, statistics), lua_setfield(L, -2, "statistics");
}
