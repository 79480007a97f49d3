# SPDX-License-Identifier: Apache-2.0
# spk score: forms of lists, scorers, enrolment, normalisation against plain NumPy; and what is refused.
. tests/cli/common.sh
need_numpy
cd "$tmp" || exit 1
case $build in /*) ;; *) build=$OLDPWD/$build ;; esac

# ESPnet's figures (its scripts gave -0.88785177, and -0.67315966 normalised): E and T of two segments, a cohort of four.
python - <<'PY'
import numpy as np
np.savez("two.npz", **{"s/E": np.array([[1, 0], [1, 1]], "f"), "s/T": np.array([[0, 1], [1, 2]], "f")})
np.savez("four.npz", a=np.array([1, .2], "f"), b=np.array([0, -1], "f"), c=np.array([-1, 0], "f"), d=np.array([1, 3], "f"))
PY
echo 's/E*s/T 1' >trial_label
ok spk score --embeddings two.npz --trials trial_label
has "$out" '^s/E\*s/T -0\.887851[78][0-9]* 1$'
ok spk score --embeddings two.npz --trials trial_label --scorer cosine # of (1, .5) and (.5, 1.5)
has "$out" '^s/E\*s/T 0\.70710[0-9]* 1$'
ok spk score --embeddings two.npz --trials trial_label --norm asnorm_espnet --cohort four.npz --top_k 2
has "$out" '^s/E\*s/T -0\.67315[89][0-9]* 1$'
refused 1 'four.npz: the cohort has 4 items, but the nearest 5 ' spk score --embeddings two.npz --trials trial_label --norm asnorm --cohort four.npz --top_k 5
refused 1 'four.npz: the cohort has 4 items, but the nearest 500 ' spk score --embeddings two.npz --trials trial_label --norm asnorm --cohort four.npz

# Forms of lists say the same.
echo 's/E s/T target' >kaldi; echo '1 s/E.wav s/T.wav' >voxceleb; echo 's/E s/T' >bare
for list in kaldi voxceleb bare; do
    ok spk score --embeddings two.npz --trials $list
    has "$out" '^s/E(.wav)? s/T(.wav)? -0\.88785'
done
has "$err" "form 'utt1 utt2 target'.*without labels"
ok spk score --embeddings two.npz --trials kaldi --form wespeaker --output "$tmp/new/scores"
has new/scores '^s/E s/T -0.88785[0-9]* target$'
ok spk score --embeddings two.npz --trials kaldi --form speechbrain
has "$out" '^s/E s/T 1 -0.88785'
ok spk score --embeddings two.npz --trials voxceleb --form nemo
check "NeMo's line" bash -c 'grep -qE "^-0\.88785[0-9]*	1$" "$1"' - "$out"
python -c 'import numpy as np; e = np.load("two.npz"); np.savez("nemo.npz", **{k.replace("/", "@") + ".wav": e[k] for k in e})'
ok spk score --embeddings nemo.npz --trials voxceleb --form nemo
refused 1 'need' spk score --embeddings two.npz --trials bare --form wespeaker

# Random embeddings against plain NumPy: every scorer, enrolment and normalisation.
python - <<'PY'
import numpy as np
r = np.random.default_rng(1)
e = {f"u{i}": r.normal(size=(3, 19)).astype("f") for i in range(12)}
c = {f"c{i}": r.normal(size=19).astype("f") + 0.3 for i in range(40)}
np.savez("e.npz", **e); np.savez("c.npz", **c)
models = {"m1": ["u0"], "m2": ["u1", "u2", "u3"], "m3": ["u4", "u5"]}
open("enroll", "w").writelines(f"{m} {' '.join(u)}\n" for m, u in models.items())
open("c2s", "w").writelines(f"c{i} s{i % 13}\n" for i in range(40))
open("s2c", "w").writelines(f"s{s} {' '.join(f'c{i}' for i in range(s, 60, 13))}\n" for s in range(13))
trials = [(m, f"u{i}") for m in models for i in range(6, 12)]
open("trials", "w").writelines(f"{a} {b} {'target' if i % 3 == 0 else 'nontarget'}\n" for i, (a, b) in enumerate(trials))
unit = lambda x: x / np.linalg.norm(x, axis=-1, keepdims=True)
f8 = lambda d: {k: v.astype("d") for k, v in d.items()}
e, c = f8(e), f8(c)
def scores(scorer, by, center, norm, speakers, k):
    mean = np.mean(list(c.values()), 0) if center else 0
    ready = lambda x: unit(x - mean) if scorer == "distance" else unit((x - mean).mean(0, keepdims=True))
    voice = lambda us: [ready(np.mean([e[u] for u in us], 0))] if by == "embeddings" else [ready(e[u]) for u in us]
    pair = lambda a, b: a @ b.T if scorer == "cosine" else -np.linalg.norm(a[:, None] - b[None], axis=-1)
    fold = (lambda x: np.max(x, 0)) if by == "max" else (lambda x: np.mean(x, 0))
    cohort = unit(np.array(list(c.values())) - mean)
    if speakers:
        cohort = np.array([cohort[s::13].mean(0) for s in range(13)])
    if scorer == "cosine":
        cohort = unit(cohort)
    def statistics(v):
        s = np.sort(fold([pair(x, cohort).mean(0) for x in v]))[::-1][:k or None]
        return s.mean(), s.std(ddof=1 if norm == "asnorm_espnet" else 0)
    for m, u in trials:
        a, b = voice(models[m]), voice([u])
        s = fold([pair(x, y).mean() for x in a for y in b])
        if norm != "none":
            (me, de), (mt, dt) = statistics(a), statistics(b)
            z, t = (s - me) / de, (s - mt) / dt
            s = {"znorm": z, "tnorm": t}.get(norm, (z + t) / 2)
        yield m, u, s
n = 0
commands = open("commands", "w")
for scorer in "distance", "cosine":
    for by in "embeddings", "scores", "max":
        for center in False, True:
            for norm in "none", "asnorm", "asnorm_espnet", "snorm", "znorm", "tnorm":
                if center and norm in ("znorm", "tnorm"): continue
                for speakers in ["", "--cohort_spk2utt s2c", "--cohort_utt2spk c2s"] if norm != "none" and by != "max" else [""]:
                    k = 7 if norm.startswith("as") else 0
                    open(f"want{n}", "w").writelines(f"{s:.17g}\n" for _, _, s in scores(scorer, by, center, norm, speakers, k))
                    o = f"--scorer {scorer} --enroll_by {by} {'--subtract_mean c.npz' if center else ''} --norm {norm}"
                    if norm != "none": o += f" --cohort c.npz {speakers}"
                    if k: o += f" --top_k {k}"
                    commands.write(o + "\n"); n += 1
PY
n=0 wrong=0
while read -r options; do
    # shellcheck disable=SC2086
    spk score --quiet --num_threads 1 --embeddings e.npz --trials trials --enroll enroll $options >got 2>"$err" </dev/null || { wrong=1; tail -1 "$err"; }
    paste -d' ' got want$n | awk -v o="$options" '{d = $3 - $4; if (d < 0) d = -d; m = $4 < 0 ? -$4 : $4; if (!(NF == 4 && d <= 1e-6 * (1 + 3 * m))) bad = bad "\n" $0}
        END {if (NR != 18 || bad) {print o ": " NR bad; exit 1}}' || wrong=1
    n=$((n + 1))
done <commands
report "$n ways to score agree with NumPy" $wrong

# Kaldi's arks and folders of .npy, which `spk extract` writes too.
python - <<'PY'
import numpy as np, os, struct
e = np.load("two.npz")
ark, scp = open("v.ark", "wb"), open("v.scp", "w")
os.makedirs("npy/s")
for k in e:
    v = e[k].mean(0)
    ark.write(f"{k} ".encode()); scp.write(f"{k} v.ark:{ark.tell()}\n")
    ark.write(b"\0BFV \4" + struct.pack("<i", 2) + v.tobytes())
    np.save(f"npy/{k}.npy", e[k])
open("npy.scp", "w").writelines(f"{k} npy/{k}.npy\n" for k in e)
PY
for file in v.ark v.scp npy npy.scp; do
    ok spk score --embeddings $file --trials trial_label --scorer cosine
    has "$out" '^s/E\*s/T 0\.70710[0-9]* 1$'
done

# What is refused: file, line, and what is wrong.
score() { spk score --embeddings two.npz --trials "$@"; }
echo 's/E s/X target' >l; refused 1 "l:1: utterance 's/X' has no embedding in two.npz" score l
printf 's/E s/T target\ns/E s/T maybe\n' >l; refused 1 "l:2: the label 'maybe' is none of" score l
printf 's/E s/T target\ns/E s/T\n' >l; refused 1 'l:2: the line has no label' score l
printf 's/E s/T target\ns/E s/T nontarget\n' >l; refused 1 "l:2: trial 's/E\*s/T' stands on line 1 with the other label" score l
printf 's/E s/T target\ns/E\n' >l; refused 1 "l:2: the line is not of the form 'utt1 utt2 target'" score l
echo '1 2 1' >l; refused 1 'l:1: cannot tell' score l
: >l; refused 1 'l: the list is empty' score l
printf 's/E s/T target\ns/E s/T target\n' >l; ok score l; has "$err" '1 trials stand there more than once'
printf 's/E s/T\ns/T s/T\n' >l; ok score l; has "$err" " l:2: 's/T' is compared with itself; there are 1 such trials"
printf 'm s/T\nm s/E\n' >l; echo 'm s/E s/T' >map; ok score l --enroll map; has "$err" " l:1: 's/T' is compared with itself; there are 2"
echo 'm s/T' >l; echo 'n s/E' >map; refused 1 "l:1: 'm' is not enrolled in map" score l --enroll map
echo 'm s/E s/Y' >map; refused 1 "map:1: utterance 's/Y' has no embedding" score l --enroll map
python - <<'PY'
import numpy as np
np.savez("nan.npz", **{"s/E": np.array([1, np.nan], "f"), "s/T": np.array([1, 1], "f")})
np.savez("odd.npz", **{"s/E": np.zeros((1, 2), "f"), "s/T": np.zeros((1, 3), "f")})
np.savez("uneven.npz", **{"s/E": np.ones((1, 2), "f"), "s/T": np.ones((2, 2), "f")})
np.savez("same.npz", a=np.ones(2, "f"), b=np.ones(2, "f"))
PY
refused 1 "nan.npz: the embedding of 's/E' has a value that is not finite" spk score --embeddings nan.npz --trials trial_label
refused 1 "odd.npz: 's/T' has 3 values" spk score --embeddings odd.npz --trials trial_label
echo 'm s/E s/T' >map; refused 1 "segments.*model 'm'" spk score --embeddings uneven.npz --trials l --enroll map
refused 1 'same score to all 2 items' score trial_label --norm snorm --cohort same.npz
refused 1 'no_such.npz' spk score --embeddings no_such.npz --trials trial_label
refused 1 "c2s: utterance 'a' of the cohort four.npz has no speaker" score trial_label --norm snorm --cohort four.npz --cohort_utt2spk c2s
refused 1 's2c: none of its utterances' score trial_label --norm snorm --cohort four.npz --cohort_spk2utt s2c
refused 2 'cohort' score trial_label --norm snorm
refused 2 'no effect without --norm' score trial_label --cohort four.npz
echo old >keep; refused 1 'has no embedding' score l --output keep; has keep '^old$'
finish
