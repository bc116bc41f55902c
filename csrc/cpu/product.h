/* product.h - products of small matrices, the inner loop of winograd.c.
 *
 *   c[rows][W] (+)= a[rows][depth] b[depth][W]
 *
 * W numbers fill a cache line: PRODUCT_LINE / sizeof. An element of a lies at a[row * ra + k * ka], a row of b
 * at b[k * rb], one of c at c[row * rc]; `add` adds to c. Each element of c is one sum over k in order, whatever
 * `rows` is. No allocation, no threads. */
#ifndef AGAD_CPU_PRODUCT_H
#define AGAD_CPU_PRODUCT_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { PRODUCT_LINE = 64, PRODUCT_ROWS = 12 }; /* rows are best a multiple of that */

int product_is_fast(void); /* whether the processor has the instructions that it is written for */

void product_f32(float *c, size_t rc, const float *a, size_t ra, size_t ka, const float *b, size_t rb, size_t rows,
                 size_t depth, int add);
void product_f64(double *c, size_t rc, const double *a, size_t ra, size_t ka, const double *b, size_t rb, size_t rows,
                 size_t depth, int add);

#ifdef __cplusplus
}
#endif
#endif
