/* muon.cpp: Muon's step (Jordan 2024, https://kellerjordan.github.io/posts/muon/): momentum whose singular values are
 * brought near 1 by five iterations of Newton and Schulz, as in PyTorch's torch.optim.Muon with Nesterov's momentum and
 * adjust_lr_fn "match_rms_adamw" (arXiv 2502.16982), by which one learning rate serves Muon and Adam.
 *
 * The iterations need X X^T alone (rows the shorter side): X_k = Q_k X_0. Matrices with the same number of rows are
 * iterated together.
 */
#include "internal.h"

#include <ATen/ops/add.h>
#include <ATen/ops/baddbmm.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/diagonal.h>
#include <ATen/ops/lerp.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/stack.h>

#include <map>

using at::Tensor;

namespace {

constexpr double kA = 3.4445, kB = -4.775, kC = 2.0315, kEps = 1e-7, kRms = 0.2;
constexpr int kIterations = 5;

/* A parameter [rows, ...] as a matrix over its own memory. What order its columns have makes no difference. */
Tensor matrix(const Tensor &t) {
  const bool last = t.dim() == 4 && !t.is_contiguous() && t.is_contiguous(at::MemoryFormat::ChannelsLast);
  const Tensor ordered = last ? t.permute({0, 2, 3, 1}) : t;
  return ordered.view({t.size(0), -1});
}

struct item {
  Tensor weight, x; /* x: no more rows than columns */
  bool turned;
};

/* From Gram matrices G = X X^T [k, m, m] the factors Q [k, m, m], so that Q X is what the iterations make of X. */
Tensor factors(Tensor gram) {
  const Tensor norm = gram.diagonal(0, 1, 2).sum(-1).sqrt().add_(kEps).view({-1, 1, 1});
  gram = gram.div(norm.square());
  Tensor q;
  for (int i = 0; i < kIterations; i++) {
    Tensor p = at::baddbmm(gram, gram, gram, kB, kC);
    p.diagonal(0, 1, 2).add_(kA);
    q = q.defined() ? at::bmm(p, q) : p;
    if (i + 1 < kIterations) gram = at::bmm(at::bmm(p, gram), p);
  }
  return q.div(norm);
}

void step(const std::vector<item> &items, double lr) {
  std::vector<Tensor> grams;
  for (const item &it : items) grams.push_back(at::mm(it.x, it.x.t()));
  const Tensor q = factors(at::stack(grams));
  for (size_t i = 0; i < items.size(); i++) {
    const item &it = items[i];
    const double most = double(std::max(it.weight.size(0), it.weight.size(1)));
    Tensor o = at::mm(q[(int64_t)i], it.x);
    it.weight.add_(it.turned ? o.t() : o, -lr * kRms * std::sqrt(most));
  }
}

} // namespace

void at_muon_(at_tensor **params, at_tensor **grads, at_tensor **m, int n, double lr, double momentum) {
  at_do([&] {
    std::map<int64_t, std::vector<item>> by_rows;
    for (int i = 0; i < n; i++) {
      if (!grads[i]) continue;
      const Tensor &w = at_unwrap(params[i]), &g = at_unwrap(grads[i]), &b = at_unwrap(m[i]);
      TORCH_CHECK(w.dim() >= 2 && w.strides() == g.strides() && w.strides() == b.strides(), "muon: parameter ", i + 1,
                  " is no matrix, or its gradient differs in layout");
      b.lerp_(g, 1 - momentum);
      Tensor x = matrix(at::lerp(g, b, momentum));
      const bool turned = x.size(0) > x.size(1);
      if (turned) x = x.t();
      by_rows[x.size(0)].push_back({matrix(w.detach()), x, turned});
    }
    for (const auto &group : by_rows) step(group.second, lr);
  });
}
