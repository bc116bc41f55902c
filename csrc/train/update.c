/* update.c: the stage UPDATE_update: an optimiser over the parameters of some nets, and the average of what it moved.
 * Counts are tensors: nothing asks the host.
 */
#include "train/step.h"

#include <stdio.h>
#include <stdlib.h>

#define MOMENTUM 0.95 /* of Muon, as PyTorch's */

const char *const update_optimisers[] = {"adam", "adamw", "muon", NULL};

at_tensor **step_gradients(step_state *s, int update, int place) {
  step_update *u = s->updates + update;
  int first = 0;
  for (int i = 0; i < u->n_nets; i++) {
    if (u->nets[i] == place) return u->grads + first;
    first += s->nets[u->nets[i]].net->program->n_params;
  }
  at_fail("update %s does not train net %s", u->name, s->nets[place].name);
  return NULL;
}

int step_backward(step_state *s, int update, at_tensor *loss, int retain_graph) {
  if (!at_ok()) return -1;
  step_update *u = s->updates + update;
  char name[NET_NAME + 8];
  snprintf(name, sizeof name, "loss.%s", u->name);
  at_tensor **grads = at_calloc(u->n, sizeof *grads);
  if (!grads) return -1;
  at_grad(grads, loss, NULL, u->params, u->n, retain_graph, 0, 1);
  int mode = at_grad_mode(0);
  for (int i = 0; i < u->n && at_ok(); i++) {
    if (!grads[i]) continue;
    /* never in place: autograd may have handed out one tensor as two gradients */
    at_tensor *sum = u->grads[i] ? at_add(u->grads[i], grads[i]) : grads[i];
    at_store(&u->grads[i], at_like_layout(sum, u->params[i]));
  }
  step_put(s, step_slot(s, name), at_detach(loss));
  at_grad_mode(mode);
  free(grads);
  return at_ok() ? 0 : -1;
}

/* With what weight the weights of step t enter, so that the average has no bias from the start. By a decay b:
 * (1 - b) / (1 - b^t). By a share s of the steps so far: 1 / (s t), at most 1; the weights of step k <= t then count in
 * proportion to k^(1/s - 1). */
static at_tensor *weight_of(const average_options *how, at_tensor *t) {
  if (how->share > 0) {
    at_tensor *weight = at_call("reciprocal", "", (at_value[]){at_v(at_mul_scalar(t, how->share))}, 1);
    return at_call("clamp_max", "", (at_value[]){at_v(weight), at_vi(1)}, 2);
  }
  at_tensor *decayed = at_call("pow", "Scalar", (at_value[]){at_vd(how->decay), at_v(t)}, 2);
  return at_div(at_scalar(1 - how->decay, AT_F64, at_device_of(t)), at_add_scalar(at_neg(decayed), 1));
}

static void average(step_state *s, step_average *a) {
  const net *n = s->nets[a->net].net;
  at_tensor *t = at_to(s->updates[a->update].count, AT_F64, n->device);
  at_tensor *weight = at_to(weight_of(&a->how, t), n->dtype, n->device);
  for (int i = 0; i < n->program->n_params; i++) at_lerp_(a->params[i], n->params[i], weight);
}

/* As PyTorch's clip_grad_norm_: all gradients of the update are one vector. */
static void clip_norm(const step_update *u, double most) {
  at_tensor *sum = NULL;
  for (int i = 0; i < u->n; i++) {
    if (!u->grads[i]) continue;
    at_tensor *square = at_sum(at_square(u->grads[i]));
    sum = sum ? at_add(sum, square) : square;
  }
  at_tensor *norm = at_call("sqrt", "", (at_value[]){at_v(sum)}, 1);
  at_tensor *wanted = at_scalar(most, at_dtype_of(norm), at_device_of(norm));
  at_tensor *scale =
      at_call("clamp_max", "", (at_value[]){at_v(at_div(wanted, at_add_scalar(norm, 1e-6))), at_vi(1)}, 2);
  for (int i = 0; i < u->n; i++)
    if (u->grads[i]) at_call("mul_", "Tensor", (at_value[]){at_v(u->grads[i]), at_v(scale)}, 2);
}

/* The decay of AdamW (Loshchilov and Hutter, arXiv 1711.05101): p -> p (1 - lr decay), before the step. */
static void decay(const step_update *u) {
  const optimiser_options *o = &u->optimiser;
  if (o->kind == UPDATE_ADAM || o->weight_decay == 0) return;
  for (int i = 0; i < u->n; i++)
    if (u->grads[i]) at_mul_scalar_(u->params[i], 1 - o->lr * o->weight_decay);
}

static int is_matrix(const at_tensor *t) { return at_ndim(t) > 1 && at_size(t, 0) > 1 && at_numel(t) > at_size(t, 0); }

/* Moves by Muon what it is for, and the rest by Adam. */
static void move(step_update *u) {
  const optimiser_options *o = &u->optimiser;
  at_tensor **matrices = at_calloc(u->n, sizeof *matrices), **others = at_calloc(u->n, sizeof *others);
  for (int i = 0; i < u->n && at_ok(); i++)
    (o->kind == UPDATE_MUON && is_matrix(u->params[i]) ? matrices : others)[i] = u->grads[i];
  if (at_ok()) at_muon_(u->params, matrices, u->m, u->n, o->lr, MOMENTUM);
  if (at_ok())
    at_adam_(u->params, others, u->m, u->v, u->n, u->count, o->lr, o->beta1, o->beta2,
             o->kind == UPDATE_ADAM ? o->weight_decay : 0, o->eps);
  free(matrices);
  free(others);
}

static int run_update(step_state *s, void *arg) {
  int place = (int)(intptr_t)arg;
  step_update *u = s->updates + place;
  int reached = 0; /* by the loss */
  for (int i = 0; i < u->n; i++) reached |= u->grads[i] != NULL;
  if (!reached) return at_fail("update %s: no stage has computed its gradients", u->name);
  if (++u->micro < u->gradient.accumulate) return at_ok() ? 0 : -1;
  for (int i = 0; i < u->n && u->gradient.accumulate > 1; i++)
    if (u->grads[i]) at_mul_scalar_(u->grads[i], 1.0 / u->gradient.accumulate);
  u->micro = 0;
  if (u->gradient.clip > 0) clip_norm(u, u->gradient.clip);
  at_add_(u->count, at_scalar(1, AT_F32, at_device_of(u->count)), 1);
  decay(u);
  move(u);
  for (int i = 0; i < u->n; i++) {
    at_free(u->grads[i]);
    u->grads[i] = NULL;
  }
  for (int i = 0; i < s->n_averages; i++)
    if (s->averages[i].update == place) average(s, s->averages + i);
  return at_ok() ? 0 : -1;
}

int step_add_update_stage(step_state *s, const char *name, int update) {
  return step_add_stage(s, name, run_update, (void *)(intptr_t)update, NULL);
}
