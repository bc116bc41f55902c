/* conv_bf16.cpp: convolutions of bf16 as products of matrices of bf16, which add in float32 and round once.
 *
 * `down` is that of conv_rows.cpp. So that no sum is rounded on the way,
 *
 *   up   is a product for each of its phases (the pixels of l whose row, and whose column, leave the same rest after a
 *        division by the stride): such a pixel is a sum over some taps of the kernel and all channels of s, which is a
 *        convolution of s without a stride
 *   dw   is a sum, in float32, of one product for each chunk of pictures; or (conv_pairs) it is computed by
 *        cpu/kernel_gradient.h
 */
#include "conv_gather.h"
#include "cpu/kernel_gradient.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

using at::Tensor;

namespace {

Tensor empty(at::IntArrayRef sizes, const Tensor &like) {
  return at::empty(sizes, like.options().memory_format(at::MemoryFormat::Contiguous));
}

Tensor picture(int64_t n, int64_t c, int64_t h, int64_t w, const Tensor &like) {
  return at::empty({n, c, h, w}, like.options().memory_format(kLast));
}

void gather(const conv_shape &g, const Tensor &l, const Tensor &rows, int64_t first, int64_t count) {
  conv_gather(g, l.const_data_ptr<c10::BFloat16>() + first * g.hl * g.wl * g.cl, rows.data_ptr<c10::BFloat16>(), count);
}

/* to = rows of l by a matrix, and the bias */
void multiply(const conv_shape &g, const Tensor &l, const Tensor &by, const Tensor &bias, const Tensor &to) {
  const Tensor rows = empty({conv_at_once(g) * g.pixels(), g.row()}, l);
  conv_each_chunk(g, [&](int64_t first, int64_t count) {
    gather(g, l, rows, first, count);
    Tensor out = to.narrow(0, first * g.pixels(), count * g.pixels());
    const Tensor in = rows.narrow(0, 0, count * g.pixels());
    if (bias.defined()) at::addmm_out(out, bias, in, by);
    else at::mm_out(out, in, by);
  });
}

/* The pixels of l in one dimension whose place plus the padding leaves the rest `rest`: the first one, how many they are,
 * how many taps they see, and where the first one's lie in s. */
struct phase {
  int64_t first, count, taps, from;

  phase(int64_t rest, int64_t stride, int64_t padding, int64_t kernel, int64_t length) {
    first = ((rest - padding) % stride + stride) % stride;
    count = first < length ? (length - first + stride - 1) / stride : 0;
    taps = rest < kernel ? (kernel - rest + stride - 1) / stride : 0;
    from = (first + padding) / stride - taps + 1;
  }
};

} // namespace

Tensor conv_bf16::down(const conv_shape &g, const Tensor &l, const Tensor &w, const Tensor &bias) {
  Tensor s = picture(g.n, g.cs, g.hs, g.ws, l);
  multiply(g, l, conv_matrix(w).t(), bias, conv_pixels(s));
  return s;
}

Tensor conv_bf16::up(const conv_shape &g, const Tensor &s, const Tensor &w, const Tensor &bias) {
  Tensor l = picture(g.n, g.cl, g.hl, g.wl, s), pixels = l.permute({0, 2, 3, 1});
  const bool whole = g.stride[0] == 1 && g.stride[1] == 1;
  for (int64_t i = 0; i < g.stride[0]; i++)
    for (int64_t j = 0; j < g.stride[1]; j++) {
      const phase y(i, g.stride[0], g.padding[0], g.kh, g.hl), x(j, g.stride[1], g.padding[1], g.kw, g.wl);
      if (!y.count || !x.count) continue;
      Tensor to = pixels.slice(1, y.first, g.hl, g.stride[0]).slice(2, x.first, g.wl, g.stride[1]);
      if (!y.taps || !x.taps) {
        if (bias.defined()) to.copy_(bias);
        else to.zero_();
        continue;
      }
      const int64_t stride[2] = {1, 1}, padding[2] = {-y.from, -x.from};
      conv_shape part = g;
      part.stride = stride, part.padding = padding;
      part.cs = g.cl, part.hs = y.count, part.ws = x.count;
      part.cl = g.cs, part.hl = g.hs, part.wl = g.ws, part.kh = y.taps, part.kw = x.taps;
      const Tensor taps = w.permute({2, 3, 0, 1}).slice(0, i, g.kh, g.stride[0]).slice(1, j, g.kw, g.stride[1]);
      const Tensor out = whole ? conv_pixels(l) : empty({g.n * part.pixels(), g.cl}, s);
      multiply(part, s, taps.flip({0, 1}).reshape({-1, g.cl}), bias, out);
      if (!whole) to.copy_(out.view(to.sizes()));
    }
  return l;
}

Tensor conv_bf16::dw(const conv_shape &g, const Tensor &s, const Tensor &l) {
  const Tensor rows = empty({conv_at_once(g) * g.pixels(), g.row()}, l), of = conv_pixels(s);
  Tensor sum;
  conv_each_chunk(g, [&](int64_t first, int64_t count) {
    gather(g, l, rows, first, count);
    const Tensor part = of.narrow(0, first * g.pixels(), count * g.pixels()).t();
    const Tensor product = at::mm(part, rows.narrow(0, 0, count * g.pixels()));
    if (first) sum.add_(product);
    else sum = count == g.n ? product : product.to(at::kFloat);
  });
  return sum.to(at::kFloat).view({g.cs, g.kh, g.kw, g.cl}).permute({0, 3, 1, 2});
}

namespace {

kernel_gradient plan_of(const conv_shape &g, bool *can) {
  kernel_gradient p{};
  p.cs = (size_t)g.cs, p.hs = (size_t)g.hs, p.ws = (size_t)g.ws;
  p.cl = (size_t)g.cl, p.hl = (size_t)g.hl, p.wl = (size_t)g.wl, p.kh = (size_t)g.kh, p.kw = (size_t)g.kw;
  for (int i = 0; i < 2; i++) p.stride[i] = g.stride[i], p.padding[i] = g.padding[i];
  *can = kernel_gradient_is_fast() && kernel_gradient_plan(&p);
  return p;
}

const uint16_t *bits(const Tensor &t) { return reinterpret_cast<const uint16_t *>(t.const_data_ptr<c10::BFloat16>()); }

/* Numbers of packed pictures, which stay in the second-level cache, in whole rounds of the threads that pack; but of large
 * pictures as many as so many threads pack at the same time. */
constexpr int64_t kPacked = 1 << 19, kPackers = 8;

} // namespace

bool conv_pairs_takes(const conv_shape &g) {
  bool can;
  plan_of(g, &can);
  return can;
}

Tensor conv_pairs_dw(const conv_shape &g, const Tensor &s, const Tensor &l) {
  bool can;
  const kernel_gradient p = plan_of(g, &can);
  const int64_t size = (int64_t)(p.s_size + p.l_size);
  const int64_t fit = kPacked / size, packers = std::min<int64_t>(at::get_num_threads(), kPackers);
  const int64_t at_once = std::min(g.n, std::max(fit - fit % packers, packers));
  const int64_t groups = std::min<int64_t>(4, (int64_t)p.row_blocks), blocks = (int64_t)p.column_blocks;
  const Tensor packed = at::empty({at_once * size}, at::kInt);
  const Tensor dw = at::zeros({(int64_t)(p.row_blocks * p.rows), g.kh, g.kw, g.cl}, at::kFloat);
  uint32_t *ps = reinterpret_cast<uint32_t *>(packed.data_ptr<int32_t>()), *pl = ps + at_once * (int64_t)p.s_size;
  for (int64_t first = 0; first < g.n; first += at_once) {
    const int64_t count = std::min(at_once, g.n - first);
    at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        kernel_gradient_pack_s(&p, ps + i * (int64_t)p.s_size, bits(s) + (first + i) * g.pixels() * g.cs);
        kernel_gradient_pack_l(&p, pl + i * (int64_t)p.l_size, bits(l) + (first + i) * g.hl * g.wl * g.cl);
      }
    });
    at::parallel_for(0, g.kh * g.kw * blocks * groups, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        const int64_t tap = i / groups / blocks, row = i % groups * (int64_t)p.row_blocks / groups;
        kernel_gradient_add(&p, dw.data_ptr<float>(), ps, pl, (size_t)count, (size_t)(tap / g.kw), (size_t)(tap % g.kw),
                            (size_t)(i / groups % blocks), (size_t)row,
                            (size_t)((i % groups + 1) * (int64_t)p.row_blocks / groups - row));
      }
    });
  }
  return dw.narrow(0, 0, g.cs).permute({0, 3, 1, 2});
}
