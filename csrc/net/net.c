#include "net/net.h"
#include "net/inference.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static at_tensor *param_tensor(const net *n, const net_param *p, double value) {
  at_tensor *t = at_full(p->sizes, p->ndim, value, n->dtype, n->device);
  return p->ndim == 4 ? at_to_layout(t, n->layout) : t;
}

net *net_new(net_program *program, at_dtype dtype, int device, at_layout layout) {
  net *n = at_calloc(1, sizeof *n);
  if (!n) return net_program_free(program), NULL;
  *n = (net){.program = program, .dtype = dtype, .device = device, .layout = layout, .references = 1};
  n->params = at_calloc(program->n_params, sizeof *n->params);
  n->buffers = at_calloc(program->n_buffers, sizeof *n->buffers);
  at_scope scope = at_open();
  for (int i = 0; i < program->n_params && at_ok(); i++)
    at_store(&n->params[i], param_tensor(n, program->params + i, 0));
  for (int i = 0; i < program->n_buffers && at_ok(); i++)
    at_store(&n->buffers[i], param_tensor(n, program->buffers + i, program->buffers[i].init == NET_INIT_SCALE));
  if (!at_close(&scope, NULL)) return n;
  net_free(n);
  return NULL;
}

net *net_retain(net *n) {
  __atomic_add_fetch(&n->references, 1, __ATOMIC_RELAXED);
  return n;
}

void net_free(net *n) {
  if (!n || __atomic_sub_fetch(&n->references, 1, __ATOMIC_ACQ_REL)) return;
  at_free_list(n->params, n->program->n_params);
  at_free_list(n->buffers, n->program->n_buffers);
  net_program_free(n->program);
  free(n);
}

/* Drawn in the plain layout, so that the numbers do not depend on the net's. */
at_tensor *net_draw(const net *n, const net_param *p, at_generator *generator) {
  at_tensor *t = at_zeros(p->sizes, p->ndim, n->dtype, AT_CPU);
  if (p->init == NET_INIT_CONV && n->program->uniform_init) {
    double bound = 1 / sqrt((double)(p->sizes[1] * p->sizes[2] * p->sizes[3]));
    at_uniform_(t, -bound, bound, generator);
  } else if (p->init != NET_INIT_ZERO) at_normal_(t, p->init == NET_INIT_SCALE, 0.02, generator);
  t = at_to(t, n->dtype, n->device);
  return p->ndim == 4 ? at_to_layout(t, n->layout) : t;
}

void net_init(net *n, at_generator *generator) {
  at_scope scope = at_open();
  int mode = at_grad_mode(0);
  for (int i = 0; i < n->program->n_params && at_ok(); i++)
    at_copy_(n->params[i], net_draw(n, n->program->params + i, generator));
  for (int i = 0; i < n->program->n_buffers; i++)
    at_copy_(n->buffers[i], param_tensor(n, n->program->buffers + i, n->program->buffers[i].init == NET_INIT_SCALE));
  at_grad_mode(mode);
  at_close(&scope, NULL);
}

static at_tensor **find(net *n, const char *name) {
  for (int i = 0; i < n->program->n_params; i++)
    if (!strcmp(n->program->params[i].name, name)) return &n->params[i];
  for (int i = 0; i < n->program->n_buffers; i++)
    if (!strcmp(n->program->buffers[i].name, name)) return &n->buffers[i];
  return NULL;
}

static at_tensor **find_fitting(net *n, const char *name, const at_tensor *value) {
  at_tensor **slot = find(n, name);
  if (!slot) return at_fail("net '%s' has no tensor '%s'", n->program->name, name), NULL;
  int64_t have[AT_MAX_DIM] = {0}, want[AT_MAX_DIM] = {0};
  int a = at_sizes(value, have), b = at_sizes(*slot, want);
  if (a != b || memcmp(have, want, sizeof have)) {
    char text[2][120] = {"", ""};
    for (int i = 0; i < a && i < 6; i++)
      snprintf(text[0] + strlen(text[0]), 20, "%s%lld", i ? "x" : "", (long long)have[i]);
    for (int i = 0; i < b && i < 6; i++)
      snprintf(text[1] + strlen(text[1]), 20, "%s%lld", i ? "x" : "", (long long)want[i]);
    at_fail("net '%s': %s is %s here and %s in the weights given; they belong to another net or size", n->program->name,
            name, text[1], text[0]);
    return NULL;
  }
  return slot;
}

void net_set(net *n, const char *name, const at_tensor *value) {
  at_tensor **slot = at_ok() ? find_fitting(n, name, value) : NULL;
  if (!slot) return;
  int mode = at_grad_mode(0);
  at_copy_(*slot, value);
  at_grad_mode(mode);
}

void net_share(net *n, const char *name, at_tensor *value) {
  at_tensor **slot = at_ok() ? find_fitting(n, name, value) : NULL;
  if (slot && n->trained)
    at_fail("net '%s' is being trained; share its tensors before the step is made", n->program->name);
  if (slot) at_store(slot, at_alias(value)), n->shared++;
}

/* Which activations the layer before them takes over, which may overwrite their input, and what is not kept. */
static void fuse(net_plan *plan) {
  const net_program *p = plan->net->program;
  for (int i = 0; i < p->n_nodes; i++) plan->slope[i] = 1;
  for (int i = 1; i < p->n_nodes; i++) {
    const net_node *node = p->nodes + i;
    plan->again[i] = node->layer->cheap && !plan->plain;
    if (node->n_inputs != 1 || node->inputs[0] == 0) continue;
    const net_node *from = p->nodes + node->inputs[0];
    if (from->consumers != 1) continue;
    if (node->layer->slope && from->layer->takes_activation && !plan->plain) {
      plan->slope[node->inputs[0]] = node->layer->slope(node);
      plan->fused[i] = plan->again[i] = 1;
    } else {
      plan->in_place[i] = !(from->layer->reads & LAYER_READS_Y) && !plan->fused[node->inputs[0]];
    }
  }
}

net_plan *net_plan_new(net *n, at_dtype dtype) {
  net_plan *plan = at_calloc(1, sizeof *plan);
  if (!plan) return NULL;
  const int nodes = n->program->n_nodes;
  *plan = (net_plan){.references = 1,
                     .net = net_retain(n),
                     .dtype = dtype,
                     .arena = at_arena_new(),
                     .plain = at_plain(),
                     .momentum = -1,
                     .slope = at_calloc(nodes, sizeof(double)),
                     .fused = at_calloc(nodes, 1),
                     .in_place = at_calloc(nodes, 1),
                     .again = at_calloc(nodes, 1)};
  if (!at_ok()) return net_plan_free(plan), NULL;
  fuse(plan);
  if (net_inference_new(plan)) return net_plan_free(plan), NULL;
  return plan;
}

net_plan *net_plan_retain(net_plan *plan) {
  __atomic_add_fetch(&plan->references, 1, __ATOMIC_RELAXED);
  return plan;
}

void net_plan_free(net_plan *plan) {
  if (!plan || __atomic_sub_fetch(&plan->references, 1, __ATOMIC_ACQ_REL)) return;
  net_inference_free(plan->inference, plan->net);
  net_free(plan->net);
  at_arena_free(plan->arena);
  free(plan->slope);
  free(plan->fused);
  free(plan->in_place);
  free(plan->again);
  free(plan);
}
