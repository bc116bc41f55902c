/* options.h: tables of options from Lua: one array lists the options and reads them into a struct.
 *
 *   static const option known[] = {
 *       OPTION_INTEGER("batch", score_input, batch, 1, INT64_MAX), OPTION_FLAG("padded", score_input, padded),
 *       OPTION_CHOICE("bn", score_input, bn, modes),               OPTION_END};
 *   score_input how = {.batch = 256};                       the defaults
 *   lua_agad_options(L, 3, "score", known, &how);           of the table at 3; nil and none have no options
 *
 * Raises one line for an unknown name (it lists the known ones in the order of the array, so sort that by name) and for
 * a value of another kind or out of range (it names the option, the value and what to give). Nothing is converted but
 * whole numbers: 3.0 is an integer, "3" is not. Call it before a scope is open.
 */
#ifndef AGAD_LUA_OPTIONS_H
#define AGAD_LUA_OPTIONS_H

#include "lua/binding.h"

#include <math.h>
#include <stddef.h>

typedef enum option_kind {
  OPTION_IS_INTEGER,
  OPTION_IS_NUMBER,
  OPTION_IS_FLAG,
  OPTION_IS_CHOICE,
  OPTION_IS_STRING,
  OPTION_IS_DTYPE,
  OPTION_IS_DEVICE,
  OPTION_IS_OTHER
} option_kind;

typedef struct option {
  const char *name; /* NULL ends an array */
  option_kind kind;
  int needed;         /* must be given */
  size_t place, size; /* of the field in the struct */
  int64_t least, most;
  double low, high;
  const char *const *choices; /* end with NULL; the field gets the position, from 0 */
} option;

#define OPTION_FIELD(type, field) .place = offsetof(type, field), .size = sizeof(((type *)0)->field)
#define OPTION_AS(type, field, c_type) .place = _Generic(((type *)0)->field, c_type : offsetof(type, field))

/* The field: int or int64_t; the limits: two numbers, or OPTION_ANY where who uses the number checks it. */
#define OPTION_INTEGER(name_, type, field, ...) \
  { .name = name_, .kind = OPTION_IS_INTEGER, OPTION_FIELD(type, field), OPTION_LIMITS(__VA_ARGS__) }
#define OPTION_NEEDED_INTEGER(name_, type, field, ...) \
  { .name = name_, .kind = OPTION_IS_INTEGER, .needed = 1, OPTION_FIELD(type, field), OPTION_LIMITS(__VA_ARGS__) }
#define OPTION_ANY INT64_MIN, INT64_MAX
#define OPTION_LIMITS(...) OPTION_LEAST_MOST(__VA_ARGS__)
#define OPTION_LEAST_MOST(least_, most_) .least = least_, .most = most_
/* double; both limits are included, and INFINITY is none. */
#define OPTION_NUMBER(name_, type, field, low_, high_) \
  { .name = name_, .kind = OPTION_IS_NUMBER, OPTION_AS(type, field, double), .low = low_, .high = high_ }
#define OPTION_NEEDED_NUMBER(name_, type, field, low_, high_) \
  { .name = name_, .kind = OPTION_IS_NUMBER, .needed = 1, OPTION_AS(type, field, double), .low = low_, .high = high_ }
/* int: 0 or 1, of a boolean. */
#define OPTION_FLAG(name_, type, field) \
  { .name = name_, .kind = OPTION_IS_FLAG, OPTION_AS(type, field, int) }
/* An enum or int. */
#define OPTION_CHOICE(name_, type, field, choices_) \
  { .name = name_, .kind = OPTION_IS_CHOICE, OPTION_FIELD(type, field), .choices = choices_ }
/* const char *: the string stays on the stack, since a metatable may have made it. */
#define OPTION_STRING(name_, type, field) \
  { .name = name_, .kind = OPTION_IS_STRING, OPTION_AS(type, field, const char *) }
/* An at_dtype, by its name; int, a device that is there. */
#define OPTION_DTYPE(name_, type, field) \
  { .name = name_, .kind = OPTION_IS_DTYPE, OPTION_AS(type, field, at_dtype) }
#define OPTION_DEVICE(name_, type, field) \
  { .name = name_, .kind = OPTION_IS_DEVICE, OPTION_AS(type, field, int) }
/* Known, and read by the caller: a function, a list. */
#define OPTION_OTHER(name_) \
  { .name = name_, .kind = OPTION_IS_OTHER }
#define OPTION_END \
  { .name = NULL }

void lua_agad_options(lua_State *L, int index, const char *who, const option *known, void *into);

#endif
