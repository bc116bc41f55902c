/* op_read.c: see op_read.h.  Dimensions and positions are shifted as they are read (positions.h). */
#include "lua/op_read.h"

#include <string.h>

int refuse(call *c, const char *form, const char *name, const char *expected, const char *got) {
  int nearer = c->foreign != c->worst.foreign ? c->foreign < c->worst.foreign : c->at > c->worst.reached;
  if (nearer || c->wrong) c->worst = (problem){form, name, expected, got, NULL, c->at, c->foreign};
  else if (c->at == c->worst.reached && c->foreign == c->worst.foreign && !strcmp(form, c->worst.form) &&
           !strcmp(name, c->worst.name) && strcmp(expected, c->worst.expected))
    c->worst.other = expected;
  return 0;
}

static int mismatch(call *c, const at_arg *arg, const char *expected, const char *got) {
  return refuse(c, "argument '%s' must be %s, not %s", arg->name, expected, got);
}

static const char *kind_name(lua_State *L, int index) {
  if (lua_agad_test_tensor(L, index)) return "a tensor";
  return lua_agad_is_tensor(L, index) ? "a closed one" : luaL_typename(L, index);
}

/* 1-based to 0-based; 0 is refused. */
static int shift_integer(call *c, int64_t *i, shift kind, const at_arg *arg) {
  if (shift_in(i, kind)) return 1;
  c->wrong = 1;
  return refuse(c, "argument '%s' is 0; %s are counted from 1, or from the end by -1", arg->name, shift_counts(kind),
                "");
}

static int read_integer(lua_State *L, int index, int64_t *out) {
  int whole;
  lua_Integer i = lua_tointegerx(L, index, &whole);
  if (!whole || lua_type(L, index) != LUA_TNUMBER) return 0;
  *out = i;
  return 1;
}

static int read_memory_format(const char *name, int64_t *out) {
  static const char *const names[] = {"contiguous", "preserve", "channels_last", "channels_last_3d"};
  for (int i = 0; i < 4; i++)
    if (!strcmp(name, names[i])) return *out = i, 1;
  return 0;
}

/* What losses do with their elements; the schema has numbers for it. */
static int read_reduction(lua_State *L, int index, int64_t *out) {
  static const char *const words[] = {"none", "mean", "sum"};
  for (int i = 0; i < 3; i++)
    if (!strcmp(lua_tostring(L, index), words[i])) return *out = i, 1;
  return 0;
}

static int read_list(lua_State *L, call *c, int index, const at_arg *arg, shift s, at_value *out) {
  at_arg item = *arg;
  item.optional = arg->item_optional;
  out->kind = AT_LIST;
  out->items = c->items + c->n_items;
  if (!lua_istable(L, index)) {
    /* one number for a list of fixed length, or of integers where nothing else fits */
    int one_fits = arg->list_size ? arg->item != AT_TENSOR : arg->item == AT_INT && c->level >= SPREAD;
    if (!one_fits || c->n_items >= MAX_ITEMS) return mismatch(c, arg, "a list", kind_name(L, index));
    at_value *one = c->items + c->n_items++;
    if (!read_value(L, c, index, &item, arg->item, s, one)) return 0;
    out->n = 1;
    for (; out->n < arg->list_size && c->n_items < MAX_ITEMS; out->n++) c->items[c->n_items++] = *one;
    return 1;
  }
  lua_Integer n = (lua_Integer)lua_rawlen(L, index);
  static const char *const counts[] = {"a shorter list", "",           "a list of 2", "a list of 3", "a list of 4",
                                       "a list of 5",    "a list of 6"};
  /* A list of 2 and more: of just so many, or of one for all; libtorch itself does not look in every place. */
  int fixed = arg->list_size > 1 && arg->item != AT_TENSOR, fill = fixed && n == 1 ? arg->list_size - 1 : 0;
  if (fixed && n != arg->list_size && !fill && (n || !arg->may_be_empty))
    return mismatch(c, arg, counts[arg->list_size < 7 ? arg->list_size : 0],
                    n ? "one of another length" : "an empty one");
  if (n + fill > MAX_ITEMS - c->n_items) return mismatch(c, arg, "a shorter list", "one of over 500 items");
  at_value *items = c->items + c->n_items;
  c->n_items += (int)n + fill;
  out->n = (int)n;
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, index, i);
    int good = read_value(L, c, lua_gettop(L), &item, arg->item, s, items + i - 1);
    lua_pop(L, 1);
    if (!good) return 0;
  }
  for (; out->n < (int)n + fill; out->n++) items[out->n] = *items;
  return 1;
}

static int read_number(lua_State *L, int index, at_value *out) {
  if (lua_isinteger(L, index)) out->kind = AT_INT, out->as.i = lua_tointeger(L, index);
  else if (lua_type(L, index) == LUA_TNUMBER) out->kind = AT_DOUBLE, out->as.d = lua_tonumber(L, index);
  else if (lua_isboolean(L, index)) out->kind = AT_BOOL, out->as.i = lua_toboolean(L, index);
  else return 0;
  return 1;
}

static int read_name(lua_State *L, int index, at_kind kind, at_value *out) {
  if (lua_type(L, index) != LUA_TSTRING) return 0;
  const char *name = lua_tostring(L, index);
  at_dtype dtype;
  int device;
  out->kind = kind;
  if (kind == AT_DTYPE) return at_dtype_by_name(name, &dtype) ? 0 : (out->as.i = dtype, 1);
  if (kind == AT_DEVICE) return !lua_agad_device(L, name, &device) && device < at_devices() && (out->as.i = device, 1);
  if (kind == AT_MEMORY_FORMAT) return read_memory_format(name, &out->as.i);
  if (kind == AT_LAYOUT_KIND) return out->as.i = 0, !strcmp(name, "strided");
  out->as.s = name;
  return kind == AT_STRING;
}

/* A device that could be, whatever was asked for: t:to("cuda") where there is none. */
static int is_missing_device(lua_State *L, int index) {
  int device;
  if (lua_type(L, index) != LUA_TSTRING || lua_agad_device(L, lua_tostring(L, index), &device)) return 0;
  return device >= at_devices();
}

int read_value(lua_State *L, call *c, int index, const at_arg *arg, at_kind kind, shift s, at_value *out) {
  if (lua_isnil(L, index) && arg->optional) return out->kind = AT_NONE, 1;
  switch (kind) {
  case AT_TENSOR:
    out->kind = AT_TENSOR;
    if ((out->as.tensor = lua_agad_test_tensor(L, index))) return 1;
    if (c->level == WRAP && read_number(L, index, out)) return 1; /* stays a number until there is a scope */
    return mismatch(c, arg, "a tensor", kind_name(L, index));
  case AT_INT:
    out->kind = AT_INT;
    if (!strcmp(arg->name, "reduction") && lua_type(L, index) == LUA_TSTRING && read_reduction(L, index, &out->as.i))
      return 1;
    if (!read_integer(L, index, &out->as.i)) return mismatch(c, arg, "an integer", luaL_typename(L, index));
    return shift_integer(c, &out->as.i, s, arg);
  case AT_DOUBLE:
    out->kind = AT_DOUBLE;
    if (lua_type(L, index) != LUA_TNUMBER) return mismatch(c, arg, "a number", luaL_typename(L, index));
    out->as.d = lua_tonumber(L, index);
    return 1;
  case AT_NUMBER: return read_number(L, index, out) || mismatch(c, arg, "a number", luaL_typename(L, index));
  case AT_BOOL:
    out->kind = AT_BOOL, out->as.i = lua_toboolean(L, index);
    return lua_isboolean(L, index) || mismatch(c, arg, "true or false", luaL_typename(L, index));
  case AT_LIST: return read_list(L, c, index, arg, s, out);
  case AT_STRING:
  case AT_DTYPE:
  case AT_DEVICE:
  case AT_MEMORY_FORMAT:
  case AT_LAYOUT_KIND: {
    const char *const expected[] = {[AT_STRING] = "a string",
                                    [AT_DTYPE] = "a dtype such as \"float32\"",
                                    [AT_DEVICE] = at_devices() ? "a device such as \"cpu\" or \"cuda:0\""
                                                               : "\"cpu\" (this machine has no device)",
                                    [AT_MEMORY_FORMAT] = "\"contiguous\" or \"channels_last\"",
                                    [AT_LAYOUT_KIND] = "\"strided\""};
    if (read_name(L, index, kind, out)) return 1;
    if (is_missing_device(L, index)) {
      c->wrong = 1;
      return refuse(c, "there is no device '%s' (agad.devices is how many there are)", lua_tostring(L, index), "", "");
    }
    return mismatch(c, arg, expected[kind],
                    lua_type(L, index) == LUA_TSTRING ? lua_tostring(L, index) : luaL_typename(L, index));
  }
  case AT_GENERATOR:
    out->kind = AT_GENERATOR;
    out->as.generator = lua_agad_test_generator(L, index);
    return out->as.generator ? 1 : mismatch(c, arg, "a generator (agad.generator(seed))", luaL_typename(L, index));
  default: return mismatch(c, arg, "left out", luaL_typename(L, index));
  }
}

unsigned lua_types(const at_arg *arg) {
  unsigned number = 1u << LUA_TNUMBER, optional = arg->optional ? 1u << LUA_TNIL : 0;
  switch (arg->kind) {
  case AT_TENSOR: return optional | 1u << LUA_TUSERDATA;
  case AT_INT: return optional | number | (!strcmp(arg->name, "reduction") ? 1u << LUA_TSTRING : 0);
  case AT_DOUBLE: return optional | number;
  case AT_NUMBER: return optional | number | 1u << LUA_TBOOLEAN;
  case AT_BOOL: return optional | 1u << LUA_TBOOLEAN;
  case AT_GENERATOR: return optional | 1u << LUA_TUSERDATA;
  case AT_LIST: return optional | 1u << LUA_TTABLE | (arg->list_size ? number | 1u << LUA_TBOOLEAN : 0);
  default: return optional | 1u << LUA_TSTRING;
  }
}
