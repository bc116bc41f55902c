/* own.h: what an operator of our own needs besides its arithmetic (csrc/cpu/NAME.c).
 *
 * An operator is one file NAME.cpp here: checks, layout, memory and threads, and AGAD_OPERATOR, which declares it to
 * the dispatcher.  C calls it as at_call("agad::NAME", …), Lua as agad.NAME; csrc/cuda/NAME.cu adds the GPU's kernel.
 * spec/kernels_spec.lua fails until spec/kernels/NAME.lua lists its cases.  It has no autograd formula (a net's pass is
 * its own autograd node): it runs with gradients on, but going backward through it is an error, not a zero gradient.
 */
#ifndef AGAD_AT_OPS_OWN_H
#define AGAD_AT_OPS_OWN_H

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/autograd_not_implemented_fallback.h>
#include <torch/library.h>

#include <algorithm>

/* AGAD_OPERATOR(l1_sum, "(Tensor a, Tensor b) -> Tensor"), where l1_sum is the function for the CPU. */
#define AGAD_OPERATOR(NAME, SCHEMA)                                                               \
  TORCH_LIBRARY_FRAGMENT(agad, m) {                                                               \
    if (own_is_declared("agad::" #NAME)) return;                                                  \
    m.def(#NAME SCHEMA);                                                                          \
    m.impl(#NAME, c10::DispatchKey::CPU, NAME);                                                   \
    m.impl(#NAME, c10::DispatchKey::Autograd, torch::autograd::autogradNotImplementedFallback()); \
  }

/* The dispatcher takes an operator once, and a process may load both core.so and libagad.so: the first declares it. */
inline bool own_is_declared(const char *name) {
  return c10::Dispatcher::singleton().findSchema({name, ""}).has_value();
}

constexpr int64_t own_grain = 32768; /* elements; a tensor below that stays on one thread */

/* body(begin, end) over 0..n, one thread per own_grain elements.  What a call computes must not depend on how
 * the range is cut, so that results do not depend on the number of threads. */
template <class Body> void own_parallel(size_t n, int64_t elements, const Body &body) {
  if (n == 0 || elements == 0) return;
  int64_t grain = elements <= own_grain ? int64_t(n) : std::max<int64_t>(1, n * own_grain / elements);
  at::parallel_for(0, int64_t(n), grain, [&](int64_t b, int64_t e) { body(size_t(b), size_t(e)); });
}

#endif
