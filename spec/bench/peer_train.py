#!/usr/bin/env python3
"""Trains the PyTorch peer on MNIST as `agad train mnist --gamma .05` does, and
prints AUROC after each epoch: what the method gives without this project's code.

    AGAD_DATA=... python3 peer_train.py --normal 8 --epochs 4 --seed 1

It measures the steady column (averaged weights, batch norm recalibrated on the
normal training pictures), plain (last weights, running statistics), and the last
weights recalibrated; all test pictures of the digit and 2,500 others. Its random
numbers are not ours: compare over seeds.
"""

import argparse
import copy
import gzip
import os
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), *"../../lua/agad/bench".split("/")))
import peer  # noqa: E402

DECAY, BATCH, ANOMALIES, GAMMA = .99, 256, 32, .05


def idx(name):
    """A gzipped IDX file of bytes as an array."""
    path = os.path.join(os.environ["AGAD_DATA"], "mnist", name + ".gz")
    with gzip.open(path) as file:
        data = file.read()
    sides = np.frombuffer(data, ">u4", count=data[3], offset=4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(sides)


def pictures(rows):
    """(n, 1, 32, 32) from -1 to 1, resized as the loader does."""
    x = torch.from_numpy(rows.copy()).float().unsqueeze(1)
    x = F.interpolate(x, (32, 32), mode="bilinear", align_corners=False).round()
    return x / 127.5 - 1


def auroc(net, test, anomalous):
    with torch.no_grad():
        scores = torch.cat([(x - net(x)).flatten(1).norm(dim=1) for x in test.split(BATCH)]).numpy()
    ranks = np.empty(len(scores))
    ranks[np.argsort(scores, kind="stable")] = np.arange(1, len(scores) + 1)
    bad = anomalous.sum()
    return (ranks[anomalous].sum() - bad * (bad + 1) / 2) / (bad * (len(scores) - bad))


def recalibrated(generator, weights, normals):
    """A copy with these weights and batch norm statistics of the normals."""
    net = copy.deepcopy(generator)
    with torch.no_grad():
        for p, w in zip(net.parameters(), weights):
            p.copy_(w)
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.reset_running_stats()
                module.momentum = None                     # the cumulative mean
        net.train()
        for x in normals.split(BATCH):
            net(x)
    return net.eval()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--normal", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    draw = np.random.default_rng(args.seed)

    images, labels = idx("train-images-idx3-ubyte"), idx("train-labels-idx1-ubyte")
    normals = pictures(images[labels == args.normal])
    count = round(GAMMA * len(normals) / (1 - GAMMA))
    rows = []
    for i, digit in enumerate(d for d in range(10) if d != args.normal):
        rows.extend(draw.permutation(np.where(labels == digit)[0])[:count // 9 + (i < count % 9)])
    known = pictures(images[rows])
    images, labels = idx("t10k-images-idx3-ubyte"), idx("t10k-labels-idx1-ubyte")
    others = draw.permutation(np.where(labels != args.normal)[0])[:2500]
    good = np.where(labels == args.normal)[0]
    test = pictures(images[np.concatenate([good, others])])
    anomalous = np.arange(len(test)) >= len(good)

    nets = peer.made_nets("naive", 1)
    for net in nets.values():
        peer.dcgan_weights(net)
        net.to(memory_format=torch.channels_last)
    generator = nets["generator"]
    trainer = peer.Trainer(generator, nets["discriminator"], anomalies=ANOMALIES)
    average = [p.detach().clone() for p in generator.parameters()]
    pool, steps = [], 0
    for epoch in range(1, args.epochs + 1):
        generator.train()
        for rows in torch.randperm(len(normals)).split(BATCH - ANOMALIES):
            if len(rows) < BATCH - ANOMALIES:
                break
            while len(pool) < ANOMALIES:
                pool.extend(draw.permutation(len(known)))
            anomalies, pool = known[pool[:ANOMALIES]], pool[ANOMALIES:]
            x = torch.cat([normals[rows], anomalies])
            trainer.step(x.contiguous(memory_format=torch.channels_last))
            steps += 1
            share = (1 - DECAY) / (1 - DECAY ** steps)     # without bias from the start
            with torch.no_grad():
                for mean, p in zip(average, generator.parameters()):
                    mean.lerp_(p, share)
        generator.eval()
        last = [p.detach().clone() for p in generator.parameters()]
        print("epoch %d  steady %.4f  plain %.4f  last weights recalibrated %.4f" % (
            epoch, auroc(recalibrated(generator, average, normals), test, anomalous),
            auroc(generator, test, anomalous),
            auroc(recalibrated(generator, last, normals), test, anomalous)), flush=True)


if __name__ == "__main__":
    main()
