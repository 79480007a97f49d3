# SPDX-License-Identifier: Apache-2.0
"""Check figures of ESPnet's scoring chain, from its formulas: distances, AS-norm, quality measures, EER and minDCF.

data FOLDER     small embeddings, lists and durations, the same on every machine (NumPy alone)
figures FOLDER  what tests/cli/espnet_scores.txt holds, computed by PyTorch, scikit-learn and espnet2.utils.eer of release 202611
"""
import sys

import numpy as np

K, D = 4, 8


def noise(*place):
    """In [-0.5, 0.5), a multiple of 1/1024: exact in float32."""
    x = 17
    for p in place:
        x = (x * 2654435761 + p * 40503 + 12345) % 2**32
        x ^= x >> 15
    x = (x * 2246822519) % 2**32
    return ((x >> 22) % 1024) / 1024 - 0.5


def embeddings(first_speaker, speakers, utterances):
    e = {}
    for s in range(first_speaker, first_speaker + speakers):
        for u in range(utterances):
            row = lambda k: [2 * noise(1, s, d) + noise(2, s, u, d) + noise(3, s, u, k, d) for d in range(D)]
            e[f"s{s}/u{u}"] = np.array([row(k) for k in range(K)], "f")
    return e


def sets():
    return {"test": embeddings(0, 6, 4), "dev": embeddings(20, 6, 4), "cohort": embeddings(40, 12, 3)}


def trials(e):
    names = sorted(e)
    pairs = [(a, b) for i, a in enumerate(names) for b in names[:i]]
    same = lambda a, b: a.split("/")[0] == b.split("/")[0]
    return [(a, b, int(same(a, b))) for i, (a, b) in enumerate(pairs) if same(a, b) or i % 4 == 0]


def seconds(name):
    return round(1 + 12 * (noise(4, *map(ord, name)) + 0.5), 3)


def write_data(folder):
    for part, e in sets().items():
        np.savez(f"{folder}/{part}.npz", **e)
        open(f"{folder}/{part}.spk", "w").writelines(f"{u} {u.split('/')[0]}\n" for u in e)
        open(f"{folder}/{part}.dur", "w").writelines(f"{u} {seconds(u)}\n" for u in e)
        open(f"{folder}/{part}.trials", "w").writelines(f"{a}*{b} {y}\n" for a, b, y in trials(e))


def figures(folder):
    import torch
    from sklearn.linear_model import LogisticRegression

    from espnet2.utils.eer import ComputeErrorRates, ComputeMinDcf, tuneThresholdfromScore

    unit = lambda x: torch.nn.functional.normalize(torch.as_tensor(x, dtype=torch.float64), p=2, dim=-1)
    data = sets()
    cohort = data["cohort"]
    speakers = sorted({u.split("/")[0] for u in cohort})
    items = torch.stack([torch.stack([unit(cohort[u].mean(0)) for u in cohort if u.startswith(f"{s}/")]).mean(0) for s in speakers])
    top = 7

    def raw(e, a, b):
        return -torch.cdist(unit(e[a]), unit(e[b])).mean().item()

    def statistics(x):
        s = torch.topk(-torch.cdist(unit(x), items).mean(0), top).values
        return s.mean().item(), s.std().item()

    def normed(e, a, b):
        (ma, da), (mb, db), s = statistics(e[a]), statistics(e[b]), raw(e, a, b)
        return ((s - ma) / da + (s - mb) / db) / 2

    def features(e, a, b):
        x = [normed(e, a, b), np.log(seconds(a)), np.log(seconds(b))]
        x += [np.abs(e[u].astype("d")).sum(1).mean() for u in (a, b)]
        x += [np.linalg.norm(e[u].astype("d"), axis=1).mean() for u in (a, b)]
        x += [e[u].astype("d").mean(0).std() for u in (a, b)]
        return np.r_[x, e[a].astype("d").std(0), e[b].astype("d").std(0)]

    dev, test = trials(data["dev"]), trials(data["test"])
    x = np.array([features(data["dev"], a, b) for a, b, _ in dev])
    fit = LogisticRegression(solver="liblinear", C=1.0, tol=1e-14, max_iter=100000).fit(x, [y for _, _, y in dev])
    probability = fit.predict_proba(np.array([features(data["test"], a, b) for a, b, _ in test]))[:, 1]
    columns = {"raw": [raw(data["test"], a, b) for a, b, _ in test], "norm": [normed(data["test"], a, b) for a, b, _ in test],
               "qmf": list(probability)}
    with open(f"{folder}/espnet_scores.txt", "w") as f:
        for i, (a, b, _) in enumerate(test):
            f.write(f"{a}*{b} " + " ".join(f"{c[i]:.12g}" for c in columns.values()) + "\n")
        labels = [y for _, _, y in test]
        for name, c in columns.items():
            c = [float(np.float32(s)) for s in c]  # as a file of scores holds them
            fnrs, fprs, thresholds = ComputeErrorRates(c, labels)
            f.write(f"{name} eer {tuneThresholdfromScore(c, labels, [1, 0.1])[1]:.12g} mindcf "
                    f"{ComputeMinDcf(fnrs, fprs, thresholds, 0.05, 1, 1)[0]:.12g}\n")


if __name__ == "__main__":
    {"data": write_data, "figures": figures}[sys.argv[1]](sys.argv[2])
