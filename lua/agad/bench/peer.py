#!/usr/bin/env python3
"""AGAD's training step in plain PyTorch: the peer that benchmarks and
reference values compare with.

Written as people would write it: eager modules, torch.optim.Adam, autograd, and
a second forward pass of D, on x and on x_hat.detach(), for D's own loss (so D
runs four times a step). Only G's parameters get gradients in G's update.

One batch holds the normals first and the known anomalies after them; both share
batch norm. Every switch of the method is at its default:

    L_n = BCE(y_hat, 1) + 50 |x_hat - x| - 15 |x_hat2 - x_hat| + 5 (z_hat - z)^2
    L_a = 1 / (BCE(y_hat, 0) + eps) + 15 / (|x_hat - x| + eps)
        + 5 / ((z_hat - z)^2 + eps)
    L_G = L_n + L_a
    L_D = BCE(D(x_hat_n), 0) + BCE(D(x_n), 1) + BCE(D(x_a), 0)

with means over all elements of the rows concerned, z without gradient, and
x_hat2 = G(x_hat) over the whole batch. G is updated first, then D, on the x_hat
that G made before its update.

The generator is one of the paper's three (--net; peer_nets.py), batch norm or none (--norm).

    python3 peer.py --batch 64 --channels 1 --precision fp32 --layout channels_last
    python3 peer.py --batch 64 --serve      # "steps 10" -> {"ms": [...]}

`agad bench --peer python3` starts it so, and takes turns with it.
"""

import argparse
import contextlib
import json
import resource
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

from peer_nets import made_nets

LAMBDA = {"adv": 1.0, "con": 50.0, "adcon": 15.0, "lat": 5.0}
EPS = 1e-3
ADAM = {"lr": 2e-4, "betas": (0.5, 0.999), "eps": 1e-8}
RANDOM_BATCHES = 4
SCORED = 256                                                # pictures of a pass
WARM_UP = 3                                                 # steps before a CUDA graph is captured


# ------------------------------------------------------------------- weights

def dcgan_weights(net):
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0.0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
            nn.init.zeros_(module.bias)


@contextlib.contextmanager
def untracked(net):
    """Batch statistics as in training, running statistics left as they are."""
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True


# -------------------------------------------------------------------- losses

def bce(logits, target):
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


def generator_losses(x, x_hat, x_hat2, y_hat, z, z_hat, normals):
    """Every term without its factor, and their total. The first `normals` rows
    are normal, the others known anomalies."""
    n, a = slice(0, normals), slice(normals, None)
    terms = {
        "adv": bce(y_hat[n], 1.0),
        "con": F.l1_loss(x_hat[n], x[n]),
        "adcon": F.l1_loss(x_hat2[n], x_hat[n]),
        "lat": F.mse_loss(z_hat[n], z[n]),
    }
    total = (LAMBDA["adv"] * terms["adv"] + LAMBDA["con"] * terms["con"]
             - LAMBDA["adcon"] * terms["adcon"] + LAMBDA["lat"] * terms["lat"])
    if normals < len(x):
        terms["adv_a"] = 1 / (bce(y_hat[a], 0.0) + EPS)
        terms["adcon_a"] = 1 / (F.l1_loss(x_hat[a], x[a]) + EPS)
        terms["lat_a"] = 1 / (F.mse_loss(z_hat[a], z[a]) + EPS)
        total = (total + LAMBDA["adv"] * terms["adv_a"]
                 + LAMBDA["adcon"] * terms["adcon_a"] + LAMBDA["lat"] * terms["lat_a"])
    terms["G"] = total
    return terms


def discriminator_loss(y, y_hat, normals):
    loss = bce(y_hat[:normals], 0.0) + bce(y[:normals], 1.0)
    if normals < len(y):
        loss = loss + bce(y[normals:], 0.0)
    return loss


# ---------------------------------------------------------------------- step

class Trainer:
    """G, D and their optimisers; `step(x)` is one step of Algorithm 1."""

    def __init__(self, generator, discriminator, anomalies=0, bf16=False,
                 device="cpu", compiled=False, fused=None, capturable=False):
        self.parameters = list(generator.parameters())
        adam = {"fused": fused, "capturable": capturable, **ADAM}
        self.opt_g = torch.optim.Adam(generator.parameters(), **adam)
        self.opt_d = torch.optim.Adam(discriminator.parameters(), **adam)
        # dynamic=False: code for each size, as one picture and a batch are scored too.
        self.G = torch.compile(generator, dynamic=False) if compiled else generator
        self.D = torch.compile(discriminator, dynamic=False) if compiled else discriminator
        self.anomalies = anomalies
        self.bf16 = bf16
        self.device = device

    def autocast(self):
        return torch.autocast(self.device, torch.bfloat16, enabled=self.bf16)

    def wide(self, *tensors):
        """Losses are computed in float32 also under autocast."""
        return [t.float() for t in tensors] if self.bf16 else tensors

    def step(self, x):
        """Updates G, then D; returns the losses, detached, as a table."""
        normals = len(x) - self.anomalies

        with torch.no_grad(), self.autocast():
            _, z = self.D(x)
        with self.autocast():
            x_hat = self.G(x)
            with untracked(self.G):
                x_hat2 = self.G(x_hat)
            y_hat, z_hat = self.D(x_hat)
        losses = generator_losses(x, *self.wide(x_hat, x_hat2, y_hat, z, z_hat), normals)
        self.opt_g.zero_grad()
        losses["G"].backward(inputs=self.parameters)
        self.opt_g.step()

        with self.autocast():
            y, _ = self.D(x)
            y_hat, _ = self.D(x_hat.detach())
        losses["D"] = discriminator_loss(*self.wide(y, y_hat), normals)
        self.opt_d.zero_grad()
        losses["D"].backward()
        self.opt_d.step()
        # The collapse guard (D is initialised anew when its loss falls below
        # 1e-5) is left out: no run here comes near, and it changes no value.

        return {name: loss.detach() for name, loss in losses.items()}


class Graphed:
    """The trainer's whole step as one CUDA graph: warmed up on a stream of its own, captured once, then replayed
    on the batch that is copied into its input."""

    def __init__(self, trainer, batch):
        self.trainer, self.x, self.device = trainer, batch.clone(), trainer.device
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP):
                trainer.step(self.x)
        torch.cuda.current_stream().wait_stream(side)
        for optimiser in trainer.opt_g, trainer.opt_d:
            optimiser.zero_grad(set_to_none=True)           # so that the graph allocates them
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.losses = trainer.step(self.x)

    def step(self, x):
        self.x.copy_(x)
        self.graph.replay()
        return self.losses


class Scorer:
    """The L2 norm of x_hat - x of each picture, by G in eval mode and without gradients: from 8-bit pictures in main
    memory to 64-bit scores in main memory, as `agad score` computes them."""

    def __init__(self, trainer, like):
        self.trainer, self.like = trainer, like
        self.layout = (torch.channels_last if like.is_contiguous(memory_format=torch.channels_last)
                       else torch.contiguous_format)
        self.pictures = torch.randint(0, 256, (SCORED, *like.shape[1:]), dtype=torch.uint8)

    def times(self, pictures, passes):
        """Milliseconds of each of `passes` passes over `pictures` pictures."""
        ms, x = [], self.pictures[:pictures]
        self.trainer.G.eval()
        with torch.inference_mode():
            for _ in range(passes):
                start = time.perf_counter()
                self.score(x)
                ms.append((time.perf_counter() - start) * 1e3)
        self.trainer.G.train()
        return ms

    def score(self, pictures):
        x = pictures.to(self.like.device).to(self.like.dtype, memory_format=self.layout)
        x = x.mul_(2 / 255).sub_(1)
        with self.trainer.autocast():
            x_hat = self.trainer.G(x)
        return (x_hat.to(x.dtype) - x).flatten(1).norm(dim=1).double().cpu()


# ----------------------------------------------------------------- measuring

def time_steps(trainer, batches, steps):
    """Milliseconds of each of `steps` steps, over the batches in turn."""
    if trainer.device == "cuda":
        marks = [torch.cuda.Event(enable_timing=True) for _ in range(steps + 1)]
        marks[0].record()
        for i in range(steps):
            trainer.step(batches[i % len(batches)])
            marks[i + 1].record()
        torch.cuda.synchronize()
        return [marks[i].elapsed_time(marks[i + 1]) for i in range(steps)]
    ms = []
    for i in range(steps):
        start = time.perf_counter()
        trainer.step(batches[i % len(batches)])
        ms.append((time.perf_counter() - start) * 1e3)
    return ms


def percentile(values, p):
    """Linear between the two nearest ranks."""
    ranked = sorted(values)
    at = (len(ranked) - 1) * p / 100
    low = int(at)
    high = min(low + 1, len(ranked) - 1)
    return ranked[low] + (ranked[high] - ranked[low]) * (at - low)


def peak_bytes(device):
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def peak_of_step(trainer, batches):
    """The most bytes that tensors hold in a step: weights, optimisers' state and the batches too."""
    trainer.step(batches[0])
    if trainer.device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        trainer.step(batches[0])
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated()
    kept = list(batches)
    for optimiser in trainer.opt_g, trainer.opt_d:
        for parameter, state in optimiser.state.items():
            kept += [parameter, *state.values()]
            if parameter.grad is not None:
                kept.append(parameter.grad)
    held = most = sum(t.numel() * t.element_size() for t in kept)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as seen:
        trainer.step(batches[0])
    events = [e for e in seen.profiler.kineto_results.events() if e.name() == "[memory]"]
    for event in sorted(events, key=lambda e: e.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    return most


def processor(device):
    if device == "cuda":
        return torch.cuda.get_device_name()
    with contextlib.suppress(OSError), open("/proc/cpuinfo") as info:
        for line in info:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return "unknown"


def summary(args, ms):
    rate = [args.batch / (m / 1e3) for m in ms]
    return {
        "images_per_second": percentile(rate, 50),
        "images_per_second_p10": percentile(rate, 10),
        "images_per_second_p90": percentile(rate, 90),
        "ms_median": percentile(ms, 50),
        "ms": ms,
        "peak_bytes": peak_bytes(args.device),
        "net": args.net,
        "width": args.width,
        "norm": args.norm,
        "size": args.size,
        "channels": args.channels,
        "batch": args.batch,
        "anomalies": args.anomalies,
        "precision": args.precision,
        "layout": args.layout,
        "compile": args.compile,
        "fused_adam": args.fused_adam or args.graph,
        "graph": args.graph,
        "device": args.device,
        "processor": processor(args.device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def serve(trainer, batches):
    """One line of JSON for each line of standard input, until it ends:

        steps N    {"ms": [...]}   of each of N training steps
        score N    {"ms": [...]}   of each of N passes over 256 pictures in eval mode
        latency N  {"ms": [...]}   of each of N single pictures, on one thread
        peak       {"bytes": ...}  that tensors hold at most in a step
        about      {"torch": ...}  its version

    Nothing runs in between, so that another process can have the cores. The
    first rounds hold the warming up: the caller drops them."""
    trainer_of_steps = trainer.trainer if isinstance(trainer, Graphed) else trainer
    scorer = Scorer(trainer_of_steps, batches[0])
    threads = torch.get_num_threads()

    def latency(n):
        torch.set_num_threads(1)
        try:
            return {"ms": scorer.times(1, n)}
        finally:
            torch.set_num_threads(threads)

    commands = {
        "steps": lambda n: {"ms": time_steps(trainer, batches, n)},
        "score": lambda n: {"ms": scorer.times(SCORED, n)},
        "latency": latency,
    }
    for line in sys.stdin:
        words = line.split()
        try:
            if words == ["peak"]:
                answer = {"bytes": peak_of_step(trainer_of_steps, batches)}
            elif words == ["about"]:
                answer = {"torch": torch.__version__}
            elif len(words) == 2 and words[0] in commands and words[1].isdigit():
                answer = commands[words[0]](int(words[1]))
            else:
                answer = {"error": "expected 'steps N', 'score N', 'latency N', 'peak' or "
                                   f"'about', got {line.strip()!r}"}
        except Exception as error:                          # torch.compile without a compiler, for example
            lines = [text for text in str(error).splitlines() if text.strip()]
            answer = {"error": f"{type(error).__name__}: {lines[0] if lines else ''}"}
        print(json.dumps(answer), flush=True)


def options():
    parser = argparse.ArgumentParser(
        description="AGAD's training step in plain PyTorch, timed.")
    add = parser.add_argument
    add("--net", choices=["naive", "unet", "unet++"], default="naive")
    add("--width", type=int, help="filters of a UNet's first level (32)")
    add("--norm", choices=["bn", "none"], default="bn", help="none: UNets only")
    add("--precision", choices=["fp32", "tf32", "bf16", "fp64"], default="fp32",
        help="bf16 through autocast; fp32 on a GPU is strict, tf32 is GPU only")
    add("--layout", choices=["nchw", "channels_last"], default="nchw")
    add("--compile", action="store_true", help="torch.compile around G and around D")
    add("--fused-adam", action="store_true", help="Adam(fused=True)")
    add("--graph", action="store_true", help="the whole step as one CUDA graph, with fused Adam; GPU only")
    add("--threads", type=int, default=0, help="0: PyTorch's own choice")
    add("--batch", type=int, default=64, help="rows of a batch, anomalies included")
    add("--anomalies", type=int, default=0, help="how many of them are known anomalies")
    add("--channels", type=int, default=1)
    add("--size", type=int, default=32, help="only 32: D's classifier is 4 x 4")
    add("--steps", type=int, default=50)
    add("--warmup", type=int, default=20, help="steps before measuring, without --serve")
    add("--device", choices=["cpu", "cuda"], default="cpu")
    add("--seed", type=int, default=1)
    add("--json", action="store_true", help="print one line of JSON")
    add("--serve", action="store_true", help="answer lines of standard input: see serve()")
    args = parser.parse_args()
    if args.size != 32:
        parser.error("--size: only 32 is supported")
    if args.net == "naive" and (args.width or args.norm == "none"):
        parser.error("--width, --norm: of the UNets only")
    if not 0 <= args.anomalies < args.batch:
        parser.error("--anomalies: from 0 to one less than --batch")
    if args.steps < 1:
        parser.error("--steps: at least 1")
    if args.precision == "tf32" and args.device != "cuda":
        parser.error("--precision tf32 needs --device cuda")
    if args.graph and args.device != "cuda":
        parser.error("--graph needs --device cuda")
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: PyTorch finds no GPU")
    return args


def main():
    args = options()
    if args.threads > 0:
        torch.set_num_threads(args.threads)
    if args.device == "cuda":
        torch.backends.cudnn.benchmark = True
        torch.backends.cudnn.allow_tf32 = args.precision == "tf32"
        torch.backends.cuda.matmul.allow_tf32 = args.precision == "tf32"
    torch.manual_seed(args.seed)

    placed = {
        "device": args.device,
        "dtype": torch.float64 if args.precision == "fp64" else torch.float32,
        "memory_format": (torch.channels_last if args.layout == "channels_last"
                          else torch.contiguous_format),
    }
    nets = made_nets(args.net, args.channels, args.width, args.norm).values()
    for net in nets:
        dcgan_weights(net)
        net.to(**placed)
    batches = [(torch.rand(args.batch, args.channels, args.size, args.size) * 2 - 1)
               .to(**placed) for _ in range(RANDOM_BATCHES)]
    trainer = Trainer(*nets, anomalies=args.anomalies, bf16=args.precision == "bf16",
                      device=args.device, compiled=args.compile,
                      fused=args.fused_adam or args.graph or None, capturable=args.graph)
    if args.graph:
        trainer = Graphed(trainer, batches[0])
    if args.serve:
        serve(trainer, batches)
        return

    time_steps(trainer, batches, args.warmup)
    row = summary(args, time_steps(trainer, batches, args.steps))
    if args.json:
        print(json.dumps(row))
        return
    print(f"{args.net} {args.channels} x {args.size} x {args.size}, batch {args.batch}"
          f" ({args.anomalies} anomalies), {args.precision}, {args.layout},"
          f" {row['threads']} threads, {row['processor']}, torch {row['torch']}")
    print(f"images/s  {row['images_per_second']:.1f} median,"
          f" {row['images_per_second_p10']:.1f} to {row['images_per_second_p90']:.1f}"
          f" (10th to 90th percentile of {args.steps} steps)")
    print("ms        " + " ".join(f"{m:.1f}" for m in row["ms"]))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
