# SPDX-License-Identifier: Apache-2.0
# spk prep cohort and qmf: who and what is drawn, exact counts, the same lists for the same seed, and what is refused.
. tests/cli/common.sh
need_numpy
case $build in /*) ;; *) build=$PWD/$build ;; esac
cd "$tmp" || exit 1

# 8 speakers of 3 to 10 utterances, of 1 to 12 s; durations from a list, so that no audio is needed.
python - <<'PY'
import os, random
random.seed(2); os.makedirs("data/audio")
utts = [(f"s{s}-{i}", f"s{s}", round(random.uniform(1, 12), 3)) for s in range(8) for i in range(3 + s)]
open("data/wav.scp", "w").writelines(f"{u} audio/{u}.wav\n" for u, _, _ in utts)
open("data/utt2spk", "w").writelines(f"{u} {s}\n" for u, s, _ in utts)
open("data/utt2dur", "w").writelines(f"{u} {d}\n" for u, _, d in utts)
for u, _, _ in utts: open(f"data/audio/{u}.wav", "w")
PY
ok spk prep cohort data cohort --num_cohort_spk 5 --num_utt_per_spk 4 --utt_select_sec 3
cat >check.py <<'PY'
import sys
read = lambda p: dict(l.split(None, 1) for l in open(p).read().splitlines())
dur, spk = {u: float(d) for u, d in read("data/utt2dur").items()}, read("data/utt2spk")
if sys.argv[1] == "cohort":
    wav, of = read("cohort/wav.scp"), {k: v.split() for k, v in read("cohort/spk2utt").items()}
    assert sorted(wav) == sorted(u for us in of.values() for u in us) == sorted(read("cohort/utt2spk"))
    assert len(of) <= 5 and all(spk[u] == s for s, us in of.items() for u in us)
    able = {s: [u for u in spk if spk[u] == s and dur[u] >= 3] for s in of}
    assert all(len(us) == min(4, len(able[s])) and set(us) <= set(able[s]) for s, us in of.items())
    assert wav[list(wav)[0]].startswith("data/audio/"), "paths are found from here"
else:
    q, long = int(sys.argv[2]), 6
    cohort = read("cohort/wav.scp")
    rows = [l.split() for l in open("qmf/trial_label")]
    assert [r[0] for r in rows] == list(read("qmf/trial.scp")) == list(read("qmf/trial2.scp"))
    first = read("qmf/trial.scp")
    kind = lambda u: "L" if dur[u] >= long else "S"
    seen, count, used = set(), {}, set()
    for key, label in rows:
        a, b = key.split("*")
        assert (spk[a] == spk[b]) == (label == "1") and a != b and frozenset((a, b)) not in seen
        assert min(dur[a], dur[b]) >= 2 and a not in cohort and b not in cohort
        assert first[key] == f"data/audio/{a}.wav"
        seen.add(frozenset((a, b)))
        k = kind(a) + kind(b) + label
        count[k] = count.get(k, 0) + 1
        if label == "1": used |= {a, b}
    able = [u for u in dur if dur[u] >= 2 and u not in cohort]
    there = {}
    for i, a in enumerate(able):
        for b in able[:i]:
            same = spk[a] == spk[b]
            if not same and not {a, b} <= used: continue
            k = "".join(sorted(kind(a) + kind(b), reverse=not same))  # S before L in nontargets, L first in targets
            k = ("LS1" if same else "SL0") if kind(a) != kind(b) else kind(a) * 2 + str(int(same))
            there[k] = there.get(k, 0) + 1
    assert count == {k: min(q, n) for k, n in there.items()}, (count, there)
    assert set(read("qmf/utt2dur")) == set(read("qmf/wav.scp")) == {u for k, _ in rows for u in k.split("*")}
    assert all(abs(float(d) - dur[u]) < 1e-3 for u, d in read("qmf/utt2dur").items())
PY
check "the cohort is as asked for" python check.py cohort
ok spk prep qmf data qmf --exclude cohort/wav.scp --qmf_num_trial_per_condition 5
check "five trials of each condition" python check.py qmf 5
cp -r qmf before
ok spk prep qmf data qmf --exclude cohort/wav.scp --qmf_num_trial_per_condition 5
has "$out" 'are there already'
refused 1 'qmf/lists.json: the lists there were made by other options' spk prep qmf data qmf --exclude cohort/wav.scp --qmf_num_trial_per_condition 500
ok spk prep qmf data qmf --exclude cohort/wav.scp --qmf_num_trial_per_condition 500 --overwrite true
has "$err" 'data: only [0-9]+ long-long target trials are there'
check "all trials of each condition" python check.py qmf 500
ok spk prep qmf data again --exclude cohort/wav.scp --qmf_num_trial_per_condition 5; same again/trial_label before/trial_label
ok spk prep qmf data other --exclude cohort/wav.scp --qmf_num_trial_per_condition 5 --seed 1
check "another seed, other trials" bash -c '! cmp -s other/trial_label before/trial_label'
# A speaker's draw does not depend on the order of the lists, nor on who else is there.
mkdir turned; for f in wav.scp utt2spk utt2dur; do tac data/$f >turned/$f; done
sed -i 's|audio/|../data/audio/|' turned/wav.scp
ok spk prep cohort turned cohort2 --num_utt_per_spk 3; ok spk prep cohort data cohort3 --num_utt_per_spk 3
check "whatever the order" bash -c 'cmp <(sort cohort2/utt2spk) <(sort cohort3/utt2spk)'
echo 's0-0 audio/s0-0.wav' >>cohort/wav.scp # a list that changed
refused 1 'made by other options or of other lists' spk prep qmf data again --exclude cohort/wav.scp --qmf_num_trial_per_condition 5

refused 1 'utt2spk: 9 speakers are asked for, and 8 are there' spk prep cohort data no --num_cohort_spk 9
refused 1 'data: none of the utterances is 99 s long' spk prep cohort data no --utt_select_sec 99
refused 1 'data: there are no target trials' spk prep qmf data no --min_duration 99
refused 2 'did you mean .prep cohort' spk prep cohorts data no
mkdir bad; cp data/wav.scp data/utt2spk data/utt2dur bad; sed -i 4d bad/wav.scp
refused 1 "bad/utt2spk:4: utterance 's1-0' is not in bad/wav.scp" spk prep cohort bad no
cp data/wav.scp bad; sed -i '2s/ .*/ -1/' bad/utt2dur
refused 1 "bad/utt2dur:2: '-1' is no duration" spk prep cohort bad no --utt_select_sec 1
rm bad/utt2dur; sed 's|audio|../data/audio|' data/wav.scp >bad/wav.scp # recordings of no bytes
refused 1 "bad/wav.scp:1: 's0-0': .*s0-0.wav" spk prep cohort bad no --utt_select_sec 1
check "nothing was written" bash -c '! ls no/*scp 2>/dev/null'
finish
