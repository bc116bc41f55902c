/* inference.h: how a plan is computed where nothing is kept for a backward and batch norms use running statistics.
 *
 * A convolution, the batch norm that alone reads it and the (leaky) ReLU after that are one thing: at_conv, whose
 * kernel is made once and kept.  It is made anew when a parameter or a statistic has changed.
 *
 * On the CPU, in channels_last, in float32 (and so are plans of bf16, where that is faster), and not where
 * AGAD_PLAIN=1: elsewhere a plan is always computed layer by layer.  float64 is for comparisons, with the library's
 * convolutions.
 */
#ifndef AGAD_NET_INFERENCE_H
#define AGAD_NET_INFERENCE_H

#include "net/net.h"

/* plan->inference; 0, or -1 after a failure. */
int net_inference_new(net_plan *plan);
void net_inference_free(net_inference *inference, const net *n);

/* The convolutions of a pass over these rows, one place a node (NULL: the node is computed by its layer); NULL if the
 * pass is computed layer by layer. */
at_conv *const *net_inference_convs(net_plan *plan, const net_rows *groups, int n_groups, int64_t rows);
/* The node whose output a convolution's result is; 0: the node is done by the convolution before it. */
int net_inference_end(const net_plan *plan, int node);

#endif
