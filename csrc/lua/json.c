/* json.c: Lua values and JSON through jansson: sorted keys, 17 digits, 64-bit integers stay integers.
 *
 * A table with the keys 1..n is a list, one with string keys an object, an empty one an object unless its
 * metatable has __jsontype = "array"; core.null stands for null.
 */
#include "lua/binding.h"

#include "base/text.h"
#include "net/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 64 };
enum { JSON_TYPE = 3 }; /* where "__jsontype" lies on the stack while a value is encoded: that may not raise */

static json_t *encode(lua_State *L, int index, int depth, agad_error *error);

static json_t *encode_list(lua_State *L, int index, lua_Integer n, int depth, agad_error *error) {
  json_t *list = json_array();
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, index, i);
    json_t *item = encode(L, lua_gettop(L), depth + 1, error);
    lua_pop(L, 1);
    if (!item || json_array_append_new(list, item)) return json_decref(list), NULL;
  }
  return list;
}

static json_t *encode_object(lua_State *L, int index, int depth, agad_error *error) {
  json_t *object = json_object();
  lua_pushnil(L);
  while (lua_next(L, index)) {
    json_t *item = NULL;
    if (lua_type(L, -2) != LUA_TSTRING) agad_fail(error, "JSON: a table has both list items and named keys");
    else item = encode(L, lua_gettop(L), depth + 1, error);
    if (!item || json_object_set_new(object, lua_tostring(L, -2), item)) {
      size_t length;
      const char *key = item ? lua_tolstring(L, -2, &length) : "";
      if (item && !text_is_utf8(key, length)) agad_fail(error, "JSON: a key is not UTF-8");
      lua_pop(L, 2);
      return json_decref(object), NULL;
    }
    lua_pop(L, 1);
  }
  return object;
}

static json_t *encode_table(lua_State *L, int index, int depth, agad_error *error) {
  lua_Integer n = (lua_Integer)lua_rawlen(L, index), count = 0;
  lua_pushnil(L);
  while (lua_next(L, index)) count++, lua_pop(L, 1);
  int array = n > 0;
  if (!count && lua_getmetatable(L, index)) {
    lua_pushvalue(L, JSON_TYPE);
    array = lua_rawget(L, -2) == LUA_TSTRING && !strcmp(lua_tostring(L, -1), "array");
    lua_pop(L, 2);
  }
  if (array && count != n) return agad_fail(error, "JSON: a table has both list items and named keys"), NULL;
  return array ? encode_list(L, index, n, depth, error) : encode_object(L, index, depth, error);
}

static json_t *encode(lua_State *L, int index, int depth, agad_error *error) {
  if (depth > MAX_DEPTH || !lua_checkstack(L, 8)) return agad_fail(error, "JSON: nested too deeply"), NULL;
  size_t n;
  const char *text;
  json_t *value = NULL;
  switch (lua_type(L, index)) {
  case LUA_TNIL: return json_null();
  case LUA_TBOOLEAN: return json_boolean(lua_toboolean(L, index));
  case LUA_TNUMBER:
    if (lua_isinteger(L, index)) return json_integer(lua_tointeger(L, index));
    if (!isfinite(lua_tonumber(L, index))) return agad_fail(error, "JSON: NaN and infinity cannot be written"), NULL;
    return json_real(lua_tonumber(L, index));
  case LUA_TSTRING:
    text = lua_tolstring(L, index, &n);
    value = json_stringn(text, n);
    if (!value && !text_is_utf8(text, n)) agad_fail(error, "JSON: a string is not UTF-8");
    return value;
  case LUA_TLIGHTUSERDATA:
    if (!lua_touserdata(L, index)) return json_null();
    break;
  case LUA_TTABLE: return encode_table(L, index, depth, error);
  default: break;
  }
  return agad_fail(error, "JSON: a %s cannot be written", luaL_typename(L, index)), NULL;
}

/* json_encode(value[, indent]) -> text */
int lua_agad_json_encode(lua_State *L) {
  luaL_checkany(L, 1);
  size_t indent = (size_t)luaL_optinteger(L, 2, 0) & 31;
  lua_settop(L, 2);
  lua_pushliteral(L, "__jsontype");
  void **text = lua_agad_new_holder(L, free);
  agad_error error = {"JSON: out of memory", AGAD_OUT_OF_MEMORY};
  json_t *value = encode(L, 1, 0, &error);
  if (!value) return lua_agad_raise(L, &error);
  *text = json_text(value, JSON_SORT_KEYS | JSON_ENCODE_ANY | JSON_REAL_PRECISION(17) |
                               (indent ? JSON_INDENT(indent) : JSON_COMPACT));
  json_decref(value);
  if (!*text) return lua_agad_error(L, "JSON: out of memory");
  lua_pushstring(L, *text);
  lua_agad_release(L, -2);
  return 1;
}

static void free_json(void *value) { json_decref(value); }

static void push(lua_State *L, const json_t *v) {
  luaL_checkstack(L, 4, "JSON");
  switch (json_typeof(v)) {
  case JSON_OBJECT: {
    const char *key;
    json_t *item;
    lua_newtable(L);
    json_object_foreach((json_t *)(uintptr_t)v, key, item) {
      push(L, item);
      lua_setfield(L, -2, key);
    }
    break;
  }
  case JSON_ARRAY:
    lua_createtable(L, (int)json_array_size(v), 0);
    for (size_t i = 0; i < json_array_size(v); i++) {
      push(L, json_array_get(v, i));
      lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    break;
  case JSON_STRING: lua_pushlstring(L, json_string_value(v), json_string_length(v)); break;
  case JSON_INTEGER: lua_pushinteger(L, json_integer_value(v)); break;
  case JSON_REAL: lua_pushnumber(L, json_real_value(v)); break;
  case JSON_TRUE: lua_pushboolean(L, 1); break;
  case JSON_FALSE: lua_pushboolean(L, 0); break;
  default: lua_pushlightuserdata(L, NULL); break;
  }
}

/* json_decode(text) -> value, or raises with the place */
int lua_agad_json_decode(lua_State *L) {
  size_t n;
  const char *text = luaL_checklstring(L, 1, &n);
  json_error_t where;
  void **held = lua_agad_new_holder(L, free_json);
  json_t *value = json_read(text, n, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &where);
  if (!value && json_kind(&where) == AGAD_OUT_OF_MEMORY) return lua_agad_error(L, "JSON: out of memory");
  if (!value) return lua_agad_error(L, "JSON: %s (line %d, column %d)", where.text, where.line, where.column);
  *held = value;
  push(L, value);
  lua_agad_release(L, -2);
  return 1;
}
