/* layers.c: the list of layers, which register themselves when the library is loaded, and their attributes.
 *
 * A node holds its layer's attributes beside what every node has (layer, inputs, name, shares).  They are read once,
 * as the layer's table says: unknown names, other kinds and values out of range are refused; null stands for the
 * default.
 */
#include "net/layer.h"

#include "base/memory.h"
#include "base/text.h"
#include "net/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static layer *first;

void layer_register(layer *l) {
  layer **at = &first;
  while (*at && strcmp((*at)->name, l->name) < 0) at = &(*at)->next;
  l->next = *at;
  *at = l;
}

int net_node_alike(const net_program *program, int node) {
  const net_node *of = program->nodes + node;
  return !of->layer || !of->layer->alike || of->layer->alike(program, of);
}

const layer *layer_first(void) { return first; }

const layer *layer_find(const char *name) {
  const layer *l = first;
  while (l && strcmp(l->name, name)) l = l->next;
  return l;
}

void layer_names(char *text, size_t size) {
  size_t n = 0;
  *text = 0;
  for (const layer *l = first; l && n < size; l = l->next)
    n += (size_t)snprintf(text + n, size - n, "%s%s", n ? ", " : "", l->name);
}

/* ---- attributes ---- */

/* "an integer from 1 to 8" */
static void expected(const layer_attribute *a, char *text, size_t size) {
  static const char *const kinds[] = {[LAYER_INTEGER] = "an integer",
                                      [LAYER_PAIR] = "one or two integers",
                                      [LAYER_NUMBER] = "a number",
                                      [LAYER_BOOLEAN] = "true or false",
                                      [LAYER_SHAPE] =
                                          "a list of 1 to 3 positive integers, with a product of at most 2^31",
                                      [LAYER_TEXT] = "a string",
                                      [LAYER_TABLE] = "a table"};
  int ranged = a->kind == LAYER_INTEGER || a->kind == LAYER_PAIR || a->kind == LAYER_NUMBER;
  int n = snprintf(text, size, "%s", kinds[a->kind]);
  if (ranged && a->max < LAYER_NO_LIMIT) text_print(text + n, size - (size_t)n, " from %.10g to %.10g", a->min, a->max);
  else if (ranged) text_print(text + n, size - (size_t)n, " of at least %.10g", a->min);
}

static int refuse(const net_node *node, const layer_attribute *a, const json_t *v, agad_error *error) {
  char what[120];
  expected(a, what, sizeof what);
  if (!v) return net_node_fail(node, error, "the attribute %s is missing; give %s", a->name, what);
  char *value = json_text(v, JSON_ENCODE_ANY | JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(6));
  net_node_fail(node, error, "%s = %.40s is not %s", a->name, value ? value : "?", what);
  free(value);
  return -1;
}

static int read_integer(const layer_attribute *a, const json_t *v, int64_t *to) {
  *to = json_integer_value(v);
  return json_is_integer(v) && (double)*to >= a->min && (double)*to <= a->max;
}

static int read_pair(const layer_attribute *a, const json_t *v, int64_t to[2]) {
  if (!json_is_array(v)) return read_integer(a, v, to) && read_integer(a, v, to + 1);
  return json_array_size(v) == 2 && read_integer(a, json_array_get(v, 0), to) &&
         read_integer(a, json_array_get(v, 1), to + 1);
}

static int read_shape(const json_t *v, net_shape *to) {
  int64_t numbers = 1;
  if (json_array_size(v) < 1 || json_array_size(v) > 3) return 0;
  to->ndim = (int)json_array_size(v);
  for (int i = 0; i < to->ndim; i++) {
    int64_t d = to->d[i] = json_integer_value(json_array_get(v, (size_t)i));
    if (d < 1 || d > NET_MAX_NUMBERS || (numbers *= d) > NET_MAX_NUMBERS) return 0;
  }
  return 1;
}

/* Whether the value is of the kind and within the range; a table without entries may be written as a list. */
static int read_value(const layer_attribute *a, const json_t *v, void *to) {
  switch (a->kind) {
  case LAYER_INTEGER: return read_integer(a, v, to);
  case LAYER_PAIR: return read_pair(a, v, to);
  case LAYER_NUMBER:
    *(double *)to = json_number_value(v);
    return json_is_number(v) && *(double *)to >= a->min && *(double *)to <= a->max;
  case LAYER_BOOLEAN: *(int *)to = json_is_true(v); return json_is_boolean(v);
  case LAYER_SHAPE: return read_shape(v, to);
  case LAYER_TEXT: *(const char **)to = json_string_value(v); return json_is_string(v);
  case LAYER_TABLE: *(const json_t **)to = v; return json_is_object(v) || (json_is_array(v) && !json_array_size(v));
  }
  return 0;
}

static void set_default(const layer_attribute *a, void *to) {
  switch (a->kind) {
  case LAYER_PAIR: ((int64_t *)to)[1] = (int64_t)a->standard; /* fall through */
  case LAYER_INTEGER: *(int64_t *)to = (int64_t)a->standard; break;
  case LAYER_NUMBER: *(double *)to = a->standard; break;
  case LAYER_BOOLEAN: *(int *)to = a->standard != 0; break;
  case LAYER_SHAPE:
  case LAYER_TEXT:
  case LAYER_TABLE: break; /* 0, NULL */
  }
}

static int known(const layer *l, const char *name) {
  static const char *const of_every_node[] = {"layer", "inputs", "name", "shares"};
  for (int i = 0; i < 4; i++)
    if (!strcmp(name, of_every_node[i])) return 1;
  for (const layer_attribute *a = l->attributes; a && a->name; a++)
    if (!strcmp(name, a->name)) return 1;
  return 0;
}

static int refuse_unknown(const net_node *node, const char *name, agad_error *error) {
  char list[400] = "";
  size_t n = 0;
  for (const layer_attribute *a = node->layer->attributes; a && a->name && n < sizeof list; a++)
    n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", n ? ", " : "; known: ", a->name);
  return net_node_fail(node, error, "unknown attribute '%.40s'%s", name, n ? list : "; the layer has none");
}

int layer_read_attributes(net_node *node, agad_error *error) {
  const char *name;
  const json_t *value;
  json_object_foreach(node->json, name, value) {
    if (!known(node->layer, name)) return refuse_unknown(node, name, error);
  }
  node->attributes = base_calloc(1, node->layer->size);
  if (!node->attributes) return agad_fail_as(error, AGAD_OUT_OF_MEMORY, "%s: no memory for its attributes", node->name);
  for (const layer_attribute *a = node->layer->attributes; a && a->name; a++) {
    const json_t *v = json_object_get(node->json, a->name);
    void *to = (char *)node->attributes + a->place;
    int given = v && !json_is_null(v);
    if (!given && a->required) return refuse(node, a, NULL, error);
    if (!given) set_default(a, to);
    else if (!read_value(a, v, to)) return refuse(node, a, v, error);
  }
  return 0;
}
