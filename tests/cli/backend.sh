# SPDX-License-Identifier: Apache-2.0
# spk backend: LDA, whitening, WCCN and PLDA against plain NumPy, from the embeddings to the scores; Kaldi's files; what is
# refused.
. tests/cli/common.sh
need_numpy
case $build in /*) ;; *) build=$PWD/$build ;; esac
cd "$tmp" || exit 1

python - <<'PY'
import numpy as np
r = np.random.default_rng(3)
D, S = 12, 20
mix = r.normal(size=(D, D)) * 0.4 + np.eye(D)
def speaker(n, K): # embeddings of norms that differ, far from the origin
    v = r.normal(size=D) * np.linspace(1.5, 0.2, D)
    return [((v + 0.6 * r.normal(size=(1, D)) + 0.3 * r.normal(size=(K, D))) @ mix + 0.7).astype("f") for _ in range(n)]
train, utt2spk = {}, []
for s in range(S):
    for i, x in enumerate(speaker(3 + s % 6, 2)):
        train[f"s{s}-{i}"] = x; utt2spk.append(f"s{s}-{i} s{s}\n")
train["stranger"] = np.ones((2, D), "f")
test = {f"t{s}-{i}": x for s in range(6) for i, x in enumerate(speaker(4, 2))}
np.savez("train.npz", **train); np.savez("test.npz", **test)
open("utt2spk", "w").writelines(utt2spk)
open("enroll", "w").writelines(f"m{s} {' '.join(f't{s}-{i}' for i in range(1 + s % 3))}\n" for s in range(6))
open("trials", "w").writelines(f"m{a} t{b}-3 {'target' if a == b else 'nontarget'}\n" for a in range(6) for b in range(6))
open("by_segments", "w").writelines(f"t{a}-0*t{b}-3 {int(a == b)}\n" for a in range(6) for b in range(6))
PY

# A back-end of each kind, then scores of all of them by an implementation of their definitions.
cat >ways <<'END'
--type mean
--type lda
--type lda --lda_dim 5 --shrinkage 0.2
--type whiten
--type wccn --unit_segments true
--type wccn --lda_dim 6 --shrinkage 0.1 --each_segment true
--type plda
--type plda --lda_dim 7 --iterations 4
--type plda --length_norm false --plda_length none --iterations 30
--type plda --lda_dim 6 --plda_whiten wccn --plda_length simple --smoothing 0.3 --unit_segments true
--type plda --plda_whiten whiten --each_segment true
END
cat >reference.py <<'PY'
import numpy as np, shlex, sys
f8 = lambda path: {k: v.astype("d") for k, v in np.load(path).items()}
unit = lambda x: x / np.linalg.norm(x, axis=-1, keepdims=True)
train, test = f8("train.npz"), f8("test.npz")
spk = dict(l.split() for l in open("utt2spk"))
def fit(o):
    shrink = lambda C: (1 - o["shrinkage"]) * C + o["shrinkage"] * np.trace(C) / len(C) * np.eye(len(C))
    items = [(row, spk[u]) for u in spk for row in [unit(train[u]) if o["unit_segments"] else train[u]]]
    items = [(r, s) for x, s in items for r in (x if o["each_segment"] else [x.mean(0)])]
    x, label = np.array([i[0] for i in items]), np.array([i[1] for i in items])
    mean = x.mean(0); x = x - mean; T = np.eye(len(mean))
    speakers = sorted(set(label))
    def within(x): return sum((lambda g: (g - g.mean(0)).T @ (g - g.mean(0)))(x[label == s]) for s in speakers) / len(x)
    inverse_root = lambda C: np.linalg.inv(np.linalg.cholesky(shrink(C)))
    if o["lda_dim"] or o["type"] == "lda":
        k = o["lda_dim"] or min(len(mean), len(speakers) - 1)
        W = inverse_root(within(x))
        value, vector = np.linalg.eigh(W @ (x.T @ x / len(x) - within(x)) @ W.T)
        T = vector[:, ::-1][:, :k].T @ W
    how = {"whiten": "whiten", "wccn": "wccn", "plda": o["plda_whiten"]}.get(o["type"])
    if how == "whiten": y = x @ T.T; T = inverse_root(y.T @ y / len(y)) @ T
    if how == "wccn": T = inverse_root(within(x @ T.T)) @ T
    if o["type"] != "plda": return mean, T, None
    y = x @ T.T; R = y.shape[1]
    if o["length_norm"]: y = unit(y) * R ** 0.5
    groups = [y[label == s] for s in speakers]
    mu = np.mean([g.mean(0) for g in groups], 0)
    W = B = np.eye(R)
    for _ in range(o["iterations"]): # in the vectors' own basis, as Kaldi does
        nw, nb = len(y) * within(y), np.zeros((R, R))
        for g in groups:
            n, m = len(g), g.mean(0) - mu
            V = np.linalg.inv(np.linalg.inv(B) + n * np.linalg.inv(W)); z = V @ (n * np.linalg.inv(W) @ m)
            nb += V + np.outer(z, z); nw += n * (V + np.outer(m - z, m - z))
        W, B = nw / len(y), nb / len(groups)
    W = W + o["smoothing"] * B
    return mean, T, (mu, W, B)
def scores(o, model, by):
    mean, T, plda = model
    def vector(us): # of the mean over utterances of the means over segments, with how many
        x = np.mean([(unit(test[u]) if o["unit_segments"] else test[u]).mean(0) for u in us], 0)
        return (x - mean) @ T.T, len(us)
    def length(y, n):
        mu, W, B = plda; R = len(mu)
        if o["length_norm"]: y = unit(y) * R ** 0.5
        y = y - mu
        C = {"none": None, "simple": W, "kaldi": B + W / n}[o["plda_length"]]
        return y if C is None else y * (R / (y @ np.linalg.solve(C, y))) ** 0.5
    def gauss(x, C): return -(np.linalg.slogdet(C)[1] + x @ np.linalg.solve(C, x)) / 2
    def pair(a, b):
        if plda is None: return float(unit(a[0]) @ unit(b[0]))
        mu, W, B = plda; u, t = length(*a), length(*b)
        both = np.block([[B + W / a[1], B], [B, B + W]])
        return gauss(np.r_[u, t], both) - gauss(u, B + W / a[1]) - gauss(t, B + W)
    enroll = {l.split()[0]: l.split()[1:] for l in open("enroll")}
    def cohort():
        for s in sorted(set(spk.values())): yield [u for u in spk if spk[u] == s]
    def cohort_vectors():
        item = lambda us: (np.mean([(unit(train[u]) if o["unit_segments"] else train[u]).mean(0) for u in us], 0) - mean) @ T.T
        if plda is not None: return [(item(us), 1) for us in cohort()]
        return [(np.mean([unit(item([u])) for u in us], 0), 1) for us in cohort()]
    for l in open("trials"):
        m, t, _ = l.split()
        voice = [vector(enroll[m])] if by == "embeddings" else [vector([u]) for u in enroll[m]]
        test_side = [vector([t])]
        fold = np.max if by == "max" else np.mean
        s = fold([pair(v, test_side[0]) for v in voice])
        if o["norm"]:
            c = cohort_vectors(); k = 8
            top = lambda side: np.sort(fold([[pair(v, x) for x in c] for v in side], axis=0))[::-1][:k]
            a, b = top(voice), top(test_side)
            s = ((s - a.mean()) / a.std() + (s - b.mean()) / b.std()) / 2
        yield s
default = dict(type="plda", lda_dim=0, shrinkage=0., unit_segments=False, each_segment=False, iterations=10, length_norm=True,
               plda_whiten="none", plda_length="kaldi", smoothing=0., norm=False)
line = shlex.split(sys.argv[1]); by = sys.argv[2]
for k, v in zip(line[::2], line[1::2]):
    k = k[2:]; d = default[k]
    default[k] = v == "true" if isinstance(d, bool) else type(d)(v)
default["norm"] = sys.argv[3] == "asnorm"
for s in scores(default, fit(default), by): print(f"{s:.17g}")
PY
# near GOT WANT: third column against numbers, to 2e-5 of 1 and the value (rows are kept in single precision)
near() { paste -d' ' "$1" "$2" | awk '{d = $3 - $4; m = $4; if (d < 0) d = -d; if (m < 0) m = -m; if (!(NF == 4 && d <= 2e-5 * (1 + m))) {bad = 1; print}} END {exit bad || NR != 36}'; }
n=0
while read -r way; do
    # shellcheck disable=SC2086
    ok spk backend fit --embeddings train.npz --utt2spk utt2spk --output b$n.npz $way
    has "$err" 'train.npz: 1 embeddings are not in utt2spk'
    case $n in 1 | 4 | 7) bys="embeddings scores max" ;; *) bys=embeddings ;; esac
    for by in $bys; do
        for norm in none asnorm; do
            python reference.py "$way" $by $norm >want
            cohort=; [ $norm = none ] || cohort="--cohort known.npz --cohort_utt2spk utt2spk --top_k 8"
            [ -e known.npz ] || python -c 'import numpy as np; e = dict(np.load("train.npz")); e.pop("stranger"); np.savez("known.npz", **e)'
            # shellcheck disable=SC2086
            spk score --quiet --embeddings test.npz --trials trials --enroll enroll --enroll_by $by --backend b$n.npz --norm $norm $cohort >got 2>"$err" || tail -1 "$err"
            near got want; report "$way, $by, $norm: NumPy's scores" $?
        done
    done
    n=$((n + 1))
done <ways

# All pairs of segments through a linear back-end.
ok spk score --embeddings test.npz --trials by_segments --backend b3.npz --scorer distance
cp "$out" got
python - >want <<'PY'
import numpy as np
b, e = np.load("b3.npz"), np.load("test.npz")
unit = lambda x: x / np.linalg.norm(x, axis=-1, keepdims=True)
f = lambda u: unit((e[u].astype("d") - b["mean"]) @ b["transform"].T)
for l in open("by_segments"):
    x, y = l.split()[0].split("*")
    print(-np.linalg.norm(f(x)[:, None] - f(y)[None], axis=-1).mean())
PY
check "distances behind a whitening" bash -c "sed 's/[*]/ /' got | awk '{print \$1, \$2, \$3}' >g && paste -d' ' g want | awk '{d = \$3 - \$4; if (d < 0) d = -d; if (!(d < 1e-5)) bad = 1} END {exit bad || NR != 36}'"

# Kaldi's files: there and back to the same scores, in text too, and what NumPy puts in them.
for k in 2 7; do
    ok spk backend convert b$k.npz kaldi$k
    ok spk backend convert kaldi$k back$k.npz
    for b in b$k.npz kaldi$k back$k.npz; do
        ok spk score --quiet --embeddings test.npz --trials trials --enroll enroll --backend $b; cp "$out" of_$b
        same of_$b of_b$k.npz
    done
done
check "files of LDA" test -e kaldi2/mean.vec -a -e kaldi2/transform.mat -a ! -e kaldi2/plda
ok spk backend fit --embeddings train.npz --utt2spk utt2spk --output direct --lda_dim 7 --iterations 4
for name in mean.vec transform.mat plda; do same direct/$name kaldi7/$name; done
python - <<'PY'
import numpy as np, os
b = np.load("b7.npz"); os.makedirs("text", exist_ok=True)
row = lambda v: " ".join(f"{x:.17g}" for x in v)
matrix = lambda m: " [\n" + "\n".join("  " + row(r) for r in m) + " ]\n"
open("text/mean.vec", "w").write(f" [ {row(b['mean'])} ]\n")
open("text/lda.mat", "w").write(matrix(np.c_[b["transform"], np.zeros(len(b["transform"]))]))
open("text/plda", "w").write(f"<Plda>  [ {row(b['plda_mean'])} ]\n{matrix(b['plda_transform'])} [ {row(b['plda_psi'])} ]\n</Plda> ")
PY
ok spk score --quiet --embeddings test.npz --trials trials --enroll enroll --backend text; same "$out" of_b7.npz
ok spk backend convert kaldi7 other.npz --length_norm false --plda_length none --smoothing 0.5
ok spk score --quiet --embeddings test.npz --trials trials --enroll enroll --backend other.npz
check "other lengths give other scores" bash -c '! cmp -s "$1" of_b7.npz' - "$out"
refused 1 'kaldi7/plda: is there already' spk backend convert b2.npz kaldi7
refused 1 'cannot say that segments are brought to norm 1' spk backend convert b4.npz kaldi4
check "nothing was left" test ! -e kaldi4

# What is refused.
fit() { spk backend fit --embeddings train.npz --utt2spk "${1:-utt2spk}" --output never.npz "${@:2}"; }
sed '3s/^[^ ]*/nobody/' utt2spk >u; refused 1 "u:3: utterance 'nobody' of speaker 's0' has no embedding in train.npz" fit u
grep ' s3$' utt2spk >u; refused 1 'u: .*at least two speakers, but there is one' fit u
sort -u -k2,2 utt2spk >u; refused 1 'u: no speaker has two utterances' fit u
grep -E ' s[0-7]$' utt2spk >u; refused 1 'u: LDA to 12 dimensions, .*at most 7' fit u --type lda --lda_dim 12
refused 1 'utt2spk: LDA to 13 dimensions, but 20 speakers and embeddings of 12 values give at most 12' fit utt2spk --lda_dim 13
head -6 utt2spk >u; refused 1 'train.npz: the covariance within speakers is singular: 6 embeddings of 2 speakers .*--shrinkage' fit u --type wccn
refused 1 'train.npz: the covariance within speakers is singular' fit u --type plda
ok spk backend fit --embeddings train.npz --utt2spk u --output few.npz --type wccn --shrinkage 0.2
python - <<'PY'
import numpy as np
e = dict(np.load("train.npz")); e["s1-1"] = e["s1-1"] * np.nan; np.savez("nan.npz", **e)
np.savez("narrow.npz", **{u: np.ones((2, 5), "f") for u in np.load("test.npz")})
b = dict(np.load("b7.npz"))
np.savez("odd.npz", **{**b, "plda_psi": b["plda_psi"][:3]}); np.savez("half.npz", **{k: v for k, v in b.items() if k != "plda_mean"})
b["options"][0] = 99; np.savez("new.npz", **b)
PY
refused 1 "nan.npz: the embedding of 's1-1' has a value that is not finite" spk backend fit --embeddings nan.npz --utt2spk utt2spk --output never.npz
refused 1 'b2.npz: the back-end is of embeddings of 12 values, those of narrow.npz have 5' spk score --embeddings narrow.npz --trials trials --enroll enroll --backend b2.npz
score() { spk score --embeddings test.npz --trials trials --enroll enroll "$@"; }
refused 1 "odd.npz: 'plda_mean' is not of a back-end" score --backend odd.npz
refused 1 'half.npz: a part of the PLDA is missing' score --backend half.npz
refused 1 'new.npz: .*another version' score --backend new.npz
refused 1 'test.npz: is no back-end' score --backend test.npz
refused 1 'b2.npz: the scorer plda needs' score --backend b2.npz --scorer plda
refused 1 'test.npz: the scorer plda needs' score --scorer plda
refused 1 'b6.npz: the back-end ends in a PLDA' score --backend b6.npz --scorer cosine
mkdir empty; refused 1 'empty: holds none of' score --backend empty
refused 1 'no_such: cannot open' score --backend no_such
refused 2 'leave --subtract_mean out' score --backend b2.npz --subtract_mean train.npz
refused 2 'are of --type plda' fit utt2spk --type wccn --iterations 3
refused 2 'without LDA' fit utt2spk --type mean --lda_dim 3
refused 2 "there is no 'learn'" spk backend learn
check "nothing was written" test ! -e never.npz
finish
