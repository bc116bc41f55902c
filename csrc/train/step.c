#include "train/step.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int set_name(char *to, const char *from) {
  if (!*from || strlen(from) >= NET_NAME) return at_fail("step: a name must have 1 to %d bytes", NET_NAME - 1);
  strcpy(to, from);
  return 0;
}

step_state *step_new(const char *method, const char *family, const char *options_json) {
  method_options *options = options_new(method, options_json);
  if (!options) return NULL;
  step_state *s = at_calloc(1, sizeof *s);
  if (!s) return options_free(options), NULL;
  s->options = options;
  s->guard_update = -1;
  s->at = -1;
  s->arena = at_arena_new();
  if (!s->arena || set_name(s->family, family)) return step_free(s), NULL;
  return s;
}

static void free_update(step_update *u) {
  at_free_list(u->params, u->n);
  at_free_list(u->grads, u->n);
  at_free_list(u->m, u->n);
  at_free_list(u->v, u->n);
  at_free(u->count);
}

void step_free(step_state *s) {
  if (!s) return;
  for (int i = 0; i < s->n_stages; i++)
    if (s->stages[i].release) s->stages[i].release(s->stages[i].arg);
  if (s->free_method) s->free_method(s->method);
  for (int i = 0; i < s->n_slots; i++) at_free(s->slots[i]);
  for (int i = 0; i < s->n_averages; i++) at_free_list(s->averages[i].params, s->averages[i].n);
  step_guard_free(s);
  at_free(s->random[0]), at_free(s->random[1]);
  for (int i = 0; i < s->n_updates; i++) free_update(s->updates + i);
  for (int i = 0; i < s->n_nets; i++) {
    net_plan_free(s->nets[i].plan);
    net_free(s->nets[i].net);
  }
  at_arena_free(s->arena);
  at_choices_free(s->choices);
  net_profile_free(s->profile);
  options_free(s->options);
  free(s);
}

/* ---- building the table ---- */

int step_find_net(const step_state *s, const char *name) {
  for (int i = 0; i < s->n_nets; i++)
    if (!strcmp(s->nets[i].name, name)) return i;
  return -1;
}

int step_find_update(const step_state *s, const char *name) {
  for (int i = 0; i < s->n_updates; i++)
    if (!strcmp(s->updates[i].name, name)) return i;
  return -1;
}

int step_add_net(step_state *s, const char *name, net *n, net_plan *plan) {
  if (s->n_nets == STEP_MAX_NETS) return at_fail("step: at most %d nets", STEP_MAX_NETS);
  step_net *to = s->nets + s->n_nets;
  if (set_name(to->name, name)) return -1;
  to->net = net_retain(n);
  to->plan = net_plan_retain(plan);
  return s->n_nets++;
}

static at_tensor *zeros_like(const at_tensor *t) { return at_mul_scalar(at_detach(t), 0); }

/* Memory of an update: the nets' own parameters, no gradients, moments and count of 0. */
static void fill_update(const step_state *s, step_update *u) {
  u->params = at_calloc(u->n, sizeof *u->params);
  u->grads = at_calloc(u->n, sizeof *u->grads);
  u->m = at_calloc(u->n, sizeof *u->m);
  u->v = at_calloc(u->n, sizeof *u->v);
  at_scope scope = at_open();
  int k = 0, mode = at_grad_mode(0);
  for (int i = 0; i < u->n_nets; i++) {
    const net *n = s->nets[u->nets[i]].net;
    for (int j = 0; j < n->program->n_params && at_ok(); j++, k++) {
      at_store(&u->params[k], at_alias(n->params[j]));
      at_store(&u->m[k], zeros_like(n->params[j]));
      at_store(&u->v[k], zeros_like(n->params[j]));
    }
  }
  at_store(&u->count, at_scalar(0, AT_F32, k ? at_device_of(u->params[0]) : AT_CPU));
  at_grad_mode(mode);
  at_close(&scope, NULL);
}

int step_add_update(step_state *s, const char *name, const char *const *nets, int n_nets, optimiser_options optimiser,
                    gradient_options gradient) {
  if (s->n_updates == STEP_MAX_UPDATES || n_nets > STEP_MAX_NETS) return at_fail("step: too many updates");
  step_update *u = s->updates + s->n_updates;
  memset(u, 0, sizeof *u);
  u->optimiser = optimiser;
  u->gradient = gradient;
  if (set_name(u->name, name)) return -1;
  for (int i = 0; i < n_nets; i++) {
    int place = step_find_net(s, nets[i]);
    if (place < 0) return at_fail("update %s: there is no net '%s'", name, nets[i]);
    u->nets[u->n_nets++] = place;
    u->n += s->nets[place].net->program->n_params;
  }
  fill_update(s, u);
  for (int i = 0; i < u->n && at_ok(); i++) at_set_requires_grad(u->params[i], 1);
  if (!at_ok()) return free_update(u), -1;
  for (int i = 0; i < n_nets; i++) s->nets[u->nets[i]].net->trained = 1;
  return s->n_updates++;
}

int step_add_average(step_state *s, const char *name, average_options how) {
  int place = step_find_net(s, name), update = -1;
  for (int i = 0; i < s->n_updates; i++)
    for (int j = 0; j < s->updates[i].n_nets; j++)
      if (s->updates[i].nets[j] == place) update = i;
  if (place < 0 || update < 0) return at_fail("average: net '%s' is not trained by any update", name);
  if (s->n_averages == STEP_MAX_AVERAGES) return at_fail("step: at most %d averages", STEP_MAX_AVERAGES);
  const net *n = s->nets[place].net;
  step_average *a = s->averages + s->n_averages;
  *a = (step_average){place, update, how, at_calloc(n->program->n_params, sizeof *a->params), n->program->n_params};
  at_scope scope = at_open();
  int mode = at_grad_mode(0);
  for (int i = 0; i < a->n && at_ok(); i++) at_store(&a->params[i], at_clone(at_detach(n->params[i])));
  at_grad_mode(mode);
  if (at_close(&scope, NULL)) return at_free_list(a->params, a->n), -1;
  return s->n_averages++;
}

int step_add_stage(step_state *s, const char *name, stage_fn run, void *arg, void (*release)(void *)) {
  if (s->n_stages == STEP_MAX_STAGES) return at_fail("step: at most %d stages", STEP_MAX_STAGES);
  stage *to = s->stages + s->n_stages;
  if (set_name(to->name, name)) return -1;
  to->run = run;
  to->arg = arg;
  to->release = release;
  return s->n_stages++;
}

void step_seed(step_state *s, uint64_t seed) {
  at_scope scope = at_open();
  s->random_device = s->n_nets ? s->nets[0].net->device : AT_CPU;
  for (int i = 0; i < (s->random_device == AT_CPU ? 1 : 2); i++) {
    at_generator *g = at_generator_new(seed, i ? s->random_device : AT_CPU);
    if (g) at_store(&s->random[i], at_generator_state(g));
    at_generator_free(g);
  }
  at_close(&scope, NULL);
}

void step_exchange_random(step_state *s) {
  at_scope scope = at_open();
  for (int i = 0; i < 2; i++)
    if (s->random[i]) at_store(&s->random[i], at_exchange_random(i ? s->random_device : AT_CPU, s->random[i]));
  at_close(&scope, NULL);
}

void step_choose(step_state *s, const char *text) {
  if (!at_ok()) return;
  if (s->running) {
    at_fail("the step is running: a stage cannot change its choices");
    return;
  }
  at_choices *choices = text ? at_choices_new(text) : NULL;
  if (!at_ok()) return;
  at_choices_free(s->choices);
  s->choices = choices;
}

void step_profile(step_state *s, int on) {
  if (!at_ok()) return;
  if (s->running) {
    at_fail("the step is running: a stage cannot begin or end its profile");
    return;
  }
  net_profile *profile = on ? net_profile_new(s->n_nets ? s->nets[0].net->device : AT_CPU) : NULL;
  if (!at_ok()) return;
  net_profile_free(s->profile);
  s->profile = profile;
}

/* ---- slots ---- */

int step_slot(step_state *s, const char *name) {
  for (int i = 0; i < s->n_slots; i++)
    if (!strcmp(s->slot_names[i], name)) return i;
  if (s->n_slots == STEP_MAX_SLOTS) return at_fail("step: at most %d slots", STEP_MAX_SLOTS);
  if (set_name(s->slot_names[s->n_slots], name)) return -1;
  return s->n_slots++;
}

at_tensor *step_get(step_state *s, int slot) {
  if (!at_ok() || slot < 0) return NULL;
  if (!s->slots[slot])
    at_fail("stage %s reads slot %s, which no earlier stage has written", s->at >= 0 ? s->stages[s->at].name : "(none)",
            s->slot_names[slot]);
  return s->slots[slot];
}

void step_put(step_state *s, int slot, at_tensor *t) {
  if (!at_ok() || slot < 0) return;
  at_store(&s->slots[slot], at_alias(t));
}

void step_set_option(step_state *s, const char *path, double value) {
  if (!option_set(s->options, path, value)) s->options_read = 0;
}

/* ---- running ---- */

static int check_n_normal(int64_t n, const at_tensor *x) {
  if (n >= 1 && n <= at_size(x, 0)) return 0;
  return at_fail("step: n_normal = %lld; give 1 to %lld, the rows of the batch", (long long)n,
                 (long long)at_size(x, 0));
}

int step_set_n_normal(step_state *s, int64_t n) {
  if (!at_ok() || check_n_normal(n, step_get(s, step_slot(s, "x")))) return -1;
  s->n_normal = n;
  return 0;
}

void step_begin(step_state *s, at_tensor *x, int64_t n_normal) {
  if (!at_ok()) return;
  if (s->running) {
    at_fail("the step is already running: a stage cannot run it");
    return;
  }
  if (check_n_normal(n_normal, x)) return;
  for (int i = 0; i < s->n_slots; i++) {
    at_free(s->slots[i]);
    s->slots[i] = NULL;
  }
  s->n_normal = n_normal;
  step_put(s, step_slot(s, "x"), x);
}

/* Gradients of a step that failed would be added to those of the next. */
static void forget_gradients(step_state *s) {
  for (int i = 0; i < s->n_updates; i++) s->updates[i].micro = 0;
  for (int i = 0; i < s->n_updates; i++)
    for (int j = 0; j < s->updates[i].n; j++) {
      at_free(s->updates[i].grads[j]);
      s->updates[i].grads[j] = NULL;
    }
}

int step_run_stage(step_state *s, int i) {
  if (!at_ok() || i < 0 || i >= s->n_stages) return -1;
  if (s->running) return at_fail("the step is already running: a stage cannot run it");
  s->running = 1;
  at_arena *before = at_arena_use(s->arena);
  at_choices *choices = at_choices_use(s->choices);
  net_profile *profile = net_profile_use(s->profile);
  at_scope scope = at_open();
  int mode = at_grad_mode(0);
  s->at = i;
  const int part = net_profile_enter(NET_STAGE, NULL, i, 0);
  int bad = s->stages[i].run(s, s->stages[i].arg);
  net_profile_leave(part);
  if (bad && at_ok()) at_fail("stage %s failed", s->stages[i].name);
  if (!at_ok()) forget_gradients(s);
  at_grad_mode(mode);
  net_profile_use(profile);
  at_choices_use(choices);
  at_arena_use(before);
  s->running = 0;
  return at_close(&scope, NULL);
}

int step_run(step_state *s, at_tensor *x, int64_t n_normal) {
  net_profile *profile = net_profile_use(s->profile);
  const int part = net_profile_enter(NET_STEP, NULL, 0, at_ok() ? at_size(x, 0) : 0);
  step_begin(s, x, n_normal);
  for (int i = 0; i < s->n_stages && at_ok(); i++) step_run_stage(s, i);
  net_profile_leave(part);
  net_profile_use(profile);
  return at_ok() ? 0 : -1;
}
