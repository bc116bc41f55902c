/* net.h: a network's tensors (net), how it is computed (plan), and one computation (pass).
 *
 *   net   parameters and batch norm statistics of a program.
 *   plan  a net with a dtype and a layout, and one arena that all its passes draw from.
 *   pass  one forward over rows of a batch, in row groups, with all that its backward needs.
 *
 * Parameters are masters: float32 or float64; a plan of bf16 computes with a bf16 copy of the convolutions'
 * weights.  What a pass returns is never overwritten by a later one.  Failures are the sticky error of at.h: what makes
 * one of the three gives NULL, and whatever takes that does nothing.
 */
#ifndef AGAD_NET_NET_H
#define AGAD_NET_NET_H

#include "net/layer.h"

typedef struct net {
  net_program *program;
  at_dtype dtype;
  int device;
  at_layout layout;
  int trained;                   /* a step holds its parameters: they are not exchanged any more */
  at_tensor **params, **buffers; /* kept; in the order of the program's lists */
  int64_t shared;                /* counts the tensors that were exchanged (net_share) */
  int references;
} net;

typedef struct net_inference net_inference;

typedef struct net_plan {
  net *net;
  at_dtype dtype;
  at_arena *arena;
  int plain;
  double momentum; /* of all running statistics; below 0: as each node says */
  double *slope;   /* per node: of the activation fused into it (1 = none) */
  /* per node: an activation done by the layer before it; may overwrite its input; is computed again for the backward */
  unsigned char *fused, *in_place, *again;
  net_inference *inference; /* how it is computed where nothing is kept; NULL: in no other way (inference.h) */
  int references;
} net_plan;

typedef struct net_pass net_pass;

/* Parameters are zero until net_init or net_set; the program goes to the net, also after a failure. */
net *net_new(net_program *program, at_dtype dtype, int device, at_layout layout);
void net_free(net *n);
net *net_retain(net *n); /* one more owner; each owner calls net_free */
/* A fresh start value of one parameter, in the net's dtype, device and layout; drawn on the processor, so that
 * every device starts from the same numbers. */
at_tensor *net_draw(const net *n, const net_param *p, at_generator *generator);
/* DCGAN: conv weights N(0, 0.02), BN weight N(1, 0.02), biases 0; statistics 0 and 1.  A program whose init is "uniform":
 * conv weights U(-1/sqrt(n), 1/sqrt(n)), n their numbers but for the first dimension (PyTorch's Conv2d).  NULL: the
 * default generator. */
void net_init(net *n, at_generator *generator);
/* Copies a tensor of the same shape into a parameter or a buffer; a failure names net, tensor and shapes. */
void net_set(net *n, const char *name, const at_tensor *value);
/* Uses the tensor itself, so that two nets share it. */
void net_share(net *n, const char *name, at_tensor *value);

net_plan *net_plan_new(net *n, at_dtype dtype);
void net_plan_free(net_plan *plan);
net_plan *net_plan_retain(net_plan *plan); /* passes, and graphs over them, keep their plan alive */

net_pass *net_pass_new(net_plan *plan);
void net_pass_free(net_pass *pass);
void net_pass_clear(net_pass *pass);            /* forgets the activations */
void net_pass_want(net_pass *pass, int output); /* this output alone: what it does not read is not computed */
void net_pass_fix(net_pass *pass);              /* its results do not depend on the number of threads */
/* x [rows, shape of the input], of any float dtype.  `keep`: a backward may follow. */
void net_forward(net_pass *pass, const at_tensor *x, const net_rows *groups, int n_groups, int keep);
at_tensor *net_pass_output(net_pass *pass, int i); /* belongs to the scope */
/* dy[i] belongs to output i; NULL = no gradient.  dx (may be NULL) receives the input's gradient; grads (may
 * be NULL) is a list as long as the parameters': the new gradients are added to what is there, or become it.
 * May be called again with other dy unless this is the `last`, which forgets the activations on its way; a pass that
 * was not kept for it is a failure. */
void net_backward(net_pass *pass, at_tensor *const *dy, at_tensor **dx, at_tensor **grads, int last);

/* The pass as one autograd node: outputs[program's n_outputs] belong to the scope. */
void net_call(net_plan *plan, const at_tensor *x, const net_rows *groups, int n_groups, at_tensor **outputs);
/* The same program operator by operator under autograd: independent of every backward here. */
void net_eager(net_plan *plan, const at_tensor *x, const net_rows *groups, int n_groups, at_tensor **outputs);

#endif
