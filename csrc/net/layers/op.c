/* op.c: any dispatcher operator as a layer, differentiated by autograd.
 *
 * The node's inputs fill the tensor arguments in the schema's order; a first argument that is a list of tensors
 * takes them all.  Its backward runs the operator once more under gradient mode.  The shape per image is found by
 * running it on one row of zeros.  Operators that write into an argument are refused: values are shared.
 */
#include "net/layer.h"

#include <string.h>

enum { MAX_ARGS = 24, MAX_ITEMS = 64 };

typedef struct op_call {
  at_value values[MAX_ARGS], items[MAX_ITEMS];
  int n, n_items;
} op_call;

typedef struct op {
  const char *name, *overload;
  const json_t *args;
  const at_op *found;
} op;

static const layer_attribute attributes[] = {
    {"op", LAYER_TEXT, offsetof(op, name), .help = "name of the operator", .required = 1},
    {"overload", LAYER_TEXT, offsetof(op, overload), .help = "overload of the operator"},
    {"args", LAYER_TABLE, offsetof(op, args),
     .help = "arguments that are not tensors, by their names in the operator's schema"},
    {NULL}};

static int scalar_value(op_call *call, const json_t *v, at_value *out) {
  memset(out, 0, sizeof *out);
  if (json_is_integer(v)) out->kind = AT_INT, out->as.i = json_integer_value(v);
  else if (json_is_real(v)) out->kind = AT_DOUBLE, out->as.d = json_real_value(v);
  else if (json_is_boolean(v)) out->kind = AT_BOOL, out->as.i = json_is_true(v);
  else if (json_is_string(v)) out->kind = AT_STRING, out->as.s = json_string_value(v);
  else if (json_is_null(v)) out->kind = AT_NONE;
  else if (json_is_array(v)) {
    out->kind = AT_LIST, out->items = call->items + call->n_items, out->n = (int)json_array_size(v);
    if (call->n_items + out->n > MAX_ITEMS) return -1;
    at_value *item = call->items + call->n_items;
    call->n_items += out->n;
    for (int i = 0; i < out->n; i++)
      if (json_is_array(json_array_get(v, (size_t)i)) || scalar_value(call, json_array_get(v, (size_t)i), item + i))
        return -1;
  } else return -1;
  return 0;
}

/* Fills call->values from inputs and attributes; 0, or -1 with the sticky error set. */
static int arrange(op_call *call, const net_node *node, at_tensor *const *x) {
  const op *a = node->attributes;
  int used = 0;
  memset(call, 0, sizeof *call);
  call->n = at_op_args(a->found);
  if (call->n > MAX_ARGS) return at_fail("%s: the operator has too many arguments", node->name);
  for (int i = 0; i < call->n; i++) {
    const at_arg *arg = at_op_arg(a->found, i);
    const json_t *given = json_object_get(a->args, arg->name);
    at_value *v = call->values + i;
    v->kind = AT_UNSUPPORTED; /* the default, unless set */
    if (given) {
      if (scalar_value(call, given, v))
        return at_fail("%s: argument %s has a value that cannot be passed", node->name, arg->name);
    } else if (arg->kind == AT_TENSOR && used < node->n_inputs) {
      *v = at_v(x[used++]);
    } else if (arg->kind == AT_LIST && arg->item == AT_TENSOR && used == 0) {
      if (call->n_items + node->n_inputs > MAX_ITEMS)
        return at_fail("%s: the lists of the operator's arguments have more than %d items", node->name, MAX_ITEMS);
      v->kind = AT_LIST, v->items = call->items + call->n_items, v->n = node->n_inputs;
      for (; used < node->n_inputs; used++) call->items[call->n_items++] = at_v(x[used]);
    } else if (!arg->has_default && !arg->optional) {
      return at_fail("%s: the operator's argument %s is missing", node->name, arg->name);
    }
  }
  return used == node->n_inputs
             ? 0
             : at_fail("%s: the operator takes %d tensors, not %d", node->name, used, node->n_inputs);
}

static at_tensor *run(const net_node *node, at_tensor *const *x) {
  op_call call;
  at_value result = {0};
  if (arrange(&call, node, x)) return NULL;
  if (at_op_call(((const op *)node->attributes)->found, call.values, call.n, &result, 1) < 1) return NULL;
  if (result.kind != AT_TENSOR) return at_fail("%s: the operator does not return a tensor", node->name), NULL;
  return result.as.tensor;
}

static int op_define(net_program *program, net_node *node, const net_shape *in, agad_error *error) {
  op *a = node->attributes;
  (void)program;
  if (!a->overload) a->overload = "";
  at_scope looking = at_open();
  agad_error reason = {0};
  a->found = at_op_find(a->name, a->overload);
  if (at_close(&looking, &reason)) return agad_fail_as(error, reason.kind, "%s: %s", node->name, reason.message);
  if (!a->found) return net_node_fail(node, error, "there is no operator '%s' (overload '%s')", a->name, a->overload);
  for (int i = 0; i < node->n_inputs; i++) {
    int64_t numbers = 1;
    for (int d = 0; d < in[i].ndim; d++) numbers *= in[i].d[d];
    if (numbers > 1 << 27) return net_node_fail(node, error, "its input is too large (over 2^27 numbers per picture)");
  }
  for (int i = 0; i < at_op_args(a->found); i++)
    if (at_op_arg(a->found, i)->written)
      return net_node_fail(node, error, "the operator writes into its arguments, which a layer must not do");
  at_scope scope = at_open();
  int mode = at_grad_mode(0);
  at_tensor *x[NET_MAX_INPUTS];
  for (int i = 0; i < node->n_inputs; i++) {
    int64_t sizes[4] = {1};
    memcpy(sizes + 1, in[i].d, (size_t)in[i].ndim * sizeof *sizes);
    x[i] = at_zeros(sizes, in[i].ndim + 1, AT_F32, AT_CPU);
  }
  at_tensor *y = run(node, x);
  int64_t sizes[AT_MAX_DIM];
  int n = at_sizes(y, sizes);
  if (at_ok() && (n < 1 || n > 4 || sizes[0] != 1)) at_fail("its result does not have one row per picture");
  for (int i = 1; i < n && i < 4; i++) node->shape.d[i - 1] = sizes[i];
  node->shape.ndim = at_ok() ? n - 1 : 0;
  at_grad_mode(mode);
  return at_close(&scope, &reason) ? agad_fail_as(error, reason.kind, "%s: %s", node->name, reason.message) : 0;
}

static void op_forward(net_frame *f) { f->y = run(f->node, f->x); }

static void op_backward(net_frame *f) {
  at_tensor *x[NET_MAX_INPUTS], *wanted[NET_MAX_INPUTS], *grads[NET_MAX_INPUTS] = {NULL};
  int n = 0, mode = at_grad_mode(1);
  for (int i = 0; i < f->node->n_inputs; i++) {
    x[i] = at_detach(f->x[i]);
    if (!f->want_dx[i]) continue;
    if (at_ok()) at_set_requires_grad(x[i], 1);
    wanted[n++] = x[i];
  }
  at_tensor *y = n ? run(f->node, x) : NULL;
  if (n && at_ok()) at_grad(grads, y, f->dy, wanted, n, 0, 0, 1);
  at_grad_mode(mode);
  for (int i = 0, k = 0; i < f->node->n_inputs; i++)
    if (f->want_dx[i]) f->dx[i] = grads[k++];
}

/* Operators that round each number by itself, those that only move numbers, our own, and sums over a row, unless libtorch
 * divides a row among threads. */
static int op_alike(const net_program *program, const net_node *node) {
  static const char *const each[] = {"abs",     "add",  "agad::box_blur", "agad::moments", "cat",
                                     "clamp",   "div",  "flatten",        "mul",           "narrow",
                                     "neg",     "relu", "reshape",        "sqrt",          "square",
                                     "squeeze", "sub",  "transpose",      "unflatten",     "unsqueeze",
                                     NULL};
  static const char *const sums[] = {"linalg_vector_norm", "mean", "sum", NULL};
  enum { DIVIDED = 32768 };
  const op *a = node->attributes;
  for (int i = 0; each[i]; i++)
    if (!strcmp(a->name, each[i])) return 1;
  int64_t numbers = 1;
  const net_shape *in = &program->nodes[node->inputs[0]].shape;
  for (int i = 0; i < in->ndim; i++) numbers *= in->d[i];
  for (int i = 0; sums[i] && numbers < DIVIDED; i++)
    if (!strcmp(a->name, sums[i])) return 1;
  return 0;
}

LAYER(op) = {.help = "Any operator of libtorch, by name.",
             .n_inputs = -1,
             .attributes = attributes,
             .size = sizeof(op),
             .reads = LAYER_READS_X | LAYER_READS_Y,
             .alike = op_alike,
             .define = op_define,
             .forward = op_forward,
             .backward = op_backward};
