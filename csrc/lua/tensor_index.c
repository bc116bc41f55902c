/* tensor_index.c: reading and writing parts of a tensor, as t[i], t[{i, {2, 5}, {}}], t[mask], t[index].
 *
 *   t[2], t[-1]           position along the first dimension, from 1 or from the end: that dimension goes
 *   t[{2, 3}]             one item a dimension, from the first on; "..." stands for all that are not named
 *   {}  {2, 5}  {2, 9, 2} in such a list: everything; from 2 to 5, both in; every second one.  {3}: 3 to 3
 *   a tensor              booleans choose; integers are positions from 0, as argmax gives them
 *
 * Parts are views, unless a tensor stands in the list (then it is a copy).  Assignment takes a tensor that
 * broadcasts, or a number, and changes t itself.
 */
#include "lua/op_read.h"
#include "lua/tensor_parts.h"

#include <string.h>

enum { MOST = AT_MAX_DIM };

/* What is being put together: the view so far, its next dimension (from 0), and tensors by dimension of the view. */
typedef struct part {
  at_tensor *view;
  int dim, n_dims;
  at_tensor *index[MOST];
  int n_index; /* the last dimension with a tensor, from 1; 0: none */
} part;

static at_tensor *call_slice(at_tensor *t, int dim, int64_t start, int64_t end, int64_t step) {
  return at_call("slice", "Tensor", (at_value[]){at_v(t), at_vi(dim), at_vi(start), at_vi(end), at_vi(step)}, 5);
}

/* A position from 1, or from the end by -1, as one from 0; -1 and the sticky error where there is none. */
static int64_t position(const part *p, lua_Integer i) {
  int64_t size = at_size(p->view, p->dim), at = i;
  int counts = shift_in(&at, POSITION);
  if (at < 0) at += size;
  if (counts && at >= 0 && at < size) return at;
  int dim = p->dim + p->n_dims - at_ndim(p->view) + 1; /* of the whole tensor, from 1 */
  if (i == 0) return at_fail("index 0 in dimension %d; indices are counted from 1, or from the end by -1", dim);
  return at_fail("index %lld is out of range: dimension %d has %lld%s", (long long)i, dim, (long long)size,
                 i == size + 1 && dim == 1 ? " (a loop over rows: pairs, or t:rows())" : "");
}

static int needs_dim(const part *p) {
  if (p->dim < at_ndim(p->view)) return 1;
  at_fail("%d indices for a tensor of %d dimension%s", p->n_dims + 1, p->n_dims, p->n_dims == 1 ? "" : "s");
  return 0;
}

static int read_integer(lua_State *L, int index, lua_Integer *out) {
  int whole = 0;
  *out = lua_tointegerx(L, index, &whole);
  return whole && lua_type(L, index) == LUA_TNUMBER;
}

/* {}, {a}, {a, b} or {a, b, step} */
static void add_range(lua_State *L, int index, part *p) {
  lua_Integer item[3] = {1, -1, 1}, n = (lua_Integer)lua_rawlen(L, index);
  for (int i = 0; i < 3 && i < n; i++) {
    lua_rawgeti(L, index, i + 1);
    if (!read_integer(L, -1, item + i))
      at_fail("a range must be {first, last} or {first, last, step}, of whole numbers");
    lua_pop(L, 1);
  }
  if (n > 3) at_fail("a range must be {first, last} or {first, last, step}");
  if (n >= 3 && item[2] < 1) at_fail("a range's step must be at least 1; flip reverses a dimension");
  if (!at_ok()) return;
  if (n == 1) item[1] = item[0];
  if (n > 0) {
    int64_t first = position(p, item[0]), last = position(p, item[1]);
    if (!at_ok()) return;
    p->view = call_slice(p->view, p->dim, first, last < first ? first : last + 1, item[2]);
  }
  p->dim++;
}

/* A tensor of booleans takes as many dimensions as it has, one of integers takes one. */
static void add_tensor(part *p, at_tensor *t) {
  at_dtype dtype = at_dtype_of(t);
  int takes = dtype == AT_B8 ? at_ndim(t) : 1;
  if (dtype == AT_U8 || (dtype != AT_B8 && dtype > AT_I64)) { /* PyTorch once took uint8 as a mask */
    at_fail("an index tensor must be int64, a mask bool (t:to(\"bool\")); this one is %s", at_dtype_name(dtype));
    return;
  }
  if (dtype < AT_I64) t = at_to(t, AT_I64, at_device_of(t));
  if (p->dim + takes > at_ndim(p->view)) {
    at_fail("a mask of %d dimensions where %d are left to index", takes, at_ndim(p->view) - p->dim);
    return;
  }
  p->index[p->dim] = t;
  p->n_index = p->dim + 1;
  p->dim += takes;
}

static void add_item(lua_State *L, int index, part *p, int left) {
  lua_Integer i;
  at_tensor *t = lua_agad_test_tensor(L, index);
  if (lua_type(L, index) == LUA_TSTRING && !strcmp(lua_tostring(L, index), "...")) {
    p->dim = at_ndim(p->view) - left > p->dim ? at_ndim(p->view) - left : p->dim;
    return;
  }
  if (!at_ok() || !needs_dim(p)) return;
  if (t) add_tensor(p, t);
  else if (read_integer(L, index, &i)) {
    int64_t at = position(p, i);
    if (at_ok()) p->view = at_call("select", "int", (at_value[]){at_v(p->view), at_vi(p->dim), at_vi(at)}, 3);
  } else if (lua_istable(L, index)) add_range(L, index, p);
  else
    at_fail("an index must be a whole number, a range {first, last}, a tensor or \"...\", not %s",
            lua_agad_is_tensor(L, index) ? "a closed tensor" : luaL_typename(L, index));
}

/* How many dimensions the items from `first` on take: for "...". */
static int dimensions_after(lua_State *L, int list, lua_Integer first) {
  int count = 0;
  for (lua_Integer i = first; i <= (lua_Integer)lua_rawlen(L, list); i++) {
    lua_rawgeti(L, list, i);
    at_tensor *t = lua_agad_test_tensor(L, -1);
    count += t && at_dtype_of(t) == AT_B8 ? at_ndim(t) : 1;
    lua_pop(L, 1);
  }
  return count;
}

static void read_part(lua_State *L, int index, at_tensor *t, part *p) {
  memset(p, 0, sizeof *p);
  p->view = t;
  p->n_dims = at_ndim(t);
  if (!lua_istable(L, index)) {
    add_item(L, index, p, 0);
    return;
  }
  lua_Integer n = (lua_Integer)lua_rawlen(L, index);
  if (n > MOST) at_fail("%lld indices for a tensor of %d dimensions", (long long)n, p->n_dims);
  for (lua_Integer i = 1; i <= n && at_ok(); i++) {
    lua_rawgeti(L, index, i);
    add_item(L, lua_gettop(L), p, dimensions_after(L, index, i + 1));
    lua_pop(L, 1);
  }
}

/* The list of optional tensors that index and index_put_ take; a mask stands once for all its dimensions. */
static at_value index_list(const part *p, at_value items[MOST]) {
  int n = 0;
  for (int i = 0; i < p->n_index; n++) {
    at_tensor *t = p->index[i];
    items[n] = t ? at_v(t) : (at_value){AT_NONE, {NULL}, NULL, 0};
    i += t && at_dtype_of(t) == AT_B8 && at_ndim(t) > 0 ? at_ndim(t) : 1;
  }
  return (at_value){AT_LIST, {NULL}, items, n};
}

int lua_agad_index(lua_State *L, int index) {
  at_tensor *t = lua_agad_check_tensor(L, 1);
  part p;
  at_value items[MOST];
  luaL_checkstack(L, 8, "index");
  lua_agad_new_tensor(L);
  at_scope scope = at_open();
  read_part(L, index, t, &p);
  if (p.n_index && at_ok()) p.view = at_call("index", "Tensor", (at_value[]){at_v(p.view), index_list(&p, items)}, 2);
  lua_agad_fill(L, -1, !at_ok() ? NULL : p.view == t ? at_alias(t) : p.view);
  return lua_agad_end_reworded(L, &scope, 1);
}

static at_value value_of(lua_State *L, int index) {
  if (lua_isboolean(L, index)) return (at_value){AT_BOOL, {.i = lua_toboolean(L, index)}, NULL, 0};
  return lua_isinteger(L, index) ? at_vi(lua_tointeger(L, index)) : at_vd(lua_tonumber(L, index));
}

/* t[index 2] = value 3 */
int lua_agad_assign(lua_State *L) {
  at_tensor *t = lua_agad_check_tensor(L, 1), *from = lua_agad_test_tensor(L, 3);
  part p;
  at_value items[MOST];
  int number = lua_type(L, 3) == LUA_TNUMBER || lua_isboolean(L, 3);
  if (!from && !number)
    return lua_agad_error(L, "a part of a tensor can be set to a tensor or a number, not to %s",
                          lua_agad_is_tensor(L, 3) ? "a closed tensor" : luaL_typename(L, 3));
  luaL_checkstack(L, 8, "index");
  at_scope scope = at_open();
  read_part(L, 2, t, &p);
  if (p.n_index && at_ok()) {
    at_value number_value = number ? value_of(L, 3) : at_v(from);
    at_tensor *values = from ? at_to(from, at_dtype_of(t), at_device_of(t))
                             : at_to(at_number(&number_value), at_dtype_of(t), at_device_of(t));
    at_call("index_put_", "", (at_value[]){at_v(p.view), index_list(&p, items), at_v(values)}, 3);
  } else if (at_ok() && from) at_call("copy_", "", (at_value[]){at_v(p.view), at_v(from)}, 2);
  else if (at_ok()) at_call("fill_", "Scalar", (at_value[]){at_v(p.view), value_of(L, 3)}, 2);
  return lua_agad_end_reworded(L, &scope, 0);
}

/* #t: entries of the first dimension */
int lua_agad_length(lua_State *L) {
  at_tensor *t = lua_agad_check_tensor(L, 1);
  if (at_ndim(t) == 0) return lua_agad_error(L, "a 0-d tensor has no length; t:item() gives its number");
  lua_pushinteger(L, at_size(t, 0));
  return 1;
}

/* a .. b: joined along the first dimension */
int lua_agad_concat(lua_State *L) {
  if (!lua_agad_is_tensor(L, 1) || !lua_agad_is_tensor(L, 2))
    return lua_agad_error(L, ".. joins a tensor to a tensor only; for text use tostring(t)");
  at_tensor *parts[2] = {lua_agad_check_tensor(L, 1), lua_agad_check_tensor(L, 2)};
  lua_agad_new_tensor(L);
  at_scope scope = at_open();
  lua_agad_fill(L, -1, at_concat(parts, 2, 0));
  return lua_agad_end_reworded(L, &scope, 1);
}

/* One step of rows(): (state {t, dim}, i) -> i + 1, part */
static int next_row(lua_State *L) {
  at_tensor *t = lua_agad_check_tensor(L, lua_upvalueindex(1));
  int dim = (int)lua_tointeger(L, lua_upvalueindex(2));
  lua_Integer i = lua_tointeger(L, 2);
  if (i >= at_size(t, dim)) return 0;
  lua_pushinteger(L, i + 1);
  lua_agad_new_tensor(L);
  at_scope scope = at_open();
  lua_agad_fill(L, -1, at_call("select", "int", (at_value[]){at_v(t), at_vi(dim), at_vi(i)}, 3));
  return lua_agad_end(L, &scope, 2);
}

/* rows([dim]): for i, row in t:rows() */
int lua_agad_rows(lua_State *L) {
  at_tensor *t = lua_agad_check_tensor(L, 1);
  if (lua_isnoneornil(L, 2)) lua_settop(L, 1), lua_pushinteger(L, 1);
  int dim = lua_agad_check_dimension(L, 2, t);
  lua_pushvalue(L, 1);
  lua_pushinteger(L, dim);
  lua_pushcclosure(L, next_row, 2);
  lua_pushnil(L);
  lua_pushinteger(L, 0);
  return 3;
}
