/* conv_fixed.cpp: at_conv, a convolution whose kernel stays as it is.
 *
 * It is computed by tiles (cpu/winograd.h), or as products with rows of what the kernel sees at each pixel (as in
 * conv_rows.cpp, but by cpu/product.h, with a kernel that lies ready); few pixels are faster as rows, since their time
 * is that of reading the kernel.  Either way a number of the result is the same whatever else is in the batch; where
 * at_rows_alike is on, the way is too.
 */
#include "conv_fixed.h"
#include "cpu/product.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include <cstring>
#include <memory>
#include <mutex>

using at::Tensor;

struct at_conv : at_taken {
  Tensor w;
  conv_finish finish;
  bool bare; /* nothing to finish */
  int64_t stride[2], padding[2], output_padding[2];
  bool transposed;
  Tensor tiled, in_rows; /* the kernel for either way, once it was needed, by whichever thread */
  std::once_flag tiling, lining;
};

void conv_finish::rows(float *y, size_t count) const {
  bn_act_f32.in_place(y, mean.const_data_ptr(), scale.const_data_ptr(), shift.const_data_ptr(), slope,
                      (size_t)mean.numel(), count);
}

void conv_finish::pixels(const Tensor &y, size_t first, size_t count) const {
  if (count) rows(y.data_ptr<float>() + first * (size_t)y.size(1), count);
}

namespace {

constexpr int64_t kLine = PRODUCT_LINE / (int64_t)sizeof(float);
constexpr int64_t kBlock = 48;     /* pixels of a product */
constexpr int64_t kDeepest = 256;  /* rows of the kernel in one product: they stay in the first-level cache */
constexpr int64_t kFewPixels = 16; /* up to so many are faster as rows than as tiles */

Tensor numbers(int64_t n) { return at::empty({n}, at::kFloat); }
Tensor picture_of(int64_t n, int64_t channels, int64_t height, int64_t width) {
  return at::empty({n, channels, height, width}, at::TensorOptions(at::kFloat).memory_format(kLast));
}

/* s or l, channels_last, by products of rows: [pixels of s][row] x kernel' (down), [pixels of s][cs] x kernel (up). */
struct as_rows {
  const conv_shape &g;
  const at_conv &c;
  const int64_t row = g.row(), depth = c.transposed ? g.cs : row, width = c.transposed ? row : g.cs;
  const int64_t lines = (width + kLine - 1) / kLine;
  const bool apart = g.stride[0] == g.kh && g.stride[1] == g.kw && !g.padding[0] && !g.padding[1] &&
                     g.hl == g.hs * g.kh && g.wl == g.ws * g.kw; /* a pixel of l is seen from one of s */

  /* [lines][depth][line], zeros after the last number */
  Tensor kernel() const {
    Tensor b = at::zeros({lines * depth * kLine}, at::kFloat);
    const Tensor last = c.w.contiguous(kLast);
    const float *w = last.const_data_ptr<float>();
    float *to = b.data_ptr<float>();
    at::parallel_for(0, lines, 1, [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; n++)
        for (int64_t j = 0; j < std::min(kLine, width - n * kLine); j++)
          for (int64_t k = 0; k < depth; k++)
            to[(n * depth + k) * kLine + j] = c.transposed ? w[k * row + n * kLine + j] : w[(n * kLine + j) * row + k];
    });
    return b;
  }

  /* Lines begin..end of rows x kernel; a row of `to` has lines x line numbers. */
  void multiply(float *to, const float *from, int64_t rows, int64_t begin, int64_t end) const {
    const float *b = c.in_rows.const_data_ptr<float>();
    for (int64_t n = begin; n < end; n++)
      for (int64_t k = 0; k < depth; k += kDeepest)
        product_f32(to + n * kLine, (size_t)(lines * kLine), from + k, (size_t)depth, 1, b + (n * depth + k) * kLine,
                    (size_t)kLine, (size_t)rows, (size_t)std::min(kDeepest, depth - k), k > 0);
  }

  /* take(room for `taken` numbers a pixel, first pixel, how many) gives the rows that are multiplied, and
   * done(products, first, how many) gets the products. */
  template <class Take, class Done> void each_block(int64_t pixels, int64_t taken, Take &&take, Done &&done) const {
    const int64_t block = std::min(kBlock, pixels);
    auto some = [&](int64_t begin, int64_t end) {
      const Tensor room = numbers(block * taken), products = numbers(block * lines * kLine);
      for (int64_t first = begin; first < end; first += block) {
        const int64_t count = std::min(block, end - first);
        const float *from = take(room.data_ptr<float>(), first, count);
        float *to = products.data_ptr<float>();
        at::parallel_for(0, lines, conv_grain(count * depth * kLine),
                         [&](int64_t one, int64_t after) { multiply(to, from, count, one, after); });
        done(to, first, count);
      }
    };
    if (pixels <= kBlock) some(0, pixels);
    else at::parallel_for(0, pixels, conv_grain(depth * lines * kLine), some);
  }

  /* f(place in the row, place in the picture, numbers) for each run of what is seen at a pixel of s; a place of -1:
   * beyond the edge. */
  template <class F> void each_run(int64_t pixel, F &&f) const {
    const int64_t i = pixel % g.pixels() / g.ws, j = pixel % g.ws, run = g.kw * g.cl;
    for (int64_t k = 0, at = 0; k < g.kh; k++, at += run) {
      const int64_t y = i * g.stride[0] - g.padding[0] + k, x = j * g.stride[1] - g.padding[1];
      const int64_t first = std::max<int64_t>(0, -x), last = std::min(g.kw, g.wl - x);
      if (y < 0 || y >= g.hl || first >= last) {
        f(at, (int64_t)-1, run);
        continue;
      }
      if (first > 0) f(at, (int64_t)-1, first * g.cl);
      f(at + first * g.cl, (y * g.wl + x + first) * g.cl, (last - first) * g.cl);
      if (last < g.kw) f(at + last * g.cl, (int64_t)-1, (g.kw - last) * g.cl);
    }
  }

  float *picture(const Tensor &l, int64_t pixel) const {
    return l.data_ptr<float>() + pixel / g.pixels() * g.hl * g.wl * g.cl;
  }

  void gather(float *rows, const Tensor &l, int64_t first, int64_t count) const {
    for (int64_t p = first; p < first + count; p++, rows += row) {
      const float *from = picture(l, p);
      each_run(p, [&](int64_t at, int64_t in, int64_t n) {
        if (in < 0) std::memset(rows + at, 0, sizeof(float) * (size_t)n);
        else std::memcpy(rows + at, from + in, sizeof(float) * (size_t)n);
      });
    }
  }

  void scatter(const Tensor &l, const float *rows, int64_t first, int64_t count) const {
    for (int64_t p = first; p < first + count; p++, rows += lines * kLine) {
      float *to = picture(l, p);
      each_run(p, [&](int64_t at, int64_t in, int64_t n) {
        if (in < 0) return;
        float *out = to + in;
        const float *from = rows + at;
        if (apart) std::memcpy(out, from, sizeof(float) * (size_t)n);
        else
          for (int64_t k = 0; k < n; k++) out[k] += from[k];
      });
    }
  }

  Tensor down(const Tensor &l) const {
    Tensor s = picture_of(g.n, g.cs, g.hs, g.ws);
    const bool as_it_is = apart && g.kh == 1 && g.kw == 1;
    auto take = [&](float *room, int64_t first, int64_t count) -> const float * {
      if (as_it_is) return l.const_data_ptr<float>() + first * row;
      gather(room, l, first, count);
      return room;
    };
    each_block(g.n * g.pixels(), as_it_is ? 0 : row, take, [&](const float *products, int64_t first, int64_t count) {
      float *to = s.data_ptr<float>() + first * width;
      for (int64_t p = 0; p < count; p++)
        std::memcpy(to + p * width, products + p * lines * kLine, sizeof(float) * (size_t)width);
      if (!c.bare) c.finish.rows(to, (size_t)count);
    });
    return s;
  }

  Tensor up(const Tensor &s) const {
    Tensor l = picture_of(g.n, g.cl, g.hl, g.wl);
    const int64_t pixels = g.pixels();
    auto pixels_from = [&](int64_t start) {
      return
          [&, start](float *, int64_t first, int64_t) { return s.const_data_ptr<float>() + (start + first) * depth; };
    };
    if (apart) {
      each_block(g.n * pixels, 0, pixels_from(0), [&](float *products, int64_t first, int64_t count) {
        for (int64_t p = 0; p < count && !c.bare; p++)
          c.finish.rows(products + p * lines * kLine, (size_t)(g.kh * g.kw));
        scatter(l, products, first, count);
      });
      return l;
    }
    at::parallel_for(0, g.n, conv_grain(pixels * depth * lines * kLine), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        const int64_t start = i * pixels;
        std::memset(picture(l, start), 0, sizeof(float) * (size_t)(g.hl * g.wl * g.cl));
        /* one block after the other: they add to the same pixels */
        for (int64_t first = start; first < start + pixels; first += kBlock) {
          const int64_t block = std::min(kBlock, start + pixels - first);
          each_block(block, 0, pixels_from(first),
                     [&](const float *products, int64_t, int64_t count) { scatter(l, products, first, count); });
        }
        if (!c.bare) c.finish.pixels(l, (size_t)(i * g.hl * g.wl), (size_t)(g.hl * g.wl));
      }
    });
    return l;
  }
};

/* One channel in a line of them wastes the products. */
bool narrow(const conv_shape &g) { return g.cs <= 4 && g.row() >= 256; }

Tensor by_library(const at_conv &c, const Tensor &x) {
  at_block scope;
  Tensor y =
      at_unwrap(at_convolution(at_wrap(x), at_wrap(c.w), nullptr, c.stride, c.padding, c.transposed, c.output_padding))
          .contiguous(kLast);
  if (!c.bare) c.finish.pixels(y, 0, (size_t)(y.size(0) * y.size(2) * y.size(3)));
  return y;
}

Tensor run(at_conv &c, const Tensor &of) {
  const Tensor x = of.to(at::kFloat).contiguous(kLast), &w = c.w;
  int64_t y[4] = {x.size(0), w.size(c.transposed ? 1 : 0)};
  for (int i = 0; i < 2; i++)
    y[i + 2] = c.transposed ? (x.size(i + 2) - 1) * c.stride[i] - 2 * c.padding[i] + w.size(i + 2) + c.output_padding[i]
                            : (x.size(i + 2) + 2 * c.padding[i] - w.size(i + 2)) / c.stride[i] + 1;
  const conv_shape g = c.transposed ? conv_shape(x.sizes(), y, w, c.stride, c.padding)
                                    : conv_shape(y, x.sizes(), w, c.stride, c.padding);
  const conv_finish *finish = c.bare ? nullptr : &c.finish;
  if (conv_winograd::takes(g) && g.cl >= 16 && g.cs >= 16 && (conv_alike() ? 1 : g.n) * g.pixels() > kFewPixels) {
    std::call_once(c.tiling, [&] { c.tiled = winograd_kernel(g, w, c.transposed); });
    return c.transposed ? winograd_up(g, x, c.tiled, finish) : winograd_down(g, x, c.tiled, finish);
  }
  if (!c.transposed && narrow(g) && !conv_alike()) return by_library(c, x);
  const as_rows rows{g, c};
  std::call_once(c.lining, [&] { c.in_rows = rows.kernel(); });
  return c.transposed ? rows.up(x) : rows.down(x);
}

} // namespace

int at_conv_is_fast(void) { return product_is_fast(); }

at_conv *at_conv_new(const at_tensor *w, const at_tensor *mean, const at_tensor *scale, const at_tensor *shift,
                     double slope, const int64_t stride[2], const int64_t padding[2], int transposed,
                     const int64_t output_padding[2]) {
  return at_try(
      [&] {
        std::unique_ptr<at_conv> c(new at_conv);
        c->w = at_unwrap(w).detach();
        TORCH_CHECK(c->w.is_cpu() && c->w.scalar_type() == at::kFloat, "at_conv: float32 on the CPU expected");
        const int64_t channels = c->w.size(transposed ? 1 : 0);
        auto vector = [&](const at_tensor *t, double otherwise) {
          if (t) return at_unwrap(t).to(at::kFloat).contiguous();
          return otherwise ? at::ones({channels}, c->w.options()) : at::zeros({channels}, c->w.options());
        };
        c->bare = !mean && !scale && !shift && slope == 1;
        c->finish = {vector(mean, 0), vector(scale, 1), vector(shift, 0), slope};
        for (int i = 0; i < 2; i++)
          c->stride[i] = stride[i], c->padding[i] = padding[i], c->output_padding[i] = output_padding[i];
        c->transposed = transposed;
        return c.release();
      },
      (at_conv *)nullptr);
}

void at_conv_free(at_conv *c) { delete c; }

at_tensor *at_conv_run(at_conv *c, const at_tensor *x) {
  return at_make([&] { return run(*c, at_unwrap(x)); });
}
