/* tensor_make.c: tensors out of Lua's tables and strings, and back.
 *
 *   from_table({{1, 2}, {3, 4}}[, dtype])   nested as deep as the tensor has dimensions; all branches of one shape
 *   t:totable()                             the same way back; a number (or boolean) where there is no dimension
 *   from_string(bytes, dtype, {sizes})      its memory in order, as t:tostring_bytes() gives it
 *
 * Without a dtype numbers make float32 (1 and 1.0 are one to who writes Lua), booleans bool.
 */
#include "lua/tensor_parts.h"

#include "base/memory.h"

enum { DEEPEST = 16, MOST_EMPTY = 1 << 20 };

typedef struct nest {
  int64_t sizes[DEEPEST];
  int ndim;
  int64_t count; /* leaves so far */
  int numbers, booleans;
  double *d; /* NULL: only look */
  int64_t *i;
} nest;

static int is_leaf(lua_State *L, int index) { return !lua_istable(L, index); }

/* The shape by the first branch. */
static void measure(lua_State *L, int index, nest *n) {
  int top = lua_gettop(L);
  lua_pushvalue(L, index);
  for (n->ndim = 0; lua_istable(L, -1); n->ndim++) {
    if (n->ndim == DEEPEST) {
      at_fail("tables nested more than %d deep", DEEPEST);
      break;
    }
    n->sizes[n->ndim] = (int64_t)lua_rawlen(L, -1);
    if (!n->sizes[n->ndim]) {
      n->ndim++;
      break;
    }
    lua_rawgeti(L, -1, 1);
  }
  lua_settop(L, top);
}

static void leaf(lua_State *L, int index, nest *n) {
  if (lua_isboolean(L, index)) n->booleans = 1;
  else if (lua_type(L, index) != LUA_TNUMBER)
    at_fail("item %lld is %s%s, not a number", (long long)n->count + 1, lua_isnil(L, index) ? "" : "a ",
            luaL_typename(L, index));
  else n->numbers = 1;
  if (n->d) n->d[n->count] = lua_isboolean(L, index) ? lua_toboolean(L, index) : lua_tonumber(L, index);
  if (n->i) {
    int whole = 1;
    n->i[n->count] = lua_isboolean(L, index) ? lua_toboolean(L, index) : lua_tointegerx(L, index, &whole);
    if (!whole) at_fail("item %lld is not an integer", (long long)n->count + 1);
  }
  n->count++;
}

/* Walks all branches: their lengths, and their numbers into d or i. */
static void walk(lua_State *L, int index, int depth, nest *n) {
  if (depth == n->ndim) {
    if (is_leaf(L, index)) leaf(L, index, n);
    else at_fail("item %lld is a table; the branches before it are nested less deep", (long long)n->count + 1);
    return;
  }
  if (is_leaf(L, index)) {
    at_fail("item %lld is a %s where the branches before it hold tables", (long long)n->count + 1,
            luaL_typename(L, index));
    return;
  }
  int64_t length = (int64_t)lua_rawlen(L, index);
  if (length != n->sizes[depth]) {
    at_fail("a table of length %lld where the others of dimension %d have %lld", (long long)length, depth + 1,
            (long long)n->sizes[depth]);
    return;
  }
  for (int64_t i = 1; i <= length && at_ok(); i++) {
    lua_rawgeti(L, index, i);
    walk(L, lua_gettop(L), depth + 1, n);
    lua_pop(L, 1);
  }
}

static at_dtype dtype_at(lua_State *L, int index, at_dtype standard) {
  at_dtype dtype = standard;
  if (!lua_isnoneornil(L, index))
    luaL_argcheck(L, !at_dtype_by_name(luaL_checkstring(L, index), &dtype), index, "unknown dtype");
  return dtype;
}

static int from_table(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  at_dtype given = dtype_at(L, 2, AT_C128);
  luaL_checkstack(L, DEEPEST + 8, "nested tables");
  nest n = {{0}, 0, 0, 0, 0, NULL, NULL};
  lua_agad_new_tensor(L);
  at_scope scope = at_open();
  measure(L, 1, &n);
  walk(L, 1, 0, &n);
  if (n.booleans && n.numbers) at_fail("the table mixes booleans and numbers");
  at_dtype dtype = given != AT_C128 ? given : n.booleans ? AT_B8 : AT_F32;
  int whole = dtype <= AT_I64 || (dtype == AT_B8 && n.booleans);
  at_tensor *t = at_empty(n.sizes, n.ndim, whole ? AT_I64 : AT_F64, AT_CPU, AT_NCHW);
  n.count = 0;
  if (at_ok() && whole) n.i = at_data(t);
  else if (at_ok()) n.d = at_data(t);
  if (at_ok() && at_numel(t)) walk(L, 1, 0, &n);
  lua_agad_fill(L, -1, at_ok() ? at_to(t, dtype, AT_CPU) : NULL);
  return lua_agad_end(L, &scope, 1);
}

static void push_nested(lua_State *L, const int64_t *sizes, int ndim, const double *d, const int64_t *i, int boolean,
                        int64_t *next) {
  if (!ndim) {
    if (i && boolean) lua_pushboolean(L, i[*next] != 0);
    else if (i) lua_pushinteger(L, i[*next]);
    else if (d) lua_pushnumber(L, d[*next]);
    ++*next;
    return;
  }
  lua_createtable(L, sizes[0] < 1 << 26 ? (int)sizes[0] : 0, 0);
  for (int64_t k = 1; k <= sizes[0]; k++) {
    push_nested(L, sizes + 1, ndim - 1, d, i, boolean, next);
    lua_rawseti(L, -2, k);
  }
}

static int to_table(lua_State *L) {
  at_tensor *t = lua_agad_check_tensor(L, 1);
  at_dtype dtype = at_dtype_of(t);
  luaL_argcheck(L, dtype != AT_C64 && dtype != AT_C128, 1, "complex numbers: take t:view_as_real():totable()");
  luaL_checkstack(L, AT_MAX_DIM + 8, "nested tables");
  int boolean = dtype == AT_B8, whole = boolean || dtype <= AT_I64;
  int64_t sizes[AT_MAX_DIM], next = 0;
  int ndim = at_sizes(t, sizes);
  lua_agad_new_tensor(L); /* holds the numbers while the tables are made, which may raise */
  at_scope scope = at_open();
  at_tensor *c = at_to_layout(at_to(at_detach(t), whole ? AT_I64 : AT_F64, AT_CPU), AT_NCHW);
  const void *data = at_data(c);
  int64_t tables = 1; /* of what is empty: it has no numbers but may have any number of rows */
  for (int i = 0; i < ndim && sizes[i] && !at_numel(t) && tables <= MOST_EMPTY; i++)
    tables = sizes[i] > MOST_EMPTY ? sizes[i] : tables * sizes[i];
  if (tables > MOST_EMPTY) at_fail("totable: over %d empty tables", MOST_EMPTY);
  lua_agad_fill(L, -1, c);
  lua_agad_end(L, &scope, 0);
  push_nested(L, sizes, ndim, whole ? NULL : data, whole ? data : NULL, boolean, &next);
  return 1;
}

/* from_string(bytes, dtype, {sizes}) */
static int from_string(lua_State *L) {
  size_t length;
  const char *bytes = luaL_checklstring(L, 1, &length);
  at_dtype dtype = dtype_at(L, 2, AT_F32);
  int64_t sizes[AT_MAX_DIM], numbers = 1;
  luaL_checktype(L, 3, LUA_TTABLE);
  int ndim = (int)lua_rawlen(L, 3);
  luaL_argcheck(L, ndim <= AT_MAX_DIM, 3, "too many dimensions");
  for (int i = 0; i < ndim; i++) {
    lua_rawgeti(L, 3, i + 1);
    sizes[i] = luaL_checkinteger(L, -1);
    numbers = base_product(numbers, sizes[i], INT64_MAX / 16);
    luaL_argcheck(L, numbers >= 0, 3, "a size is out of range");
    lua_pop(L, 1);
  }
  if ((uint64_t)numbers * at_element_size(dtype) != length)
    return lua_agad_error(L, "from_string: %d bytes, but %d numbers of %s take %d", (int)length, (int)numbers,
                          at_dtype_name(dtype), (int)(numbers * (int64_t)at_element_size(dtype)));
  lua_agad_new_tensor(L);
  at_scope scope = at_open();
  lua_agad_fill(L, -1, at_copy_of(bytes, sizes, ndim, dtype));
  return lua_agad_end(L, &scope, 1);
}

/* tostring_bytes(t) -> string of its memory in order */
static int to_bytes(lua_State *L) {
  at_tensor *t = lua_agad_check_tensor(L, 1);
  lua_agad_new_tensor(L); /* holds the bytes while the string is made, which may raise */
  at_scope scope = at_open();
  at_tensor *c = at_to_layout(at_to(at_detach(t), at_dtype_of(t), AT_CPU), AT_NCHW);
  const void *data = at_data(c);
  size_t n = data ? (size_t)at_nbytes(c) : 0;
  lua_agad_fill(L, -1, c);
  lua_agad_end(L, &scope, 0);
  lua_pushlstring(L, data ? data : "", n);
  return 1;
}

/* ---- generators: random numbers with a seed of their own ---- */

static void close_generator(void *generator) { at_generator_free(generator); }

/* generator(seed[, device]) */
static int new_generator(lua_State *L) {
  lua_Integer seed = luaL_checkinteger(L, 1);
  int device = AT_CPU;
  if (!lua_isnoneornil(L, 2))
    luaL_argcheck(L, !lua_agad_device(L, luaL_checkstring(L, 2), &device) && device < at_devices(), 2,
                  "no such device");
  void **box = lua_agad_new_box(L, LUA_GENERATOR);
  at_scope scope = at_open();
  *box = at_generator_new((uint64_t)seed, device);
  return lua_agad_end(L, &scope, 1);
}

/* generator:state() -> its state, uint8; generator:set_state(that) */
static int generator_state(lua_State *L) {
  at_generator *g = lua_agad_check_box(L, 1, LUA_GENERATOR);
  lua_agad_new_tensor(L);
  at_scope scope = at_open();
  lua_agad_fill(L, -1, at_generator_state(g));
  return lua_agad_end(L, &scope, 1);
}

static int generator_set_state(lua_State *L) {
  at_generator *g = lua_agad_check_box(L, 1, LUA_GENERATOR);
  at_tensor *state = lua_agad_check_tensor(L, 2);
  at_scope scope = at_open();
  at_generator_set_state(g, state);
  lua_settop(L, 1);
  return lua_agad_end(L, &scope, 1);
}

at_generator *lua_agad_test_generator(lua_State *L, int index) {
  void **box = luaL_testudata(L, index, LUA_GENERATOR);
  return box ? *box : NULL;
}

void lua_agad_open_generator(lua_State *L) {
  static const luaL_Reg methods[] = {{"state", generator_state}, {"set_state", generator_set_state}, {NULL, NULL}};
  lua_agad_type(L, LUA_GENERATOR, methods, close_generator);
}

/* element_size(dtype) -> bytes of a number */
static int element_size(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)at_element_size(dtype_at(L, 1, AT_F32)));
  return 1;
}

const luaL_Reg lua_agad_tensor_makers[] = {{"element_size", element_size},
                                           {"generator", new_generator},
                                           {"from_table", from_table},
                                           {"from_string", from_string},
                                           {NULL, NULL}};
const luaL_Reg lua_agad_tensor_takers[] = {{"totable", to_table}, {"tostring_bytes", to_bytes}, {NULL, NULL}};
