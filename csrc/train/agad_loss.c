/* agad_loss.c: AGAD's losses and their gradients, normals and known anomalies apart.
 *
 *   L_n = adv BCE(y^, 1) + con mean|x^ - x| - adcon mean|x^' - x^| + lat mean (z^ - z)^2       Eq. 9
 *   L_a = adv / (BCE(y^, 0) + e) + adcon / (mean|x^ - x| + e) + lat / (mean (z^ - z)^2 + e)    Eq. 10
 *   L_D = BCE(D(x^_n), 0) + BCE(D(x_n), 1) + BCE(D(x_a), 0)
 *
 * A term of weight 0 is still measured, as a number to look at, and moves nothing.
 */
#include "train/agad.h"
#include "train/losses.h"

#include <string.h>

static int choice(const step_state *s, const char *name, const char *second, const char *third) {
  const char *value = step_text(s, name);
  return !value ? 0 : !strcmp(value, second) ? 1 : third && !strcmp(value, third) ? 2 : 0;
}

static double weight_of(const step_state *s, const char *lambda, const char *term, double standard) {
  return step_option(s, term, 1) ? step_option(s, lambda, standard) : 0;
}

void agad_read_options(const step_state *s, agad_options *o) {
  o->adv = weight_of(s, "lambda.adv", "terms.adv", 1);
  o->con = weight_of(s, "lambda.con", "terms.con", 50);
  o->adcon = weight_of(s, "lambda.adcon", "terms.adcon", 15);
  o->lat = weight_of(s, "lambda.lat", "terms.lat", 5);
  o->eps = step_option(s, "reciprocal_eps", 1e-3);
  o->adcon_anom = choice(s, "adcon_anom", "xhat_xhat2", "both");
  o->adv_anom = choice(s, "adv_anom", "opposite", "off");
  o->d_anom = choice(s, "d_anom", "real+fake", NULL);
  o->detach_pseudo = choice(s, "detach_pseudo", "input", "target");
  o->latent_norm = choice(s, "latent_norm", "l2", NULL);
  o->branch_weight = choice(s, "branch_weight", "count", NULL);
  o->bn_track = choice(s, "bn_track", "all", NULL);
  o->freeze_bn = choice(s, "freeze_bn", "freeze", "bypass");
  o->advprop_bn = step_option(s, "advprop_bn", 0) != 0;
}

static void add(at_tensor **sum, at_tensor *t) { *sum = *sum ? at_add(*sum, t) : t; }

static at_tensor *latent_forward(const agad_options *o, const agad_branch *b) {
  return o->latent_norm == LATENT_L2 ? l2_rows_forward(b->z_hat, b->z) : mse_forward(b->z_hat, b->z);
}

static at_tensor *latent_backward(const agad_options *o, const agad_branch *b, double scale) {
  return o->latent_norm == LATENT_L2 ? l2_rows_backward(b->z_hat, b->z, scale) : mse_backward(b->z_hat, b->z, scale);
}

/* The gradient of mean|x^' - x^|, times what is given, by x^' and, unless it is a fixed target, by x^. */
static void pseudo_backward(const agad_options *o, at_tensor *by_x_hat2, agad_gradients *d) {
  add(&d->x_hat2, by_x_hat2);
  if (o->detach_pseudo != DETACH_TARGET) add(&d->x_hat, at_neg(by_x_hat2));
}

void agad_normal_loss(step_state *s, const agad_options *o, const agad_slots *slots, const agad_branch *b,
                      double weight, at_tensor **total, agad_gradients *d) {
  at_tensor *adv = bce_forward(b->y_hat, 1), *con = l1_forward(b->x_hat, b->x);
  at_tensor *adcon = l1_forward(b->x_hat2, b->x_hat), *lat = latent_forward(o, b);
  step_put(s, slots->adv, adv), step_put(s, slots->con, con);
  step_put(s, slots->adcon, adcon), step_put(s, slots->lat, lat);
  if (o->adv)
    add(total, at_mul_scalar(adv, weight * o->adv)), add(&d->y_hat, bce_backward(b->y_hat, 1, weight * o->adv));
  if (o->con)
    add(total, at_mul_scalar(con, weight * o->con)), add(&d->x_hat, l1_backward(b->x_hat, b->x, weight * o->con));
  if (o->adcon) {
    add(total, at_mul_scalar(adcon, -weight * o->adcon));
    pseudo_backward(o, l1_backward(b->x_hat2, b->x_hat, -weight * o->adcon), d);
  }
  if (o->lat) add(total, at_mul_scalar(lat, weight * o->lat)), add(&d->z_hat, latent_backward(o, b, weight * o->lat));
}

/* Adds weight / (loss + eps) to the total; returns its derivative by the loss, a 0-d tensor. */
static at_tensor *add_reciprocal(const agad_options *o, at_tensor *loss, double weight, at_tensor **total) {
  at_tensor *shifted = at_add_scalar(loss, o->eps);
  at_tensor *r = at_div(at_scalar(weight, at_dtype_of(loss), at_device_of(loss)), shifted);
  add(total, r);
  return at_neg(at_div(r, shifted));
}

void agad_anomaly_loss(step_state *s, const agad_options *o, const agad_slots *slots, const agad_branch *b,
                       double weight, at_tensor **total, agad_gradients *d) {
  double target = o->adv_anom == OPPOSITE ? 1 : 0;
  at_tensor *adv = bce_forward(b->y_hat, target), *direct = l1_forward(b->x_hat, b->x);
  at_tensor *pseudo = l1_forward(b->x_hat2, b->x_hat), *lat = latent_forward(o, b);
  step_put(s, slots->adv_anom, adv), step_put(s, slots->lat_anom, lat);
  step_put(s, slots->adcon_anom, o->adcon_anom == XHAT_XHAT2 ? pseudo : direct);
  if (o->adcon_anom == BOTH) step_put(s, slots->pseudo_anom, pseudo);
  if (o->adv && o->adv_anom != ADV_OFF) {
    at_tensor *slope = add_reciprocal(o, adv, weight * o->adv, total);
    add(&d->y_hat, at_mul(bce_backward(b->y_hat, target, 1), slope));
  }
  if (o->adcon && o->adcon_anom != XHAT_XHAT2) {
    at_tensor *slope = add_reciprocal(o, direct, weight * o->adcon, total);
    add(&d->x_hat, at_mul(l1_backward(b->x_hat, b->x, 1), slope));
  }
  if (o->adcon && o->adcon_anom != X_XHAT) {
    at_tensor *slope = add_reciprocal(o, pseudo, weight * o->adcon, total);
    pseudo_backward(o, at_mul(l1_backward(b->x_hat2, b->x_hat, 1), slope), d);
  }
  if (o->lat) {
    at_tensor *slope = add_reciprocal(o, lat, weight * o->lat, total);
    add(&d->z_hat, at_mul(latent_backward(o, b, 1), slope));
  }
}

void agad_discriminator_loss(step_state *s, const agad_options *o, const agad_slots *slots, const agad_branch *normal,
                             const agad_branch *anomalous, const double weights[2], at_tensor **total,
                             agad_gradients d[2]) {
  at_tensor *real = bce_forward(normal->y, 1), *fake = bce_forward(normal->y_hat, 0);
  step_put(s, slots->real, real), step_put(s, slots->fake, fake);
  *total = at_mul_scalar(at_add(fake, real), weights[0]);
  d[0].y = bce_backward(normal->y, 1, weights[0]);
  d[0].y_hat = bce_backward(normal->y_hat, 0, weights[0]);
  if (!anomalous) return;
  at_tensor *anom = bce_forward(anomalous->y, 0);
  step_put(s, slots->anom, anom);
  add(total, at_mul_scalar(anom, weights[1]));
  d[1].y = bce_backward(anomalous->y, 0, weights[1]);
  if (o->d_anom == REAL) return;
  at_tensor *fake_anom = bce_forward(anomalous->y_hat, 0);
  step_put(s, slots->fake_anom, fake_anom);
  add(total, at_mul_scalar(fake_anom, weights[1]));
  d[1].y_hat = bce_backward(anomalous->y_hat, 0, weights[1]);
}
