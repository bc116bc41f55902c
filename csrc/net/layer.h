/* layer.h: what a layer is. Each layer is one small file under layers/ that registers itself with LAYER; no other file
 * names it. What other code must know about a layer is a property in its table.
 *
 * `attributes` describes what the layer reads from the program into a struct of its own; `define` checks what the table
 * cannot express, and sets shape, parameters and MACs. forward sets f->y, and f->save[] if its backward needs more than
 * inputs and output. Under gradient mode (f->eager) it must use stock operators only, out of place: net_eager
 * differentiates through it. backward sets f->dx[i] where want_dx[i], and f->dw[j] where want_dw (NULL: the output does
 * not depend on parameter j); all tensors belong to the scope.
 *
 * A step keeps what its backward passes read, above all the outputs of layers.  Of those that are `cheap` it keeps
 * nothing: forward is called again (f->again) where a backward reads them.
 */
#ifndef AGAD_NET_LAYER_H
#define AGAD_NET_LAYER_H

#include "at/at.h"
#include "net/program.h"

#include <math.h>
#include <stddef.h>

/* How batch norm normalises a group of rows: by their own statistics, by the running statistics, or not at all. */
typedef enum net_bn { NET_BN_BATCH, NET_BN_RUNNING, NET_BN_BYPASS } net_bn;

typedef struct net_rows {
  int64_t first, rows; /* rows < 0: all that remain */
  net_bn bn;
  int set;   /* which set of batch norms, from 0 */
  int track; /* move the running statistics (bn = batch only) */
} net_rows;

enum { NET_MAX_SETS = 2, NET_MAX_GROUPS = 4, NET_SAVE = 2 * NET_MAX_GROUPS };

typedef struct net_frame {
  const net_program *program;
  const net_node *node;
  const net_rows *groups;
  int n_groups;
  int plain;        /* stock operators in place of our own */
  int eager;        /* gradient mode is on; implies plain */
  int in_place;     /* the input may be overwritten: nobody else needs it */
  int again;        /* forward once more, of a cheap layer: the same y from what was saved, and nothing else moves */
  at_layout layout; /* of the net */
  double momentum;  /* how fast running statistics move; below 0: as the node says */
  double slope;     /* where takes_activation: of the activation fused into it; 1 = none */
  at_tensor *x[NET_MAX_INPUTS], *y, *save[NET_SAVE];
  at_tensor **w; /* the node's parameters, in the dtype it computes with */
  at_tensor **buffers;
  at_tensor *dy, *dx[NET_MAX_INPUTS], *dw[NET_MAX_PARAMS];
  int want_dx[NET_MAX_INPUTS], want_dw;
} net_frame;

/* The kind of an attribute gives the type of the field that it is read into, at `place` in the layer's struct. */
typedef enum layer_kind {
  LAYER_INTEGER, /* int64_t */
  LAYER_PAIR,    /* int64_t[2]; one integer stands for both */
  LAYER_NUMBER,  /* double */
  LAYER_BOOLEAN, /* int */
  LAYER_SHAPE,   /* net_shape */
  LAYER_TEXT,    /* const char *, of the program; NULL: none */
  LAYER_TABLE    /* const json_t *, of the program; NULL: none */
} layer_kind;

#define LAYER_LARGEST (1 << 20) /* of sizes: kernels, channels */
#define LAYER_NO_LIMIT HUGE_VAL

typedef struct layer_attribute {
  const char *name;
  layer_kind kind;
  size_t place;
  const char *help;          /* one line */
  double standard, min, max; /* of integers, pairs and numbers: default and range; of booleans: default */
  int required;              /* it has no default, comes first in the table, and is positional in Lua */
} layer_attribute;

typedef struct layer_norm {
  at_tensor *mean, *scale, *shift;
} layer_norm;

/* What a layer's backward reads, apart from dy and what was saved.  x is NULL, or has any numbers (SIZES), where it is
 * not read, and y is NULL. */
enum { LAYER_READS_X = 1, LAYER_READS_X_FOR_DW = 2, LAYER_READS_SIZES = 4, LAYER_READS_Y = 8 };

typedef struct layer {
  const char *name, *help;
  int n_inputs;                       /* -1: any number from 1 */
  const layer_attribute *attributes;  /* ends with a name of NULL */
  size_t size;                        /* of the struct that they are read into */
  int has_weights;                    /* of sizes that depend on the input's channels */
  int full_precision;                 /* parameters stay in the master's dtype */
  int reads;                          /* LAYER_READS_X … */
  int cheap;                          /* y takes little time to compute again: it need not be kept */
  int takes_activation;               /* it can do the activation that follows it (f->slope) */
  double (*slope)(const net_node *n); /* an activation that such a layer can do: its slope below 0 */
  /* What inference uses (inference.h).  norm: for one set, y = (x - mean) * scale + shift, as vectors of one number a
   * channel in float64.  fixed: a convolution, with what follows it. */
  void (*norm)(const net_frame *f, int set, layer_norm *norm);
  at_conv *(*fixed)(const net_frame *f, const layer_norm *norm, double slope);
  /* Whether each row of y is the same to the bit in any batch and with any number of threads, where inference computes
   * convolutions; NULL: it is. */
  int (*alike)(const net_program *program, const net_node *node);
  int (*define)(net_program *program, net_node *node, const net_shape *in, agad_error *error);
  void (*forward)(net_frame *f);
  void (*backward)(net_frame *f);
  struct layer *next; /* in the list of all layers, by name */
} layer;

/* LAYER(conv) = {.help = …, .n_inputs = 1, …}: the table of a layer, known by that name once the library is loaded. */
#define LAYER(NAME)                                                \
  static layer NAME##_layer;                                       \
  __attribute__((constructor)) static void register_##NAME(void) { \
    NAME##_layer.name = #NAME;                                     \
    layer_register(&NAME##_layer);                                 \
  }                                                                \
  static layer NAME##_layer

void layer_register(layer *l);
const layer *layer_find(const char *name);
const layer *layer_first(void);                           /* by name; the others follow as ->next */
void layer_names(char *text, size_t size);                /* "batch_norm, concat, …", for messages */
int net_node_alike(const net_program *program, int node); /* what `alike` of its layer says */
/* Reads a node's attributes as the table of its layer says; 0, or -1 and error->message. */
int layer_read_attributes(net_node *node, agad_error *error);

#endif
