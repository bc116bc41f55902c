/* conv.cpp: convolutions of the step: on the CPU in one of the ways of conv.h, otherwise libtorch's (cuDNN). */
#include "conv.h"

#include <ATen/core/grad_mode.h>
#include <ATen/Parallel.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/sum.h>

#include <cstdio>
#include <optional>

using at::IntArrayRef;
using at::Tensor;

namespace {

__thread int rows_alike;

/* One tensor to compute: y of x and w, or a gradient of it of dy and the other two. */
enum class result { y, dx, dw };

struct job {
  result wanted;
  Tensor x, w, dy, bias; /* those that it does not need may be undefined */
  const int64_t *stride, *padding, *output_padding;
  bool transposed;

  bool down() const { return (wanted == result::y) != transposed; }
  const Tensor &from() const { return wanted == result::y ? x : dy; } /* of y and dx */
  const Tensor &small() const { return transposed ? x : dy; }         /* of dw */
  const Tensor &large() const { return transposed ? dy : x; }
  conv_shape shape() const {
    int64_t y[4] = {x.size(0), w.size(transposed ? 1 : 0)};
    for (int i = 0; i < 2; i++)
      y[i + 2] = transposed ? (x.size(i + 2) - 1) * stride[i] - 2 * padding[i] + w.size(i + 2) + output_padding[i]
                            : (x.size(i + 2) + 2 * padding[i] - w.size(i + 2)) / stride[i] + 1;
    return transposed ? conv_shape(x.sizes(), y, w, stride, padding) : conv_shape(y, x.sizes(), w, stride, padding);
  }
};

/* Whether there is a choice. */
bool ours(const Tensor &x, const Tensor &w) {
  const auto dtype = x.scalar_type();
  return x.is_cpu() && x.dim() == 4 && w.dim() == 4 && dtype == w.scalar_type() &&
         (dtype == at::kFloat || dtype == at::kDouble || dtype == at::kBFloat16) && x.is_contiguous(kLast) &&
         x.numel() > 0 && !at_plain() && !(at::GradMode::is_enabled() && (x.requires_grad() || w.requires_grad()));
}

Tensor by_library(const job &j) {
  const IntArrayRef stride{j.stride, 2}, padding{j.padding, 2}, more{j.output_padding, 2};
  if (j.wanted == result::y) return at::convolution(j.x, j.w, j.bias, stride, padding, {1, 1}, j.transposed, more, 1);
  auto d = at::convolution_backward(j.dy, j.x, j.w, at::OptionalIntArrayRef(), stride, padding, {1, 1}, j.transposed,
                                    more, 1, {j.wanted == result::dx, j.wanted == result::dw, false});
  return j.wanted == result::dx ? std::get<0>(d) : std::get<1>(d);
}

template <class Way> Tensor by(const job &j) {
  const conv_shape g = j.shape();
  if (j.wanted == result::dw) return Way::dw(g, j.small(), j.large());
  Tensor out = j.down() ? Way::down(g, j.from(), j.w) : Way::up(g, j.from(), j.w);
  return j.bias.defined() ? out.add_(j.bias.view({1, -1, 1, 1})) : out;
}

Tensor by_bf16(const job &j) {
  const conv_shape g = j.shape();
  if (j.wanted == result::dw) return conv_bf16::dw(g, j.small(), j.large());
  return j.down() ? conv_bf16::down(g, j.from(), j.w, j.bias) : conv_bf16::up(g, j.from(), j.w, j.bias);
}

/* The same job in float32; what it does not read is only a shape. */
job wide(const job &j) {
  auto read = [](const Tensor &t) { return t.defined() ? t.to(at::kFloat) : t; };
  auto shape = [](const Tensor &t) { return at::empty_like(t, at::kFloat); };
  job to = j;
  to.x = j.wanted == result::dx ? shape(j.x) : read(j.x);
  to.w = j.wanted == result::dw ? shape(j.w) : read(j.w);
  to.dy = read(j.dy);
  to.bias = read(j.bias);
  return to;
}

/* The result of a job in float32 as one in bf16; a kernel's gradient, which goes to a master in float32, stays. */
Tensor rounded(const job &j, const Tensor &t) { return j.wanted == result::dw ? t : t.to(at::kBFloat16); }

Tensor by_way(const job &j, conv_way way) {
  switch (way) {
  case conv_way::rows: return j.x.scalar_type() == at::kBFloat16 ? by_bf16(j) : by<conv_rows<false>>(j);
  case conv_way::onednn_rows: return by<conv_rows<true>>(j);
  case conv_way::winograd: return by<conv_winograd>(j);
  case conv_way::pairs: return conv_pairs_dw(j.shape(), j.small(), j.large());
  case conv_way::wide_library: return rounded(j, by_library(wide(j)));
  case conv_way::wide_rows: return rounded(j, by<conv_rows<false>>(wide(j)));
  case conv_way::wide_onednn_rows: return rounded(j, by<conv_rows<true>>(wide(j)));
  case conv_way::wide_winograd: return rounded(j, by<conv_winograd>(wide(j)));
  default: return by_library(j);
  }
}

/* The ways of a job, of which the first `fast` are worth measuring; the first one is a guess from its shape, the fastest
 * on most processors. float64 is for comparisons: no way that rounds more often than a convolution is measured there. */
int ways_of(const job &j, conv_way ways[kConvWays], int *fast) {
  const conv_shape g = j.shape();
  const auto dtype = j.x.scalar_type();
  const bool bf16 = dtype == at::kBFloat16, exact = dtype == at::kDouble, own = bf16 && at_fast_bf16(AT_CPU);
  const conv_way rows = bf16 ? conv_way::wide_rows : conv_way::rows;
  const conv_way onednn = bf16 ? conv_way::wide_onednn_rows : conv_way::onednn_rows;
  const conv_way tiles = bf16 ? conv_way::wide_winograd : conv_way::winograd;
  const conv_way library = bf16 && !own ? conv_way::wide_library : conv_way::library;
  const bool can_tile = conv_winograd::takes(g), tile = can_tile && g.cl >= 16 && g.cs >= 16;
  /* oneDNN's dw of bf16 is wrong there, in libtorch 2.11 */
  const bool wrong = own && j.wanted == result::dw && g.ws == 1 && g.stride[1] > 1 && g.padding[1] > 0;
  const bool few = g.pixels() <= 16 && g.row() >= 256;
  const bool thin = j.wanted != result::dw && !j.down() && g.cl <= 4 && g.cs >= 16;
  int n = 0;
  auto add = [&](conv_way way, bool really) {
    if (really && std::find(ways, ways + n, way) == ways + n) ways[n++] = way;
  };
  if (rows_alike) return ways[0] = tile && !exact ? tiles : wrong ? rows : library, *fast = 1;
  add(library, own && !wrong);
  add(conv_way::pairs, own && j.wanted == result::dw && conv_pairs_takes(g));
  add(conv_way::rows, own && (j.wanted == result::dw || g.pixels() <= 256));
  add(tiles, tile && !exact && g.pixels() > 4);
  add(rows, few || thin);
  add(library, !wrong);
  add(rows, g.pixels() <= 256);
  add(onednn, (few || g.pixels() <= 256) && !exact && conv_onednn());
  add(tiles, can_tile && !exact);
  *fast = exact ? 1 : n;
  add(tiles, can_tile);
  return n;
}

/* "dw float32 64 128x8x8 256x4x4 4x4 2x2 1x1, 2 threads": the pictures are counted in powers of two. */
std::string describe(const job &j) {
  static const char *const wanted[] = {"y", "dx", "dw"};
  const conv_shape g = j.shape();
  long long n = 1;
  while (n < g.n) n *= 2;
  char text[256];
  snprintf(text, sizeof text, "%s%s %s %lld %lldx%lldx%lld %lldx%lldx%lld %lldx%lld %lldx%lld %lldx%lld, %d threads",
           wanted[(int)j.wanted], j.transposed ? " transposed" : "", c10::toString(j.x.scalar_type()), n,
           (long long)g.cl, (long long)g.hl, (long long)g.wl, (long long)g.cs, (long long)g.hs, (long long)g.ws,
           (long long)g.kh, (long long)g.kw, (long long)j.stride[0], (long long)j.stride[1], (long long)j.padding[0],
           (long long)j.padding[1], at::get_num_threads());
  return text;
}

Tensor compute(const job &j) {
  conv_way ways[kConvWays];
  int fast;
  const int n = ways_of(j, ways, &fast);
  if (n == 1) return by_way(j, ways[0]);
  return by_way(j, conv_choose([&] { return describe(j); }, ways, n, fast, [&](conv_way way) { by_way(j, way); }));
}

} // namespace

bool conv_alike() { return rows_alike != 0; }

int at_rows_alike(int on) {
  int before = rows_alike;
  rows_alike = on;
  return before;
}

at_tensor *at_convolution(const at_tensor *x, const at_tensor *w, const at_tensor *bias, const int64_t stride[2],
                          const int64_t padding[2], int transposed, const int64_t output_padding[2]) {
  return at_make([&] {
    const Tensor &tx = at_unwrap(x), &tw = at_unwrap(w);
    std::optional<Tensor> b;
    if (bias) b = at_unwrap(bias);
    if (!ours(tx, tw))
      return at::convolution(tx, tw, b, {stride, 2}, {padding, 2}, {1, 1}, transposed, {output_padding, 2}, 1);
    return compute({result::y, tx, tw, {}, b ? *b : Tensor(), stride, padding, output_padding, transposed != 0});
  });
}

void at_convolution_backward(at_tensor **dx, at_tensor **dw, at_tensor **db, const at_tensor *dy, const at_tensor *x,
                             const at_tensor *w, const int64_t stride[2], const int64_t padding[2], int transposed,
                             const int64_t output_padding[2]) {
  at_do([&] {
    const Tensor &tx = at_unwrap(x), &tw = at_unwrap(w);
    if (ours(tx, tw)) {
      job j{result::dx, tx, tw, at_channels_last(at_unwrap(dy)), {}, stride, padding, output_padding, transposed != 0};
      if (dx) *dx = at_wrap(compute(j));
      j.wanted = result::dw;
      if (dw) *dw = at_wrap(compute(j));
      if (db) *db = at_wrap(j.dy.sum({0, 2, 3}));
      return;
    }
    const int64_t bias_sizes[1] = {at_unwrap(dy).size(1)};
    auto [gx, gw, gb] = at::convolution_backward(
        at_unwrap(dy), tx, tw, at::OptionalIntArrayRef(IntArrayRef(bias_sizes, 1)), {stride, 2}, {padding, 2}, {1, 1},
        transposed, {output_padding, 2}, 1, {dx != nullptr, dw != nullptr, db != nullptr});
    if (dx) *dx = at_wrap(gx);
    if (dw) *dw = at_wrap(gw);
    if (db) *db = at_wrap(gb);
  });
}
