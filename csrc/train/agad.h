/* agad.h: what the stages of AGAD share: options as numbers, passes, slots; and the losses of one branch. */
#ifndef AGAD_TRAIN_AGAD_H
#define AGAD_TRAIN_AGAD_H

#include "train/step.h"

/* The switches of the protocol's section 2, in the order of their names in methods/agad.lua. */
typedef struct agad_options {
  double adv, con, adcon, lat, eps; /* weights; 0 where the term is off */
  enum { X_XHAT, XHAT_XHAT2, BOTH } adcon_anom;
  enum { ALG1, OPPOSITE, ADV_OFF } adv_anom;
  enum { REAL, REAL_AND_FAKE } d_anom;
  enum { DETACH_NONE, DETACH_INPUT, DETACH_TARGET } detach_pseudo;
  enum { LATENT_MSE, LATENT_L2 } latent_norm;
  enum { BRANCH_MEAN, BRANCH_COUNT } branch_weight;
  enum { TRACK_X, TRACK_ALL } bn_track;
  enum { FREEZE_OFF, FREEZE, BYPASS } freeze_bn;
  int advprop_bn;
} agad_options;

/* Rows of one kind, normals or anomalies, of each slot, in the precision of losses. */
typedef struct agad_branch {
  at_tensor *x, *x_hat, *x_hat2, *y, *y_hat, *z, *z_hat;
} agad_branch;

/* What a loss says of each of those: its gradients; NULL = none. */
typedef struct agad_gradients {
  at_tensor *x_hat, *x_hat2, *y, *y_hat, *z_hat;
} agad_gradients;

typedef struct agad_slots {
  int x, x_hat, x_hat2, y, z, y_hat, z_hat;
  int adv, con, adcon, lat, adv_anom, adcon_anom, pseudo_anom, lat_anom, generator; /* loss.* */
  int real, fake, anom, fake_anom, discriminator;
} agad_slots;

void agad_read_options(const step_state *s, agad_options *o);
/* Each notes its terms in loss slots, adds weight * L to *total, and returns the gradients in *d. */
void agad_normal_loss(step_state *s, const agad_options *o, const agad_slots *slots, const agad_branch *b,
                      double weight, at_tensor **total, agad_gradients *d);
void agad_anomaly_loss(step_state *s, const agad_options *o, const agad_slots *slots, const agad_branch *b,
                       double weight, at_tensor **total, agad_gradients *d);
/* The discriminator's; `anomalous` may be NULL. */
void agad_discriminator_loss(step_state *s, const agad_options *o, const agad_slots *slots, const agad_branch *normal,
                             const agad_branch *anomalous, const double weights[2], at_tensor **total,
                             agad_gradients d[2]);

#endif
