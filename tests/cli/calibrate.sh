# SPDX-License-Identifier: Apache-2.0
# spk calibrate: the fit is where the gradient of its cost is zero (NumPy), kept and applied; and what is refused.
. tests/cli/common.sh
need_numpy
case $build in /*) ;; *) build=$PWD/$build ;; esac
cd "$tmp" || exit 1

python - <<'PY'
import numpy as np
r = np.random.default_rng(5)
D, K = 7, 3
for part, n in ("fit", 30), ("test", 20):
    e = {f"{part}{i}": (r.normal(size=(K, D)) * (1 + i % 4)).astype("f") for i in range(n)}
    np.savez(f"{part}.npz", **e)
    seconds = {u: 1 + 20 * r.random() for u in e}
    open(f"{part}.dur", "w").writelines(f"{u} {s:.17g}\n" for u, s in seconds.items())
    names, a, b, trials = list(e), [], [], []
    for i in range(n):
        for j in range(i):
            y = int((i + j) % 3 == 0)
            trials.append(f"{names[i]} {names[j]} {'target' if y else 'nontarget'}\n")
            a.append(f"{names[i]}*{names[j]} {np.float32(y + r.normal() - seconds[names[i]] / 20)} {y}\n")
            b.append(f"{names[i]} {names[j]} {np.float32(3 * y + 2 * r.normal())}\n")
    open(f"{part}.a", "w").writelines(a); open(f"{part}.trials", "w").writelines(trials)
    r.shuffle(b); open(f"{part}.b", "w").writelines(b)
PY
q="--fit_embeddings fit.npz --fit_durations fit.dur --apply_embeddings test.npz --apply_durations test.dur"
ok spk calibrate --fit fit.a --model linear.json --apply test.a --output linear
ok spk calibrate --fit fit.a fit.b --prior 0.05 --model fused.json --apply test.a test.b --output fused
# shellcheck disable=SC2086
ok spk calibrate --fit fit.a --kind qmf --model qmf.json --apply test.a --output qmf $q
# shellcheck disable=SC2086
ok spk calibrate --fit fit.a --kind qmf_espnet --model espnet.json --apply test.a --output espnet $q
has "$err" 'bias .*, 23 features'
ok spk calibrate --model fused.json --apply test.a test.b --output probability --probability
python - >report <<'PY'
import json, numpy as np
def read(path):
    rows = [l.split() for l in open(path)]
    return [(tuple(w[0].split("*")), w[1:]) if "*" in w[0] else ((w[0], w[1]), w[2:]) for w in rows]
def features(part, model):
    rows = read(f"{part}.a")
    x = [[float(w[0])] for _, w in rows]
    if model["n_systems"] == 2:
        b = {k: float(w[0]) for k, w in read(f"{part}.b")}
        x = [v + [b[k]] for v, (k, _) in zip(x, rows)]
    if model["embedding_size"]:
        e = {k: v.astype("d") for k, v in np.load(f"{part}.npz").items()}
        d = {k: float(w) for k, w in (l.split() for l in open(f"{part}.dur"))}
        both = lambda k, f: [f(e[k[0]]), f(e[k[1]])]
        for v, (k, _) in zip(x, rows):
            v += [np.log(d[k[0]]), np.log(d[k[1]])] + both(k, lambda m: np.abs(m).sum(1).mean())
            v += both(k, lambda m: np.linalg.norm(m, axis=1).mean()) + both(k, lambda m: m.mean(0).std())
            v += list(e[k[0]].std(0)) + list(e[k[1]].std(0))
    return np.array(x), np.array([int(w[1]) for _, w in rows])
worst = {}
for name in "linear", "fused", "qmf", "espnet":
    m = json.load(open(f"{name}.json"))
    w, b, p = np.array(m["weights"]), m["bias"], m["prior"]
    x, y = features("fit", m)
    espnet = m["kind"] == "qmf_espnet"
    c = np.ones(len(y)) if espnet else np.where(y == 1, p / y.sum(), (1 - p) / (1 - y).sum())
    g = c * (1 / (1 + np.exp(-(x @ w + b + (0 if espnet else np.log(p / (1 - p)))))) - y)
    gw, gb = x.T @ g, g.sum()
    if espnet: gw, gb = gw + w, gb + b
    if m["kind"] == "qmf":
        gw = (gw - x.mean(0) * gb) / x.std(0) + 1e-4 * w * x.std(0)
    x, _ = features("test", m)
    z = x @ w + b
    if espnet: z = 1 / (1 + np.exp(-z))
    got = np.array([float(w[0]) for _, w in read(name)])
    print(name, max(abs(gw).max(), abs(gb)) / c.sum() < 1e-9, abs(got - z).max() < 1e-5, len(got) == 190)
    if name == "fused":
        got = np.array([float(w[0]) for _, w in read("probability")])
        print("probability", abs(got - 1 / (1 + np.exp(-z - np.log(p / (1 - p))))).max() < 1e-6)
PY
for name in linear fused qmf espnet; do has report "^$name True True True$"; done
has report '^probability True$'
has linear '^test1\*test0 [-0-9.e]+ [01]$'
ok spk calibrate --fit fit.b --trials fit.trials --apply test.b
has "$out" '^test[0-9]+ test[0-9]+ [-0-9.e]+$'
# Calibrated on themselves at p 0.5, scores cost what minCllr says or a little more.
ok spk calibrate --fit fit.a --apply fit.a --output self
ok spk eval self --p_target 0.5
check "Cllr is near minCllr" awk '$1 == "Cllr" {c = $2} $1 == "minCllr" {m = $2} END {exit !(c >= m && c < m + 0.1)}' "$out"

# Speakers of the training are warned of.
for i in $(seq 0 29); do echo "fit$i s$((i % 10))"; done >fit.spk
printf 's3 x\ns7 y\nt z\n' >train.spk2utt
ok spk calibrate --fit fit.a --fit_utt2spk fit.spk --train_spk2utt train.spk2utt --model m
has "$err" '2 of the 10 speakers in fit.a are speakers of the training'
echo 't z' >train.spk2utt; ok spk calibrate --fit fit.a --fit_utt2spk fit.spk --train_spk2utt train.spk2utt --model m
check "no warning" bash -c '! grep -q training "$1"' - "$err"
sed 1d fit.spk >d; refused 1 "fit.a: 'fit0' of the trials is not in d" spk calibrate --fit fit.a --fit_utt2spk d --train_spk2utt train.spk2utt --model m
refused 2 'go together' spk calibrate --fit fit.a --fit_utt2spk fit.spk --model m

refused 1 'fit.b: the scores have no labels' spk calibrate --fit fit.b --apply test.b
refused 1 'fit.b has 435 scores and test.a 190' spk calibrate --model fused.json --apply test.a fit.b
sed 's/^test1 test0 /test0 test1 /' test.b >other; refused 1 "test.a:1: trial 'test1\*test0' is not in other" spk calibrate --model fused.json --apply test.a other
refused 1 'the calibration is of 2 systems, but 1' spk calibrate --model fused.json --apply test.a
echo 'a*a 1 1' >self; refused 1 "self:1: 'a' is compared with itself" spk calibrate --fit self --apply test.a
printf 'a*b 1 1\na*c 0 0\n' >apart; refused 1 'apart: the classes are separated without error' spk calibrate --fit apart --apply test.a
ok spk calibrate --fit apart --l2 0.01 --apply test.a
grep -v ' 0$' fit.a >targets; refused 1 'targets: all [0-9]+ trials are target' spk calibrate --fit targets --apply test.a
echo '{}' >no.json; refused 1 'no.json: is no calibration' spk calibrate --model no.json --apply test.a
sed 's/"n_systems": 2/"n_systems": 3/' fused.json >no.json; refused 1 'no.json: 2 weights, 3 systems' spk calibrate --model no.json --apply test.a
head -c 40 fused.json >no.json; refused 1 'no.json:' spk calibrate --model no.json --apply test.a
sed 1d fit.dur >d; refused 1 "fit.a: 'fit0' of the trials is not in d" spk calibrate --fit fit.a --kind qmf --fit_embeddings fit.npz --fit_durations d --model m
sed '1s/ .*/ 0/' fit.dur >d; refused 1 "d:1: the duration '0' is not above 0" spk calibrate --fit fit.a --kind qmf --fit_embeddings fit.npz --fit_durations d --model m
refused 1 'needs --apply_embeddings' spk calibrate --model qmf.json --apply test.a
refused 2 'fit_embeddings' spk calibrate --fit fit.a --kind qmf --model m
refused 2 'nothing would come of it' spk calibrate --fit fit.a
refused 2 'name scores to fit on' spk calibrate --apply test.a
finish
