/* box_blur.h - the mean over a square window around every pixel, on the CPU.
 *
 * Windows at the border are smaller: what lies outside of the picture does not count. Planes are [h][w] each, one after
 * another. Sums are double and run along columns and rows, so that the time does not depend on the radius.
 */
#ifndef AGAD_CPU_BOX_BLUR_H
#define AGAD_CPU_BOX_BLUR_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* y and x do not overlap; sums is scratch memory for 2 w + 1 numbers. */
void box_blur_f32(float *y, const float *x, size_t planes, size_t h, size_t w, size_t radius, double *sums);
void box_blur_f64(double *y, const double *x, size_t planes, size_t h, size_t w, size_t radius, double *sums);

#ifdef __cplusplus
}
#endif

#endif
