/* internal.h: what the C++ files of this room share.  No other room includes it. */
#ifndef AGAD_AT_INTERNAL_H
#define AGAD_AT_INTERNAL_H

#include "at.h"

#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <utility>
#include <vector>

struct at_tensor {
  at::Tensor t;
  size_t slot; /* place in the thread's list of owned tensors, from 1; 0 = kept */
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
  std::vector<at_tensor *> owned, unused; /* unused: freed handles, so that a new one costs no allocation */
  int depth = 0;
  bool failed = false;
  agad_error error = {"", AGAD_FAILED};
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
/* A failure on its way through libtorch, which knows exceptions only: it keeps its kind. */
struct at_failure : std::runtime_error {
  agad_kind kind;
  explicit at_failure(const agad_error &error) : std::runtime_error(error.message), kind(error.kind) {}
};
/* The tensor behind a handle; a NULL handle is a failure of the caller. */
const at::Tensor &at_unwrap(const at_tensor *t);

/* Runs f unless a failure is pending, and turns exceptions into the sticky error. */
template <class F> auto at_try(F &&f, decltype(f()) otherwise) -> decltype(f()) {
  if (at_thread().failed) return otherwise;
  try {
    return f();
  } catch (...) {
    at_caught();
    return otherwise;
  }
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
