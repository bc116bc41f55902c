#include "train/options.h"

#include "at/at.h"
#include "net/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int no_memory(const char *method) {
  agad_error error;
  agad_fail_as(&error, AGAD_OUT_OF_MEMORY, "method %s: no memory for its options", method);
  return at_fail_with(&error);
}

method_options *options_new(const char *method, const char *json) {
  json_error_t where;
  json_t *values = json_read(json, strlen(json), 0, &where);
  if (!values && json_kind(&where) == AGAD_OUT_OF_MEMORY) return no_memory(method), NULL;
  if (!json_is_object(values)) {
    json_decref(values);
    return at_fail("method %s: its options are not a JSON object: %s", method, where.text), NULL;
  }
  method_options *o = at_calloc(1, sizeof *o);
  if (!o) return json_decref(values), NULL;
  snprintf(o->method, sizeof o->method, "%s", method);
  o->values = values;
  return o;
}

void options_free(method_options *o) {
  if (!o) return;
  json_decref(o->values);
  free(o);
}

/* The table that holds the last part of a path, and that part. */
static json_t *table_of(const method_options *o, const char *path, const char **name) {
  json_t *table = o->values;
  for (const char *dot; (dot = strchr(path, '.')); path = dot + 1) {
    char key[64];
    snprintf(key, sizeof key, "%.*s", (int)(dot - path), path);
    table = json_object_get(table, key);
  }
  *name = path;
  return table;
}

static const json_t *find(const method_options *o, const char *path) {
  const char *name;
  const json_t *table = table_of(o, path, &name), *value = json_object_get(table, name);
  if (!value) at_fail("method %s: option %s is missing", o->method, path);
  return value;
}

double option_number(const method_options *o, const char *path) {
  const json_t *value = find(o, path);
  if (json_is_number(value)) return json_number_value(value);
  if (value) at_fail("method %s: option %s is not a number", o->method, path);
  return NAN;
}

int option_flag(const method_options *o, const char *path) {
  const json_t *value = find(o, path);
  if (value && !json_is_boolean(value)) at_fail("method %s: option %s is neither true nor false", o->method, path);
  return json_is_true(value);
}

int option_choice(const method_options *o, const char *path, int choices) {
  const json_t *value = find(o, path);
  json_int_t place = json_integer_value(value);
  if (json_is_integer(value) && place >= 0 && place < choices) return (int)place;
  if (value)
    at_fail("method %s: option %s has a choice that its C stages do not know; they know the first %d of its definition",
            o->method, path, choices);
  return 0;
}

int option_set(method_options *o, const char *path, double value) {
  const char *name;
  json_t *table = table_of(o, path, &name);
  if (!json_is_number(json_object_get(table, name)))
    return at_fail("method %s: there is no option %s that is a number", o->method, path);
  return json_object_set_new(table, name, json_real(value)) ? no_memory(o->method) : 0;
}
