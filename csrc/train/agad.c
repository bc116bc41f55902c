/* agad.c: the stages of Algorithm 1, all in C.
 *
 * Rows are n normals, then a known anomalies (a may be 0), in one mixed batch that shares its batch norms
 * unless freeze_bn keeps the anomalies out of them.  Four passes serve both losses, since D does not change
 * before its own update: G(x), D(x), D(x^), G(x^).  Running statistics move with the passes over x alone, or
 * with all of them (bn_track).  z carries no gradient into D, and D's loss sees x^ as it was before G's update.
 */
#include "train/agad.h"
#include "train/stages.h"

#include <stdlib.h>

/* The places of choices in their options' definitions: methods/agad.lua. */
enum { BRANCH_MEAN, BRANCH_COUNT };
enum { TRACK_X, TRACK_ALL };
enum { FREEZE_OFF, FREEZE, BYPASS };

typedef struct agad {
  int generator, discriminator, g_update, d_update; /* places in the state */
  int parts[AGAD_PARTS], g_total, d_total;          /* slots */
  net_pass *g_x, *g_xh, *d_x, *d_xh;
  agad_losses *losses;
  int detach_pseudo, branch_weight, bn_track, freeze_bn, advprop_bn;
} agad;

static void agad_free(void *pointer) {
  agad *m = pointer;
  net_pass_free(m->g_x);
  net_pass_free(m->g_xh);
  net_pass_free(m->d_x);
  net_pass_free(m->d_xh);
  agad_losses_free(m->losses);
  free(m);
}

static int read_options(agad *m, const method_options *o) {
  m->detach_pseudo = option_choice(o, "detach_pseudo", 3);
  m->branch_weight = option_choice(o, "branch_weight", 2);
  m->bn_track = option_choice(o, "bn_track", 2);
  m->freeze_bn = option_choice(o, "freeze_bn", 3);
  m->advprop_bn = option_flag(o, "advprop_bn");
  return agad_losses_read(m->losses, o);
}

static agad *make(step_state *s) {
  int g = step_find_net(s, "generator"), d = step_find_net(s, "discriminator");
  int gu = step_find_update(s, "generator"), du = step_find_update(s, "discriminator");
  if (g < 0 || d < 0 || gu < 0 || du < 0)
    return at_fail("method agad needs nets and updates named generator and discriminator"), NULL;
  if (s->nets[d].net->program->n_outputs != 2)
    return at_fail("method agad: the discriminator must have two outputs, logits and latent"), NULL;
  agad *m = at_calloc(1, sizeof *m);
  if (!m) return NULL;
  *m = (agad){.generator = g,
              .discriminator = d,
              .g_update = gu,
              .d_update = du,
              .g_total = step_slot(s, "loss.generator"),
              .d_total = step_slot(s, "loss.discriminator"),
              .g_x = net_pass_new(s->nets[g].plan),
              .g_xh = net_pass_new(s->nets[g].plan),
              .d_x = net_pass_new(s->nets[d].plan),
              .d_xh = net_pass_new(s->nets[d].plan),
              .losses = agad_losses_new(s)};
  static const char *const names[AGAD_PARTS] = {"x", "x_hat", "x_hat2", "y", "z", "y_hat", "z_hat"};
  for (int i = 0; i < AGAD_PARTS; i++) m->parts[i] = step_slot(s, names[i]);
  return at_ok() ? m : (agad_free(m), NULL);
}

/* Made at the first stage that runs: by then nets and updates are known. */
static agad *method_of(step_state *s) {
  if (!s->method && (s->method = make(s))) s->free_method = agad_free;
  if (s->method && !s->options_read) s->options_read = !read_options(s->method, s->options);
  return s->options_read ? s->method : NULL;
}

/* ---- the passes ---- */

static void forward(step_state *s, const agad *m, net_pass *pass, const at_tensor *x, int over_x, int set) {
  int track = over_x || m->bn_track == TRACK_ALL;
  int64_t n = s->n_normal, a = at_size(x, 0) - n;
  net_rows groups[2] = {{0, -1, NET_BN_BATCH, set, track}};
  int apart = a > 0 && m->freeze_bn != FREEZE_OFF;
  if (apart) {
    groups[0].rows = n;
    groups[1] = (net_rows){n, a, m->freeze_bn == FREEZE ? NET_BN_RUNNING : NET_BN_BYPASS, set, 0};
  }
  net_forward(pass, x, groups, 1 + apart, 1);
}

/* x^ = G(x) */
static int reconstruct(step_state *s, void *arg) {
  (void)arg;
  agad *m = method_of(s);
  if (!m) return -1;
  forward(s, m, m->g_x, step_get(s, m->parts[X]), 1, 0);
  step_put(s, m->parts[X_HAT], net_pass_output(m->g_x, 0));
  return at_ok() ? 0 : -1;
}

/* y, z = D(x); y^, z^ = D(x^) */
static int discriminate(step_state *s, void *arg) {
  (void)arg;
  agad *m = method_of(s);
  if (!m) return -1;
  forward(s, m, m->d_x, step_get(s, m->parts[X]), 1, 0);
  step_put(s, m->parts[Y], net_pass_output(m->d_x, 0));
  step_put(s, m->parts[Z], net_pass_output(m->d_x, 1));
  forward(s, m, m->d_xh, step_get(s, m->parts[X_HAT]), 0, 0);
  step_put(s, m->parts[Y_HAT], net_pass_output(m->d_xh, 0));
  step_put(s, m->parts[Z_HAT], net_pass_output(m->d_xh, 1));
  return at_ok() ? 0 : -1;
}

/* x^' = G(x^): what the generator makes of its own reconstruction, the pseudo-anomaly */
static int pseudo_anomaly(step_state *s, void *arg) {
  (void)arg;
  agad *m = method_of(s);
  if (!m) return -1;
  forward(s, m, m->g_xh, step_get(s, m->parts[X_HAT]), 0, m->advprop_bn);
  step_put(s, m->parts[X_HAT2], net_pass_output(m->g_xh, 0));
  return at_ok() ? 0 : -1;
}

/* ---- the losses ---- */

/* Rows first..first+count of a slot, in the precision of losses. */
static at_tensor *read_rows(step_state *s, const agad *m, int slot, int64_t first, int64_t count) {
  const net *g = s->nets[m->generator].net;
  return at_narrow(at_to(step_get(s, slot), g->dtype, g->device), 0, first, count);
}

static const agad_part of_generator[] = {X, X_HAT, X_HAT2, Z, Y_HAT, Z_HAT, AGAD_PARTS};
static const agad_part of_discriminator[] = {Y, Y_HAT, AGAD_PARTS};

static agad_branch read_branch(step_state *s, const agad *m, const agad_part *parts, int64_t first, int64_t count) {
  agad_branch b = {{NULL}};
  for (; *parts != AGAD_PARTS; parts++) b.part[*parts] = read_rows(s, m, m->parts[*parts], first, count);
  return b;
}

/* A gradient over all rows out of those of normals (n) and anomalies (a; rows like `like`); NULL when neither is. */
static at_tensor *join_rows(at_tensor *n, at_tensor *a, const at_tensor *like_n, const at_tensor *like_a) {
  if (!like_a || (!n && !a)) return n;
  if (!n) n = at_mul_scalar(like_n, 0);
  if (!a) a = at_mul_scalar(like_a, 0);
  return at_concat((at_tensor *[]){n, a}, 2, 0);
}

typedef struct branches {
  agad_branch rows[2]; /* normals, anomalies */
  double weights[2];
  int64_t anomalies;
} branches;

static branches read_branches(step_state *s, const agad *m, const agad_part *parts) {
  int64_t n = s->n_normal, a = at_size(step_get(s, m->parts[X]), 0) - n;
  branches b = {.weights = {1, 1}, .anomalies = a};
  b.rows[0] = read_branch(s, m, parts, 0, n);
  if (a) b.rows[1] = read_branch(s, m, parts, n, a);
  if (a && m->branch_weight == BRANCH_COUNT) {
    b.weights[0] = (double)n / (double)(n + a);
    b.weights[1] = (double)a / (double)(n + a);
  }
  return b;
}

static at_tensor *join(const branches *b, const agad_branch d[2], agad_part p) {
  return join_rows(d[0].part[p], d[1].part[p], b->rows[0].part[p], b->rows[1].part[p]);
}

static void add_into(at_tensor **sum, at_tensor *t) {
  if (t && *sum) at_add_(*sum, at_to(t, at_dtype_of(*sum), at_device_of(*sum)), 1);
  else if (t) *sum = t;
}

/* Back through D(x^) to its input, through G(x^) to weights and input, then all of it through G(x). */
static int generator_backward(step_state *s, agad *m, const branches *b, const agad_branch d[2]) {
  at_tensor *x_hat = join(b, d, X_HAT), *x_hat2 = join(b, d, X_HAT2);
  at_tensor *outputs[2] = {join(b, d, Y_HAT), join(b, d, Z_HAT)};
  at_tensor **grads = step_gradients(s, m->g_update, m->generator), *through = NULL;
  if (outputs[0] || outputs[1]) {
    net_backward(m->d_xh, outputs, &through, NULL, 0);
    add_into(&x_hat, through);
  }
  if (x_hat2) {
    int past = m->detach_pseudo != DETACH_INPUT;
    through = NULL;
    net_backward(m->g_xh, &x_hat2, past ? &through : NULL, grads, 1);
    add_into(&x_hat, through);
  }
  if (x_hat) net_backward(m->g_x, &x_hat, NULL, grads, 1);
  else if (!x_hat2) at_fail("every term of the generator's loss is off or has weight 0; nothing would be trained");
  net_pass_clear(m->g_x);
  net_pass_clear(m->g_xh);
  return at_ok() ? 0 : -1;
}

static int generator_loss(step_state *s, void *arg) {
  (void)arg;
  agad *m = method_of(s);
  if (!m) return -1;
  branches b = read_branches(s, m, of_generator);
  agad_branch d[2] = {{{NULL}}, {{NULL}}};
  at_tensor *total = NULL;
  for (int i = 0; i < 1 + (b.anomalies > 0); i++)
    agad_generator_loss(s, m->losses, &b.rows[i], i, b.weights[i], &total, &d[i]);
  if (total) step_put(s, m->g_total, total);
  return generator_backward(s, m, &b, d);
}

static int discriminator_loss(step_state *s, void *arg) {
  (void)arg;
  agad *m = method_of(s);
  if (!m) return -1;
  branches b = read_branches(s, m, of_discriminator);
  agad_branch d[2] = {{{NULL}}, {{NULL}}};
  at_tensor *total = NULL;
  agad_discriminator_loss(s, m->losses, &b.rows[0], b.anomalies ? &b.rows[1] : NULL, b.weights, &total, d);
  step_put(s, m->d_total, total);
  at_tensor **grads = step_gradients(s, m->d_update, m->discriminator);
  at_tensor *y[2] = {join(&b, d, Y)}, *y_hat[2] = {join(&b, d, Y_HAT)};
  net_backward(m->d_x, y, NULL, grads, 1);
  net_backward(m->d_xh, y_hat, NULL, grads, 1);
  net_pass_clear(m->d_x);
  net_pass_clear(m->d_xh);
  return at_ok() ? 0 : -1;
}

const stage_entry agad_stages[] = {
    {"agad.reconstruct", reconstruct},
    {"agad.discriminate", discriminate},
    {"agad.pseudo_anomaly", pseudo_anomaly},
    {"agad.generator_loss", generator_loss},
    {"agad.discriminator_loss", discriminator_loss},
    {NULL, NULL},
};
