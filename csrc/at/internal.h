/* internal.h: what the C++ files of this room share.  No other room includes it. */
#ifndef AGAD_AT_INTERNAL_H
#define AGAD_AT_INTERNAL_H

#include "at.h"
#include "base/memory.h"

#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>

#include <cmath>
#include <limits>
#include <new>
#include <stdexcept>
#include <utility>
#include <vector>

/* The checked allocator for C++: throws when out of memory; the function of at.h that was called reports it. */
inline void *at_take(size_t n, size_t element = 1) {
  void *block = n > (size_t)PTRDIFF_MAX ? nullptr : base_alloc((int64_t)n, element);
  if (!block) throw std::bad_alloc();
  return block;
}

/* For containers. */
template <class T> struct at_taker {
  using value_type = T;
  at_taker() = default;
  template <class U> at_taker(const at_taker<U> &) {}
  T *allocate(size_t n) { return (T *)at_take(n, sizeof(T)); }
  void deallocate(T *block, size_t) { free(block); }
};
template <class T, class U> bool operator==(const at_taker<T> &, const at_taker<U> &) { return true; }
template <class T, class U> bool operator!=(const at_taker<T> &, const at_taker<U> &) { return false; }
template <class T> using at_list = std::vector<T, at_taker<T>>;

/* The base class of what is made with `new`. */
struct at_taken {
  static void *operator new(size_t size) { return at_take(size); }
  static void *operator new(size_t, void *place) { return place; }
  static void operator delete(void *block) { free(block); }
};

struct at_tensor : at_taken {
  at::Tensor t;
  union {
    size_t slot;     /* place in the thread's list of owned tensors, from 1; 0 = kept */
    at_tensor *next; /* of the unused handles */
  };
  explicit at_tensor(at::Tensor &&of) : t(std::move(of)), slot(0) {}
};

/* Memory of small tensors, kept by the thread that freed it: a list through the blocks for each size. */
struct at_spare {
  static constexpr size_t kStep = 64, kClasses = 8;
  static constexpr int kMost = 2048; /* blocks of a size */
  struct {
    void *first;
    int n;
  } lists[kClasses] = {};
  ~at_spare();
};

struct at_thread_state {
  at_spare spare;
  at_list<at_tensor *> owned;
  at_tensor *unused = nullptr; /* freed handles, so that a new one costs no allocation */
  size_t n_unused = 0;
  int depth = 0;
  bool failed = false;
  agad_error error = {}; /* the first failure: message and kind */
  at_thread_state();
  ~at_thread_state();
};

/* The thread's state.  The pointer to it lies in static TLS: one load, where a thread_local object of a library
 * costs a call each time. */
extern __thread at_thread_state *at_thread_here __attribute__((tls_model("initial-exec"), visibility("hidden")));
at_thread_state &at_thread_start();
inline at_thread_state &at_thread() { return at_thread_here ? *at_thread_here : at_thread_start(); }

/* A handle owned by the current scope; an undefined tensor is NULL. */
at_tensor *at_wrap(at::Tensor t);
/* Remembers the exception in flight; only inside a catch block. */
void at_caught();
/* Carries a failure with its kind through libtorch, which knows only exceptions. */
struct at_failure : std::runtime_error {
  agad_kind kind;
  explicit at_failure(const agad_error &error) : std::runtime_error(error.message), kind(error.kind) {}
};
/* The tensor behind a handle; a NULL handle is a failure of the caller. */
const at::Tensor &at_unwrap(const at_tensor *t);

/* Runs f, and turns exceptions into the sticky error. */
template <class F> auto at_guard(F &&f, decltype(f()) otherwise) -> decltype(f()) {
  try {
    return f();
  } catch (...) {
    at_caught();
    return otherwise;
  }
}

/* The same unless a failure is pending. */
template <class F> auto at_try(F &&f, decltype(f()) otherwise) -> decltype(f()) {
  return at_thread().failed ? otherwise : at_guard(std::forward<F>(f), otherwise);
}

template <class F> void at_do(F &&f) {
  at_try(
      [&] {
        f();
        return 0;
      },
      0);
}

/* The common case: f computes one tensor. */
template <class F> at_tensor *at_make(F &&f) {
  return at_try([&] { return at_wrap(f()); }, (at_tensor *)nullptr);
}

/* Itself, or a copy in that layout. */
at::Tensor at_channels_last(const at::Tensor &t);

/* A scope that ends with the block, also by an exception. */
struct at_block {
  at_scope scope = at_open();
  ~at_block() { at_close(&scope, nullptr); }
};

inline at::Device at_device(int device) {
  return device < 0 ? at::Device(at::kCPU) : at::Device(at::kCUDA, (c10::DeviceIndex)device);
}

inline at::TensorOptions at_options(at_dtype dtype, int device) {
  return at::TensorOptions().dtype((at::ScalarType)dtype).device(at_device(device));
}

inline at::MemoryFormat at_format(at_layout layout) {
  return layout == AT_CHANNELS_LAST ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
}

const at::Generator &at_generator_of(const at_generator *g);

#endif
