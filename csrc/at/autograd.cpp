/* autograd.cpp: gradient mode, backward, and nodes whose backward is a C function. */
#include "internal.h"

#include <ATen/core/grad_mode.h>
#include <c10/core/AutogradState.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/variable.h>

#include <stdexcept>
#include <string>

using at::Tensor;
using torch::autograd::variable_list;

/* Hooks may call Lua: backward stays on the calling thread. */
struct OneThread {
  bool before = c10::AutogradState::get_tls_state().get_multithreading_enabled();
  OneThread() { c10::AutogradState::get_tls_state().set_multithreading_enabled(false); }
  ~OneThread() { c10::AutogradState::get_tls_state().set_multithreading_enabled(before); }
};

int at_grad_mode(int on) {
  bool before = at::GradMode::is_enabled();
  at::GradMode::set_enabled(on);
  return before;
}

int at_grad_enabled(void) { return at::GradMode::is_enabled(); }

void at_set_requires_grad(at_tensor *t, int on) {
  at_do([&] { at_unwrap(t).requires_grad_(on); });
}

at_tensor *at_gradient(const at_tensor *t) {
  return at_make([&] {
    const Tensor &x = at_unwrap(t);
    return x.is_leaf() || x.retains_grad() ? x.grad() : Tensor(); /* libtorch warns where there can be none */
  });
}

void at_set_gradient(at_tensor *t, const at_tensor *gradient) {
  at_do([&] {
    const Tensor &x = at_unwrap(t);
    Tensor g = gradient ? at_unwrap(gradient) : Tensor();
    TORCH_CHECK(!gradient || (g.sizes() == x.sizes() && g.dtype() == x.dtype() && g.device() == x.device()),
                "a gradient must have its tensor's shape, dtype and device");
    TORCH_CHECK(x.is_leaf(), "only leaf tensors (those that no operator made) hold a gradient");
    x.mutable_grad() = g;
  });
}

void at_backward(const at_tensor *output, const at_tensor *grad, int retain_graph) {
  at_do([&] {
    OneThread one;
    torch::autograd::backward({at_unwrap(output)}, {grad ? grad->t : Tensor()}, retain_graph);
  });
}

int at_grad(at_tensor **out, const at_tensor *output, const at_tensor *grad, at_tensor *const *inputs, int n,
            int retain_graph, int create_graph, int allow_unused) {
  return at_try(
      [&] {
        OneThread one;
        variable_list in;
        for (int i = 0; i < n; i++) in.push_back(at_unwrap(inputs[i]));
        variable_list g = torch::autograd::grad({at_unwrap(output)}, in, {grad ? grad->t : Tensor()}, retain_graph,
                                                create_graph, allow_unused);
        for (int i = 0; i < n; i++) out[i] = at_wrap(g[i]);
        return 0;
      },
      -1);
}

namespace {

struct CNode final : torch::autograd::Node, at_taken {
  std::string label;
  at_backward_fn backward = nullptr;
  void *context = nullptr;
  void (*release)(void *) = nullptr;
  size_t inputs = 0;

  ~CNode() override {
    if (release) release(context);
  }
  std::string name() const override { return label; }

  variable_list apply(variable_list &&grads) override {
    at::NoGradGuard off;
    at_block block;
    at_list<at_tensor *> out(grads.size()), in(inputs, nullptr);
    at_list<int> needed(inputs);
    for (size_t i = 0; i < grads.size(); i++) out[i] = at_wrap(std::move(grads[i]));
    for (size_t i = 0; i < inputs; i++) needed[i] = task_should_compute_output(i);
    int bad = backward(context, out.data(), (int)out.size(), in.data(), needed.data(), (int)inputs);
    variable_list result(inputs);
    for (size_t i = 0; i < inputs; i++)
      if (in[i] && needed[i]) result[i] = in[i]->t;
    agad_error error = {"backward failed", AGAD_FAILED};
    if (at_close(&block.scope, &error) || bad) throw at_failure(error);
    return result;
  }
};

} // namespace

int at_hook(const at_tensor *t, at_hook_fn f, void *context, void (*release)(void *), unsigned *id) {
  return at_guard(
      [&] {
        std::shared_ptr<void> held(context, release); /* from the start: released whatever happens */
        return at_try(
            [&] {
              *id = at_unwrap(t).register_hook([f, held](const Tensor &gradient) -> Tensor {
                at::NoGradGuard off;
                at_block block;
                at_tensor *result = f(held.get(), at_wrap(gradient));
                Tensor replaced = result ? result->t : Tensor();
                agad_error error;
                if (at_close(&block.scope, &error)) throw at_failure(error);
                return replaced;
              });
              return 0;
            },
            -1);
      },
      -1);
}

void at_unhook(const at_tensor *t, unsigned id) {
  at_do([&] { at_unwrap(t).remove_hook(id); });
}

int at_node(const char *name, at_tensor *const *inputs, int n_in, at_tensor **outputs, int n_out,
            at_backward_fn backward, void *context, void (*release)(void *)) {
  std::shared_ptr<CNode> node;
  at_guard([&] { return node.reset(new CNode, torch::autograd::deleteNode), 0; }, -1);
  if (!node) return release(context), -1;
  node->backward = backward; /* from here on the node releases the context, whatever happens */
  node->context = context;
  node->release = release;
  return at_try(
      [&] {
        node->label = name;
        variable_list in;
        for (int i = 0; i < n_in; i++) in.push_back(at_unwrap(inputs[i]));
        node->inputs = in.size();
        if (!torch::autograd::compute_requires_grad(in)) return 0;
        node->set_next_edges(torch::autograd::collect_next_edges(in));
        for (int i = 0; i < n_out; i++) {
          Tensor y = at_unwrap(outputs[i]).detach();
          torch::autograd::set_history(y, node);
          outputs[i] = at_wrap(y);
        }
        return 0;
      },
      -1);
}
