/* bn_act.h - batch norm fused with (leaky) ReLU on the CPU, forward and backward.
 *
 * y = act(v), v = (x - mean)*scale + bias, scale = weight*invstd, act(v) = v > 0 ? v : slope*v.
 * Pointers and sizes only; nothing is allocated and no thread is started. A pass is cut into
 * lines or strips; the caller hands out ranges of them to its threads. Which strip adds what
 * depends on the cut alone, so results do not depend on the number of threads.
 * Memory is x[outer][C][inner]: NCHW is [N][C][H*W], channels_last is [N*H*W][C][1].
 * Parameters and statistics are of the "real" type: double for double x, else float. */
#ifndef AGAD_CPU_BN_ACT_H
#define AGAD_CPU_BN_ACT_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One cut of x[outer][C][inner]. A strip holds `per` steps of outer, of all channels where
 * inner is 1 (strips = chunks), else of one channel (strips = chunks*C, strip = chunk*C + c).
 * A line is C elements where inner is 1 (lines = outer), else a plane (lines = outer*C). */
typedef struct {
  size_t outer, C, inner;
  size_t chunks, per, strips, lines;
} bn_act_shape;

bn_act_shape bn_act_cut(size_t outer, size_t C, size_t inner);

/* The kernels of one element type. x, y, dy, dx hold elements; all other void pointers hold
 * reals [C]; partial sums s1, s2 are double [chunks][C]. */
typedef struct {
  /* forward, training: shift, then moments over all strips, then statistics */
  void (*shift)(void *k, const void *x, const bn_act_shape *s);
  void (*moments)(double *s1, double *s2, const void *x, const void *k, const bn_act_shape *s, size_t strip_begin,
                  size_t strip_end);
  /* running_mean and running_var may be NULL; they take the unbiased variance */
  void (*statistics)(void *mean, void *invstd, void *running_mean, void *running_var, const double *s1,
                     const double *s2, const void *k, const bn_act_shape *s, double momentum, double eps);
  /* forward, evaluation: mean and invstd from running statistics */
  void (*running)(void *mean, void *invstd, const void *running_mean, const void *running_var, size_t C, double eps);
  void (*scale)(void *scale, const void *weight, const void *invstd, size_t C);
  void (*forward)(void *y, const void *x, const void *mean, const void *scale, const void *bias, double slope,
                  const bn_act_shape *s, size_t line_begin, size_t line_end);
  /* the same over rows of C elements, where they lie */
  void (*in_place)(void *x, const void *mean, const void *scale, const void *bias, double slope, size_t C, size_t rows);

  /* backward: gradient sums over all strips, then coefficients, then backward over all lines.
   * dx = scale*g - p - q*(x - mean), g = dy*act'(v); p = q = 0 where training is 0 */
  void (*grad_sums)(double *s1, double *s2, const void *dy, const void *x, const void *mean, const void *scale,
                    const void *bias, double slope, const bn_act_shape *s, size_t strip_begin, size_t strip_end);
  void (*coefficients)(void *dweight, void *dbias, void *p, void *q, const double *s1, const double *s2,
                       const void *invstd, const void *scale, const bn_act_shape *s, int training);
  void (*backward)(void *dx, const void *dy, const void *x, const void *mean, const void *scale, const void *bias,
                   const void *p, const void *q, double slope, const bn_act_shape *s, size_t line_begin,
                   size_t line_end);
} bn_act_kernels;

extern const bn_act_kernels bn_act_f32, bn_act_f64, bn_act_bf16; /* bf16: uint16_t elements */

#ifdef __cplusplus
}
#endif
#endif
