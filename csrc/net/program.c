#include "net/program.h"
#include "base/memory.h"
#include "net/json.h"
#include "net/layer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int net_node_fail(const net_node *node, agad_error *error, const char *format, ...) {
  char reason[700];
  va_list args;
  va_start(args, format);
  vsnprintf(reason, sizeof reason, format, args);
  va_end(args);
  return agad_fail(error, "%s: %s", node->name, reason);
}

static int no_memory(const net_node *node, agad_error *error) {
  return agad_fail_as(error, AGAD_OUT_OF_MEMORY, "%s: no memory", node->name);
}

static int add(net_param **list, int *n, const net_node *node, const char *name, net_init_kind init, int ndim,
               const int64_t *sizes, agad_error *error) {
  net_param *longer = base_realloc(*list, *n + 1, sizeof *longer);
  if (!longer) return no_memory(node, error);
  *list = longer;
  net_param *p = longer + (*n)++;
  *p = (net_param){.init = init, .ndim = ndim};
  snprintf(p->name, sizeof p->name, "%s.%s", node->name, name);
  memcpy(p->sizes, sizes, (size_t)ndim * sizeof *sizes);
  return 0;
}

int net_add_param(net_program *program, net_node *node, const char *name, net_init_kind init, int ndim,
                  const int64_t *sizes, agad_error *error) {
  if (node->n_params == NET_MAX_PARAMS)
    return net_node_fail(node, error, "a layer has at most %d parameters; raise NET_MAX_PARAMS", NET_MAX_PARAMS);
  if (!node->n_params) node->param = program->n_params;
  if (add(&program->params, &program->n_params, node, name, init, ndim, sizes, error)) return -1;
  node->n_params++;
  return 0;
}

int net_add_buffer(net_program *program, net_node *node, const char *name, net_init_kind init, int64_t size,
                   agad_error *error) {
  if (!node->n_buffers) node->buffer = program->n_buffers;
  if (add(&program->buffers, &program->n_buffers, node, name, init, 1, &size, error)) return -1;
  node->n_buffers++;
  return 0;
}

static int read_shape(const json_t *json, net_shape *shape, agad_error *error) {
  shape->ndim = (int)json_array_size(json);
  if (shape->ndim < 1 || shape->ndim > 3)
    return agad_fail(error, "input must be a list of 1 to 3 sizes, such as {channels, height, width}");
  for (int i = 0; i < shape->ndim; i++) {
    const json_t *v = json_array_get(json, (size_t)i);
    shape->d[i] = json_integer_value(v);
    if (!json_is_integer(v) || shape->d[i] < 1 || shape->d[i] > 1 << 20)
      return agad_fail(error, "input sizes must be positive integers");
  }
  return 0;
}

static int copy_name(char *to, const char *from, const char *what, agad_error *error) {
  size_t n = from ? strlen(from) : 0;
  if (!n || n >= NET_NAME) return agad_fail(error, "a %s needs a name of 1 to %d bytes", what, NET_NAME - 1);
  memcpy(to, from, n + 1);
  return 0;
}

/* Names a node by its kind and how many of the kind came before: conv1, conv2, batch_norm1 … */
static void name_node(net_program *program, int place, net_node *node) {
  int count = 1;
  for (int i = 1; i < place; i++) count += program->nodes[i].layer == node->layer;
  snprintf(node->name, sizeof node->name, "%.40s%d", node->layer->name, count);
}

static int read_inputs(net_program *program, int place, net_node *node, net_shape *in, agad_error *error) {
  const json_t *list = json_object_get(node->json, "inputs");
  size_t n = json_array_size(list);
  if (n < 1 || n > NET_MAX_INPUTS) return net_node_fail(node, error, "needs a list of 1 to %d inputs", NET_MAX_INPUTS);
  if (node->layer->n_inputs > 0 && (int)n != node->layer->n_inputs)
    return net_node_fail(node, error, "takes %d input(s), not %d", node->layer->n_inputs, (int)n);
  for (size_t i = 0; i < n; i++) {
    const json_t *v = json_array_get(list, i);
    int64_t from = json_is_integer(v) ? json_integer_value(v) : -1;
    if (from < 0 || from >= place)
      return net_node_fail(node, error, "input %d is not an earlier node (a net cannot have cycles)", (int)i + 1);
    node->inputs[node->n_inputs++] = (int)from;
    program->nodes[from].consumers++;
    in[i] = program->nodes[from].shape;
  }
  return 0;
}

/* A node that shares the tensors of an earlier one ("shares": its name): what it has just defined goes again. */
static int share_tensors(net_program *program, int place, int params, int buffers, agad_error *error) {
  net_node *node = program->nodes + place;
  const json_t *shares = json_object_get(node->json, "shares");
  if (!shares) return 0;
  const char *name = json_string_value(shares);
  const net_node *other = NULL;
  for (int i = 1; name && i < place; i++)
    if (!strcmp(program->nodes[i].name, name)) other = program->nodes + i;
  if (!other)
    return net_node_fail(node, error, "shares the tensors of '%.64s', which is not an earlier node", name ? name : "?");
  int fits = other->layer == node->layer && other->n_params == node->n_params && other->n_buffers == node->n_buffers;
  for (int i = 0; fits && i < node->n_params; i++) {
    const net_param *a = program->params + node->param + i, *b = program->params + other->param + i;
    fits = a->ndim == b->ndim && !memcmp(a->sizes, b->sizes, (size_t)a->ndim * sizeof *a->sizes);
  }
  for (int i = 0; fits && i < node->n_buffers; i++)
    fits = program->buffers[node->buffer + i].sizes[0] == program->buffers[other->buffer + i].sizes[0];
  if (!fits) return net_node_fail(node, error, "its tensors differ in shape from those of %s", other->name);
  program->n_params = params, program->n_buffers = buffers;
  node->param = other->param, node->buffer = other->buffer;
  node->shared = 1;
  return 0;
}

static int check_params(const net_program *program, const net_node *node, agad_error *error) {
  for (int i = node->param; i < node->param + node->n_params; i++) {
    int64_t numbers = 1;
    for (int d = 0; d < program->params[i].ndim; d++)
      if (program->params[i].sizes[d] > NET_MAX_NUMBERS || (numbers *= program->params[i].sizes[d]) > NET_MAX_NUMBERS)
        return net_node_fail(node, error, "its parameters are too large to allocate (over 2^31 numbers)");
  }
  if (node->macs < 0 || node->macs > NET_MAX_MACS)
    return net_node_fail(node, error, "it needs too many operations; make the net or the pictures smaller");
  return 0;
}

static int read_node(net_program *program, int place, agad_error *error) {
  net_node *node = program->nodes + place;
  node->json = json_array_get(json_object_get(program->json, "nodes"), (size_t)place - 1);
  snprintf(node->name, sizeof node->name, "node %d", place);
  const char *kind = json_string_value(json_object_get(node->json, "layer"));
  if (!kind) return net_node_fail(node, error, "its 'layer' is missing");
  node->layer = layer_find(kind);
  if (!node->layer) {
    char names[600];
    layer_names(names, sizeof names);
    return net_node_fail(node, error, "unknown layer '%.40s'; layers are %s", kind, names);
  }
  const json_t *name = json_object_get(node->json, "name");
  if (name) {
    if (copy_name(node->name, json_string_value(name), "node", error)) return -1;
  } else name_node(program, place, node);
  for (int i = 1; i < place; i++)
    if (!strcmp(program->nodes[i].name, node->name)) return net_node_fail(node, error, "another node has this name");
  net_shape in[NET_MAX_INPUTS];
  if (read_inputs(program, place, node, in, error)) return -1;
  node->shape = in[0];
  if (layer_read_attributes(node, error)) return -1;
  int params = program->n_params, buffers = program->n_buffers;
  if (node->layer->define && node->layer->define(program, node, in, error)) return -1;
  if (share_tensors(program, place, params, buffers, error)) return -1;
  int64_t numbers = 1;
  for (int i = 0; i < node->shape.ndim; i++)
    if (node->shape.d[i] < 1)
      return net_node_fail(node, error, "its output would be empty; the picture is too small for this net");
    else if (node->shape.d[i] > NET_MAX_NUMBERS || (numbers *= node->shape.d[i]) > NET_MAX_NUMBERS)
      return net_node_fail(node, error, "its output is too large to allocate (over 2^31 numbers per picture)");
  return check_params(program, node, error);
}

static int read_outputs(net_program *program, agad_error *error) {
  const json_t *list = json_object_get(program->json, "outputs");
  size_t n = json_array_size(list);
  if (!n) return agad_fail(error, "its 'outputs' are missing");
  if (n > NET_MAX_OUTPUTS) return agad_fail(error, "has %d outputs; %d at most", (int)n, NET_MAX_OUTPUTS);
  program->outputs = base_calloc((int64_t)n, sizeof *program->outputs);
  if (!program->outputs) return agad_fail_as(error, AGAD_OUT_OF_MEMORY, "no memory for its outputs");
  for (size_t i = 0; i < n; i++) {
    const json_t *v = json_array_get(list, i);
    net_output *o = program->outputs + program->n_outputs++;
    if (copy_name(o->name, json_string_value(json_object_get(v, "name")), "output", error)) return -1;
    if (net_program_output(program, o->name) < program->n_outputs - 1)
      return agad_fail(error, "names two outputs '%s'", o->name);
    const json_t *node = json_object_get(v, "node");
    int64_t place = json_is_integer(node) ? json_integer_value(node) : -1;
    if (place < 0 || place >= program->n_nodes)
      return agad_fail(error, "output %s does not name a node of the net by its number", o->name);
    o->node = (int)place;
    program->nodes[place].consumers++;
  }
  return 0;
}

static int read_program(net_program *program, agad_error *error) {
  if (!json_is_object(program->json)) return agad_fail(error, "is not a JSON object");
  if (copy_name(program->name, json_string_value(json_object_get(program->json, "name")), "net", error)) return -1;
  if (read_shape(json_object_get(program->json, "input"), &program->input, error)) return -1;
  const char *init = json_string_value(json_object_get(program->json, "init"));
  if (init && strcmp(init, "normal") && strcmp(init, "uniform"))
    return agad_fail(error, "init must be normal or uniform, not %.40s", init);
  program->uniform_init = init && !strcmp(init, "uniform");
  size_t n = json_array_size(json_object_get(program->json, "nodes"));
  if (n < 1 || n > NET_MAX_NODES) return agad_fail(error, "needs 1 to %d nodes", NET_MAX_NODES);
  program->nodes = base_calloc((int64_t)n + 1, sizeof *program->nodes);
  if (!program->nodes) return agad_fail_as(error, AGAD_OUT_OF_MEMORY, "no memory for its nodes");
  program->nodes[0].shape = program->input;
  strcpy(program->nodes[0].name, "input");
  program->n_nodes = (int)n + 1;
  for (int i = 1; i <= (int)n; i++)
    if (read_node(program, i, error)) return -1;
  program->bn_sets = NET_MAX_SETS;
  for (int i = 1; i <= (int)n; i++)
    if (program->nodes[i].sets && program->nodes[i].sets < program->bn_sets) program->bn_sets = program->nodes[i].sets;
  return read_outputs(program, error);
}

net_program *net_program_parse(const char *json, agad_error *error) {
  json_error_t where;
  net_program *program = base_calloc(1, sizeof *program);
  if (!program) return agad_fail_as(error, AGAD_OUT_OF_MEMORY, "net: no memory for its program"), NULL;
  program->json = json_read(json, strlen(json), JSON_REJECT_DUPLICATES, &where);
  if (!program->json) {
    if (json_kind(&where) == AGAD_OUT_OF_MEMORY)
      agad_fail_as(error, AGAD_OUT_OF_MEMORY, "net: no memory for its program");
    else agad_fail(error, "net: not JSON: %s (line %d)", where.text, where.line);
    net_program_free(program);
    return NULL;
  }
  agad_error reason;
  if (read_program(program, &reason)) {
    agad_fail_as(error, reason.kind, "net '%s': %.900s", program->name, reason.message);
    net_program_free(program);
    return NULL;
  }
  return program;
}

void net_program_free(net_program *program) {
  if (!program) return;
  json_decref(program->json);
  for (int i = 0; i < program->n_nodes; i++) free(program->nodes[i].attributes);
  free(program->nodes);
  free(program->params);
  free(program->buffers);
  free(program->outputs);
  free(program);
}

char *net_program_text(const net_program *program) {
  return json_text(program->json, JSON_SORT_KEYS | JSON_COMPACT | JSON_REAL_PRECISION(17));
}

int64_t net_program_param_count(const net_program *program) {
  int64_t count = 0;
  for (int i = 0; i < program->n_params; i++) {
    int64_t n = 1;
    for (int d = 0; d < program->params[i].ndim; d++) n *= program->params[i].sizes[d];
    count += n;
  }
  return count;
}

int64_t net_program_macs(const net_program *program) {
  int64_t macs = 0;
  for (int i = 0; i < program->n_nodes; i++) macs += program->nodes[i].macs;
  return macs;
}

int net_program_output(const net_program *program, const char *name) {
  for (int i = 0; i < program->n_outputs; i++)
    if (!strcmp(program->outputs[i].name, name)) return i;
  return -1;
}
