/* update.c: what every method's table ends with: X_update (Adam, and the average of what it moved) and
 * guard_collapse.  All counts are tensors and, on a device, all decisions selects: nothing asks the host there.
 */
#include "train/step.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
  at_tensor **grads = calloc((size_t)u->n + 1, sizeof *grads);
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

/* The new weights enter with (1 - beta) / (1 - beta^t): the average has no bias from the start. */
static void average(step_state *s, step_average *a) {
  const net *n = s->nets[a->net].net;
  at_tensor *t = at_to(s->updates[a->update].count, AT_F64, n->device);
  at_tensor *decayed = at_call("pow", "Scalar", (at_value[]){at_vd(a->beta), at_v(t)}, 2);
  at_tensor *weight = at_div(at_scalar(1 - a->beta, AT_F64, n->device), at_add_scalar(at_neg(decayed), 1));
  weight = at_to(weight, n->dtype, n->device);
  for (int i = 0; i < n->program->n_params; i++) at_lerp_(a->params[i], n->params[i], weight);
}

/* As PyTorch's clip_grad_norm_: all gradients of the update are one vector. */
static void clip_norm(at_tensor **g, int n, double most) {
  at_tensor *sum = NULL;
  for (int i = 0; i < n; i++) {
    at_tensor *square = at_sum(at_square(g[i]));
    sum = sum ? at_add(sum, square) : square;
  }
  at_tensor *norm = at_call("sqrt", "", (at_value[]){at_v(sum)}, 1);
  at_tensor *wanted = at_scalar(most, at_dtype_of(norm), at_device_of(norm));
  at_tensor *scale =
      at_call("clamp_max", "", (at_value[]){at_v(at_div(wanted, at_add_scalar(norm, 1e-6))), at_vi(1)}, 2);
  for (int i = 0; i < n; i++) at_call("mul_", "Tensor", (at_value[]){at_v(g[i]), at_v(scale)}, 2);
}

static int run_update(step_state *s, void *arg) {
  int place = (int)(intptr_t)arg;
  step_update *u = s->updates + place;
  at_tensor *p[512], *g[512], *m[512], *v[512];
  int n = 0;
  for (int i = 0; i < u->n; i++) {
    if (!u->grads[i]) continue; /* not reached by the loss */
    if (n == 512) return at_fail("update %s: more than 512 parameter tensors", u->name);
    p[n] = u->params[i], g[n] = u->grads[i], m[n] = u->m[i], v[n] = u->v[i], n++;
  }
  if (!n) return at_fail("update %s: no stage has computed its gradients", u->name);
  if (++u->micro < u->gradient.accumulate) return at_ok() ? 0 : -1;
  for (int i = 0; i < n && u->gradient.accumulate > 1; i++) at_mul_scalar_(g[i], 1.0 / u->gradient.accumulate);
  u->micro = 0;
  if (u->gradient.clip > 0) clip_norm(g, n, u->gradient.clip);
  at_add_(u->count, at_scalar(1, AT_F32, at_device_of(u->count)), 1);
  at_adam_(p, g, m, v, n, u->count, u->adam.lr, u->adam.beta1, u->adam.beta2, u->adam.weight_decay, u->adam.eps);
  for (int i = 0; i < u->n; i++) {
    at_free(u->grads[i]);
    u->grads[i] = NULL;
  }
  for (int i = 0; i < s->n_averages; i++)
    if (s->averages[i].update == place) average(s, s->averages + i);
  return at_ok() ? 0 : -1;
}

/* ---- the collapse guard ---- */

void step_spare(step_state *s, at_generator *g) {
  if (s->guard_update < 0) return;
  step_update *u = s->updates + s->guard_update;
  at_scope scope = at_open();
  int k = 0, mode = at_grad_mode(0);
  for (int i = 0; i < u->n_nets; i++) {
    const net *n = s->nets[u->nets[i]].net;
    for (int j = 0; j < n->program->n_params; j++, k++) at_store(&s->spare[k], net_draw(n, n->program->params + j, g));
  }
  at_grad_mode(mode);
  at_close(&scope, NULL);
}

void step_guard(step_state *s, const char *update, double delta, at_generator *g) {
  int place = step_find_update(s, update);
  if (place < 0 || s->guard_update >= 0) {
    at_fail(place < 0 ? "guard_collapse: there is no update '%s'"
                      : "guard_collapse: there is one already, not for %s too",
            update);
    return;
  }
  s->guard_update = place;
  s->guard_below = delta;
  s->spare = calloc((size_t)s->updates[place].n + 1, sizeof *s->spare);
  step_spare(s, g);
  at_scope scope = at_open();
  at_store(&s->collapses, at_scalar(0, AT_I64, at_device_of(s->updates[place].count)));
  at_close(&scope, NULL);
}

static void select_into(at_tensor *to, at_tensor *when, at_tensor *value) { at_copy_(to, at_where(when, value, to)); }

/* Where the loss is below delta: weights from the spare, statistics from the start, and moments and count too unless
 * the option delta_moments is "keep". */
static int guard_collapse(step_state *s, void *arg) {
  (void)arg;
  if (s->guard_update < 0 || s->guard_below <= 0) return 0;
  step_update *u = s->updates + s->guard_update;
  char name[NET_NAME + 8];
  snprintf(name, sizeof name, "loss.%s", u->name);
  at_tensor *collapsed = at_less_scalar(step_get(s, step_slot(s, name)), s->guard_below);
  int device = at_device_of(u->count);
  if (device == AT_CPU && at_item(collapsed) == 0) return 0; /* nobody is kept waiting by this question here */
  const char *moments = step_text(s, "delta_moments");
  int reset = !moments || strcmp(moments, "keep");
  for (int i = 0; i < u->n && at_ok(); i++) {
    at_scope scope = at_open();
    at_tensor *zero = at_scalar(0, at_dtype_of(u->m[i]), device);
    select_into(u->params[i], collapsed, s->spare[i]);
    if (reset) select_into(u->m[i], collapsed, zero), select_into(u->v[i], collapsed, zero);
    at_close(&scope, NULL);
  }
  if (reset) select_into(u->count, collapsed, at_scalar(0, AT_F32, device));
  for (int i = 0; i < u->n_nets; i++) {
    const net *n = s->nets[u->nets[i]].net;
    for (int j = 0; j < n->program->n_buffers; j++)
      select_into(n->buffers[j], collapsed,
                  at_scalar(n->program->buffers[j].init == NET_INIT_SCALE, n->dtype, n->device));
  }
  at_add_(s->collapses, at_to(collapsed, AT_I64, device), 1);
  return at_ok() ? 0 : -1;
}

int step_add_builtin(step_state *s, const char *method, const char *name) {
  stage_fn run = !strncmp(name, "agad.", 5) ? agad_stage(name + 5) : !strcmp(method, "agad") ? agad_stage(name) : NULL;
  if (run) return step_add_stage(s, name, run, NULL, NULL);
  if (!strcmp(name, "guard_collapse")) return step_add_stage(s, name, guard_collapse, NULL, NULL);
  size_t n = strlen(name);
  if (n > 7 && n < NET_NAME && !strcmp(name + n - 7, "_update")) {
    char update[NET_NAME];
    snprintf(update, sizeof update, "%.*s", (int)(n - 7), name);
    int place = step_find_update(s, update);
    if (place >= 0) return step_add_stage(s, name, run_update, (void *)(intptr_t)place, NULL);
    return at_fail("method %s: stage %s, but there is no update '%s'", method, name, update);
  }
  return at_fail(
      "method %s: there is no stage '%s'; a stage is {name, function}, UPDATE_update, guard_collapse, or one "
      "of AGAD's: agad.reconstruct, agad.discriminate, agad.pseudo_anomaly, agad.generator_loss, "
      "agad.discriminator_loss",
      method, name);
}
