/* agad_loss.c: AGAD's losses and their gradients, normals and known anomalies apart.
 *
 *   L_n = adv BCE(y^, 1) + con mean|x^ - x| - adcon mean|x^' - x^| + lat mean (z^ - z)^2       Eq. 9
 *   L_a = adv / (BCE(y^, 0) + e) + adcon / (mean|x^ - x| + e) + lat / (mean (z^ - z)^2 + e)    Eq. 10
 *   L_D = BCE(D(x^_n), 0) + BCE(D(x_n), 1) + BCE(D(x_a), 0)
 *
 * A term of the first two is a line of `terms`, its weight the option lambda.NAME, its switch terms.NAME.  One of
 * weight 0 is still measured, as a number to look at, and moves nothing.
 */
#include "train/agad.h"
#include "train/losses.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The places of choices in their options' definitions: methods/agad.lua. */
enum { X_XHAT, XHAT_XHAT2, BOTH }; /* adcon_anom */
enum { ALG1, OPPOSITE, ADV_OFF };  /* adv_anom */
enum { REAL, REAL_AND_FAKE };      /* d_anom */
enum { LATENT_MSE, LATENT_L2 };    /* latent_norm */

/* Of normals' terms the loss is the sum, each with its sign; of anomalies' the sum of reciprocals. */
typedef struct term {
  const char *name, *slot, *loss;
  enum { NORMAL, ANOMALOUS } branch;
  int sign;
  agad_part a, b; /* where the loss has a target b is not looked at */
  double target;
} term;

/* clang-format off */
static const term terms[] = {
    /* name    loss slot      loss   branch    sign  a       b      target */
    {"adv",   "adv",         "bce", NORMAL,     1, Y_HAT,  Y_HAT, 1},
    {"con",   "con",         "l1",  NORMAL,     1, X_HAT,  X,     0},
    {"adcon", "adcon",       "l1",  NORMAL,    -1, X_HAT2, X_HAT, 0},
    {"lat",   "lat",         "mse", NORMAL,     1, Z_HAT,  Z,     0},
    {"adv",   "adv_anom",    "bce", ANOMALOUS,  1, Y_HAT,  Y_HAT, 0},
    {"adcon", "adcon_anom",  "l1",  ANOMALOUS,  1, X_HAT,  X,     0},
    {"adcon", "pseudo_anom", "l1",  ANOMALOUS,  1, X_HAT2, X_HAT, 0},
    {"lat",   "lat_anom",    "mse", ANOMALOUS,  1, Z_HAT,  Z,     0},
};
/* clang-format on */
enum { N_TERMS = sizeof terms / sizeof *terms };

/* A term as the options have it. */
typedef struct chosen {
  const loss *loss;
  double weight, target;
  int measured, slot;
} chosen;

struct agad_losses {
  chosen terms[N_TERMS];
  double eps;
  int d_anom, detach_pseudo;
  int real, fake, anom, fake_anom; /* slots of the discriminator's terms */
};

static int loss_slot(step_state *s, const char *name) {
  char slot[NET_NAME];
  snprintf(slot, sizeof slot, "loss.%s", name);
  return step_slot(s, slot);
}

agad_losses *agad_losses_new(step_state *s) {
  agad_losses *l = at_calloc(1, sizeof *l);
  if (!l) return NULL;
  for (int i = 0; i < N_TERMS; i++) l->terms[i].slot = loss_slot(s, terms[i].slot);
  l->real = loss_slot(s, "real"), l->fake = loss_slot(s, "fake");
  l->anom = loss_slot(s, "anom"), l->fake_anom = loss_slot(s, "fake_anom");
  return l;
}

void agad_losses_free(agad_losses *l) { free(l); }

static double weight_of(const method_options *o, const char *name) {
  char lambda[NET_NAME], on[NET_NAME];
  snprintf(lambda, sizeof lambda, "lambda.%s", name), snprintf(on, sizeof on, "terms.%s", name);
  double weight = option_number(o, lambda);
  return option_flag(o, on) ? weight : 0;
}

/* The term whose loss slot has this name. */
static chosen *find(agad_losses *l, const char *slot) {
  int i = 0;
  while (strcmp(terms[i].slot, slot)) i++;
  return l->terms + i;
}

int agad_losses_read(agad_losses *l, const method_options *o) {
  int l2 = option_choice(o, "latent_norm", 2) == LATENT_L2;
  for (int i = 0; i < N_TERMS; i++) {
    const int latent = terms[i].a == Z_HAT;
    chosen *c = l->terms + i;
    *c = (chosen){loss_find(latent && l2 ? "l2_rows" : terms[i].loss), terms[i].sign * weight_of(o, terms[i].name),
                  terms[i].target, 1, c->slot};
  }
  chosen *adv = find(l, "adv_anom"), *direct = find(l, "adcon_anom"), *pseudo = find(l, "pseudo_anom");
  int adv_anom = option_choice(o, "adv_anom", 3), adcon_anom = option_choice(o, "adcon_anom", 3);
  if (adv_anom == OPPOSITE) adv->target = 1;
  if (adv_anom == ADV_OFF) adv->weight = 0;
  direct->measured = adcon_anom != XHAT_XHAT2;
  pseudo->measured = adcon_anom != X_XHAT;
  if (adcon_anom == XHAT_XHAT2) pseudo->slot = direct->slot; /* the anomalies' one contextual term */
  l->eps = option_number(o, "reciprocal_eps");
  l->d_anom = option_choice(o, "d_anom", 2);
  l->detach_pseudo = option_choice(o, "detach_pseudo", 3);
  return at_ok() ? 0 : -1;
}

/* A sum of new tensors: it may be written into. */
static void add(at_tensor **sum, at_tensor *t) {
  if (*sum) at_add_(*sum, t, 1);
  else *sum = t;
}

/* Adds weight / (value + eps) to the total; returns its derivative by the value, a 0-d tensor. */
static at_tensor *add_reciprocal(double eps, at_tensor *value, double weight, at_tensor **total) {
  at_tensor *shifted = at_add_scalar(value, eps);
  at_tensor *r = at_div(at_scalar(weight, at_dtype_of(value), at_device_of(value)), shifted);
  add(total, r);
  return at_neg(at_div(r, shifted));
}

/* The gradient alone, without what it was computed from. */
static at_tensor *gradient_of(const loss *of, loss_input in, double weight) {
  at_scope scope = at_open();
  at_tensor *by_a = at_keep(of->backward(in, weight));
  at_close(&scope, NULL);
  return at_give(by_a);
}

/* A term's gradient goes to what G and D have made of x; as the second of two that is x^ alone, and not where it is a
 * fixed target. */
static void add_gradient(const agad_losses *l, const term *t, at_tensor *by_a, agad_branch *d) {
  add(&d->part[t->a], by_a);
  if (t->b == X_HAT && l->detach_pseudo != DETACH_TARGET) add(&d->part[X_HAT], at_neg(by_a));
}

void agad_generator_loss(step_state *s, const agad_losses *l, const agad_branch *b, int anomalous, double weight,
                         at_tensor **total, agad_branch *d) {
  for (int i = 0; i < N_TERMS; i++) {
    const term *t = terms + i;
    const chosen *c = l->terms + i;
    if (t->branch != (anomalous ? ANOMALOUS : NORMAL) || !c->measured) continue;
    loss_input in = {b->part[t->a], b->part[t->b], c->target};
    at_tensor *value = c->loss->forward(in);
    step_put(s, c->slot, value);
    if (!c->weight) continue;
    double w = weight * c->weight;
    if (anomalous) {
      at_tensor *slope = add_reciprocal(l->eps, value, w, total);
      add_gradient(l, t, at_mul(gradient_of(c->loss, in, 1), slope), d);
    } else {
      add(total, at_mul_scalar(value, w));
      add_gradient(l, t, gradient_of(c->loss, in, w), d);
    }
  }
}

void agad_discriminator_loss(step_state *s, const agad_losses *l, const agad_branch *normal,
                             const agad_branch *anomalous, const double weights[2], at_tensor **total,
                             agad_branch d[2]) {
  const loss *bce = loss_find("bce");
  const loss_input real_in = {normal->part[Y], NULL, 1}, fake_in = {normal->part[Y_HAT], NULL, 0};
  at_tensor *real = bce->forward(real_in), *fake = bce->forward(fake_in);
  step_put(s, l->real, real), step_put(s, l->fake, fake);
  *total = at_mul_scalar(at_add(fake, real), weights[0]);
  d[0].part[Y] = bce->backward(real_in, weights[0]);
  d[0].part[Y_HAT] = bce->backward(fake_in, weights[0]);
  if (!anomalous) return;
  const loss_input anom_in = {anomalous->part[Y], NULL, 0}, fake_anom_in = {anomalous->part[Y_HAT], NULL, 0};
  at_tensor *anom = bce->forward(anom_in);
  step_put(s, l->anom, anom);
  add(total, at_mul_scalar(anom, weights[1]));
  d[1].part[Y] = bce->backward(anom_in, weights[1]);
  if (l->d_anom == REAL) return;
  at_tensor *fake_anom = bce->forward(fake_anom_in);
  step_put(s, l->fake_anom, fake_anom);
  add(total, at_mul_scalar(fake_anom, weights[1]));
  d[1].part[Y_HAT] = bce->backward(fake_anom_in, weights[1]);
}
