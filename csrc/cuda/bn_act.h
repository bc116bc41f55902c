/* bn_act.h: launchers of batch norm with activation on the GPU.  Pointers are device pointers.
 *
 * x, y, dy, dx are [N,C,H,W] of one dtype, dense, either NCHW or (channels_last) NHWC; all per-channel
 * vectors are [C], float32, or float64 where x is float64.  `work` holds agad_cuda_bn_work(shape) numbers
 * of that type.  Every launcher returns cudaGetLastError() of its launches.
 */
#ifndef AGAD_CUDA_BN_ACT_H
#define AGAD_CUDA_BN_ACT_H

#include <cuda_runtime_api.h>

enum agad_cuda_type { AGAD_CUDA_FLOAT, AGAD_CUDA_DOUBLE, AGAD_CUDA_BFLOAT16 };

struct bn_shape {
  unsigned channels, area, rows; /* C, H*W, N*H*W; fewer than 2^31 elements in all */
  bool channels_last;
};

unsigned agad_cuda_bn_work(bn_shape s);

cudaError_t agad_cuda_bn_act(agad_cuda_type type, bn_shape s, void *y, void *mean, void *invstd, const void *x,
                             const void *weight, const void *bias, void *running_mean, void *running_var, bool training,
                             double momentum, double eps, double slope, void *work, cudaStream_t stream);

cudaError_t agad_cuda_bn_act_backward(agad_cuda_type type, bn_shape s, void *dx, void *dweight, void *dbias,
                                      const void *dy, const void *x, const void *weight, const void *bias,
                                      const void *mean, const void *invstd, bool training, double slope, void *work,
                                      cudaStream_t stream);

#endif
