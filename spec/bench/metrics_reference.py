"""Writes spec/data/metrics.json: scikit-learn's metrics on 200 random cases with ties, for spec/metrics_spec.lua.

Scores are not stored: both sides draw them with the generator below. A case is a line of the file; curves are flat
lists, false- then true-positive rates (recall, precision), all with 17 digits.

    python3 spec/bench/metrics_reference.py        (needs numpy and scikit-learn)
"""

import json
import os

import numpy as np
import sklearn
from sklearn.metrics import average_precision_score, f1_score, precision_recall_curve, roc_auc_score, roc_curve

CASES = 200


class Generator:
    """A linear congruential generator (the constants of ANSI C); its low bits are dropped."""

    def __init__(self, seed):
        self.state = seed

    def draw(self, n):
        self.state = (self.state * 1103515245 + 12345) % 2147483648
        return self.state // 65536 % n


def case(seed):
    g = Generator(seed)
    n, levels, shift = 4 + g.draw(300), 2 + g.draw(24), g.draw(6)
    labels = [g.draw(3) // 2 for _ in range(n)]
    labels[0], labels[1] = 0, 1
    scores = [(g.draw(levels) + shift * y - levels // 2) / 8 for y in labels]
    return np.array(scores), np.array(labels), (g.draw(levels) - levels // 2) / 8


def results(seed):
    scores, labels, threshold = case(seed)
    fpr, tpr, thresholds = roc_curve(labels, scores, drop_intermediate=True)
    all_fpr, all_tpr, cuts = roc_curve(labels, scores, drop_intermediate=False)
    precision, recall, _ = precision_recall_curve(labels, scores)
    f1 = {t: f1_score(labels, scores >= t, zero_division=0) for t in cuts[1:]}
    best = max(f1.values())
    return {
        "n": len(scores), "anomalous": int(labels.sum()),
        "auroc": roc_auc_score(labels, scores), "ap": average_precision_score(labels, scores),
        "f1": f1_score(labels, scores >= threshold, zero_division=0),
        "best_f1": best, "best_at": max(t for t in f1 if f1[t] == best),
        "tpr1": max(all_tpr[all_fpr <= .01]), "tpr5": max(all_tpr[all_fpr <= .05]),
        "roc": list(fpr) + list(tpr), "cuts": list(thresholds[1:]), "pr": list(recall) + list(precision),
    }


def main():
    path = os.path.join(os.path.dirname(__file__), "..", "data", "metrics.json")
    lines = [json.dumps(results(seed), separators=(",", ":")) for seed in range(1, CASES + 1)]
    head = json.dumps({"made_by": "spec/bench/metrics_reference.py", "scikit_learn": sklearn.__version__})
    with open(path, "w") as file:
        file.write(head[:-1] + ', "cases": [\n' + ",\n".join(lines) + "\n]}\n")
    print(path, os.path.getsize(path), "bytes")


main()
