/* layer.h: what a layer is: `define` reads its attributes and says its shape and parameters, `forward` and
 * `backward` compute.  One small file a layer under layers/; layers.c lists them.
 *
 * forward sets f->y, and f->save[] where its backward needs more than inputs and output.  Under gradient
 * mode (f->eager) it must use stock operators only, out of place: net_eager differentiates through it.
 * backward sets f->dx[i] where want_dx[i], and f->dw[j] where want_dw (NULL: parameter j had no part in it); all
 * tensors belong to the scope.
 */
#ifndef AGAD_NET_LAYER_H
#define AGAD_NET_LAYER_H

#include "at/at.h"
#include "net/program.h"

/* How batch norm treats a range of rows (decision 3 of the design: row groups). */
typedef enum net_bn { NET_BN_BATCH, NET_BN_RUNNING, NET_BN_BYPASS } net_bn;

typedef struct net_rows {
  int64_t first, rows; /* rows < 0: all that remain */
  net_bn bn;
  int set;   /* which set of batch norms, from 0 */
  int track; /* move the running statistics (bn = batch only) */
} net_rows;

enum { NET_MAX_SETS = 2, NET_MAX_GROUPS = 4, NET_SAVE = 2 * NET_MAX_GROUPS };

typedef struct net_frame {
  const net_node *node;
  const net_rows *groups;
  int n_groups;
  int plain;       /* stock operators in place of our own */
  int eager;       /* gradient mode is on; implies plain */
  int in_place;    /* the input may be overwritten: nobody else needs it */
  double momentum; /* batch_norm: how fast the running statistics move */
  double slope;    /* batch_norm: slope of the activation fused into it; 1 = none */
  at_tensor *x[NET_MAX_INPUTS], *y, *save[NET_SAVE];
  at_tensor **w; /* the node's parameters, in the dtype it computes with */
  at_tensor **buffers;
  at_tensor *dy, *dx[NET_MAX_INPUTS], *dw[2 * NET_MAX_SETS];
  int want_dx[NET_MAX_INPUTS], want_dw;
} net_frame;

typedef struct layer {
  const char *name;
  int n_inputs;       /* -1: any number from 1 */
  int full_precision; /* parameters stay in the master's dtype */
  int keeps_output;   /* its backward reads y, so nobody may overwrite it */
  int activation;     /* has a slope that batch_norm can take over */
  int (*define)(net_program *program, net_node *node, const net_shape *in, agad_error *error);
  void (*forward)(net_frame *f);
  void (*backward)(net_frame *f);
} layer;

extern const layer conv_layer, conv_transpose_layer, batch_norm_layer, leaky_relu_layer, relu_layer, tanh_layer,
    concat_layer, max_pool_layer, constant_layer, op_layer;

const layer *layer_find(const char *name);
const char *layer_names(void); /* "conv, conv_transpose, …", for messages */

#endif
