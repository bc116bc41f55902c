/* conv_winograd.cpp: convolutions by cpu/winograd.h: its memory and its threads. */
#include "conv_fixed.h"
#include "cpu/product.h"
#include "cpu/winograd.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <cstring>

using at::Tensor;

namespace {

size_t taps_of(const conv_shape &g) {
  auto is = [&](int64_t kernel, int64_t stride) {
    return g.kh == kernel && g.kw == kernel && g.stride[0] == stride && g.stride[1] == stride && g.padding[0] == 1 &&
           g.padding[1] == 1;
  };
  return is(3, 1) ? 3 : is(4, 2) ? 2 : 0;
}

/* A convolution with its kernels, and the memory for chunks of its tiles. */
struct job {
  winograd w;
  const winograd_kernels *kernels;
  size_t element, tiles;
  at::TensorOptions options;

  job(const conv_shape &g, const Tensor &like)
      : element(like.element_size()), options(like.options().memory_format(at::MemoryFormat::Contiguous)) {
    w = winograd_of(taps_of(g), (size_t)g.n, (size_t)g.cs, (size_t)g.cl, (size_t)g.hl, (size_t)g.wl, element);
    kernels = element == sizeof(float) ? &winograd_f32 : &winograd_f64;
    tiles = w.n * w.rows * w.columns;
  }

  /* How many tiles fill about so many bytes when they are transformed. */
  size_t chunk(size_t bytes, size_t least, size_t most) const {
    const size_t fit = bytes / (w.positions * (w.s_stride + w.l_stride) * element);
    return std::min(std::max(fit, least), most) / PRODUCT_ROWS * PRODUCT_ROWS;
  }

  /* How many times so many tiles are worth a thread. */
  int64_t grain(size_t of) const { return conv_grain((int64_t)(of * w.positions * w.cs * w.depth)); }

  Tensor numbers(size_t n) const { return at::empty({(int64_t)n}, options); }
  Tensor transformed(size_t stride, size_t of) const { return numbers(w.positions * of * stride); }
  size_t line() const { return PRODUCT_LINE / element; }
  size_t lines() const { return w.positions * ((w.depth + line() - 1) / line()); } /* of correlate */
  char *at(const Tensor &t, size_t number) const { return (char *)t.data_ptr() + number * element; }

  Tensor kernel(const Tensor &of, bool up) const {
    const Tensor last = of.contiguous(kLast), u = numbers(winograd_kernel_size(&w, up, element));
    at::parallel_for(0, (int64_t)((w.cs + line() - 1) / line()), 1, [&](int64_t begin, int64_t end) {
      const Tensor spare = numbers(line() * w.positions * w.depth);
      kernels->kernel_in(u.data_ptr(), last.data_ptr(), spare.data_ptr(), &w, up, (size_t)begin * line(),
                         std::min((size_t)end * line(), w.cs));
    });
    return u;
  }

  /* Whether the tiles of all pictures are smaller than the transformed kernel: then they stay, and each part of the
   * kernel is transformed where it is used. */
  bool few() const { return tiles * (w.s_stride + w.l_stride) <= w.cs * w.l_stride && w.cl % line() == 0; }

  /* f(first tile, how many), for all tiles or for those of whole pictures. */
  template <class F> void each_tiles(F &&f) const {
    at::parallel_for(0, (int64_t)tiles, PRODUCT_ROWS,
                     [&](int64_t begin, int64_t end) { f((size_t)begin, (size_t)(end - begin)); });
  }
  template <class F> void each_pictures(F &&f) const {
    const size_t of_picture = w.rows * w.columns;
    at::parallel_for(0, (int64_t)w.n, 1, [&](int64_t begin, int64_t end) {
      f((size_t)begin * of_picture, (size_t)(end - begin) * of_picture);
    });
  }
};

/* Bytes of transformed tiles that a thread works on at once, and all threads together for dw; at least so many tiles
 * that a kernel is not read too often. */
constexpr size_t kThread = 1 << 19, kTogether = 1 << 20;

} // namespace

bool conv_winograd::takes(const conv_shape &g) {
  const size_t taps = taps_of(g);
  return taps && product_is_fast() && g.cl <= WINOGRAD_MOST && g.cs <= WINOGRAD_MOST &&
         g.hs == g.hl / (taps == 2 ? 2 : 1) && g.ws == g.wl / (taps == 2 ? 2 : 1);
}

Tensor winograd_kernel(const conv_shape &g, const Tensor &w, bool up) { return job(g, w).kernel(w, up); }

/* Rows of tiles are handed out, so that the pixels of those that are done lie side by side. */
Tensor winograd_down(const conv_shape &g, const Tensor &l, const Tensor &u, const conv_finish *finish) {
  const job j(g, l);
  const Tensor s = at::empty({g.n, g.cs, g.hs, g.ws}, l.options().memory_format(kLast));
  const size_t chunk = j.chunk(kThread, 48, 240), columns = j.w.columns;
  auto pixel = [&](size_t row) { return (row / j.w.rows * j.w.hs + row % j.w.rows * 2) * j.w.ws; };
  at::parallel_for(0, g.n * (int64_t)j.w.rows, j.grain(columns), [&](int64_t begin, int64_t end) {
    const size_t last = (size_t)end * columns, room = std::min(chunk, last - (size_t)begin * columns);
    const Tensor S = j.transformed(j.w.s_stride, room), L = j.transformed(j.w.l_stride, room);
    size_t done = (size_t)begin;
    for (size_t first = done * columns; first < last; first += room) {
      const size_t count = std::min(room, last - first), ready = (first + count) / columns;
      j.kernels->large_in(L.data_ptr(), l.data_ptr(), &j.w, first, count, room);
      j.kernels->multiply(S.data_ptr(), L.data_ptr(), u.data_ptr(), &j.w, 0, room, count);
      j.kernels->small_out(s.data_ptr(), S.data_ptr(), &j.w, first, count, room);
      if (finish) finish->pixels(s, pixel(done), pixel(ready) - pixel(done));
      done = ready;
    }
  });
  return s;
}

Tensor winograd_up(const conv_shape &g, const Tensor &s, const Tensor &u, const conv_finish *finish) {
  const job j(g, s);
  const Tensor l = at::empty({g.n, g.cl, g.hl, g.wl}, s.options().memory_format(kLast));
  const size_t chunk = j.chunk(kThread, 48, 240), of_picture = j.w.rows * j.w.columns, pixels = j.w.hl * j.w.wl;
  const size_t picture = pixels * j.w.cl * j.element;
  at::parallel_for(0, g.n, j.grain(of_picture), [&](int64_t begin, int64_t end) {
    const size_t last = (size_t)end * of_picture, room = std::min(chunk, last - (size_t)begin * of_picture);
    const Tensor S = j.transformed(j.w.s_stride, room), L = j.transformed(j.w.l_stride, room);
    size_t done = (size_t)begin;
    std::memset((char *)l.data_ptr() + done * picture, 0, (size_t)(end - begin) * picture);
    for (size_t first = done * of_picture; first < last; first += room) {
      const size_t count = std::min(room, last - first), ready = (first + count) / of_picture;
      j.kernels->small_in(S.data_ptr(), s.data_ptr(), &j.w, first, count, room);
      j.kernels->multiply(L.data_ptr(), S.data_ptr(), u.data_ptr(), &j.w, 1, room, count);
      j.kernels->large_out(l.data_ptr(), L.data_ptr(), &j.w, first, count, room);
      if (finish) finish->pixels(l, done * pixels, (ready - done) * pixels);
      done = ready;
    }
  });
  return l;
}

/* s of few tiles, a line of its channels at a time. */
static Tensor down_of_few(const conv_shape &g, const Tensor &l, const Tensor &of) {
  const job j(g, l);
  const Tensor w = of.contiguous(kLast), s = at::empty({g.n, g.cs, g.hs, g.ws}, l.options().memory_format(kLast));
  const Tensor S = j.transformed(j.w.s_stride, j.tiles), L = j.transformed(j.w.l_stride, j.tiles);
  j.each_tiles([&](size_t first, size_t count) {
    j.kernels->large_in(j.at(L, first * j.w.l_stride), l.data_ptr(), &j.w, first, count, j.tiles);
  });
  at::parallel_for(0, (int64_t)((j.w.cs + j.line() - 1) / j.line()), 1, [&](int64_t begin, int64_t end) {
    winograd part = j.w;
    const Tensor u = j.transformed(j.line(), j.w.depth), spare = j.transformed(j.line(), j.w.depth);
    for (size_t c = (size_t)begin * j.line(); c < std::min((size_t)end * j.line(), j.w.cs); c += j.line()) {
      part.cs = std::min(j.line(), j.w.cs - c);
      j.kernels->kernel_in(u.data_ptr(), j.at(w, c * (size_t)g.row()), spare.data_ptr(), &part, 0, 0, part.cs);
      j.kernels->multiply(j.at(S, c), L.data_ptr(), u.data_ptr(), &part, 0, j.tiles, j.tiles);
    }
  });
  j.each_tiles([&](size_t first, size_t count) {
    j.kernels->small_out(s.data_ptr(), j.at(S, first * j.w.s_stride), &j.w, first, count, j.tiles);
  });
  return s;
}

/* l of few tiles, a line of its channels at a time. */
static Tensor up_of_few(const conv_shape &g, const Tensor &s, const Tensor &of) {
  const job j(g, s);
  const Tensor w = of.contiguous(kLast),
               l = at::empty({g.n, g.cl, g.hl, g.wl}, s.options().memory_format(kLast)).zero_();
  const Tensor S = j.transformed(j.w.s_stride, j.tiles), L = j.transformed(j.w.l_stride, j.tiles);
  j.each_tiles([&](size_t first, size_t count) {
    j.kernels->small_in(j.at(S, first * j.w.s_stride), s.data_ptr(), &j.w, first, count, j.tiles);
  });
  at::parallel_for(0, (int64_t)(j.w.cl / j.line()), 1, [&](int64_t begin, int64_t end) {
    winograd part = j.w;
    part.cl = j.line(), part.depth = part.phases * part.cl;
    const Tensor u = j.transformed(part.depth, j.w.cs), spare = j.transformed(part.depth, j.line());
    for (size_t c = (size_t)begin * j.line(); c < (size_t)end * j.line(); c += j.line()) {
      j.kernels->kernel_in(u.data_ptr(), j.at(w, c), spare.data_ptr(), &part, 1, 0, j.w.cs);
      j.kernels->multiply(j.at(L, c), S.data_ptr(), u.data_ptr(), &part, 1, j.tiles, j.tiles);
    }
  });
  j.each_pictures([&](size_t first, size_t count) {
    j.kernels->large_out(l.data_ptr(), j.at(L, first * j.w.l_stride), &j.w, first, count, j.tiles);
  });
  return l;
}

Tensor conv_winograd::down(const conv_shape &g, const Tensor &l, const Tensor &w) {
  if (job(g, l).few()) return down_of_few(g, l, w);
  return winograd_down(g, l, winograd_kernel(g, w, false), nullptr);
}

Tensor conv_winograd::up(const conv_shape &g, const Tensor &s, const Tensor &w) {
  if (job(g, s).few()) return up_of_few(g, s, w);
  return winograd_up(g, s, winograd_kernel(g, w, true), nullptr);
}

/* The kernel's gradient of few tiles, some rows at a time: no more of it is there in transformed form. */
static Tensor dw_of_few(const conv_shape &g, const Tensor &s, const Tensor &l) {
  const job j(g, s);
  const size_t threads = (size_t)at::get_num_threads(), share = (j.w.cs + 2 * threads - 1) / (2 * threads);
  const size_t most = std::min<size_t>(48, (share + PRODUCT_ROWS - 1) / PRODUCT_ROWS * PRODUCT_ROWS);
  const Tensor S = j.transformed(j.w.s_stride, j.tiles), L = j.transformed(j.w.l_stride, j.tiles);
  const Tensor kernel = at::empty({g.cs, g.cl, g.kh, g.kw}, s.options().memory_format(kLast));
  j.each_tiles([&](size_t first, size_t count) {
    j.kernels->small_in(j.at(S, first * j.w.s_stride), s.data_ptr(), &j.w, first, count, j.tiles);
    j.kernels->large_in(j.at(L, first * j.w.l_stride), l.data_ptr(), &j.w, first, count, j.tiles);
  });
  at::parallel_for(0, (int64_t)((j.w.cs + most - 1) / most), 1, [&](int64_t begin, int64_t end) {
    winograd part = j.w;
    const Tensor d = j.transformed(j.w.l_stride, most);
    for (size_t row = (size_t)begin * most; row < std::min((size_t)end * most, j.w.cs); row += most) {
      part.cs = std::min(most, j.w.cs - row);
      j.kernels->correlate(d.data_ptr(), j.at(S, row), L.data_ptr(), &part, j.tiles, j.tiles, 0, j.lines(), 0);
      j.kernels->kernel_out(j.at(kernel, row * (size_t)g.row()), d.data_ptr(), &part, 0, part.cs);
    }
  });
  return kernel;
}

/* Chunk by chunk of tiles, all threads at one: the order of the sums does not depend on how many there are. */
Tensor conv_winograd::dw(const conv_shape &g, const Tensor &s, const Tensor &l) {
  const job j(g, s);
  if (j.few()) return dw_of_few(g, s, l);
  const size_t room = std::min(j.chunk(kTogether, 96, 1020), j.tiles);
  const Tensor S = j.transformed(j.w.s_stride, room), L = j.transformed(j.w.l_stride, room);
  const Tensor d = j.transformed(j.w.l_stride, j.w.cs);
  const Tensor kernel = at::empty({g.cs, g.cl, g.kh, g.kw}, s.options().memory_format(kLast));
  for (size_t first = 0; first < j.tiles; first += room) {
    const size_t count = std::min(room, j.tiles - first);
    at::parallel_for(0, (int64_t)count, PRODUCT_ROWS, [&](int64_t begin, int64_t end) {
      const size_t n = (size_t)(end - begin), from = first + (size_t)begin;
      j.kernels->small_in(j.at(S, (size_t)begin * j.w.s_stride), s.data_ptr(), &j.w, from, n, room);
      j.kernels->large_in(j.at(L, (size_t)begin * j.w.l_stride), l.data_ptr(), &j.w, from, n, room);
    });
    at::parallel_for(0, (int64_t)j.lines(), 1, [&](int64_t begin, int64_t end) {
      j.kernels->correlate(d.data_ptr(), S.data_ptr(), L.data_ptr(), &j.w, room, count, (size_t)begin, (size_t)end,
                           first > 0);
    });
  }
  at::parallel_for(0, g.cs, 16, [&](int64_t begin, int64_t end) {
    j.kernels->kernel_out(kernel.data_ptr(), d.data_ptr(), &j.w, (size_t)begin, (size_t)end);
  });
  return kernel;
}
