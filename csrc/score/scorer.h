/* scorer.h: scoring pictures with a net program whose first output is one number a row.
 *
 * Pictures are uint8 [n, c, h, w]; they are brought to the method's input range here, batch by batch.  With
 * running statistics a score depends on its picture alone.
 */
#ifndef AGAD_SCORE_SCORER_H
#define AGAD_SCORE_SCORER_H

#include "net/net.h"

typedef struct score_input {
  double low, high;
  int64_t batch;
  net_bn bn;
  int alike;  /* where score_alike, a picture's results are the same to the bit in any batch */
  int padded; /* scores are the same to the bit in any order: by `alike`, or else by batches that are all full */
} score_input;

/* Output `output` of every picture, joined: for the score [n] float64. */
at_tensor *score_pictures(net_plan *plan, const at_tensor *pictures, const score_input *how, int output);
/* Whether results can be the same to the bit in any batch, and with any number of threads: a float32 net of which
 * inference (net/inference.h) computes the convolutions. */
int score_alike(const net_plan *plan);
/* Whether pictures are then scored each for itself, several at a time: some layer would depend on the batch. */
int score_apart(const net_plan *plan);
/* Running statistics become the mean over one pass of these pictures (weighted by the rows of each batch). */
void score_recalibrate(net_plan *plan, const at_tensor *pictures, const score_input *how);

#endif
