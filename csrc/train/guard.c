/* guard.c: the stage guard_collapse: an update whose loss has collapsed begins anew from a spare initialisation.  On a
 * device the decision is a select: nothing asks the host there.
 */
#include "train/stages.h"

#include <stdio.h>
#include <stdlib.h>

void step_spare(step_state *s, at_generator *g) {
  if (s->guard_update < 0) return;
  step_update *u = s->updates + s->guard_update;
  at_scope scope = at_open();
  int k = 0, mode = at_grad_mode(0);
  for (int i = 0; i < u->n_nets; i++) {
    const net *n = s->nets[u->nets[i]].net;
    for (int j = 0; j < n->program->n_params && at_ok(); j++, k++)
      at_store(&s->spare[k], net_draw(n, n->program->params + j, g));
  }
  at_grad_mode(mode);
  at_close(&scope, NULL);
}

void step_guard(step_state *s, const char *update, double below, int resets, at_generator *g) {
  int place = step_find_update(s, update);
  if (place < 0 || s->guard_update >= 0) {
    at_fail(place < 0 ? "guard_collapse: there is no update '%s'"
                      : "guard_collapse: there can be only one, so none for update '%s'",
            update);
    return;
  }
  s->guard_update = place;
  s->guard_below = below;
  s->guard_resets = resets;
  s->spare = at_calloc(s->updates[place].n, sizeof *s->spare);
  if (s->spare) step_spare(s, g);
  at_scope scope = at_open();
  at_store(&s->collapses, at_scalar(0, AT_I64, at_device_of(s->updates[place].count)));
  if (at_close(&scope, NULL)) step_guard_free(s);
}

void step_guard_free(step_state *s) {
  if (s->guard_update >= 0) at_free_list(s->spare, s->updates[s->guard_update].n);
  at_free(s->collapses);
  s->guard_update = -1;
  s->spare = NULL;
  s->collapses = NULL;
}

static void select_into(at_tensor *to, at_tensor *when, at_tensor *value) { at_copy_(to, at_where(when, value, to)); }

/* Where the loss is below the bound: weights from the spare, statistics from the start, and moments and count too where
 * the guard resets them. */
int guard_collapse(step_state *s, void *arg) {
  (void)arg;
  if (s->guard_update < 0 || s->guard_below <= 0) return 0;
  step_update *u = s->updates + s->guard_update;
  char name[NET_NAME + 8];
  snprintf(name, sizeof name, "loss.%s", u->name);
  at_tensor *collapsed = at_less_scalar(step_get(s, step_slot(s, name)), s->guard_below);
  int device = at_device_of(u->count);
  if (device == AT_CPU && at_item(collapsed) == 0) return 0; /* nobody is kept waiting by this question here */
  int reset = s->guard_resets;
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
