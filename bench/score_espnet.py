# SPDX-License-Identifier: Apache-2.0
"""How long a program in Python takes that scores trials as ESPnet's recipe does: one trial at a time, embeddings normalised and
their distances averaged by PyTorch; then EER and minDCF by ESPnet's functions. For bench/score.

score EMBEDDINGS.npz TRIAL_LABEL OUT    prints the seconds that it took
eval SCORES                             the same for the error rates
norm EMBEDDINGS.npz SCORES COHORT.npz TOP_K TRIALS   AS-norm of the first TRIALS trials, cohort scores anew for each
"""
import sys
import time

import numpy as np
import torch


def score(embeddings, trials, out):
    e = dict(np.load(embeddings))
    with open(trials) as f, open(out, "w") as o:
        for line in f:
            key, label = line.split()
            a, b = (torch.nn.functional.normalize(torch.from_numpy(e[u]), p=2, dim=1) for u in key.split("*"))
            s = -torch.cdist(a, b).mean()
            o.write(f"{key} {s.item()} {label}\n")


def evaluate(scores):
    from espnet2.utils.eer import ComputeErrorRates, ComputeMinDcf, tuneThresholdfromScore

    rows = [line.split() for line in open(scores)]
    s, labels = [float(r[1]) for r in rows], [int(r[2]) for r in rows]
    eer = tuneThresholdfromScore(s, labels, [1, 0.1])[1]
    fnrs, fprs, thresholds = ComputeErrorRates(s, labels)
    print("eer", eer, "mindcf", ComputeMinDcf(fnrs, fprs, thresholds, 0.05, 1, 1)[0], file=sys.stderr)


def norm(embeddings, scores, cohort, top_k, trials):
    e, c = dict(np.load(embeddings)), np.load(cohort)
    c = torch.nn.functional.normalize(torch.from_numpy(np.stack([c[u] for u in c])), p=2, dim=1)
    for line in open(scores).readlines()[: int(trials)]:
        key, s, _ = line.split()
        sides = []
        for u in key.split("*"):
            x = torch.nn.functional.normalize(torch.from_numpy(e[u]), p=2, dim=1)
            top = torch.topk(-torch.cdist(x, c).mean(0), int(top_k)).values
            sides.append(((float(s) - top.mean()) / top.std()).item())
        sum(sides) / 2


if __name__ == "__main__":
    begin = time.time()
    {"score": score, "eval": evaluate, "norm": norm}[sys.argv[1]](*sys.argv[2:])
    print(f"{time.time() - begin:.3f}")
