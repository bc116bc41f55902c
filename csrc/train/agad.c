/* agad.c: the stages of Algorithm 1, all in C.
 *
 * Rows are n normals, then a known anomalies (a may be 0), in one mixed batch that shares its batch norms.
 * Four passes serve both losses, since D does not change before its own update: G(x), D(x), D(x^), G(x^).
 * Running statistics move with the passes over x alone.  z carries no gradient into D, and D's loss sees
 * x^ as it was before G's update.
 *
 *   L_n = adv BCE(y^, 1) + con mean|x^ - x| - adcon mean|x^' - x^| + lat mean (z^ - z)^2       Eq. 9
 *   L_a = adv / (BCE(y^, 0) + e) + adcon / (mean|x^ - x| + e) + lat / (mean (z^ - z)^2 + e)    Eq. 10
 *   L_D = BCE(D(x^_n), 0) + BCE(D(x_n), 1) + BCE(D(x_a), 0)
 */
#include "train/losses.h"
#include "train/step.h"

#include <stdlib.h>
#include <string.h>

typedef struct agad {
  int generator, discriminator, g_update, d_update; /* places in the state */
  net_pass *g_x, *g_xh, *d_x, *d_xh;
  double adv, con, adcon, lat, eps;
  int x, x_hat, x_hat2, y, z, y_hat, z_hat; /* slots */
  int l_adv, l_con, l_adcon, l_lat, l_adv_anom, l_adcon_anom, l_lat_anom, l_generator;
  int l_real, l_fake, l_anom, l_discriminator;
} agad;

static void agad_free(void *pointer) {
  agad *m = pointer;
  net_pass_free(m->g_x);
  net_pass_free(m->g_xh);
  net_pass_free(m->d_x);
  net_pass_free(m->d_xh);
  free(m);
}

/* Made at the first stage that runs: by then nets and updates are known. */
static agad *method_of(step_state *s) {
  if (s->method) return s->method;
  int g = step_find_net(s, "generator"), d = step_find_net(s, "discriminator");
  int gu = step_find_update(s, "generator"), du = step_find_update(s, "discriminator");
  if (g < 0 || d < 0 || gu < 0 || du < 0)
    return at_fail("method agad needs nets and updates named generator and discriminator"), NULL;
  if (s->nets[d].net->program->n_outputs != 2)
    return at_fail("method agad: the discriminator gives two outputs, logits and latent"), NULL;
  agad *m = calloc(1, sizeof *m);
  /* clang-format off */
  *m = (agad){.generator = g, .discriminator = d, .g_update = gu, .d_update = du,
              .g_x = net_pass_new(s->nets[g].plan), .g_xh = net_pass_new(s->nets[g].plan),
              .d_x = net_pass_new(s->nets[d].plan), .d_xh = net_pass_new(s->nets[d].plan),
              .adv = step_option(s, "lambda.adv", 1), .con = step_option(s, "lambda.con", 50),
              .adcon = step_option(s, "lambda.adcon", 15), .lat = step_option(s, "lambda.lat", 5),
              .eps = step_option(s, "reciprocal_eps", 1e-3),
              .x = step_slot(s, "x"), .x_hat = step_slot(s, "x_hat"), .x_hat2 = step_slot(s, "x_hat2"),
              .y = step_slot(s, "y"), .z = step_slot(s, "z"), .y_hat = step_slot(s, "y_hat"),
              .z_hat = step_slot(s, "z_hat"), .l_adv = step_slot(s, "loss.adv"), .l_con = step_slot(s, "loss.con"),
              .l_adcon = step_slot(s, "loss.adcon"), .l_lat = step_slot(s, "loss.lat"),
              .l_adv_anom = step_slot(s, "loss.adv_anom"), .l_adcon_anom = step_slot(s, "loss.adcon_anom"),
              .l_lat_anom = step_slot(s, "loss.lat_anom"), .l_generator = step_slot(s, "loss.generator"),
              .l_real = step_slot(s, "loss.real"), .l_fake = step_slot(s, "loss.fake"),
              .l_anom = step_slot(s, "loss.anom"), .l_discriminator = step_slot(s, "loss.discriminator")};
  /* clang-format on */
  s->method = m;
  s->free_method = agad_free;
  return m;
}

static void forward(net_pass *pass, const at_tensor *x, int track) {
  net_rows rows = {0, -1, NET_BN_BATCH, 0, track};
  net_forward(pass, x, &rows, 1, 1);
}

/* x^ = G(x) */
static int reconstruct(step_state *s, void *arg) {
  (void)arg;
  agad *m = method_of(s);
  if (!m) return -1;
  forward(m->g_x, step_get(s, m->x), 1);
  step_put(s, m->x_hat, net_pass_output(m->g_x, 0));
  return at_ok() ? 0 : -1;
}

/* y, z = D(x); y^, z^ = D(x^) */
static int discriminate(step_state *s, void *arg) {
  (void)arg;
  agad *m = method_of(s);
  if (!m) return -1;
  forward(m->d_x, step_get(s, m->x), 1);
  step_put(s, m->y, net_pass_output(m->d_x, 0));
  step_put(s, m->z, net_pass_output(m->d_x, 1));
  forward(m->d_xh, step_get(s, m->x_hat), 0);
  step_put(s, m->y_hat, net_pass_output(m->d_xh, 0));
  step_put(s, m->z_hat, net_pass_output(m->d_xh, 1));
  return at_ok() ? 0 : -1;
}

/* x^' = G(x^): what the generator makes of its own reconstruction, the pseudo-anomaly */
static int pseudo_anomaly(step_state *s, void *arg) {
  (void)arg;
  agad *m = method_of(s);
  if (!m) return -1;
  forward(m->g_xh, step_get(s, m->x_hat), 0);
  step_put(s, m->x_hat2, net_pass_output(m->g_xh, 0));
  return at_ok() ? 0 : -1;
}

/* A slot in the precision of losses, cut into normals and anomalies. */
typedef struct rows {
  at_tensor *normal, *anomalous;
} rows;

static rows read_rows(step_state *s, const agad *m, int slot) {
  const net *g = s->nets[m->generator].net;
  at_tensor *t = at_to(step_get(s, slot), g->dtype, g->device);
  int64_t n = s->n_normal, a = at_size(t, 0) - n;
  if (!a) return (rows){t, NULL};
  return (rows){at_narrow(t, 0, 0, n), at_narrow(t, 0, n, a)};
}

static at_tensor *join(at_tensor *normal, at_tensor *anomalous) {
  if (!anomalous) return normal;
  at_value items[2] = {at_v(normal), at_v(anomalous)}, list = {AT_LIST, {NULL}, items, 2};
  return at_call("cat", "", (at_value[]){list, at_vi(0)}, 2);
}

/* weight / (loss + eps) as an addend of the total; *slope is its derivative by the loss, a 0-d tensor. */
static at_tensor *reciprocal(const agad *m, at_tensor *loss, double weight, at_tensor **slope) {
  at_tensor *shifted = at_add_scalar(loss, m->eps);
  at_tensor *r = at_div(at_scalar(weight, at_dtype_of(loss), at_device_of(loss)), shifted);
  *slope = at_neg(at_div(r, shifted));
  return r;
}

static at_tensor *zeros_like(const at_tensor *t) { return at_mul_scalar(t, 0); }

static int generator_loss(step_state *s, void *arg) {
  (void)arg;
  agad *m = method_of(s);
  if (!m) return -1;
  rows x = read_rows(s, m, m->x), xh = read_rows(s, m, m->x_hat), xh2 = read_rows(s, m, m->x_hat2);
  rows yh = read_rows(s, m, m->y_hat), z = read_rows(s, m, m->z), zh = read_rows(s, m, m->z_hat);

  at_tensor *adv = bce_forward(yh.normal, 1), *con = l1_forward(xh.normal, x.normal);
  at_tensor *adcon = l1_forward(xh2.normal, xh.normal), *lat = mse_forward(zh.normal, z.normal);
  at_tensor *total = at_add(at_mul_scalar(adv, m->adv), at_mul_scalar(con, m->con));
  total = at_add(at_sub(total, at_mul_scalar(adcon, m->adcon)), at_mul_scalar(lat, m->lat));
  at_tensor *d_yh = bce_backward(yh.normal, 1, m->adv), *d_zh = mse_backward(zh.normal, z.normal, m->lat);
  at_tensor *d_xh2 = l1_backward(xh2.normal, xh.normal, -m->adcon);
  at_tensor *d_xh = at_sub(l1_backward(xh.normal, x.normal, m->con), d_xh2);
  step_put(s, m->l_adv, adv), step_put(s, m->l_con, con), step_put(s, m->l_adcon, adcon), step_put(s, m->l_lat, lat);

  if (x.anomalous) {
    at_tensor *adv_a = bce_forward(yh.anomalous, 0), *adcon_a = l1_forward(xh.anomalous, x.anomalous);
    at_tensor *lat_a = mse_forward(zh.anomalous, z.anomalous), *d_adv, *d_adcon, *d_lat;
    total = at_add(total, reciprocal(m, adv_a, m->adv, &d_adv));
    total = at_add(total, reciprocal(m, adcon_a, m->adcon, &d_adcon));
    total = at_add(total, reciprocal(m, lat_a, m->lat, &d_lat));
    d_yh = join(d_yh, at_mul(bce_backward(yh.anomalous, 0, 1), d_adv));
    d_zh = join(d_zh, at_mul(mse_backward(zh.anomalous, z.anomalous, 1), d_lat));
    d_xh = join(d_xh, at_mul(l1_backward(xh.anomalous, x.anomalous, 1), d_adcon));
    d_xh2 = join(d_xh2, zeros_like(xh2.anomalous));
    step_put(s, m->l_adv_anom, adv_a), step_put(s, m->l_adcon_anom, adcon_a), step_put(s, m->l_lat_anom, lat_a);
  }
  step_put(s, m->l_generator, total);

  /* back through D(x^) to its input, through G(x^) to weights and input, then all of it through G(x) */
  at_tensor **grads = step_gradients(s, m->g_update, m->generator), *through = NULL;
  at_tensor *d_outputs[2] = {d_yh, d_zh};
  net_backward(m->d_xh, d_outputs, &through, NULL);
  d_xh = at_add(d_xh, at_to(through, at_dtype_of(d_xh), at_device_of(d_xh)));
  net_backward(m->g_xh, &d_xh2, &through, grads);
  d_xh = at_add(d_xh, at_to(through, at_dtype_of(d_xh), at_device_of(d_xh)));
  net_backward(m->g_x, &d_xh, NULL, grads);
  net_pass_clear(m->g_x);
  net_pass_clear(m->g_xh);
  return at_ok() ? 0 : -1;
}

static int discriminator_loss(step_state *s, void *arg) {
  (void)arg;
  agad *m = method_of(s);
  if (!m) return -1;
  rows y = read_rows(s, m, m->y), yh = read_rows(s, m, m->y_hat);
  at_tensor *real = bce_forward(y.normal, 1), *fake = bce_forward(yh.normal, 0);
  at_tensor *total = at_add(fake, real);
  at_tensor *d_y = bce_backward(y.normal, 1, 1), *d_yh = bce_backward(yh.normal, 0, 1);
  step_put(s, m->l_real, real), step_put(s, m->l_fake, fake);
  if (y.anomalous) {
    at_tensor *anom = bce_forward(y.anomalous, 0);
    total = at_add(total, anom);
    d_y = join(d_y, bce_backward(y.anomalous, 0, 1));
    d_yh = join(d_yh, zeros_like(yh.anomalous));
    step_put(s, m->l_anom, anom);
  }
  step_put(s, m->l_discriminator, total);

  at_tensor **grads = step_gradients(s, m->d_update, m->discriminator);
  net_backward(m->d_x, (at_tensor *[]){d_y, NULL}, NULL, grads);
  net_backward(m->d_xh, (at_tensor *[]){d_yh, NULL}, NULL, grads);
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
