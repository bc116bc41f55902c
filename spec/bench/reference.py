#!/usr/bin/env python3
"""Writes spec/data/reference.json: the losses that a correct training step has
to reach, from PyTorch in float64, for AGAD (peer.py) and for GANomaly.

Start weights and batches are not stored. Anything over the same libtorch draws
them again, from two CPU generators of their own, in float64:

  weights   generator seeded with 7. For each parameter in the order in which the
            nets run (G before D; listed in the file for naive: "parameters"):
            convolution   ((rand(n) * 2) - 1) * 0.035, in PyTorch's layout; its
                          bias, where it has one, the same
            BN weight     1 + ((rand(n) * 2) - 1) * 0.035
            BN bias       0, nothing drawn
            Cases without BN take sqrt(6 / (n / n_1)) in place of 0.035 for
            weights of n elements and n_1 rows, so that signals keep their size.
  batches   generator seeded with 11. One after another (rand(n) * 2) - 1,
            n = batch * channels * 32 * 32, as (batch, channels, 32, 32); the
            last `anomalies` rows are the known anomalies.

float32 uses the same numbers, cast. Every case starts both generators anew. The
first step's gradients are compared over five pairs of seeds (100 + k, 200 + k).

    python3 reference.py                                  # writes the file
    python3 reference.py --check --layout channels_last   # compares with it
"""

import argparse
import json
import math
import os
import statistics
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), *"../../lua/agad/bench".split("/")))
import peer  # noqa: E402
from peer import ADAM, bce  # noqa: E402
from peer_nets import Discriminator, Trunk, conv, deconv  # noqa: E402

FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                    "..", "data", "reference.json")
WEIGHT_SEED, BATCH_SEED, SPREAD, SIZE = 7, 11, 0.035, 32
STEPS = 20
AGAD_CASES = [
    {"name": "nc1_gamma0", "channels": 1, "batch": 8, "anomalies": 0},
    {"name": "nc1_anomalies", "channels": 1, "batch": 8, "anomalies": 3},
    {"name": "nc3_anomalies", "channels": 3, "batch": 8, "anomalies": 3},
    {"name": "unet", "net": "unet", "width": 8, "channels": 3, "batch": 8, "anomalies": 3},
    {"name": "unet_norm_none", "net": "unet", "width": 8, "norm": "none", "channels": 3,
     "batch": 8, "anomalies": 3},
    {"name": "unet++", "net": "unet++", "width": 8, "channels": 3, "batch": 8, "anomalies": 3},
]
GRADIENT_CASES = ["nc3_anomalies", "unet", "unet++"]
GRADIENT_SEEDS = [(100 + k, 200 + k) for k in range(1, 6)]  # weights, batch
COUNTS = [({"net": "naive", "channels": 3}, {"generator": 2137728, "discriminator": 663296}),
          ({"net": "unet", "channels": 3}, {"generator": 7763107}),
          ({"net": "unet", "channels": 1, "norm": "none"}, {"generator": 7759521}),
          ({"net": "unet++", "channels": 3}, {"generator": 9045891}),
          ({"net": "unet++", "channels": 1, "norm": "none"}, {"generator": 9041601})]
GANOMALY_CASE = {"name": "nc1", "channels": 1, "batch": 4}
GANOMALY_COUNTS = {3: {"encoder": 1068800, "decoder": 1068928}}


# ---------------------------------------------------------- weights and data

def draw(count, generator):
    return torch.rand(count, dtype=torch.float64, generator=generator) * 2 - 1


@torch.no_grad()
def reproducible_weights(nets, seed, norm="bn"):
    generator = torch.Generator().manual_seed(seed)
    for module in (module for net in nets for module in net.modules()):
        if isinstance(module, nn.BatchNorm2d):
            module.weight.copy_(1 + draw(module.weight.numel(), generator) * SPREAD)
            module.bias.zero_()
        elif isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            weight, spread = module.weight, SPREAD
            if norm == "none":
                spread = math.sqrt(6 / (weight.numel() // weight.shape[0]))
            weight.copy_((draw(weight.numel(), generator) * spread).reshape(weight.shape))
            if module.bias is not None:
                module.bias.copy_(draw(module.bias.numel(), generator) * SPREAD)


def batches(case, steps, place, seed=BATCH_SEED):
    generator = torch.Generator().manual_seed(seed)
    shape = (case["batch"], case["channels"], SIZE, SIZE)
    count = case["batch"] * case["channels"] * SIZE * SIZE
    return [draw(count, generator).reshape(shape).to(**place) for _ in range(steps)]


def parameter_names(nets):
    return [f"{name}.{key}" for name, net in nets.items()
            for key, _ in net.named_parameters()]


def placement(dtype, layout):
    return {"dtype": dtype, "memory_format": torch.channels_last
            if layout == "channels_last" else torch.contiguous_format}


def made(nets, place, norm="bn", seed=WEIGHT_SEED):
    """The nets in float64 with their weights drawn, then cast and laid out."""
    for net in nets.values():
        net.to(torch.float64)
    reproducible_weights(nets.values(), seed, norm)
    for net in nets.values():
        net.to(**place)
    return nets


def record(steps):
    """[{name: loss}] as {name: [loss of every step]}."""
    return {name: [step[name].item() for step in steps] for name in steps[0]}


# ---------------------------------------------------------------------- AGAD

def agad_nets(case):
    return peer.made_nets(case.get("net", "naive"), case["channels"], case.get("width"),
                          case.get("norm", "bn"))


def agad_run(case, steps, place, seeds=(WEIGHT_SEED, BATCH_SEED)):
    nets = made(agad_nets(case), place, case.get("norm", "bn"), seeds[0])
    trainer = peer.Trainer(*nets.values(), anomalies=case["anomalies"])
    losses = [trainer.step(x) for x in batches(case, steps, place, seeds[1])]
    return nets, record(losses)


def first_gradients(case, seeds, place):
    """Each net's whole gradient in the first step, as one vector of float64."""
    nets, _ = agad_run(case, 1, place, seeds)
    return {name: torch.cat([p.grad.double().flatten() for p in net.parameters()])
            for name, net in nets.items()}


def gradient_distances(case, layout):
    """|g|, and how far float32's gradient is from float64's, relative to it."""
    out = {f"{key}_{name}": [] for name in ("generator", "discriminator")
           for key in ("norm", "distance")}
    for seeds in GRADIENT_SEEDS:
        wide = first_gradients(case, seeds, placement(torch.float64, layout))
        narrow = first_gradients(case, seeds, placement(torch.float32, layout))
        for name, exact in wide.items():
            norm = exact.norm().item()
            out[f"norm_{name}"].append(norm)
            out[f"distance_{name}"].append((narrow[name] - exact).norm().item() / norm)
    return out


def agad(layout):
    out = {"steps": STEPS, "parameters": parameter_names(agad_nets(AGAD_CASES[0])), "cases": {}}
    for case in AGAD_CASES:
        nets, losses = agad_run(case, STEPS, placement(torch.float64, layout))
        _, first = agad_run(case, 1, placement(torch.float32, layout))
        after = [p.detach() for net in nets.values() for p in net.parameters()]
        out["cases"][case["name"]] = {
            **{key: value for key, value in case.items() if key != "name"},
            "float64": losses,
            "float32_first_step": {name: values[0] for name, values in first.items()},
            "sum_after": [p.sum().item() for p in after],
            "abs_sum_after": [p.abs().sum().item() for p in after],
        }
        if case["name"] in GRADIENT_CASES:
            out["cases"][case["name"]]["gradients"] = gradient_distances(case, layout)
    return out


# ------------------------------------------------------------------ GANomaly

class Encoder(Trunk):
    def __init__(self, channels):
        super().__init__(channels)
        self.conv4 = conv(256, 100, stride=1, padding=0)

    def forward(self, x):
        return self.conv4(self.features(x))                 # (B, 100, 1, 1)


class Decoder(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.deconv1 = deconv(100, 256, stride=1, padding=0)
        self.bn1 = nn.BatchNorm2d(256)
        self.deconv2 = deconv(256, 128)
        self.bn2 = nn.BatchNorm2d(128)
        self.deconv3 = deconv(128, 64)
        self.bn3 = nn.BatchNorm2d(64)
        self.deconv4 = deconv(64, channels)

    def forward(self, z):
        h = F.relu(self.bn1(self.deconv1(z)))
        h = F.relu(self.bn2(self.deconv2(h)))
        h = F.relu(self.bn3(self.deconv3(h)))
        return torch.tanh(self.deconv4(h))


def ganomaly_nets(channels):
    return {"encoder": Encoder(channels), "decoder": Decoder(channels),
            "encoder2": Encoder(channels), "discriminator": Discriminator(channels)}


def ganomaly_step(nets, opt_g, opt_d, x):
    """The gradient of `enc` flows into both latents, as the authors' code has it."""
    encoder, decoder, encoder2, D = nets.values()
    z = encoder(x)
    x_hat = decoder(z)
    z_hat = encoder2(x_hat)
    _, f = D(x)
    _, f_hat = D(x_hat)
    losses = {"adv": F.mse_loss(f_hat, f.detach()), "con": F.l1_loss(x_hat, x),
              "enc": F.mse_loss(z_hat, z)}
    losses["G"] = losses["adv"] + 50 * losses["con"] + losses["enc"]
    opt_g.zero_grad()
    losses["G"].backward()
    opt_g.step()

    losses["D"] = (bce(D(x)[0], 1.0) + bce(D(x_hat.detach())[0], 0.0)) / 2
    opt_d.zero_grad()
    losses["D"].backward()
    opt_d.step()
    return {name: loss.detach() for name, loss in losses.items()}


def ganomaly(layout):
    case = GANOMALY_CASE
    place = placement(torch.float64, layout)
    nets = made(ganomaly_nets(case["channels"]), place)
    *generator, discriminator = nets.values()
    opt_g = torch.optim.Adam([p for net in generator for p in net.parameters()], **ADAM)
    opt_d = torch.optim.Adam(discriminator.parameters(), **ADAM)
    losses = [ganomaly_step(nets, opt_g, opt_d, x)
              for x in batches(case, STEPS, place)]
    return {"steps": STEPS, "parameters": parameter_names(nets),
            "cases": {case["name"]: {"channels": case["channels"], "batch": case["batch"],
                                     "float64": record(losses)}}}


# ---------------------------------------------------------------------- file

def check_counts():
    built = [(agad_nets(case), counts) for case, counts in COUNTS]
    built += [(ganomaly_nets(channels), counts) for channels, counts in GANOMALY_COUNTS.items()]
    for nets, counts in built:
        for name, count in counts.items():
            found = sum(p.numel() for p in nets[name].parameters())
            if found != count:
                sys.exit(f"{name}: {found} parameters, {count} expected")


def text(value, indent=0):
    """JSON with a line for each list and each plain value; numbers are written
    with as many digits as give the same double again (17 at most)."""
    if not isinstance(value, dict):
        return json.dumps(value)
    pad = " " * (indent + 1)
    lines = [f"{pad}{json.dumps(key)}: {text(item, indent + 1)}" for key, item in value.items()]
    return "{\n" + ",\n".join(lines) + "\n" + " " * indent + "}"


def deviation(stored, found, scale=None):
    """Largest |found - stored| / scale; the scale is |stored| unless given."""
    scale = scale or stored
    return max(abs(f - s) / abs(by) for s, f, by in zip(stored, found, scale, strict=True))


def compare(stored, found):
    """Prints, case by case, how far a new calculation is from the stored one."""
    for method in ("agad", "ganomaly"):
        for name, old in stored[method]["cases"].items():
            new = found[method]["cases"][name]
            worst = {key: deviation(values, new["float64"][key])
                     for key, values in old["float64"].items()}
            key = max(worst, key=worst.get)
            line = f"{method} {name}: float64 {worst[key]:.1e} ({key})"
            if "sum_after" in old:
                pairs = [(old["float32_first_step"][k], new["float32_first_step"][k])
                         for k in old["float32_first_step"]]
                line += f", float32 first step {deviation(*zip(*pairs)):.1e}"
                scale = old["abs_sum_after"]
                sums = deviation(old["sum_after"], new["sum_after"], scale)
                magnitudes = deviation(scale, new["abs_sum_after"])
                line += f", parameter sums {sums:.1e}, magnitudes {magnitudes:.1e}"
            for key, values in old.get("gradients", {}).items():
                found_values = new["gradients"][key]
                ratios = [f / s for s, f in zip(values, found_values, strict=True)]
                line += (f", {key} {deviation(values, found_values):.1e}" if "norm" in key else
                         f", {key} {statistics.median(ratios):.2f} x")
            print(line)


def main():
    parser = argparse.ArgumentParser(description="Makes spec/data/reference.json.")
    parser.add_argument("--out", default=FILE)
    parser.add_argument("--layout", choices=["nchw", "channels_last"], default="nchw")
    parser.add_argument("--check", action="store_true",
                        help="compare with the stored file, write nothing")
    args = parser.parse_args()
    check_counts()
    result = {
        "made_by": "spec/bench/reference.py",
        "torch": torch.__version__.split("+")[0],
        "weight_seed": WEIGHT_SEED,
        "batch_seed": BATCH_SEED,
        "spread": SPREAD,
        "gradient_seeds": GRADIENT_SEEDS,
        "size": SIZE,
        "agad": agad(args.layout),
        "ganomaly": ganomaly(args.layout),
    }
    if args.check:
        with open(args.out) as file:
            compare(json.load(file), result)
        return
    os.makedirs(os.path.dirname(args.out), exist_ok=True)
    with open(args.out, "w") as file:
        file.write(text(result) + "\n")


if __name__ == "__main__":
    main()
