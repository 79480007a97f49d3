# SPDX-License-Identifier: Apache-2.0
# bench/compare with a peer and a program that only print figures: order, resumption, what is missing, the table.
. tests/cli/common.sh
python -c 'import argparse, json, statistics' 2>/dev/null || skip "python3 is not installed"

# Both sides say what they were asked, and give figures that grow with every call of theirs.
mkdir -p "$tmp/peers/conf" "$tmp/peer/venv/bin"
for model in ecapa512 xvector train_tiny; do echo "encoder: x" >"$tmp/peers/conf/$model.yaml"; done
echo >"$tmp/peers/bench_espnet.py"
cat >"$tmp/peer/venv/bin/python" <<'END'
#!/bin/bash
echo "espnet ${PYTHONPATH##*/} ${*##*/}" >>"$CALLS"
n=$(grep -c '^espnet' "$CALLS")
echo "warnings come first"
echo "{\"train_utt_per_s\": $((9 + n)).0, \"embed_utt_per_s\": 40.0, \"peak_gb\": 2.4}"
END
cat >"$tmp/spk" <<'END'
#!/bin/bash
echo "spk ${*##*/}" >>"$CALLS"
case " $* " in *" --use_amp true "*) echo "spk: error: use_amp: not yet" >&2; exit 1 ;; esac
n=$(grep -c '^spk' "$CALLS")
echo "{\"train_utt_per_s\": $((18 + 2 * n)).0, \"embed_utt_per_s\": 60.0, \"peak_gb\": 1.2, \"gflops\": 200.0, \"share_of_peak\": 0.8}"
END
chmod +x "$tmp/spk" "$tmp/peer/venv/bin/python"
export CALLS=$tmp/calls
unset SPK_PEER SPK_PEER_PYTHON
: >"$CALLS"
compare() { python bench/compare --peers "$tmp/peers" --spk "$tmp/spk" --results "$tmp/r.jsonl" --threads 2 "$@"; }

# Without the peer: a sentence and 77; without results: no table.
refused 77 'skipped: no ESPnet.*setup.sh' compare
refused 1 'holds no pairs' compare --table
refused 1 'no configuration nosuch.*ecapa512' compare --peer "$tmp/peer" nosuch

# Two pairs: the second begins with the other side; bfloat16 is not there, and the peer is not run for it.
ok compare --peer "$tmp/peer" --pairs 2 ecapa512
has "$err" 'ecapa512 bf16: spk is not there: spk: error: use_amp: not yet'
check "order" test "$(cut -d' ' -f1 "$CALLS" | tr '\n' ' ')" = "spk espnet espnet spk spk "
has "$CALLS" '^spk bench --quiet --config ecapa512.yaml --batch 32 --steps 3 --num_threads 2$'
has "$CALLS" '^espnet espnet bench_espnet.py ecapa512.yaml --batch 32 --steps 3 --threads 2$'
check "four runs are kept" test "$(wc -l <"$tmp/r.jsonl")" = 4
# Medians 20, 22 and 10, 11: ratios 2 and 2; share 0.8 of ours, half of it theirs.
has "$out" '^\| ecapa512 \| 32 \| 2 \| 10\.5 \| 21\.0 \| 2\.00 \(2\.00 to 2\.00\) \| 40\.0 \| 60\.0 \| 1\.50 \(1\.50 to 1\.50\) \| 40 % \| 80 % \| 2\.40 \| 1\.20 \| 0\.50 \|$'

# What is there is not run again; a third pair is added; another model goes on in the same file.
: >"$CALLS"
ok compare --peer "$tmp/peer" --pairs 2 --precision f32 ecapa512
check "nothing was run" test ! -s "$CALLS"
ok compare --peer "$tmp/peer" --pairs 3 --precision f32 ecapa512
check "one pair more" test "$(cut -d' ' -f1 "$CALLS" | tr '\n' ' ')" = "spk espnet "
ok compare --peer "$tmp/peer" --pairs 1 --precision f32
check "all but trainings" test "$(grep -c xvector "$CALLS")" = 2
check "no training" test "$(grep -c train_tiny "$CALLS")" = 0
check "the table has both" test "$(grep -c '^| [ex]' "$out")" = 2
has "$out" '^\| xvector \| 32 \| 1 \| '

# A table again, from canned results, both precisions, into a page; only what was measured last counts.
canned() { # MODEL PRECISION PAIR SIDE BUILD TRAIN EMBED PEAK SHARE
    printf '{"model": "%s", "precision": "%s", "pair": %s, "side": "%s", "batch": 8, "steps": 3, "threads": 2, "build": "%s", "machine": "M", "result": {"train_utt_per_s": %s, "embed_utt_per_s": %s, "peak_gb": %s, "share_of_peak": %s}}\n' "$@"
}
{
    canned rawnet3 f32 0 espnet old 9 9 9 null; canned rawnet3 f32 0 spk old 9 9 9 0.9
    canned rawnet3 f32 0 espnet new 2 6 2.7 null; canned rawnet3 f32 0 spk new 3 9 1.25 0.6
    canned rawnet3 f32 1 espnet new 2 6 2.7 null; canned rawnet3 f32 1 spk new 4 12 1.25 0.8
    canned rawnet3 f32 2 espnet new 2 6 2.7 null; canned rawnet3 f32 2 spk new 3.2 9.6 1.25 0.64
    canned rawnet3 f32 3 espnet new 100 6 2.7 null # a pair that is not whole
    canned rawnet3 bf16 0 espnet new 4 12 2 null; canned rawnet3 bf16 0 spk new 6 24 1 0.5
} >"$tmp/canned.jsonl"
printf 'before\n<!-- bench/compare -->\nold\n<!-- /bench/compare -->\nbehind\n' >"$tmp/page.md"
for _ in 1 2; do # the second time replaces what the first wrote
    ok python bench/compare --table --results "$tmp/canned.jsonl" --into "$tmp/page.md"
done
cat >"$tmp/wanted.md" <<'END'
before
<!-- bench/compare -->
Float32 (M, 2 threads; 3 s crops, utterances a second, medians of the pairs; in brackets the range of their ratios):

| model | batch | pairs | training: ESPnet | spk | ratio | embedding: ESPnet | spk | ratio | share of peak: ESPnet | spk | peak GB: ESPnet | spk | ratio |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|
| rawnet3 | 8 | 3 | 2.00 | 3.20 | 1.60 (1.50 to 2.00) | 6.00 | 9.60 | 1.60 (1.50 to 2.00) | 40 % | 64 % | 2.70 | 1.25 | 0.46 |

Bfloat16, against ESPnet's autocast (M, 2 threads; 3 s crops, utterances a second, medians of the pairs; in brackets the range of their ratios):

| model | batch | pairs | training: ESPnet | spk | ratio | embedding: ESPnet | spk | ratio | share of peak: ESPnet | spk | peak GB: ESPnet | spk | ratio |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|
| rawnet3 | 8 | 1 | 4.00 | 6.00 | 1.50 | 12.0 | 24.0 | 2.00 | 33 % | 50 % | 2.00 | 1.00 | 0.50 |
<!-- /bench/compare -->
behind
END
same "$tmp/wanted.md" "$tmp/page.md"
echo "no place" >"$tmp/page.md"
refused 1 'page.md: has no lines' python bench/compare --table --results "$tmp/canned.jsonl" --into "$tmp/page.md"
finish
