/* constant.c: a tensor that was computed once and is kept with the net: y [N, …] is the buffer `value` for each row.
 *
 * Attribute: size, the shape per image.  The input says how many rows there are; no gradient reaches it.
 */
#include "net/layer.h"

static int constant_define(net_program *program, net_node *node, const net_shape *in, agad_error *error) {
  const json_t *size = json_object_get(node->json, "size");
  int64_t numbers = 1;
  (void)in;
  node->shape.ndim = (int)json_array_size(size);
  if (node->shape.ndim < 1 || node->shape.ndim > 3) return net_node_fail(node, error, "size must be 1 to 3 integers");
  for (int i = 0; i < node->shape.ndim; i++) {
    int64_t d = node->shape.d[i] = json_integer_value(json_array_get(size, (size_t)i));
    if (d < 1 || d > NET_MAX_NUMBERS || (numbers *= d) > NET_MAX_NUMBERS)
      return net_node_fail(node, error, "size must be positive integers of at most 2^31 numbers");
  }
  net_add_buffer(program, node, "value", NET_INIT_ZERO, numbers);
  return 0;
}

static void constant_forward(net_frame *f) {
  int64_t sizes[4] = {1};
  at_value items[4], list = {AT_LIST, {NULL}, items, f->node->shape.ndim + 1};
  for (int i = 0; i < f->node->shape.ndim; i++) sizes[i + 1] = f->node->shape.d[i];
  for (int i = 0; i < list.n; i++) items[i] = at_vi(sizes[i]);
  at_tensor *value = at_call("reshape", "", (at_value[]){at_v(f->buffers[0]), list}, 2);
  items[0] = at_vi(at_size(f->x[0], 0));
  f->y = at_call("expand", "", (at_value[]){at_v(value), list}, 2);
}

static void constant_backward(net_frame *f) { (void)f; }

const layer constant_layer = {.name = "constant",
                              .n_inputs = 1,
                              .full_precision = 1,
                              .define = constant_define,
                              .forward = constant_forward,
                              .backward = constant_backward};
