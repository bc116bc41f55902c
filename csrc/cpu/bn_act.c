/* bn_act.c - the kernels behind bn_act.h, written once for three element types.
 *
 * The file includes itself once a type, with T (element), R (real), LOAD, STORE and F set.
 * Loops are plain C that gcc vectorises (build with -O3), cloned for AVX2 and AVX-512 and chosen
 * when the library is loaded. No clone contracts a*b + c: one result on every processor.
 * Sums: R over at most BLOCK rows (or BLOCK steps of LANES), then double. Moments are taken of
 * x - k, k a sampled mean, so a mean far from zero costs the variance no digits. */
#ifndef T

#pragma GCC optimize("no-trapping-math", "fp-contract=off")
#include "bn_act.h"

#include "base/clones.h"
#include "bf16.h"

#include <math.h>

enum {
  BLOCK = 64,  /* float additions before a sum moves on to double */
  SOME = 32,   /* channels of a row that are taken together: loops of a constant length are fast */
  TILE = 256,  /* channels whose sums stay in the first-level cache */
  LANES = 32,  /* independent sums along a plane */
  SAMPLES = 16 /* elements of a channel that make its shift */
};

static inline size_t min_size(size_t a, size_t b) { return a < b ? a : b; }

/* Chunks of 16 Ki elements or more and at most 32 of them: a function of the shape alone.
 * Channels of a plane layout are strips already, so only a few channels need chunks as well. */
bn_act_shape bn_act_cut(size_t outer, size_t C, size_t inner) {
  if (C == 1) inner *= outer, outer = 1; /* one channel: one plane */
  size_t chunks = outer * C * inner >> 14;
  if (inner > 1 && C > 0) chunks = min_size(chunks, 1 + 32 / C);
  chunks = min_size(chunks ? chunks : 1, min_size(32, outer ? outer : 1));
  size_t per = (outer + chunks - 1) / chunks;
  if (per) chunks = (outer + per - 1) / per;
  return (bn_act_shape){.outer = outer,
                        .C = C,
                        .inner = inner,
                        .chunks = chunks,
                        .per = per,
                        .strips = inner == 1 ? chunks : chunks * C,
                        .lines = inner == 1 ? outer : outer * C};
}

#define SAME(v) (v)
#define ACT(v) ((v) > 0 ? (v) : slope * (v))
#define INLINE static inline __attribute__((always_inline))
/* Runs a call over `count` channels from c on; n is SOME while so many are left. */
#define IN_PARTS(COUNT, CALL)                                         \
  {                                                                   \
    size_t c = 0;                                                     \
    for (const size_t n = SOME; c + SOME <= (COUNT); c += SOME) CALL; \
    const size_t n = (COUNT)-c;                                       \
    if (n > 0) CALL;                                                  \
  }

#define T float
#define R float
#define LOAD SAME
#define STORE SAME
#define F(name) name##_f32
#include "bn_act.c"

#define T double
#define R double
#define LOAD SAME
#define STORE SAME
#define F(name) name##_f64
#include "bn_act.c"

#define T uint16_t
#define R float
#define LOAD bf16_load
#define STORE bf16_store
#define F(name) name##_bf16
#include "bn_act.c"

#else /* ---- the kernels, for one element type -------------------------------------------- */

/* ---- rows: x[rows][C] ---------------------------------------------------------------------- */

/* a1, a2[n] += d, d*d of four rows, d = x - k */
INLINE void F(add_four_moments)(R *restrict a1, R *restrict a2, const T *restrict x0, size_t C, const R *restrict k,
                                size_t n) {
  const T *restrict x1 = x0 + C, *restrict x2 = x1 + C, *restrict x3 = x2 + C;
  for (size_t i = 0; i < n; i++) {
    R d0 = LOAD(x0[i]) - k[i], d1 = LOAD(x1[i]) - k[i], d2 = LOAD(x2[i]) - k[i], d3 = LOAD(x3[i]) - k[i];
    a1[i] += (d0 + d1) + (d2 + d3);
    a2[i] += (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3);
  }
}

INLINE void F(add_row_moments)(R *restrict a1, R *restrict a2, const T *restrict x, const R *restrict k, size_t n) {
  for (size_t i = 0; i < n; i++) {
    R d = LOAD(x[i]) - k[i];
    a1[i] += d;
    a2[i] += d * d;
  }
}

/* s1, s2[C] = sums over rows begin..end of d and d*d, d = x - k */
CLONES static void F(rows_moments)(double *restrict s1, double *restrict s2, const T *restrict x, const R *restrict k,
                                   size_t C, size_t begin, size_t end) {
  R a1[TILE], a2[TILE];
  memset(s1, 0, C * sizeof *s1);
  memset(s2, 0, C * sizeof *s2);
  for (size_t r = begin; r < end;) {
    size_t start = r, stop = min_size(r + BLOCK, end);
    for (size_t c0 = 0; c0 < C; c0 += TILE) {
      const size_t many = min_size(TILE, C - c0);
      const T *restrict xt = x + c0;
      const R *restrict kt = k + c0;
      memset(a1, 0, many * sizeof *a1);
      memset(a2, 0, many * sizeof *a2);
      for (r = start; r + 4 <= stop; r += 4)
        IN_PARTS(many, F(add_four_moments)(a1 + c, a2 + c, xt + r * C + c, C, kt + c, n))
      for (; r < stop; r++) IN_PARTS(many, F(add_row_moments)(a1 + c, a2 + c, xt + r * C + c, kt + c, n))
      for (size_t c = 0; c < many; c++) s1[c0 + c] += a1[c], s2[c0 + c] += a2[c];
    }
  }
}

/* y may be x. */
INLINE void F(some_forward)(T *y, const T *x, const R *restrict mean, const R *restrict scale, const R *restrict bias,
                            R slope, size_t n) {
  _Pragma("GCC ivdep") for (size_t i = 0; i < n; i++) {
    R v = (LOAD(x[i]) - mean[i]) * scale[i] + bias[i];
    y[i] = STORE(ACT(v));
  }
}

CLONES static void F(rows_forward)(T *y, const T *x, const R *restrict mean, const R *restrict scale,
                                   const R *restrict bias, R slope, size_t C, size_t begin, size_t end) {
  for (size_t r = begin; r < end; r++)
    IN_PARTS(C, F(some_forward)(y + r * C + c, x + r * C + c, mean + c, scale + c, bias + c, slope, n))
}

/* a1, a2[n] += g, g*d of `rows` rows (a constant), g = dy*act'(v), d = x - mean */
INLINE void F(add_rows_grads)(R *restrict a1, R *restrict a2, const T *restrict dy, const T *restrict x, size_t C,
                              const R *restrict mean, const R *restrict scale, const R *restrict bias, R slope,
                              size_t n, int rows) {
  for (size_t i = 0; i < n; i++) {
    R sum1 = 0, sum2 = 0;
    for (int r = 0; r < rows; r++) {
      R d = LOAD(x[(size_t)r * C + i]) - mean[i], g = LOAD(dy[(size_t)r * C + i]);
      g = d * scale[i] + bias[i] > 0 ? g : slope * g;
      sum1 += g;
      sum2 += g * d;
    }
    a1[i] += sum1;
    a2[i] += sum2;
  }
}

/* s1, s2[C] = sums over rows begin..end of g and g*d, g = dy*act'(v), d = x - mean */
CLONES static void F(rows_grad_sums)(double *restrict s1, double *restrict s2, const T *restrict dy,
                                     const T *restrict x, const R *restrict mean, const R *restrict scale,
                                     const R *restrict bias, R slope, size_t C, size_t begin, size_t end) {
  R a1[TILE], a2[TILE];
  memset(s1, 0, C * sizeof *s1);
  memset(s2, 0, C * sizeof *s2);
  for (size_t r = begin; r < end;) {
    size_t start = r, stop = min_size(r + BLOCK, end);
    for (size_t c0 = 0; c0 < C; c0 += TILE) {
      const size_t many = min_size(TILE, C - c0);
      const R *restrict m = mean + c0, *restrict a = scale + c0, *restrict b = bias + c0;
      const T *restrict xt = x + c0, *restrict yt = dy + c0;
      memset(a1, 0, many * sizeof *a1);
      memset(a2, 0, many * sizeof *a2);
      for (r = start; r + 4 <= stop; r += 4)
        IN_PARTS(many,
                 F(add_rows_grads)(a1 + c, a2 + c, yt + r * C + c, xt + r * C + c, C, m + c, a + c, b + c, slope, n, 4))
      for (; r < stop; r++)
        IN_PARTS(many,
                 F(add_rows_grads)(a1 + c, a2 + c, yt + r * C + c, xt + r * C + c, C, m + c, a + c, b + c, slope, n, 1))
      for (size_t c = 0; c < many; c++) s1[c0 + c] += a1[c], s2[c0 + c] += a2[c];
    }
  }
}

INLINE void F(some_backward)(T *restrict dx, const T *restrict dy, const T *restrict x, const R *restrict mean,
                             const R *restrict scale, const R *restrict bias, const R *restrict p, const R *restrict q,
                             R slope, size_t n) {
  for (size_t i = 0; i < n; i++) {
    R d = LOAD(x[i]) - mean[i], g = LOAD(dy[i]);
    g = d * scale[i] + bias[i] > 0 ? g : slope * g;
    dx[i] = STORE(scale[i] * g - p[i] - q[i] * d);
  }
}

CLONES static void F(rows_backward)(T *restrict dx, const T *restrict dy, const T *restrict x, const R *restrict mean,
                                    const R *restrict scale, const R *restrict bias, const R *restrict p,
                                    const R *restrict q, R slope, size_t C, size_t begin, size_t end) {
  for (size_t r = begin; r < end; r++)
    IN_PARTS(C, F(some_backward)(dx + r * C + c, dy + r * C + c, x + r * C + c, mean + c, scale + c, bias + c, p + c,
                                 q + c, slope, n))
}

/* ---- planes: x[planes][inner], a channel's planes `stride` elements apart ------------------- */

/* a1, a2[m] += d, d*d, d = x - k */
static inline void F(add_moments)(R *restrict a1, R *restrict a2, const T *restrict x, R k, size_t m) {
  for (size_t j = 0; j < m; j++) {
    R d = LOAD(x[j]) - k;
    a1[j] += d;
    a2[j] += d * d;
  }
}

/* a1, a2[m] += g, g*d, g = dy*act'(v), d = x - mean */
static inline void F(add_grads)(R *restrict a1, R *restrict a2, const T *restrict dy, const T *restrict x, R mean,
                                R scale, R bias, R slope, size_t m) {
  for (size_t j = 0; j < m; j++) {
    R d = LOAD(x[j]) - mean, g = LOAD(dy[j]);
    g = d * scale + bias > 0 ? g : slope * g;
    a1[j] += g;
    a2[j] += g * d;
  }
}

/* s[0], s[1] += the lanes, which start again at 0 */
static inline void F(drain)(double *s, R *a1, R *a2) {
  for (size_t j = 0; j < LANES; j++) {
    s[0] += a1[j], s[1] += a2[j];
    a1[j] = a2[j] = 0;
  }
}

/* s[0], s[1] = sums over `count` planes of one channel of d and d*d */
CLONES static void F(planes_moments)(double *restrict s, const T *restrict x, R k, size_t stride, size_t count,
                                     size_t inner) {
  R a1[LANES] = {0}, a2[LANES] = {0};
  size_t steps = 0;
  s[0] = s[1] = 0;
  for (size_t n = 0; n < count; n++)
    for (size_t i = 0; i < inner; i += LANES) {
      const T *xi = x + n * stride + i;
      if (inner - i >= LANES) F(add_moments)(a1, a2, xi, k, LANES); /* a constant: the lanes stay in registers */
      else F(add_moments)(a1, a2, xi, k, inner - i);
      if (++steps % BLOCK == 0) F(drain)(s, a1, a2);
    }
  F(drain)(s, a1, a2);
}

CLONES static void F(planes_forward)(T *restrict y, const T *restrict x, const R *restrict mean,
                                     const R *restrict scale, const R *restrict bias, R slope, size_t C, size_t inner,
                                     size_t begin, size_t end) {
  for (size_t p = begin; p < end; p++) {
    const R m = mean[p % C], a = scale[p % C], b = bias[p % C];
    const T *restrict xp = x + p * inner;
    T *restrict yp = y + p * inner;
    for (size_t i = 0; i < inner; i++) {
      R v = (LOAD(xp[i]) - m) * a + b;
      yp[i] = STORE(ACT(v));
    }
  }
}

/* s[0], s[1] = sums over `count` planes of one channel of g and g*d */
CLONES static void F(planes_grad_sums)(double *restrict s, const T *restrict dy, const T *restrict x, R mean, R scale,
                                       R bias, R slope, size_t stride, size_t count, size_t inner) {
  R a1[LANES] = {0}, a2[LANES] = {0};
  size_t steps = 0;
  s[0] = s[1] = 0;
  for (size_t n = 0; n < count; n++)
    for (size_t i = 0; i < inner; i += LANES) {
      const T *xi = x + n * stride + i, *yi = dy + n * stride + i;
      if (inner - i >= LANES) F(add_grads)(a1, a2, yi, xi, mean, scale, bias, slope, LANES);
      else F(add_grads)(a1, a2, yi, xi, mean, scale, bias, slope, inner - i);
      if (++steps % BLOCK == 0) F(drain)(s, a1, a2);
    }
  F(drain)(s, a1, a2);
}

CLONES static void F(planes_backward)(T *restrict dx, const T *restrict dy, const T *restrict x, const R *restrict mean,
                                      const R *restrict scale, const R *restrict bias, const R *restrict p,
                                      const R *restrict q, R slope, size_t C, size_t inner, size_t begin, size_t end) {
  for (size_t l = begin; l < end; l++) {
    const size_t c = l % C;
    const R m = mean[c], a = scale[c], b = bias[c], pc = p[c], qc = q[c];
    const T *restrict xp = x + l * inner, *restrict yp = dy + l * inner;
    T *restrict dp = dx + l * inner;
    for (size_t i = 0; i < inner; i++) {
      R d = LOAD(xp[i]) - m, g = LOAD(yp[i]);
      g = d * a + b > 0 ? g : slope * g;
      dp[i] = STORE(a * g - pc - qc * d);
    }
  }
}

/* ---- channels: [C] -------------------------------------------------------------------------- */

/* k[C] = mean of SAMPLES elements, spread by the golden ratio so that no period of the picture
 * is met twice; rounded to an element, so that bf16 differences are exact */
static void F(shift)(void *k_, const void *x_, const bn_act_shape *s) {
  const T *x = x_;
  R *k = k_;
  size_t per_channel = s->outer * s->inner;
  for (size_t c = 0; c < s->C; c++) k[c] = 0;
  for (int i = 0; i < SAMPLES; i++) {
    size_t e = (size_t)(fmod(i * 0.6180339887498949, 1.0) * (double)per_channel);
    const T *xe = x + e / s->inner * s->C * s->inner + e % s->inner;
    for (size_t c = 0; c < s->C; c++) k[c] += LOAD(xe[c * s->inner]) / SAMPLES;
  }
  for (size_t c = 0; c < s->C; c++) k[c] = LOAD(STORE(k[c]));
}

static void F(statistics)(void *mean, void *invstd, void *running_mean, void *running_var, const double *s1,
                          const double *s2, const void *k, const bn_act_shape *s, double momentum, double eps) {
  double n = (double)(s->outer * s->inner);
  for (size_t c = 0; c < s->C; c++) {
    double sum1 = 0, sum2 = 0;
    for (size_t i = c; i < s->chunks * s->C; i += s->C) sum1 += s1[i], sum2 += s2[i];
    double m = ((const R *)k)[c] + sum1 / n, square = sum2 - sum1 * (sum1 / n);
    if (square < 0) square = 0; /* only ever a rounding error; NaN passes */
    ((R *)mean)[c] = (R)m;
    ((R *)invstd)[c] = (R)(1 / sqrt(square / n + eps));
    if (running_mean) {
      R *rm = (R *)running_mean + c;
      *rm = (R)(*rm + momentum * (m - *rm));
    }
    if (running_var) {
      R *rv = (R *)running_var + c;
      *rv = (R)(*rv + momentum * (square / (n - 1) - *rv));
    }
  }
}

static void F(running)(void *mean, void *invstd, const void *running_mean, const void *running_var, size_t C,
                       double eps) {
  memcpy(mean, running_mean, C * sizeof(R));
  for (size_t c = 0; c < C; c++) ((R *)invstd)[c] = (R)(1 / sqrt(((const R *)running_var)[c] + eps));
}

static void F(scale)(void *scale, const void *weight, const void *invstd, size_t C) {
  for (size_t c = 0; c < C; c++) ((R *)scale)[c] = ((const R *)weight)[c] * ((const R *)invstd)[c];
}

static void F(coefficients)(void *dweight, void *dbias, void *p, void *q, const double *s1, const double *s2,
                            const void *invstd, const void *scale, const bn_act_shape *s, int training) {
  double n = (double)(s->outer * s->inner);
  for (size_t c = 0; c < s->C; c++) {
    double sum1 = 0, sum2 = 0, a = ((const R *)scale)[c], i = ((const R *)invstd)[c];
    for (size_t j = c; j < s->chunks * s->C; j += s->C) sum1 += s1[j], sum2 += s2[j];
    ((R *)dweight)[c] = (R)(sum2 * i);
    ((R *)dbias)[c] = (R)sum1;
    ((R *)p)[c] = training ? (R)(a * sum1 / n) : 0;
    ((R *)q)[c] = training ? (R)(a * i * i * sum2 / n) : 0;
  }
}

/* ---- launchers: a range of strips or lines to rows or planes ----------------------------------- */

static void F(moments)(double *s1, double *s2, const void *x, const void *k, const bn_act_shape *s, size_t begin,
                       size_t end) {
  for (size_t t = begin; t < end; t++) {
    size_t C = s->C, chunk = s->inner == 1 ? t : t / C, c = t % C;
    size_t o = chunk * s->per, stop = min_size(o + s->per, s->outer);
    if (s->inner == 1) {
      F(rows_moments)(s1 + t * C, s2 + t * C, x, k, C, o, stop);
    } else {
      double sum[2];
      F(planes_moments)
      (sum, (const T *)x + (o * C + c) * s->inner, ((const R *)k)[c], C * s->inner, stop - o, s->inner);
      s1[t] = sum[0], s2[t] = sum[1];
    }
  }
}

static void F(grad_sums)(double *s1, double *s2, const void *dy, const void *x, const void *mean, const void *scale,
                         const void *bias, double slope, const bn_act_shape *s, size_t begin, size_t end) {
  for (size_t t = begin; t < end; t++) {
    size_t C = s->C, chunk = s->inner == 1 ? t : t / C, c = t % C;
    size_t o = chunk * s->per, stop = min_size(o + s->per, s->outer);
    if (s->inner == 1) {
      F(rows_grad_sums)(s1 + t * C, s2 + t * C, dy, x, mean, scale, bias, (R)slope, C, o, stop);
    } else {
      double sum[2];
      size_t at = (o * C + c) * s->inner;
      F(planes_grad_sums)
      (sum, (const T *)dy + at, (const T *)x + at, ((const R *)mean)[c], ((const R *)scale)[c], ((const R *)bias)[c],
       (R)slope, C * s->inner, stop - o, s->inner);
      s1[t] = sum[0], s2[t] = sum[1];
    }
  }
}

static void F(forward)(void *y, const void *x, const void *mean, const void *scale, const void *bias, double slope,
                       const bn_act_shape *s, size_t begin, size_t end) {
  if (s->inner == 1) F(rows_forward)(y, x, mean, scale, bias, (R)slope, s->C, begin, end);
  else F(planes_forward)(y, x, mean, scale, bias, (R)slope, s->C, s->inner, begin, end);
}

static void F(in_place)(void *x, const void *mean, const void *scale, const void *bias, double slope, size_t C,
                        size_t rows) {
  F(rows_forward)(x, x, mean, scale, bias, (R)slope, C, 0, rows);
}

static void F(backward)(void *dx, const void *dy, const void *x, const void *mean, const void *scale, const void *bias,
                        const void *p, const void *q, double slope, const bn_act_shape *s, size_t begin, size_t end) {
  if (s->inner == 1) F(rows_backward)(dx, dy, x, mean, scale, bias, p, q, (R)slope, s->C, begin, end);
  else F(planes_backward)(dx, dy, x, mean, scale, bias, p, q, (R)slope, s->C, s->inner, begin, end);
}

const bn_act_kernels F(bn_act) = {F(shift),   F(moments),  F(statistics), F(running),      F(scale),
                                  F(forward), F(in_place), F(grad_sums),  F(coefficients), F(backward)};

#undef T
#undef R
#undef LOAD
#undef STORE
#undef F
#endif
