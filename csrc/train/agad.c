/* agad.c: the stages of Algorithm 1, all in C.
 *
 * Rows are n normals, then a known anomalies (a may be 0), in one mixed batch that shares its batch norms
 * unless freeze_bn keeps the anomalies out of them.  Four passes serve both losses, since D does not change
 * before its own update: G(x), D(x), D(x^), G(x^).  Running statistics move with the passes over x alone, or
 * with all of them (bn_track).  z carries no gradient into D, and D's loss sees x^ as it was before G's update.
 */
#include "train/agad.h"

#include <stdlib.h>
#include <string.h>

typedef struct agad {
  int generator, discriminator, g_update, d_update; /* places in the state */
  net_pass *g_x, *g_xh, *d_x, *d_xh;
  agad_options options;
  agad_slots slots;
} agad;

static void agad_free(void *pointer) {
  agad *m = pointer;
  net_pass_free(m->g_x);
  net_pass_free(m->g_xh);
  net_pass_free(m->d_x);
  net_pass_free(m->d_xh);
  free(m);
}

static void name_slots(step_state *s, agad_slots *to) {
  const struct {
    int *slot;
    const char *name;
  } names[] = {
      {&to->x, "x"},
      {&to->x_hat, "x_hat"},
      {&to->x_hat2, "x_hat2"},
      {&to->y, "y"},
      {&to->z, "z"},
      {&to->y_hat, "y_hat"},
      {&to->z_hat, "z_hat"},
      {&to->adv, "loss.adv"},
      {&to->con, "loss.con"},
      {&to->adcon, "loss.adcon"},
      {&to->lat, "loss.lat"},
      {&to->adv_anom, "loss.adv_anom"},
      {&to->adcon_anom, "loss.adcon_anom"},
      {&to->pseudo_anom, "loss.pseudo_anom"},
      {&to->lat_anom, "loss.lat_anom"},
      {&to->generator, "loss.generator"},
      {&to->real, "loss.real"},
      {&to->fake, "loss.fake"},
      {&to->anom, "loss.anom"},
      {&to->fake_anom, "loss.fake_anom"},
      {&to->discriminator, "loss.discriminator"},
  };
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) *names[i].slot = step_slot(s, names[i].name);
}

/* Made at the first stage that runs: by then nets and updates are known. */
static agad *method_of(step_state *s) {
  agad *known = s->method;
  if (known && !s->options_read) agad_read_options(s, &known->options), s->options_read = 1;
  if (known) return known;
  int g = step_find_net(s, "generator"), d = step_find_net(s, "discriminator");
  int gu = step_find_update(s, "generator"), du = step_find_update(s, "discriminator");
  if (g < 0 || d < 0 || gu < 0 || du < 0)
    return at_fail("method agad needs nets and updates named generator and discriminator"), NULL;
  if (s->nets[d].net->program->n_outputs != 2)
    return at_fail("method agad: the discriminator gives two outputs, logits and latent"), NULL;
  agad *m = calloc(1, sizeof *m);
  *m = (agad){.generator = g,
              .discriminator = d,
              .g_update = gu,
              .d_update = du,
              .g_x = net_pass_new(s->nets[g].plan),
              .g_xh = net_pass_new(s->nets[g].plan),
              .d_x = net_pass_new(s->nets[d].plan),
              .d_xh = net_pass_new(s->nets[d].plan)};
  agad_read_options(s, &m->options);
  name_slots(s, &m->slots);
  s->method = m;
  s->options_read = 1;
  s->free_method = agad_free;
  return m;
}

/* ---- the passes ---- */

static void forward(step_state *s, const agad *m, net_pass *pass, const at_tensor *x, int over_x, int set) {
  int track = over_x || m->options.bn_track == TRACK_ALL;
  int64_t n = s->n_normal, a = at_size(x, 0) - n;
  net_rows groups[2] = {{0, -1, NET_BN_BATCH, set, track}};
  int apart = a > 0 && m->options.freeze_bn != FREEZE_OFF;
  if (apart) {
    groups[0].rows = n;
    groups[1] = (net_rows){n, a, m->options.freeze_bn == FREEZE ? NET_BN_RUNNING : NET_BN_BYPASS, set, 0};
  }
  net_forward(pass, x, groups, 1 + apart, 1);
}

/* x^ = G(x) */
static int reconstruct(step_state *s, void *arg) {
  (void)arg;
  agad *m = method_of(s);
  if (!m) return -1;
  forward(s, m, m->g_x, step_get(s, m->slots.x), 1, 0);
  step_put(s, m->slots.x_hat, net_pass_output(m->g_x, 0));
  return at_ok() ? 0 : -1;
}

/* y, z = D(x); y^, z^ = D(x^) */
static int discriminate(step_state *s, void *arg) {
  (void)arg;
  agad *m = method_of(s);
  if (!m) return -1;
  forward(s, m, m->d_x, step_get(s, m->slots.x), 1, 0);
  step_put(s, m->slots.y, net_pass_output(m->d_x, 0));
  step_put(s, m->slots.z, net_pass_output(m->d_x, 1));
  forward(s, m, m->d_xh, step_get(s, m->slots.x_hat), 0, 0);
  step_put(s, m->slots.y_hat, net_pass_output(m->d_xh, 0));
  step_put(s, m->slots.z_hat, net_pass_output(m->d_xh, 1));
  return at_ok() ? 0 : -1;
}

/* x^' = G(x^): what the generator makes of its own reconstruction, the pseudo-anomaly */
static int pseudo_anomaly(step_state *s, void *arg) {
  (void)arg;
  agad *m = method_of(s);
  if (!m) return -1;
  forward(s, m, m->g_xh, step_get(s, m->slots.x_hat), 0, m->options.advprop_bn);
  step_put(s, m->slots.x_hat2, net_pass_output(m->g_xh, 0));
  return at_ok() ? 0 : -1;
}

/* ---- the losses ---- */

/* Rows first..first+count of a slot, in the precision of losses. */
static at_tensor *read_rows(step_state *s, const agad *m, int slot, int64_t first, int64_t count) {
  const net *g = s->nets[m->generator].net;
  return at_narrow(at_to(step_get(s, slot), g->dtype, g->device), 0, first, count);
}

/* The generator's loss reads all of them, the discriminator's y and y^. */
static agad_branch read_branch(step_state *s, const agad *m, int for_generator, int64_t first, int64_t count) {
  const agad_slots *slots = &m->slots;
  agad_branch b = {NULL};
  if (!for_generator) {
    b.y = read_rows(s, m, slots->y, first, count);
    b.y_hat = read_rows(s, m, slots->y_hat, first, count);
    return b;
  }
  b.x = read_rows(s, m, slots->x, first, count);
  b.x_hat = read_rows(s, m, slots->x_hat, first, count);
  b.x_hat2 = read_rows(s, m, slots->x_hat2, first, count);
  b.z = read_rows(s, m, slots->z, first, count);
  b.y_hat = read_rows(s, m, slots->y_hat, first, count);
  b.z_hat = read_rows(s, m, slots->z_hat, first, count);
  return b;
}

/* A gradient over all rows out of those of normals (n) and anomalies (a; rows like `like`); NULL when neither is. */
static at_tensor *join(at_tensor *n, at_tensor *a, const at_tensor *like_n, const at_tensor *like_a) {
  if (!like_a || (!n && !a)) return n;
  if (!n) n = at_mul_scalar(like_n, 0);
  if (!a) a = at_mul_scalar(like_a, 0);
  at_value items[2] = {at_v(n), at_v(a)}, list = {AT_LIST, {NULL}, items, 2};
  return at_call("cat", "", (at_value[]){list, at_vi(0)}, 2);
}

typedef struct branches {
  agad_branch rows[2]; /* normals, anomalies */
  double weights[2];
  int64_t anomalies;
} branches;

static branches read_branches(step_state *s, const agad *m, int for_generator) {
  int64_t n = s->n_normal, a = at_size(step_get(s, m->slots.x), 0) - n;
  branches b = {.weights = {1, 1}, .anomalies = a};
  b.rows[0] = read_branch(s, m, for_generator, 0, n);
  if (a) b.rows[1] = read_branch(s, m, for_generator, n, a);
  if (a && m->options.branch_weight == BRANCH_COUNT) {
    b.weights[0] = (double)n / (double)(n + a);
    b.weights[1] = (double)a / (double)(n + a);
  }
  return b;
}

static void add_into(at_tensor **sum, at_tensor *t) {
  if (t && *sum) t = at_to(t, at_dtype_of(*sum), at_device_of(*sum));
  if (t) *sum = *sum ? at_add(*sum, t) : t;
}

/* Back through D(x^) to its input, through G(x^) to weights and input, then all of it through G(x). */
static int generator_backward(step_state *s, agad *m, const branches *b, const agad_gradients d[2]) {
  const agad_branch *n = &b->rows[0], *a = &b->rows[1];
  at_tensor *x_hat = join(d[0].x_hat, d[1].x_hat, n->x_hat, a->x_hat);
  at_tensor *x_hat2 = join(d[0].x_hat2, d[1].x_hat2, n->x_hat2, a->x_hat2);
  at_tensor *outputs[2] = {join(d[0].y_hat, d[1].y_hat, n->y_hat, a->y_hat),
                           join(d[0].z_hat, d[1].z_hat, n->z_hat, a->z_hat)};
  at_tensor **grads = step_gradients(s, m->g_update, m->generator), *through = NULL;
  if (outputs[0] || outputs[1]) {
    net_backward(m->d_xh, outputs, &through, NULL);
    add_into(&x_hat, through);
  }
  if (x_hat2) {
    int past = m->options.detach_pseudo != DETACH_INPUT;
    through = NULL;
    net_backward(m->g_xh, &x_hat2, past ? &through : NULL, grads);
    add_into(&x_hat, through);
  }
  if (x_hat) net_backward(m->g_x, &x_hat, NULL, grads);
  else if (!x_hat2) at_fail("every term of the generator's loss is off or has weight 0; nothing would be trained");
  net_pass_clear(m->g_x);
  net_pass_clear(m->g_xh);
  return at_ok() ? 0 : -1;
}

static int generator_loss(step_state *s, void *arg) {
  (void)arg;
  agad *m = method_of(s);
  if (!m) return -1;
  branches b = read_branches(s, m, 1);
  agad_gradients d[2] = {{NULL}, {NULL}};
  at_tensor *total = NULL;
  agad_normal_loss(s, &m->options, &m->slots, &b.rows[0], b.weights[0], &total, &d[0]);
  if (b.anomalies) agad_anomaly_loss(s, &m->options, &m->slots, &b.rows[1], b.weights[1], &total, &d[1]);
  if (total) step_put(s, m->slots.generator, total);
  return generator_backward(s, m, &b, d);
}

static int discriminator_loss(step_state *s, void *arg) {
  (void)arg;
  agad *m = method_of(s);
  if (!m) return -1;
  branches b = read_branches(s, m, 0);
  const agad_branch *n = &b.rows[0], *a = b.anomalies ? &b.rows[1] : NULL;
  agad_gradients d[2] = {{NULL}, {NULL}};
  at_tensor *total = NULL;
  agad_discriminator_loss(s, &m->options, &m->slots, n, a, b.weights, &total, d);
  step_put(s, m->slots.discriminator, total);
  at_tensor **grads = step_gradients(s, m->d_update, m->discriminator);
  at_tensor *y[2] = {join(d[0].y, d[1].y, n->y, a ? a->y : NULL)};
  at_tensor *y_hat[2] = {join(d[0].y_hat, d[1].y_hat, n->y_hat, a ? a->y_hat : NULL)};
  net_backward(m->d_x, y, NULL, grads);
  net_backward(m->d_xh, y_hat, NULL, grads);
  net_pass_clear(m->d_x);
  net_pass_clear(m->d_xh);
  return at_ok() ? 0 : -1;
}

stage_fn agad_stage(const char *name) {
  static const struct {
    const char *name;
    stage_fn run;
  } stages[] = {
      {"reconstruct", reconstruct},
      {"discriminate", discriminate},
      {"pseudo_anomaly", pseudo_anomaly},
      {"generator_loss", generator_loss},
      {"discriminator_loss", discriminator_loss},
  };
  for (size_t i = 0; i < sizeof stages / sizeof *stages; i++)
    if (!strcmp(stages[i].name, name)) return stages[i].run;
  return NULL;
}
