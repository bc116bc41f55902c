/* losses.h: each loss as a pair: its value, and its gradient by its first argument.
 *
 * Values are 0-d tensors on the device; means run over all elements.  Gradients are not yet multiplied by
 * what flows in from above: `scale` does that.  Equations: the paper's 5 to 8.
 */
#ifndef AGAD_TRAIN_LOSSES_H
#define AGAD_TRAIN_LOSSES_H

#include "at/at.h"

/* mean |a - b|, Eq. 6 and 8 */
at_tensor *l1_forward(const at_tensor *a, const at_tensor *b);
at_tensor *l1_backward(const at_tensor *a, const at_tensor *b, double scale);
/* mean (a - b)^2, Eq. 7 squared */
at_tensor *mse_forward(const at_tensor *a, const at_tensor *b);
at_tensor *mse_backward(const at_tensor *a, const at_tensor *b, double scale);
/* mean over rows of ||a_i - b_i||, Eq. 7; at a difference of 0 its gradient is 0 */
at_tensor *l2_rows_forward(const at_tensor *a, const at_tensor *b);
at_tensor *l2_rows_backward(const at_tensor *a, const at_tensor *b, double scale);
/* binary cross entropy of logits against a constant target (0 or 1), Eq. 5 */
at_tensor *bce_forward(const at_tensor *logits, double target);
at_tensor *bce_backward(const at_tensor *logits, double target, double scale);

/* The same under autograd: one node a call.  `b` may be NULL for bce, which takes `target`. */
typedef enum loss_kind { LOSS_L1, LOSS_MSE, LOSS_L2_ROWS, LOSS_BCE } loss_kind;
at_tensor *loss_call(loss_kind kind, at_tensor *a, at_tensor *b, double target);

#endif
