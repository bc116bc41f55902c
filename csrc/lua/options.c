/* options.c: see options.h. */
#include "lua/options.h"

#include "base/text.h"

#include <string.h>

/* Pushes a value as a message shows it: one line of printable text; for all but numbers, strings and booleans, the
 * type. */
static const char *push_shown(lua_State *L, int index) {
  int type = lua_type(L, index);
  if (type != LUA_TNUMBER && type != LUA_TSTRING && type != LUA_TBOOLEAN) {
    lua_pushfstring(L, "a %s", lua_agad_is_tensor(L, index) ? "tensor" : luaL_typename(L, index));
    return lua_tostring(L, -1);
  }
  if (type == LUA_TNUMBER && !lua_isinteger(L, index)) {
    char number[40];
    return lua_pushstring(L, text_number(number, lua_tonumber(L, index)));
  }
  size_t n;
  const char *text = luaL_tolstring(L, index, &n);
  lua_agad_push_printable(L, text, n);
  lua_remove(L, -2);
  return lua_tostring(L, -1);
}

/* Pushes a list of names as people write it: "a, b, c", or with a last word "or": "a, b or c". */
static void push_names(lua_State *L, const char *const *names, const char *last) {
  luaL_Buffer list;
  luaL_buffinit(L, &list);
  for (int i = 0; names[i]; i++) {
    if (i && last && !names[i + 1]) lua_pushfstring(L, " %s ", last), luaL_addvalue(&list);
    else if (i) luaL_addstring(&list, ", ");
    luaL_addstring(&list, names[i]);
  }
  luaL_pushresult(&list);
}

static void check_known(lua_State *L, int index, const char *who, const option *known) {
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
    const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
    int n = 0;
    while (known[n].name && strcmp(known[n].name, key)) n++;
    if (known[n].name) continue;
    const char *shown = push_shown(L, -2);
    const char **names = lua_newuserdatauv(L, (size_t)(n + 1) * sizeof *names, 0);
    for (int i = 0; i <= n; i++) names[i] = known[i].name;
    push_names(L, names, NULL);
    lua_agad_error(L, "%s: unknown option %s; known: %s", who, shown, lua_tostring(L, -1));
  }
}

static void refuse(lua_State *L, const char *who, const option *o, int value, const char *wanted) {
  const char *shown = lua_isnil(L, value) ? "nil" : push_shown(L, value);
  lua_agad_error(L, "%s: %s = %s; give %s", who, o->name, shown, wanted);
}

static const char *range(lua_State *L, const option *o) {
  if (o->kind == OPTION_IS_INTEGER) {
    if (o->least == INT64_MIN) return "a whole number";
    if (o->most == INT64_MAX) return lua_pushfstring(L, "a whole number from %I", (LUAI_UACINT)o->least);
    return lua_pushfstring(L, "a whole number from %I to %I", (LUAI_UACINT)o->least, (LUAI_UACINT)o->most);
  }
  if (isinf(o->low)) return "a number";
  char low[40], high[40];
  if (isinf(o->high)) return lua_pushfstring(L, "a number from %s", text_number(low, o->low));
  return lua_pushfstring(L, "a number from %s to %s", text_number(low, o->low), text_number(high, o->high));
}

static const char *choices(lua_State *L, const option *o) {
  push_names(L, o->choices, "or");
  return lua_tostring(L, -1);
}

/* Each reads the value on the top into the field, or returns 0. */
static int take_integer(lua_State *L, const option *o, void *field) {
  int whole = 0;
  int64_t value = lua_type(L, -1) == LUA_TNUMBER ? lua_tointegerx(L, -1, &whole) : 0;
  if (!whole || value < o->least || value > o->most) return 0;
  if (o->size == sizeof(int)) *(int *)field = (int)value;
  else *(int64_t *)field = value;
  return 1;
}

static int take_number(lua_State *L, const option *o, double *field) {
  double value = lua_tonumber(L, -1);
  if (lua_type(L, -1) != LUA_TNUMBER || !(value >= o->low && value <= o->high)) return 0;
  *field = value;
  return 1;
}

static int take_choice(lua_State *L, const option *o, int *field) {
  if (lua_type(L, -1) != LUA_TSTRING) return 0;
  for (int i = 0; o->choices[i]; i++)
    if (!strcmp(o->choices[i], lua_tostring(L, -1))) return *field = i, 1;
  return 0;
}

static int take_device(lua_State *L, int *field) {
  int device;
  if (lua_type(L, -1) != LUA_TSTRING || lua_agad_device(L, lua_tostring(L, -1), &device) || device >= at_devices())
    return 0;
  return *field = device, 1;
}

/* The value is on the top. */
static void read_option(lua_State *L, const char *who, const option *o, void *field) {
  int value = lua_gettop(L);
  const char *wanted = NULL;
  switch (o->kind) {
  case OPTION_IS_INTEGER:
    if (!take_integer(L, o, field)) wanted = range(L, o);
    break;
  case OPTION_IS_NUMBER:
    if (!take_number(L, o, field)) wanted = range(L, o);
    break;
  case OPTION_IS_CHOICE:
    if (!take_choice(L, o, field)) wanted = choices(L, o);
    break;
  case OPTION_IS_FLAG:
    if (lua_isboolean(L, -1)) *(int *)field = lua_toboolean(L, -1);
    else wanted = "true or false";
    break;
  case OPTION_IS_STRING:
    if (lua_type(L, -1) == LUA_TSTRING) *(const char **)field = lua_tostring(L, -1);
    else wanted = "a string";
    break;
  case OPTION_IS_DTYPE:
    if (lua_type(L, -1) != LUA_TSTRING || at_dtype_by_name(lua_tostring(L, -1), field))
      wanted = "the name of a dtype, such as float32";
    break;
  case OPTION_IS_DEVICE:
    if (!take_device(L, field)) wanted = at_devices() ? "cpu, cuda or cuda:N" : "cpu (this machine has no device)";
    break;
  case OPTION_IS_OTHER: break;
  }
  if (wanted) refuse(L, who, o, value, wanted);
}

void lua_agad_options(lua_State *L, int index, const char *who, const option *known, void *into) {
  if (lua_isnoneornil(L, index)) return;
  luaL_checktype(L, index, LUA_TTABLE);
  luaL_checkstack(L, 8, who);
  index = lua_absindex(L, index);
  check_known(L, index, who, known);
  for (const option *o = known; o->name; o++) {
    int given = lua_getfield(L, index, o->name) != LUA_TNIL, value = lua_gettop(L);
    if (given) read_option(L, who, o, (char *)into + o->place);
    else if (o->needed) refuse(L, who, o, value, range(L, o));
    if (!given || o->kind != OPTION_IS_STRING) lua_pop(L, 1);
  }
}
