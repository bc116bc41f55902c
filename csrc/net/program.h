/* program.h: a network as data.
 *
 * A program is a flat list of nodes.  Node 0 is the input; every other node names a layer and the earlier
 * nodes that it reads.  Outputs are named, and there may be several.  Programs are read from JSON (written
 * by lua/agad/nn), checked once, and never change: shapes, parameters and multiply-accumulates are known from
 * then on.  Shapes leave out the batch: {channels, height, width}.  What one layer alone reads is its own
 * (node->attributes, described by the table of its file): nothing here knows it.
 */
#ifndef AGAD_NET_PROGRAM_H
#define AGAD_NET_PROGRAM_H

#include "base/error.h"

#include <jansson.h>
#include <stdint.h>

enum { NET_MAX_INPUTS = 8, NET_MAX_OUTPUTS = 8, NET_MAX_PARAMS = 4, NET_MAX_NODES = 4096, NET_NAME = 64 };
/* Numbers of one image at one node, of one parameter, and MACs: larger ones are refused before they overflow. */
#define NET_MAX_NUMBERS ((int64_t)1 << 31)
#define NET_MAX_MACS ((int64_t)1 << 50)

typedef struct net_shape {
  int ndim;
  int64_t d[4];
} net_shape;

typedef enum net_init_kind { NET_INIT_CONV, NET_INIT_SCALE, NET_INIT_ZERO } net_init_kind;

typedef struct net_param {
  char name[2 * NET_NAME]; /* "conv1.weight" */
  int ndim;
  int64_t sizes[4];
  net_init_kind init;
} net_param;

typedef struct net_node {
  const struct layer *layer;
  char name[NET_NAME]; /* "conv1": kind and count, unless the program names it */
  int inputs[NET_MAX_INPUTS], n_inputs;
  int consumers;
  int param, n_params;   /* place of the first parameter */
  int buffer, n_buffers; /* place of the first buffer (running statistics) */
  int shared;            /* its tensors are an earlier node's ("shares"); only that one moves their statistics */
  int sets;              /* number of sets of its tensors, one of which each row group uses; 0: none */
  net_shape shape;
  int64_t macs;     /* per image */
  void *attributes; /* what its layer read from the program */
  json_t *json;     /* of the program; only read */
} net_node;

typedef struct net_output {
  char name[NET_NAME];
  int node;
} net_output;

typedef struct net_program {
  char name[NET_NAME];
  net_shape input;
  net_node *nodes;
  int n_nodes;
  net_param *params;
  int n_params;
  net_param *buffers;
  int n_buffers;    /* running_mean, running_var: one pair a batch norm and set */
  int uniform_init; /* "init": "uniform" in place of DCGAN's normal numbers */
  int bn_sets;      /* how many sets every node with sets has */
  net_output *outputs;
  int n_outputs;
  json_t *json;
} net_program;

/* NULL and error->message (net, node and reason) if the program is invalid. */
net_program *net_program_parse(const char *json, agad_error *error);
void net_program_free(net_program *program);
char *net_program_text(const net_program *program);                   /* canonical JSON; free() it; NULL: no memory */
int64_t net_program_param_count(const net_program *program);          /* numbers, not tensors */
int64_t net_program_macs(const net_program *program);                 /* per image */
int net_program_output(const net_program *program, const char *name); /* its place, or -1 */

/* For layers, while they define a node; 0, or -1 and error->message: */
int net_add_param(net_program *program, net_node *node, const char *name, net_init_kind init, int ndim,
                  const int64_t *sizes, agad_error *error);
int net_add_buffer(net_program *program, net_node *node, const char *name, net_init_kind init, int64_t size,
                   agad_error *error);
int net_node_fail(const net_node *node, agad_error *error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
