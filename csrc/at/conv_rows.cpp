/* conv_rows.cpp: convolutions as one product of matrices.
 *
 * With a row of kh x kw x cl numbers for each pixel of the small side (what the kernel sees of the large one there):
 *
 *   down   s = rows(l) w'
 *   up     l = sum of rows(s w)
 *   dw     w = s' rows(l)
 *
 * s and w are matrices as they lie in memory. In bf16: conv_bf16.cpp.
 */
#include "conv_gather.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

#include <optional>

using at::Tensor;

namespace {

template <class T> void scatter(const conv_shape &g, const T *rows, T *l, int64_t count) {
  at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const T *from = rows + i * g.pixels() * g.row();
      T *to = l + i * g.hl * g.wl * g.cl;
      std::memset(to, 0, sizeof(T) * (size_t)(g.hl * g.wl * g.cl));
      conv_each_run(g, [&](int64_t row, int64_t picture, int64_t n) {
        if (picture < 0) return;
        T *out = to + picture;
        const T *in = from + row;
#pragma omp simd
        for (int64_t k = 0; k < n; k++) out[k] += in[k];
      });
    }
  });
}

/* The rows of pictures first to first + count, gathered into or scattered out of a buffer. */
void move(const conv_shape &g, const Tensor &l, const Tensor &rows, int64_t first, int64_t count, bool out) {
  const int64_t at = first * g.hl * g.wl * g.cl;
  if (l.scalar_type() == at::kFloat) {
    if (out) scatter(g, rows.const_data_ptr<float>(), l.data_ptr<float>() + at, count);
    else conv_gather(g, l.const_data_ptr<float>() + at, rows.data_ptr<float>(), count);
  } else {
    if (out) scatter(g, rows.const_data_ptr<double>(), l.data_ptr<double>() + at, count);
    else conv_gather(g, l.const_data_ptr<double>() + at, rows.data_ptr<double>(), count);
  }
}

Tensor buffer(const conv_shape &g, const Tensor &like) {
  return at::empty({conv_at_once(g) * g.pixels(), g.row()}, like.options().memory_format(at::MemoryFormat::Contiguous));
}

using linear = Tensor(const Tensor &, const Tensor &, const std::optional<Tensor> &, c10::string_view,
                      c10::List<std::optional<at::Scalar>>, std::optional<c10::string_view>);

/* oneDNN's operator; it is there where libtorch was built with oneDNN. */
const std::optional<c10::TypedOperatorHandle<linear>> &onednn() {
  static const auto found = []() -> std::optional<c10::TypedOperatorHandle<linear>> {
    auto op = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
    if (!op || !op->hasKernelForDispatchKey(c10::DispatchKey::CPU)) return {};
    return op->typed<linear>();
  }();
  return found;
}

Tensor by_onednn(const Tensor &a, const Tensor &b) {
  return onednn()->call(a, b.t(), {}, "none", c10::List<std::optional<at::Scalar>>(), "");
}

/* to = a b, by the library of at::mm (MKL) or by oneDNN. */
void multiply(Tensor to, const Tensor &a, const Tensor &b, bool other) {
  if (other) to.copy_(by_onednn(a, b));
  else at::mm_out(to, a, b);
}

} // namespace

template <bool kOneDnn> Tensor conv_rows<kOneDnn>::down(const conv_shape &g, const Tensor &l, const Tensor &w) {
  Tensor s = at::empty({g.n, g.cs, g.hs, g.ws}, l.options().memory_format(kLast)), rows = buffer(g, l);
  Tensor by = conv_matrix(w).t(), out = conv_pixels(s);
  conv_each_chunk(g, [&](int64_t first, int64_t count) {
    move(g, l, rows, first, count, false);
    multiply(out.narrow(0, first * g.pixels(), count * g.pixels()), rows.narrow(0, 0, count * g.pixels()), by, kOneDnn);
  });
  return s;
}

template <bool kOneDnn> Tensor conv_rows<kOneDnn>::up(const conv_shape &g, const Tensor &s, const Tensor &w) {
  Tensor l = at::empty({g.n, g.cl, g.hl, g.wl}, s.options().memory_format(kLast)), rows = buffer(g, s);
  Tensor by = conv_matrix(w), in = conv_pixels(s);
  conv_each_chunk(g, [&](int64_t first, int64_t count) {
    multiply(rows.narrow(0, 0, count * g.pixels()), in.narrow(0, first * g.pixels(), count * g.pixels()), by, kOneDnn);
    move(g, l, rows, first, count, true);
  });
  return l;
}

template <bool kOneDnn> Tensor conv_rows<kOneDnn>::dw(const conv_shape &g, const Tensor &s, const Tensor &l) {
  Tensor dw = at::zeros({g.cs, g.row()}, s.options()), rows = buffer(g, l), of = conv_pixels(s);
  conv_each_chunk(g, [&](int64_t first, int64_t count) {
    move(g, l, rows, first, count, false);
    const Tensor part = of.narrow(0, first * g.pixels(), count * g.pixels()).t();
    const Tensor by = rows.narrow(0, 0, count * g.pixels());
    if (kOneDnn) dw.add_(by_onednn(part, by));
    else at::addmm_out(dw, dw, part, by);
  });
  return dw.view({g.cs, g.kh, g.kw, g.cl}).permute({0, 3, 1, 2});
}

template struct conv_rows<false>;
template struct conv_rows<true>;

bool conv_onednn() { return onednn().has_value(); }
