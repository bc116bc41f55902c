/* random.c: normals by Marsaglia's polar method, Poisson counts by the exponential times between events.
 *
 * The logarithm is our own, of sums and products in a fixed order: that of the C library may round otherwise on another
 * processor.
 */
#include "base/random.h"

#include <math.h>
#include <string.h>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("fp-contract=off")
#endif

/* ln x, 0 < x <= 1, not subnormal: x = m 2^e with m within a factor of sqrt 2 of 1, ln m = 2 atanh((m - 1) / (m + 1)). */
static double logarithm(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  const uint64_t root_half = 0x3fe6a09e667f3bcd;
  int64_t e = (int64_t)(bits - root_half) >> 52;
  bits -= (uint64_t)e << 52;
  double m;
  memcpy(&m, &bits, sizeof m);
  double q = (m - 1) / (m + 1), s = q * q, sum = 1. / 19;
  for (int k = 17; k > 0; k -= 2) sum = sum * s + 1. / k;
  return (double)e * 0.69314718055994530942 + 2 * q * sum;
}

static void pair(base_random *r, double out[2]) {
  double x, y, s;
  do {
    x = 2 * base_random_unit(r) - 1;
    y = 2 * base_random_unit(r) - 1;
    s = x * x + y * y;
  } while (s >= 1 || s == 0);
  double f = sqrt(-2 * logarithm(s) / s);
  out[0] = x * f;
  out[1] = y * f;
}

double base_random_normal(base_random *r) {
  double two[2];
  pair(r, two);
  return two[0];
}

void base_random_normals(base_random *r, float *values, int64_t n) {
  double two[2];
  for (int64_t i = 0; i < n; i += 2) {
    pair(r, two);
    values[i] = (float)two[0];
    if (i + 1 < n) values[i + 1] = (float)two[1];
  }
}

int base_random_poisson(base_random *r, double mean, int most) {
  double waited = 0;
  int n = -1;
  do waited -= logarithm(1 - base_random_unit(r)), n++;
  while (waited < mean && n < most);
  return n;
}
