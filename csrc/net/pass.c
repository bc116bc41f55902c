/* pass.c: running a program forwards and backwards.
 *
 * Forward keeps what a backward reads that may follow: the outputs of nodes and what their layers save, but of cheap
 * layers (layer.h) no outputs; they are computed again on the way back.  Where none follows, it frees each output after
 * its last reader, and computes convolutions with what comes after them (inference.h).  Backward walks the program in
 * reverse with one gradient a node; nodes that no wanted gradient passes through are left out.
 */
#include "net/inference.h"
#include "net/profile.h"

#include <stdlib.h>
#include <string.h>

/* A pass that keeps nothing and takes at most so many operations, about 10 ms, runs on one thread. */
#define FEW_OPERATIONS ((int64_t)1 << 29)

struct net_pass {
  net_plan *plan;
  at_tensor **values;            /* per node, kept */
  at_tensor *(*saved)[NET_SAVE]; /* per node, kept */
  at_tensor **weights;           /* per parameter: in the dtype of the computation */
  net_rows groups[NET_MAX_GROUPS];
  int n_groups, kept, eager, fixed;
  at_conv *const *convs; /* per node, where the pass is computed by them; or NULL */
  int *last;       /* per node: the last one that reads it; its number of nodes: an output; -1: it is not wanted */
  int64_t changes; /* versions of all that the backward reads, under autograd */
};

static void pass_end(net_pass *pass) {
  free(pass->values);
  free(pass->saved);
  free(pass->weights);
  free(pass->last);
  net_plan_free(pass->plan);
  free(pass);
}

/* Marks what the wanted outputs read, from the last node to the first. */
static void find_readers(net_pass *pass, int output) {
  const net_program *p = pass->plan->net->program;
  for (int i = 0; i < p->n_nodes; i++) pass->last[i] = -1;
  for (int o = 0; o < p->n_outputs; o++)
    if (output < 0 || o == output) pass->last[p->outputs[o].node] = p->n_nodes;
  for (int i = p->n_nodes - 1; i > 0; i--)
    for (int k = 0; k < p->nodes[i].n_inputs && pass->last[i] >= 0; k++)
      if (pass->last[p->nodes[i].inputs[k]] < i) pass->last[p->nodes[i].inputs[k]] = i;
}

net_pass *net_pass_new(net_plan *plan) {
  net_pass *pass = at_calloc(1, sizeof *pass);
  if (!pass) return NULL;
  const net_program *p = plan->net->program;
  pass->plan = net_plan_retain(plan);
  pass->values = at_calloc(p->n_nodes, sizeof *pass->values);
  pass->saved = at_calloc(p->n_nodes, sizeof *pass->saved);
  pass->weights = at_calloc(p->n_params, sizeof *pass->weights);
  pass->last = at_calloc(p->n_nodes, sizeof *pass->last);
  if (!at_ok()) return pass_end(pass), NULL;
  find_readers(pass, -1);
  return pass;
}

void net_pass_want(net_pass *pass, int output) {
  if (pass) find_readers(pass, output);
}

void net_pass_fix(net_pass *pass) {
  if (pass) pass->fixed = 1;
}

static void drop(at_tensor **slot) {
  at_free(*slot);
  *slot = NULL;
}

static void drop_node(net_pass *pass, int i) {
  drop(&pass->values[i]);
  for (int s = 0; s < NET_SAVE; s++) drop(&pass->saved[i][s]);
}

void net_pass_clear(net_pass *pass) {
  const net_program *p = pass->plan->net->program;
  for (int i = 0; i < p->n_nodes; i++) drop_node(pass, i);
  for (int i = 0; i < p->n_params; i++) drop(&pass->weights[i]);
  pass->kept = 0;
}

void net_pass_free(net_pass *pass) {
  if (!pass) return;
  net_pass_clear(pass);
  pass_end(pass);
}

/* Row groups cover the batch without a gap; a negative count stands for what remains. */
static int set_groups(net_pass *pass, int64_t rows, const net_rows *groups, int n) {
  const char *name = pass->plan->net->program->name;
  if (n < 1 || n > NET_MAX_GROUPS) return at_fail("net '%s': 1 to %d row groups, not %d", name, NET_MAX_GROUPS, n);
  int64_t next = 0;
  for (int g = 0; g < n; g++) {
    net_rows *to = pass->groups + g;
    *to = groups[g];
    if (to->rows < 0) to->rows = rows - to->first;
    if (to->first != next || to->rows < 1)
      return at_fail("net '%s': row group %d does not start where the one before it ends", name, g + 1);
    if (to->set < 0 || to->set >= pass->plan->net->program->bn_sets)
      return at_fail("net '%s': there is no set %d of batch norms; its program has %d (batch_norm's attribute sets)",
                     name, to->set + 1, pass->plan->net->program->bn_sets);
    next += to->rows;
  }
  pass->n_groups = n;
  return next == rows ? 0
                      : at_fail("net '%s': row groups cover %lld of %lld rows", name, (long long)next, (long long)rows);
}

static at_dtype dtype_of(const net_pass *pass) { return pass->convs ? AT_F32 : pass->plan->dtype; }

static void set_weights(net_pass *pass) {
  const net *n = pass->plan->net;
  for (int i = 1; i < n->program->n_nodes; i++) {
    const net_node *node = n->program->nodes + i;
    if (pass->convs && pass->convs[i]) continue;
    for (int j = node->param; j < node->param + node->n_params && !node->shared; j++)
      at_store(&pass->weights[j],
               node->layer->full_precision ? at_alias(n->params[j]) : at_to(n->params[j], dtype_of(pass), n->device));
  }
}

static void frame_of(net_pass *pass, int i, net_frame *f) {
  const net_plan *plan = pass->plan;
  const net_node *node = plan->net->program->nodes + i;
  memset(f, 0, sizeof *f);
  f->program = plan->net->program;
  f->node = node;
  f->groups = pass->groups;
  f->n_groups = pass->n_groups;
  f->eager = pass->eager;
  f->plain = plan->plain || pass->eager;
  f->in_place = plan->in_place[i] && !pass->eager;
  f->slope = pass->eager ? 1 : plan->slope[i];
  f->layout = plan->net->layout;
  f->momentum = plan->momentum;
  f->w = pass->weights + node->param;
  f->buffers = plan->net->buffers + node->buffer;
  for (int k = 0; k < node->n_inputs; k++) f->x[k] = pass->values[node->inputs[k]];
  f->y = pass->values[i];
  memcpy(f->save, pass->saved[i], sizeof f->save);
}

static int input_fits(net_pass *pass, const at_tensor *x) {
  const net_shape *want = &pass->plan->net->program->input;
  int64_t sizes[AT_MAX_DIM];
  int n = at_sizes(x, sizes);
  if (n == want->ndim + 1 && sizes[0] >= 1 && !memcmp(sizes + 1, want->d, (size_t)want->ndim * sizeof *sizes)) return 1;
  if (want->ndim == 3)
    at_fail("net '%s' takes [rows, %lld, %lld, %lld]; the tensor given has another shape",
            pass->plan->net->program->name, (long long)want->d[0], (long long)want->d[1], (long long)want->d[2]);
  else at_fail("net '%s': the tensor given does not have the shape of its input", pass->plan->net->program->name);
  return 0;
}

/* What node i was the last to read goes, unless a backward needs it. */
static void drop_read(net_pass *pass, int i) {
  const net_node *node = pass->plan->net->program->nodes + i;
  for (int k = 0; k < node->n_inputs; k++)
    if (pass->last[node->inputs[k]] == i && (!pass->kept || pass->plan->again[node->inputs[k]]))
      drop(&pass->values[node->inputs[k]]);
}

static int64_t rows_of(const net_pass *pass) {
  const net_rows *last = pass->groups + pass->n_groups - 1;
  return pass->n_groups ? last->first + last->rows : 0;
}

/* Opens a part of the profile; net_profile_leave takes the result. */
static int enter(const net_pass *pass, net_work work, int node) {
  const int64_t rows = work <= NET_SUM ? rows_of(pass) : 0;
  return net_profile_enter(work, pass->plan->net->program, node, rows);
}

static void run_layer(net_pass *pass, int i) {
  net_frame f;
  frame_of(pass, i, &f);
  if (pass->plan->fused[i] && !pass->eager) f.y = at_alias(f.x[0]);
  else f.node->layer->forward(&f);
  if (f.y == f.x[0]) f.y = at_alias(f.y);
  at_store(&pass->values[i], f.y);
  for (int s = 0; s < NET_SAVE && pass->kept; s++) at_store(&pass->saved[i][s], f.save[s]);
}

static void run_node(net_pass *pass, int i) {
  const int end = pass->convs ? net_inference_end(pass->plan, i) : i;
  if ((pass->last[i] < 0 && !pass->kept) || !end) return;
  const net_program *p = pass->plan->net->program;
  const int part = enter(pass, NET_FORWARD, i), divided = pass->fixed && !net_node_alike(p, i);
  const int alone = divided ? at_one_thread(1) : 0;
  at_scope scope = at_open();
  if (pass->convs && pass->convs[i])
    at_store(&pass->values[end], at_conv_run(pass->convs[i], pass->values[p->nodes[i].inputs[0]]));
  else run_layer(pass, i);
  if (!pass->eager) drop_read(pass, i);
  at_close(&scope, NULL);
  if (divided) at_one_thread(alone);
  net_profile_leave(part);
}

static void run(net_pass *pass, const at_tensor *x, const net_rows *groups, int n_groups) {
  const net *n = pass->plan->net;
  if (!at_ok() || !input_fits(pass, x) || set_groups(pass, at_size(x, 0), groups, n_groups)) return;
  at_scope scope = at_open();
  pass->convs = pass->kept ? NULL : net_inference_convs(pass->plan, pass->groups, pass->n_groups, at_size(x, 0));
  const int part = enter(pass, NET_CONVERT, 0);
  set_weights(pass);
  at_store(&pass->values[0], at_alias(at_to_layout(at_to(x, dtype_of(pass), n->device), n->layout)));
  net_profile_leave(part);
  for (int i = 1; i < n->program->n_nodes && at_ok(); i++) run_node(pass, i);
  at_close(&scope, NULL);
}

static int is_small(const net_pass *pass, const at_tensor *x) {
  const net_program *p = pass->plan->net->program;
  const int64_t rows = at_ok() ? at_size(x, 0) : 1, most = FEW_OPERATIONS / (rows > 0 ? rows : 1);
  int64_t sum = 0;
  for (int i = 1; i < p->n_nodes && sum <= most; i++) {
    int64_t numbers = 16; /* operations on a number that is read and written */
    for (int d = 0; d < p->nodes[i].shape.ndim; d++) numbers *= p->nodes[i].shape.d[d];
    sum += pass->last[i] < 0 ? 0 : p->nodes[i].macs + numbers;
  }
  return sum <= most;
}

void net_forward(net_pass *pass, const at_tensor *x, const net_rows *groups, int n_groups, int keep) {
  if (!pass) return;
  at_arena *before = at_arena_use(pass->plan->arena);
  int mode = at_grad_mode(0), small = !keep && pass->plan->net->device == AT_CPU && is_small(pass, x);
  int alone = small ? at_one_thread(1) : 0;
  net_pass_clear(pass);
  pass->kept = keep;
  pass->eager = 0;
  const int part = enter(pass, NET_PASS, 0);
  run(pass, x, groups, n_groups);
  net_profile_leave(part);
  if (small) at_one_thread(alone);
  at_grad_mode(mode);
  at_arena_use(before);
}

at_tensor *net_pass_output(net_pass *pass, int i) {
  if (!at_ok()) return NULL;
  at_tensor *y = pass->values[pass->plan->net->program->outputs[i].node];
  return y ? at_alias(y) : (at_fail("net '%s': no forward pass was made", pass->plan->net->program->name), NULL);
}

/* ---- backward ---- */

/* The sum of what a node's readers give back. The first gradient may be shared with a neighbour: it is never written
 * into; a sum is. */
typedef struct gradient {
  at_tensor *sum;
  int terms;
} gradient;

static void add_gradient(gradient *to, at_tensor *g) {
  if (to->terms > 1) at_add_(to->sum, g, 1);
  else at_store(&to->sum, to->terms ? at_add(to->sum, g) : at_alias(g));
  to->terms++;
}

static void add_param_gradient(at_tensor **slot, const at_tensor *param, at_tensor *g) {
  g = at_like_layout(at_to(g, at_dtype_of(param), at_device_of(param)), param);
  if (*slot) at_add_(*slot, g, 1);
  else at_store(slot, g);
}

/* Nodes whose gradient is needed: they lead to the input (when dx is wanted) or to a parameter. */
static void mark_needed(const net_program *p, unsigned char *needed, int want_dx, int want_params) {
  needed[0] = (unsigned char)want_dx;
  for (int i = 1; i < p->n_nodes; i++) {
    needed[i] = want_params && p->nodes[i].n_params;
    for (int k = 0; k < p->nodes[i].n_inputs; k++) needed[i] |= needed[p->nodes[i].inputs[k]];
  }
}

/* The output of a node, computed again if it was not kept. */
static at_tensor *value_of(net_pass *pass, int i) {
  const net_node *node = pass->plan->net->program->nodes + i;
  at_tensor *before[NET_MAX_INPUTS];
  if (pass->values[i] || !at_ok()) return pass->values[i];
  const int part = enter(pass, NET_AGAIN, i);
  at_scope scope = at_open();
  for (int k = 0; k < node->n_inputs; k++) before[k] = pass->values[node->inputs[k]], value_of(pass, node->inputs[k]);
  net_frame f;
  frame_of(pass, i, &f);
  f.again = 1;
  if (pass->plan->fused[i]) f.y = at_alias(f.x[0]);
  else node->layer->forward(&f);
  at_store(&pass->values[i], f.y == f.x[0] ? at_alias(f.y) : f.y);
  for (int k = 0; k < node->n_inputs; k++)
    if (!before[k]) drop(&pass->values[node->inputs[k]]);
  at_close(&scope, NULL);
  net_profile_leave(part);
  return pass->values[i];
}

/* A tensor of a node's sizes, of which no number is read. */
static at_tensor *sizes_of(const net_pass *pass, int i) {
  const net_plan *plan = pass->plan;
  const net_shape *shape = &plan->net->program->nodes[i].shape;
  int64_t sizes[AT_MAX_DIM] = {at_size(pass->values[0], 0)};
  memcpy(sizes + 1, shape->d, (size_t)shape->ndim * sizeof *sizes);
  return at_empty(sizes, shape->ndim + 1, plan->dtype, plan->net->device, plan->net->layout);
}

/* The frame of a node on the way back, with what its layer reads. */
static void back_frame(net_pass *pass, int i, const unsigned char *needed, at_tensor *dy, int want_params,
                       net_frame *f) {
  const net_node *node = pass->plan->net->program->nodes + i;
  const int reads = pass->plan->fused[i] ? 0 : node->layer->reads, want_dw = want_params && node->n_params;
  const int reads_x = reads & LAYER_READS_X || (reads & LAYER_READS_X_FOR_DW && want_dw);
  for (int k = 0; k < node->n_inputs && reads_x; k++) value_of(pass, node->inputs[k]);
  frame_of(pass, i, f);
  for (int k = 0; k < node->n_inputs; k++) {
    f->want_dx[k] = needed[node->inputs[k]];
    if (!f->x[k] && reads & LAYER_READS_SIZES) f->x[k] = sizes_of(pass, node->inputs[k]);
  }
  f->want_dw = want_dw;
  f->dy = at_to(dy, f->y ? at_dtype_of(f->y) : pass->plan->dtype, pass->plan->net->device);
}

static void back_node(net_pass *pass, int i, const unsigned char *needed, gradient *gradients, at_tensor **grads) {
  const net *n = pass->plan->net;
  const net_node *node = n->program->nodes + i;
  const int part = enter(pass, NET_BACKWARD, i);
  at_scope scope = at_open();
  net_frame f;
  back_frame(pass, i, needed, gradients[i].sum, grads != NULL, &f);
  if (pass->plan->fused[i]) f.dx[0] = f.dy;
  else if (node->layer->backward) node->layer->backward(&f);
  else at_fail("%s: layer %s has no gradient", node->name, node->layer->name);
  net_profile_turn(NET_SUM, rows_of(pass));
  for (int k = 0; k < node->n_inputs && at_ok(); k++)
    if (f.want_dx[k] && f.dx[k]) add_gradient(&gradients[node->inputs[k]], f.dx[k]);
  for (int j = 0; f.want_dw && j < node->n_params && at_ok(); j++)
    if (f.dw[j]) add_param_gradient(&grads[node->param + j], n->params[node->param + j], f.dw[j]);
  at_close(&scope, NULL);
  drop(&gradients[i].sum);
  net_profile_leave(part);
}

static void walk_back(net_pass *pass, unsigned char *needed, gradient *gradients, at_tensor *const *dy, at_tensor **dx,
                      at_tensor **grads, int last) {
  const net_program *p = pass->plan->net->program;
  at_arena *before = at_arena_use(pass->plan->arena);
  int mode = at_grad_mode(0);
  const int part = enter(pass, NET_PASS, 0);
  mark_needed(p, needed, dx != NULL, grads != NULL);
  at_scope scope = at_open();
  for (int o = 0; o < p->n_outputs; o++)
    if (dy[o]) add_gradient(&gradients[p->outputs[o].node], dy[o]);
  at_close(&scope, NULL);
  for (int i = p->n_nodes - 1; i > 0 && at_ok(); i--) {
    if (pass->plan->again[i] && pass->last[i] < p->n_nodes) drop(&pass->values[i]); /* all who read it are done */
    if (gradients[i].sum && needed[i]) back_node(pass, i, needed, gradients, grads);
    if (last) drop_node(pass, i);
  }
  if (dx && at_ok() && gradients[0].sum) *dx = at_give(gradients[0].sum), gradients[0].sum = NULL;
  net_profile_leave(part);
  at_grad_mode(mode);
  at_arena_use(before);
}

void net_backward(net_pass *pass, at_tensor *const *dy, at_tensor **dx, at_tensor **grads, int last) {
  if (!at_ok()) return;
  const net_program *p = pass->plan->net->program;
  if (!pass->kept) {
    at_fail("net '%s': backward needs a forward pass that was kept for it", p->name);
    return;
  }
  unsigned char *needed = at_calloc(p->n_nodes, 1);
  gradient *gradients = at_calloc(p->n_nodes, sizeof *gradients);
  if (at_ok()) walk_back(pass, needed, gradients, dy, dx, grads, last);
  for (int i = 0; gradients && i < p->n_nodes; i++) at_free(gradients[i].sum);
  free(gradients);
  free(needed);
  if (last) net_pass_clear(pass);
}

/* ---- under autograd ---- */

/* Changes in place move a version: what backward reads must be as forward left it. */
static int64_t versions(const net_pass *pass) {
  const net_program *p = pass->plan->net->program;
  int64_t sum = 0;
  for (int i = 0; i < p->n_nodes; i++) sum += at_version_of(pass->values[i]);
  for (int i = 0; i < p->n_params; i++) sum += at_version_of(pass->weights[i]);
  return sum;
}

static void release_pass(void *context) { net_pass_free(context); }

/* Inputs of the node are x and every parameter. */
static int call_backward(void *context, at_tensor *const *grad_out, int n_out, at_tensor **grad_in, const int *needed,
                         int n_in) {
  net_pass *pass = context;
  (void)n_out;
  int params = 0;
  at_tensor **grads = at_calloc(n_in, sizeof *grads);
  if (!grads) return -1;
  for (int i = 1; i < n_in; i++) params |= needed[i];
  if (!pass->kept)
    at_fail("net '%s': its backward was already called; gradients of gradients need net:eager",
            pass->plan->net->program->name);
  else if (versions(pass) != pass->changes)
    at_fail("net '%s': its input, weights or output were changed in place before its backward",
            pass->plan->net->program->name);
  net_backward(pass, grad_out, needed[0] ? &grad_in[0] : NULL, params ? grads : NULL, 1);
  for (int i = 1; i < n_in; i++) grad_in[i] = at_give(grads[i - 1]);
  free(grads);
  return at_ok() ? 0 : -1;
}

static at_tensor **inputs_of(net_plan *plan, at_tensor *x) {
  int n = plan->net->program->n_params;
  at_tensor **inputs = at_calloc(1 + n, sizeof *inputs);
  if (!inputs) return NULL;
  inputs[0] = x;
  for (int i = 0; i < n; i++) inputs[i + 1] = plan->net->params[i];
  return inputs;
}

void net_call(net_plan *plan, const at_tensor *x, const net_rows *groups, int n_groups, at_tensor **outputs) {
  const net_program *p = plan->net->program;
  net_pass *pass = net_pass_new(plan);
  net_forward(pass, x, groups, n_groups, at_grad_enabled());
  for (int o = 0; o < p->n_outputs; o++) outputs[o] = at_to(net_pass_output(pass, o), plan->dtype, plan->net->device);
  if (!at_ok() || !at_grad_enabled()) {
    net_pass_free(pass);
    return;
  }
  pass->changes = versions(pass);
  at_tensor **inputs = inputs_of(plan, at_alias(x));
  if (!inputs) net_pass_free(pass);
  else at_node(p->name, inputs, 1 + p->n_params, outputs, p->n_outputs, call_backward, pass, release_pass);
  free(inputs);
}

void net_eager(net_plan *plan, const at_tensor *x, const net_rows *groups, int n_groups, at_tensor **outputs) {
  net_pass *pass = net_pass_new(plan);
  if (pass) {
    pass->eager = pass->kept = 1;
    run(pass, x, groups, n_groups);
  }
  for (int o = 0; o < plan->net->program->n_outputs; o++) outputs[o] = net_pass_output(pass, o);
  net_pass_free(pass);
}
