"""Writes spec/data/operators.json: PyTorch's results of the calls below, for spec/operators_values_spec.lua.

A line of spec/bench/operators/*.txt is a call in Python, `=>`, the same call in Lua; a line that starts with # names a
family.  The operator of a case is the last one called in its Lua text, unless `##` names another.  Marks after `##`:
`nograd` leaves gradients out, `-x` that of input x; `shape` keeps shapes and dtypes alone (random numbers).  Stored are
the inputs, each case's outputs and the gradients of the sum over all outputs o of sum(o * weights(o)) with respect to
its inputs of floating point.

    python3 spec/bench/operators_reference.py        (needs PyTorch 2.11.0)
"""

import glob
import json
import os
import re
import struct

import torch
import torch.nn.functional as F


def inputs():
    g = torch.Generator().manual_seed(16)

    def normal(*size, dtype=torch.float32):
        return torch.randn(*size, generator=g, dtype=torch.float64).to(dtype)

    def uniform(low, high, *size, dtype=torch.float32):
        return (torch.rand(*size, generator=g, dtype=torch.float64) * (high - low) + low).to(dtype)

    def whole(low, high, *size, dtype=torch.int64):
        return torch.randint(low, high, size, generator=g, dtype=dtype)

    spd = normal(3, 3, dtype=torch.float64)
    return {
        "x": normal(3, 4), "y": normal(3, 4), "pos": uniform(.2, 3, 3, 4), "pos2": uniform(.5, 3, 3, 4),
        "unit": uniform(-.9, .9, 3, 4), "prob": uniform(.05, .95, 3, 4), "row": normal(4), "col": normal(3, 1),
        "v": normal(5), "w": normal(5), "c3": normal(2, 3, 4), "e3": normal(2, 4, 3), "m": normal(4, 2),
        "v4": normal(4), "v3": normal(3), "u3": normal(3), "s": normal(3, 3) + 2.5 * torch.eye(3), "s2": normal(3, 2),
        "spd": (spd @ spd.T + torch.eye(3)).float(), "d": normal(3, 4, dtype=torch.float64),
        "d2": normal(3, 4, dtype=torch.float64), "dpos": uniform(.2, 3, 3, 4, dtype=torch.float64),
        "sd": normal(3, 3, dtype=torch.float64) + 2.5 * torch.eye(3, dtype=torch.float64),
        "spdd": spd @ spd.T + torch.eye(3), "i": whole(-9, 10, 3, 4), "j": whole(1, 7, 3, 4), "few": whole(0, 4, 9),
        "i32": whole(-9, 10, 3, 4, dtype=torch.int32), "byte": whole(0, 256, 3, 4, dtype=torch.uint8),
        "b": whole(0, 2, 3, 4).bool(), "b2": whole(0, 2, 3, 4).bool(), "keep": torch.tensor([True, False, True]),
        "i3": torch.tensor([2, 0, 2]), "i2": torch.tensor([2, 0]), "gi": whole(0, 4, 3, 2), "gs": normal(3, 2),
        "ti": whole(0, 12, 2, 3), "src": normal(2, 4), "labels": torch.tensor([3, 0, 1]),
        "sign": torch.tensor([1., -1, 1]),
        "hot": whole(0, 2, 3, 4).float(), "z": torch.complex(normal(2, 3), normal(2, 3)),
        "z2": torch.complex(normal(2, 3), normal(2, 3)), "signal": normal(1, 2, 8), "k1": normal(3, 2, 3),
        "kt1": normal(2, 3, 3), "img": normal(1, 2, 4, 4), "k2": normal(2, 2, 2, 2), "bias2": normal(2),
        "scale2": normal(2), "bias3": normal(3),
        "deep": normal(1, 4, 2, 3), "vol": normal(1, 1, 2, 3, 4), "k3": normal(1, 1, 2, 2, 2), "table": normal(5, 3),
        "words": torch.tensor([[4, 0], [1, 4]]), "grid": uniform(-1.2, 1.2, 1, 2, 3, 2), "theta": normal(1, 2, 3),
        "mean2": normal(2), "var2": uniform(.5, 2, 2), "sorted": torch.tensor([-1., -.25, .5, 1.5]),
        "holes": torch.tensor([[1., float("nan"), 3], [float("inf"), -2, -float("inf")]]), "h": normal(3, 4).bfloat16(),
        "gru_i": normal(2, 3), "gru_h": normal(2, 2), "wi": normal(6, 3), "wh": normal(6, 2), "logp": normal(4, 1, 3),
    }


def f32(v):
    for digits in range(6, 10):
        text = f"{v:.{digits}g}"
        if struct.unpack("f", struct.pack("f", float(text)))[0] == v:
            return float(text)
    return v


def flat(t):
    t = t.detach()
    if t.is_complex():
        t = torch.view_as_real(t.resolve_conj())
    values = t.reshape(-1).tolist()
    if t.dtype == torch.bool:
        return [int(v) for v in values]
    if not t.is_floating_point():
        return values
    exact = (lambda v: v) if t.dtype == torch.float64 else f32
    return [exact(v) if abs(v) < float("inf") else str(v) for v in values]


def stored(t, values=True):
    return [str(t.dtype).removeprefix("torch."), list(t.shape)] + ([flat(t)] if values else [])


def tensors(result):
    if isinstance(result, (tuple, list)):
        return [t for part in result for t in tensors(part)]
    return [result] if isinstance(result, torch.Tensor) else [torch.tensor(result)]


def weights(o):
    return torch.tensor([((7 * i) % 11 - 4) / 8 for i in range(o.numel())], dtype=torch.float64).reshape(o.shape)


def case(line, family, pool):
    calls, _, marks = line.partition("##")
    python, lua = (part.strip() for part in calls.split("=>"))
    marks = marks.split()
    shape, nograd = "shape" in marks, "nograd" in marks or "shape" in marks
    named = [m for m in marks if m not in ("shape", "nograd") and m[0] != "-"]
    outer = re.sub(r"\([^()]*\)|\{[^{}]*\}", "", re.sub(r'"[^"]*"', "", lua))
    while re.search(r"\([^()]*\)|\{[^{}]*\}", outer):
        outer = re.sub(r"\([^()]*\)|\{[^{}]*\}", "", outer)
    operator = named[0] if named else re.findall(r"[:.]([a-z_0-9A-Z]+)", outer)[-1]
    code = compile(python, python, "eval")
    names = [n for n in pool if re.search(rf"\b{n}\b", lua)]
    assert set(names) == {n for n in re.findall(r"[a-z_]\w*", python) if n in pool}, line
    bound = {n: pool[n].clone() for n in names}
    graded = [] if nograd else [n for n in names if bound[n].is_floating_point() and "-" + n not in marks]
    for n in graded:
        bound[n].requires_grad_()
    outputs = tensors(eval(code, {"torch": torch, "F": F}, bound))
    result = {"operator": operator, "family": family, "python": python, "lua": lua, "inputs": names,
              "graded": graded, "outputs": [stored(o, not shape) for o in outputs]}
    if shape:
        result["random"] = True
    part = [o for o in outputs if o.requires_grad and o.is_floating_point()]
    if part:
        total = sum((o * weights(o).to(o.dtype)).sum() for o in part)
        found = torch.autograd.grad(total, [bound[n] for n in graded], allow_unused=True)
        result["gradients"] = {n: flat(t) for n, t in zip(graded, found) if t is not None}
    return result


def main():
    pool, family, cases, failed = inputs(), None, [], 0
    torch.set_num_threads(1)
    here = os.path.dirname(os.path.abspath(__file__))
    lines = [line.strip() for path in sorted(glob.glob(here + "/operators/*.txt")) for line in open(path)]
    for line in filter(None, lines):
        if line.startswith("# "):
            family = line[2:]
            continue
        try:
            cases.append(case(line, family, pool))
        except Exception as error:
            failed += 1
            print(f"{line}\n  {error}")
    if failed:
        raise SystemExit(f"{failed} cases failed; nothing is written")
    used = {n for c in cases for n in c["inputs"]}
    assert used == set(pool), set(pool) - used
    path = os.path.join(here, "..", "data", "operators.json")
    with open(path, "w") as file:
        pack = lambda v: json.dumps(v, separators=(",", ":"))
        head = {"made_by": "spec/bench/operators_reference.py", "torch": torch.__version__}
        file.write(pack(head)[:-1] + ',"inputs":{\n')
        file.write(",\n".join(f"{pack(n)}:{pack(stored(t))}" for n, t in pool.items()))
        file.write('},"cases":[\n' + ",\n".join(map(pack, cases)) + "\n]}\n")
    graded = sum("gradients" in c for c in cases)
    operators = len({c["operator"] for c in cases})
    print(f"{path}: {os.path.getsize(path)} bytes, {len(cases)} cases of {operators} operators, {graded} with gradients")


main()
