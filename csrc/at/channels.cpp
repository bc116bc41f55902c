/* channels.cpp: sums, copies and concatenations of tensors that hold some of the channels of a wider one, as the
 * gradients of a concatenation do.  libtorch's take one pixel after the other. */
#include "internal.h"

#include "at/ops/own.h"
#include "cpu/channels.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/add.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

using at::Tensor;

namespace {

constexpr auto kLast = at::MemoryFormat::ChannelsLast;

/* A tensor [N, C, H, W] whose pixels lie the same number of numbers apart, each with its channels together. */
struct pixels {
  char *first;
  size_t step, channels, rows;
  bool fits;

  explicit pixels(const Tensor &t) : first(nullptr), step(0), channels(0), rows(0), fits(false) {
    const auto dtype = t.scalar_type();
    if (!t.is_cpu() || t.dim() != 4 || (dtype != at::kFloat && dtype != at::kBFloat16)) return;
    if (t.numel() == 0 || t.is_neg() || (t.requires_grad() && at::GradMode::is_enabled())) return;
    if (t.size(1) > 1 && t.stride(1) != 1) return;
    int64_t apart = 0, pixels_before = 1;
    for (int d : {3, 2, 0}) {
      if (t.size(d) > 1 && apart == 0) apart = t.stride(d) / pixels_before;
      if (t.size(d) > 1 && t.stride(d) != apart * pixels_before) return;
      pixels_before *= t.size(d);
    }
    if (apart < 0 || (apart < t.size(1) && pixels_before > 1)) return;
    first = static_cast<char *>(const_cast<void *>(t.const_data_ptr()));
    step = (size_t)apart, channels = (size_t)t.size(1), rows = (size_t)pixels_before;
    fits = true;
  }
  char *row(size_t r, size_t bytes) const { return first + r * step * bytes; }
};

const channels_kernels &kernels_for(const Tensor &t) {
  return t.scalar_type() == at::kFloat ? channels_f32 : channels_bf16;
}

void copy(const pixels &to, const pixels &from, const Tensor &like) {
  const auto &k = kernels_for(like);
  const size_t bytes = like.element_size(), n = from.channels;
  own_parallel(from.rows, (int64_t)(from.rows * n),
               [&](size_t b, size_t e) { k.copy(to.row(b, bytes), to.step, from.row(b, bytes), from.step, n, e - b); });
}

/* to = a + b; to may be a. */
void add(const pixels &to, const pixels &a, const pixels &b, const Tensor &like) {
  const auto &k = kernels_for(like);
  const size_t bytes = like.element_size();
  own_parallel(a.rows, like.numel(), [&](size_t begin, size_t end) {
    k.add(to.row(begin, bytes), to.step, a.row(begin, bytes), a.step, b.row(begin, bytes), b.step, a.channels,
          end - begin);
  });
}

Tensor empty(const Tensor &like, int64_t channels) {
  return at::empty({like.size(0), channels, like.size(2), like.size(3)}, like.options().memory_format(kLast));
}

/* Sums of dense tensors are libtorch's. */
bool ours(const Tensor &a, const Tensor &b) {
  return a.scalar_type() == b.scalar_type() && a.sizes() == b.sizes() &&
         !(a.is_non_overlapping_and_dense() && b.is_non_overlapping_and_dense());
}

} // namespace

Tensor at_channels_last(const Tensor &t) {
  if (t.is_contiguous(kLast)) return t;
  const pixels from(t);
  if (!from.fits) return t.contiguous(kLast);
  Tensor y = empty(t, t.size(1));
  copy(pixels(y), from, t);
  return y;
}

at_tensor *at_add(const at_tensor *a, const at_tensor *b) {
  return at_make([&] {
    const Tensor &ta = at_unwrap(a), &tb = at_unwrap(b);
    const pixels pa(ta), pb(tb);
    if (!ours(ta, tb) || !pa.fits || !pb.fits) return at::add(ta, tb);
    Tensor y = empty(ta, ta.size(1));
    add(pixels(y), pa, pb, ta);
    return y;
  });
}

void at_add_(at_tensor *a, const at_tensor *b, double alpha) {
  at_do([&] {
    Tensor ta = at_unwrap(a);
    const Tensor &tb = at_unwrap(b);
    const pixels pa(ta), pb(tb);
    if (alpha != 1) ta.add_(tb, alpha); /* integers take none */
    else if (!ours(ta, tb) || !pa.fits || !pb.fits) ta.add_(tb);
    else {
      add(pa, pa, pb, ta);
      ta.unsafeGetTensorImpl()->bump_version();
    }
  });
}

at_tensor *at_concat(at_tensor *const *parts, int n, int dim) {
  return at_make([&] {
    std::vector<Tensor> list;
    int64_t channels = 0;
    bool fits = dim == 1;
    for (int i = 0; i < n; i++) {
      list.push_back(at_unwrap(parts[i]));
      const Tensor &t = list[i], &first = list[0];
      fits = fits && pixels(t).fits && t.scalar_type() == first.scalar_type() && t.size(0) == first.size(0) &&
             t.size(2) == first.size(2) && t.size(3) == first.size(3);
      if (fits) channels += t.size(1);
    }
    if (!fits) return at::cat(list, dim);
    Tensor y = empty(list[0], channels);
    channels = 0;
    for (const Tensor &t : list) {
      copy(pixels(y.narrow(1, channels, t.size(1))), pixels(t), t);
      channels += t.size(1);
    }
    return y;
  });
}
