/* inspect.c: what is known of each picture of a set: a hash of its content, and its plain statistics. */
#include "lua/data.h"
#include "lua/pictures.h"

#include "base/hash.h"
#include "score/shortcut.h"

/* hashes(pictures) -> int64 (n): XXH64 of each picture's bytes; equal pictures of equal shape have equal hashes */
static int hashes(lua_State *L) {
  at_tensor *given = lua_agad_check_tensor(L, 1), *out = NULL;
  lua_agad_new_tensor(L);
  at_scope scope = at_open();
  pictures p;
  if (!lua_agad_pictures(given, PICTURES_MANY, "hashes", &p)) {
    out = at_empty(&p.n, 1, AT_I64, AT_CPU, AT_NCHW);
    int64_t *hash = at_data(out);
    size_t bytes = (size_t)p.channels * p.height * p.width;
    for (int64_t i = 0; at_ok() && i < p.n; i++) {
      if (agad_interrupt) at_interrupted();
      hash[i] = (int64_t)base_hash(p.pixels + (size_t)i * bytes, bytes, 0);
    }
  }
  lua_agad_fill(L, -1, out);
  return lua_agad_end(L, &scope, 1);
}

/* statistics(pictures) -> float64 (n, 4): mean, sd, grad_x, grad_y, as of the shortcut check */
static int statistics(lua_State *L) {
  at_tensor *given = lua_agad_check_tensor(L, 1), *out = NULL;
  lua_agad_new_tensor(L);
  at_scope scope = at_open();
  pictures p;
  agad_error error;
  if (!lua_agad_pictures(given, PICTURES_MANY, "statistics", &p)) {
    int64_t shape[2] = {p.n, SHORTCUT_PIXEL_STATISTICS};
    out = at_empty(shape, 2, AT_F64, AT_CPU, AT_NCHW);
    if (at_ok() && data_statistics(p.pixels, p.n, p.channels, p.height, p.width, at_data(out), &error))
      at_fail_with(&error);
  }
  lua_agad_fill(L, -1, out);
  return lua_agad_end(L, &scope, 1);
}

void lua_agad_open_inspect(lua_State *L) {
  lua_pushcfunction(L, hashes), lua_setfield(L, -2, "hashes");
  lua_pushcfunction(L, statistics), lua_setfield(L, -2, "statistics");
}
