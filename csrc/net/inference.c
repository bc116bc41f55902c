#include "net/inference.h"

#include <stdlib.h>

enum { FEW_ROWS = 8 }; /* a bf16 product of few rows takes the time of reading its kernel */

typedef struct convs {
  at_conv **of;            /* per node */
  int64_t shared, changes; /* of what they were made of: net->shared, and the sum of all versions */
} convs;

struct net_inference {
  int *end;                 /* per node: the last one of its chain; 0: inside a chain */
  convs sets[NET_MAX_SETS]; /* for each set of batch norms */
};

/* The node that alone reads this one, or 0. */
static int only_reader(const net_program *p, int node) {
  if (p->nodes[node].consumers != 1) return 0;
  for (int i = node + 1; i < p->n_nodes; i++)
    for (int k = 0; k < p->nodes[i].n_inputs; k++)
      if (p->nodes[i].inputs[k] == node) return i;
  return 0; /* an output */
}

/* What follows a convolution: its batch norm and its activation, each 0 if there is none. */
static void chain(const net_program *p, int node, int *norm, int *activation) {
  int next = only_reader(p, node);
  *norm = next && p->nodes[next].layer->norm ? next : 0;
  if (*norm) next = only_reader(p, next);
  *activation = next && p->nodes[next].layer->slope ? next : 0;
}

int net_inference_new(net_plan *plan) {
  const net *n = plan->net;
  const net_program *p = n->program;
  if (plan->plain || n->device != AT_CPU || n->layout != AT_CHANNELS_LAST || !at_conv_is_fast()) return 0;
  if (plan->dtype != AT_F32 && plan->dtype != AT_BF16) return 0;
  net_inference *inference = plan->inference = at_calloc(1, sizeof *inference);
  if (!inference || !(inference->end = at_calloc(p->n_nodes, sizeof *inference->end))) return -1;
  for (int i = 0; i < p->n_nodes; i++) inference->end[i] = i;
  for (int i = 1; i < p->n_nodes; i++) {
    int norm, activation;
    if (!p->nodes[i].layer->fixed) continue;
    chain(p, i, &norm, &activation);
    if (norm) inference->end[norm] = 0, inference->end[i] = norm;
    if (activation) inference->end[activation] = 0, inference->end[i] = activation;
  }
  return 0;
}

static void forget(convs *c, int nodes) {
  for (int i = 0; c->of && i < nodes; i++) at_conv_free(c->of[i]);
  free(c->of);
  c->of = NULL;
}

void net_inference_free(net_inference *inference, const net *n) {
  if (!inference) return;
  for (int s = 0; s < NET_MAX_SETS; s++) forget(&inference->sets[s], n->program->n_nodes);
  free(inference->end);
  free(inference);
}

static int64_t changes(const net *n) {
  int64_t sum = 0;
  for (int i = 0; i < n->program->n_params; i++) sum += at_version_of(n->params[i]);
  for (int i = 0; i < n->program->n_buffers; i++) sum += at_version_of(n->buffers[i]);
  return sum;
}

static net_frame frame_of(const net *n, int node, at_tensor **w) {
  const net_node *of = n->program->nodes + node;
  for (int i = 0; i < of->n_params; i++) w[i] = n->params[of->param + i];
  return (net_frame){.node = of, .w = w, .buffers = n->buffers + of->buffer};
}

static at_conv *make(const net_plan *plan, int node, int set) {
  const net *n = plan->net;
  const net_program *p = n->program;
  int norm, activation;
  chain(p, node, &norm, &activation);
  at_scope scope = at_open();
  at_tensor *w[NET_MAX_PARAMS], *of_norm[NET_MAX_PARAMS];
  layer_norm vectors;
  if (norm) {
    net_frame f = frame_of(n, norm, of_norm);
    f.node->layer->norm(&f, set, &vectors);
  }
  net_frame f = frame_of(n, node, w);
  w[0] = at_to(w[0], AT_F32, AT_CPU);
  const double slope = activation ? p->nodes[activation].layer->slope(p->nodes + activation) : 1;
  at_conv *conv = f.node->layer->fixed(&f, norm ? &vectors : NULL, slope);
  at_close(&scope, NULL);
  return conv;
}

static int applies(const net_plan *plan, const net_rows *groups, int n_groups, int64_t rows) {
  if (!plan->inference || (plan->dtype == AT_BF16 && at_fast_bf16(AT_CPU) && rows > FEW_ROWS)) return 0;
  for (int g = 0; g < n_groups; g++)
    if (groups[g].bn != NET_BN_RUNNING || groups[g].set != groups[0].set) return 0;
  return 1;
}

at_conv *const *net_inference_convs(net_plan *plan, const net_rows *groups, int n_groups, int64_t rows) {
  if (!at_ok() || !applies(plan, groups, n_groups, rows)) return NULL;
  const net_program *p = plan->net->program;
  convs *c = plan->inference->sets + groups[0].set;
  const int64_t now = changes(plan->net);
  if (c->of && c->shared == plan->net->shared && c->changes == now) return c->of;
  forget(c, p->n_nodes);
  c->of = at_calloc(p->n_nodes, sizeof *c->of);
  for (int i = 1; i < p->n_nodes && at_ok(); i++)
    if (p->nodes[i].layer->fixed) c->of[i] = make(plan, i, groups[0].set);
  c->shared = plan->net->shared, c->changes = now;
  if (!at_ok()) forget(c, p->n_nodes);
  return c->of;
}

int net_inference_end(const net_plan *plan, int node) { return plan->inference->end[node]; }
