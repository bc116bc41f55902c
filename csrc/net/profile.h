/* profile.h: where the time of nets and steps goes.
 *
 * While a profile is current on a thread, what is computed there is divided into parts, which may lie in each other.
 * Time belongs to the innermost part that is open, so the times of all parts add up to that of the outermost one.  On a
 * device each change of part waits for the work that was given to it.  Without a profile a part costs a look at a
 * variable.
 */
#ifndef AGAD_NET_PROFILE_H
#define AGAD_NET_PROFILE_H

#include "net/program.h"

typedef enum net_work {
  /* of a node: */
  NET_FORWARD,
  NET_AGAIN,    /* forward once more, for the backward */
  NET_BACKWARD, /* of a convolution: copying what its two gradients read, which are parts of their own: */
  NET_DX,
  NET_DW,
  NET_SUM, /* its gradients, added to those that are there */
  /* of a net: */
  NET_CONVERT, /* its input and its weights, to the dtype and the layout of the computation */
  NET_PASS,    /* what is left of a pass */
  /* of a step: */
  NET_STAGE,
  NET_STEP, /* what is left of it */
  NET_WORKS
} net_work;

typedef struct net_profile_part {
  net_work work;
  const net_program *program; /* NULL: of a step; it need not be there any more */
  int place;                  /* of the node or the stage, or 0 */
  char net[NET_NAME], node[NET_NAME];
  double seconds;
  int64_t calls, rows; /* rows of all calls; of nodes and steps only */
} net_profile_part;

typedef struct net_profile net_profile;

net_profile *net_profile_new(int device); /* NULL after a failure */
void net_profile_free(net_profile *profile);
/* What was measured, in the order in which parts came first. */
const net_profile_part *net_profile_parts(const net_profile *profile, int *n);

net_profile *net_profile_use(net_profile *profile); /* of this thread; returns the one that was current; NULL = none */
int net_profile_on(void);
/* A part is open between the two: leave takes what enter gave. */
int net_profile_enter(net_work work, const net_program *program, int place, int64_t rows);
void net_profile_leave(int before);
void net_profile_turn(net_work work, int64_t rows); /* the innermost part ends; another work of its node follows */

#endif
