# SPDX-License-Identifier: Apache-2.0
# spk verify, enroll and identify: scores and decisions are those that the embeddings give, galleries keep what they were
# told and refuse another model.
. tests/cli/common.sh
. tests/cli/corpus.inc
need_program python3
case $build in /*) ;; *) build=$PWD/$build ;; esac
corpus "$tmp/data"
tiny_config "$tmp/conf.yaml"
train=(spk train --config "$tmp/conf.yaml" --train_dir "$tmp/data/train" --valid_dir "$tmp/data/valid" --quiet --num_iters_per_epoch 2)
ok "${train[@]}" --output_dir "$tmp/exp"
ok "${train[@]}" --output_dir "$tmp/other" --seed 7
cd "$tmp/data/audio" || exit 1
ok spk extract --model "$tmp/exp" v7-1.wav v7-2.wav v8-1.wav v9-1.wav --format jsonl --output_dir "$tmp/e" --quiet
# cosine ID ID...: of the first with the mean of the others.
cosine() {
    python3 -c '
import json, math, sys
e = {o["id"]: o["embedding"] for o in map(json.loads, open(sys.argv[1]))}
a, rest = e[sys.argv[2]], [e[k] for k in sys.argv[3:]]
b = [sum(x) / len(rest) for x in zip(*rest)]
dot = lambda x, y: math.fsum(p * q for p, q in zip(x, y))
print(dot(a, b) / math.sqrt(dot(a, a) * dot(b, b)))' "$tmp/e/embeddings.jsonl" "$@"
}
value() { python3 -c 'import json, sys; o = json.loads(open(sys.argv[1]).readline()); print(eval(sys.argv[2]))' "$out" "$1"; }
near() { check "$1: $2 is near $3" awk "BEGIN {d = ($2) - ($3); exit !(d < 1e-5 && d > -1e-5)}"; }
# Of scores that are not bounded: to 1e-5 of their size.
alike() { check "$1: $2 is near $3" awk "BEGIN {b = ($3); e = 1e-5 * (b > 1 ? b : b < -1 ? -b : 1); d = ($2) - b; exit !(d < e && d > -e)}"; }

# ---- verify ----
ok spk verify v7-1.wav v8-1.wav --model "$tmp/exp"
check "nothing on stderr" test ! -s "$err"
has "$out" '^recording +compared with +cosine$'
has "$out" '^v7-1.wav +v8-1.wav +-?[01]\.[0-9]{4}$'
has "$out" '^nothing is decided: give --threshold SCORE, or a calibration'
ok spk verify v7-1.wav v8-1.wav --model "$tmp/exp" --json true
c=$(cosine v7-1 v8-1)
near cosine "$(value 'o["score"]')" "$c"
check "no decision" test "$(value '"same_speaker" in o')" = False
for t in 0.0001 -0.0001; do
    ok spk verify v7-1.wav v8-1.wav --model "$tmp/exp" --json true --threshold "$(awk "BEGIN {print $c + $t}")"
    check "threshold $t" test "$(value 'o["same_speaker"]')" = "$([ $t = 0.0001 ] && echo False || echo True)"
done
ok spk verify v7-1.wav v7-2.wav v8-1.wav --model "$tmp/exp" --threshold 2
check "two rows" test "$(grep -c 'two speakers$' "$out")" = 2

calibration() { printf '{"format": "spk-calibration-1", "kind": "linear", "n_systems": 1, "embedding_size": 0, "prior": 0.5, "bias": %s, "weights": [%s]}' "$1" "$2"; }
calibration -1.5 4 >"$tmp/a.json"
ok spk verify v7-1.wav v8-1.wav --model "$tmp/exp" --json true --calibration "$tmp/a.json" --p_target 0.2 --c_miss 10 --c_fa 3
near ratio "$(value 'o["log_likelihood_ratio"]')" "4 * $c - 1.5"
near probability "$(value 'o["probability"]')" "1 / (1 + exp(-(4 * $c - 1.5 + log(0.2 / 0.8))))"
near threshold "$(value 'o["ratio_threshold"]')" "log(0.8 * 3 / (0.2 * 10))"
check "decision" test "$(value 'o["same_speaker"] == (o["log_likelihood_ratio"] >= o["ratio_threshold"])')" = True
cp "$tmp/a.json" "$tmp/exp/calibration.json" # a model's own serves without a word
ok spk verify v7-1.wav v8-1.wav --model "$tmp/exp"
has "$out" '^one speaker where the log likelihood ratio is at least 2.9444: p_target 0.05, c_miss 1, c_fa 1 \(.*exp/calibration.json\)$'
has "$out" '^v7-1.wav +v8-1.wav +-?[01]\.[0-9]{4} +-?[0-9.]+ +[01]\.[0-9]{4} +(one|two) speakers?$'
sed 's/linear/qmf/; s/"weights": \[4\]/"weights": [4,1,1,1,1,1,1,1,1]/' "$tmp/a.json" >"$tmp/q.json"
refused 1 'q.json: the calibration is of the kind qmf' spk verify v7-1.wav v8-1.wav --model "$tmp/exp" --calibration "$tmp/q.json"
cp "$tmp/q.json" "$tmp/exp/calibration.json"
ok spk verify v7-1.wav v8-1.wav --model "$tmp/exp"
has "$err" 'kind qmf'
has "$out" 'nothing is decided'
rm "$tmp/exp/calibration.json"

refused 1 'need a calibration, and .*exp has no calibration.json' spk verify v7-1.wav v8-1.wav --model "$tmp/exp" --p_target 0.1
refused 1 'both say where' spk verify v7-1.wav v8-1.wav --model "$tmp/exp" --c_fa 2 --threshold 0.3
refused 1 'none.json' spk verify v7-1.wav v8-1.wav --model "$tmp/exp" --calibration "$tmp/none.json"
refused 1 '1 of the 2 recordings could not be embedded; nothing was compared' spk verify v7-1.wav none.wav --model "$tmp/exp"
has "$err" 'none.wav: .*No such file'
refused 2 'name the model' spk verify v7-1.wav v8-1.wav
refused 2 'two recordings' spk verify v7-1.wav --model "$tmp/exp"

# ---- enroll ----
g=$tmp/people
ok spk enroll "$g" 'Anna Ö.' v7-1.wav v7-2.wav --model "$tmp/exp"
has "$out" 'Anna Ö. is enrolled with 2 recordings; 1 speaker$'
ok spk enroll "$g" bernd v8-1.wav --model "$tmp/exp"
ok spk enroll "$g" --list
has "$out" '^Anna Ö. +2$'
has "$out" '^2 speakers, enrolled with .*exp/valid.eer.best.pth$'
cp "$g" "$tmp/two"
ok spk enroll "$g" carla v9-1.wav --model "$tmp/exp"
ok spk enroll "$g" carla --remove
same "$g" "$tmp/two"
refused 1 "'bernd' is enrolled already; --replace true .* --add true" spk enroll "$g" bernd v9-1.wav --model "$tmp/exp"
refused 1 '1 of the 2 recordings of bernd could not be embedded; .* is as it was' spk enroll "$g" bernd v9-1.wav none.wav --model "$tmp/exp" --replace
same "$g" "$tmp/two"
ok spk enroll "$g" bernd v7-1.wav --model "$tmp/exp" --add
has "$out" 'bernd is enrolled with 2 recordings; 2 speakers'
ok spk enroll "$g" bernd v8-1.wav --model "$tmp/exp" --replace
same "$g" "$tmp/two"
refused 1 "'nobody' is not enrolled" spk enroll "$g" nobody --remove
refused 1 'none: there is no such gallery' spk enroll "$tmp/none" nobody --remove
refused 1 'none: .*No such file' spk enroll "$tmp/none" --list
refused 1 'cannot be a name' spk enroll "$g" $'a\nb' v8-1.wav --model "$tmp/exp"
refused 1 "another model \(.*exp/valid.eer.best.pth\) than .*other/valid.eer.best.pth" spk enroll "$g" dora v9-1.wav --model "$tmp/other"
same "$g" "$tmp/two"
refused 2 'give one of' spk enroll "$g" bernd --remove --list
refused 2 "recordings" spk enroll "$g" bernd --model "$tmp/exp"
# The weights count, not the file that they are in.
ok spk convert "$tmp/exp" --to safetensors --output_dir "$tmp/copy" --quiet
ok spk enroll "$g" dora v9-1.wav --model "$tmp/copy"
cp "$tmp/two" "$g"
# Two that enrol at once do not lose each other's names.
for i in 1 2 3 4; do spk enroll "$g" "p$i" v9-1.wav --model "$tmp/exp" --num_threads 1 >"$tmp/o$i" 2>&1 & done; wait
ok spk enroll "$g" --list
has "$out" '^6 speakers'
cp "$tmp/two" "$g"

# ---- identify ----
ok spk identify "$g" v7-1.wav v9-1.wav --model "$tmp/exp"
check "two rows each" test "$(grep -cE ' -?[01]\.[0-9]{4}$' "$out")" = 4
ok spk identify "$g" v9-1.wav --model "$tmp/exp" --json true
for who in 'Anna Ö.' bernd; do
    case $who in A*) c=$(cosine v9-1 v7-1 v7-2) ;; *) c=$(cosine v9-1 v8-1) ;; esac
    near "$who" "$(value "[n['score'] for n in o['nearest'] if n['name'] == '$who'][0]")" "$c"
done
check "the nearest first" test "$(value 'o["nearest"][0]["score"] >= o["nearest"][1]["score"]')" = True
ok spk identify "$g" v8-1.wav --model "$tmp/exp" --json true --top 1 --threshold 0.999
check "it is bernd" test "$(value 'o["speaker"], len(o["nearest"])')" = "('bernd', 1)"
ok spk identify "$g" v9-1.wav --model "$tmp/exp" --threshold 1.5
has "$out" '^v9-1 .* nobody of these$'
ok spk identify "$g" v8-1.wav --model "$tmp/exp" --calibration "$tmp/a.json" --p_target 0.9
has "$out" '^v8-1 +bernd +1.0000 +2.500 +0.9910 +bernd$'
refused 1 '1 of the 2 recordings' spk identify "$g" v7-1.wav none.wav --model "$tmp/exp"
has "$out" '^v7-1 '
has "$err" 'none.wav: .*No such file'
refused 1 'another model' spk identify "$g" v7-1.wav --model "$tmp/other"
refused 1 'v7-1.wav' spk identify v7-1.wav v7-1.wav --model "$tmp/exp"
head -c 300 "$g" >"$tmp/cut"
refused 1 'cut: ' spk identify "$tmp/cut" v7-1.wav --model "$tmp/exp"
cp "$tmp/exp/checkpoint.safetensors" "$tmp/no"
refused 1 'no: is no gallery' spk identify "$tmp/no" v7-1.wav --model "$tmp/exp"
# ---- back-end and cohort: the scores of spk score ----
ok spk extract --model "$tmp/exp" "$tmp/data/train/wav.scp" --output_dir "$tmp/cohort" --quiet
ok spk extract --model "$tmp/exp" v7-1.wav v7-2.wav v8-1.wav v9-1.wav --output_dir "$tmp/e" --quiet
fit=(spk backend fit --embeddings "$tmp/cohort/embeddings.npz" --utt2spk "$tmp/data/train/utt2spk" --quiet)
ok "${fit[@]}" --output "$tmp/wccn.npz" --type wccn --shrinkage 0.5
ok "${fit[@]}" --output "$tmp/plda.npz" --type plda --shrinkage 0.5
printf 'anna v7-1 v7-2\nbernd v8-1\n' >"$tmp/enrolled"
printf 'v7-1 v8-1\nv7-1 v9-1\n' >"$tmp/pairs"
printf 'anna v9-1\nbernd v9-1\n' >"$tmp/names"
cp "$tmp/a.json" "$tmp/exp/calibration.json" # of cosines: no word of it with other scores
ok spk pack "$tmp/exp" --output "$tmp/exp.zip" --add "$tmp/wccn.npz" "$tmp/cohort/embeddings.npz" --quiet
score() { ok spk score --embeddings "$tmp/e/embeddings.npz" "$@" --form kaldi --quiet; cp "$out" "$tmp/want"; }
want() { awk -v a="$1" -v b="$2" '$1 == a && $2 == b {print $3}' "$tmp/want"; }
norm=(--norm asnorm --cohort "$tmp/cohort/embeddings.npz" --top_k 4)
for how in 'wccn' 'plda' 'wccn norm' 'none norm'; do
    use=(--scorer cosine) take=()
    case $how in wccn*) use=(--backend "$tmp/wccn.npz") take=(--backend "$tmp/wccn.npz") ;; plda*) use=(--backend "$tmp/plda.npz") take=("${use[@]}") ;; esac
    case $how in *norm) use+=("${norm[@]}") take+=("${norm[@]:2}") ;; esac
    score --trials "$tmp/pairs" "${use[@]}"
    ok spk verify v7-1.wav v8-1.wav v9-1.wav --model "$tmp/exp" --json true "${take[@]}"
    alike "verify, $how" "$(value 'o["score"]')" "$(want v7-1 v8-1)"
    check "no calibration of cosines" test "$(value '"probability" in o')" = False
    score --trials "$tmp/names" --enroll "$tmp/enrolled" "${use[@]}"
    ok spk enroll "$tmp/three" anna v7-1.wav v7-2.wav --model "$tmp/exp" --replace
    ok spk enroll "$tmp/three" bernd v8-1.wav --model "$tmp/exp" --replace
    ok spk identify "$tmp/three" v9-1.wav --model "$tmp/exp" --json true "${take[@]}"
    for who in anna bernd; do
        alike "identify $who, $how" "$(value "[n['score'] for n in o['nearest'] if n['name'] == '$who'][0]")" "$(want $who v9-1)"
    done
done
score --trials "$tmp/pairs" --backend "$tmp/wccn.npz" "${norm[@]}"
ok spk verify v7-1.wav v8-1.wav --model "$tmp/exp.zip" --backend "$tmp/exp.zip/wccn.npz" --cohort "$tmp/exp.zip/embeddings.npz" --top_k 4 --calibration "$tmp/a.json" --json true
alike "out of the pack" "$(value 'o["score"]')" "$(want v7-1 v8-1)"
alike "calibrated" "$(value 'o["log_likelihood_ratio"]')" "4 * $(want v7-1 v8-1) - 1.5"
ok spk verify v7-1.wav v8-1.wav --model "$tmp/exp" --backend "$tmp/wccn.npz" --cohort "$tmp/cohort/embeddings.npz" --top_k 4
has "$out" '^recording +compared with +score$'
has "$out" '^score: cosine behind the back-end .*wccn.npz, normalised by the nearest 4 of .*cohort/embeddings.npz$'
has "$out" '^nothing is decided'
refused 1 "exp.zip: there is no 'none.npz' in it" spk verify v7-1.wav v8-1.wav --model "$tmp/exp" --backend "$tmp/exp.zip/none.npz"
refused 1 'need a calibration of these scores' spk verify v7-1.wav v8-1.wav --model "$tmp/exp" --backend "$tmp/wccn.npz" --p_target 0.1
refused 1 'the cohort has [0-9]+ items, but the nearest 500 are asked for' spk verify v7-1.wav v8-1.wav --model "$tmp/exp" --cohort "$tmp/cohort/embeddings.npz"
refused 2 'top_k has no effect without --cohort' spk verify v7-1.wav v8-1.wav --model "$tmp/exp" --top_k 4
rm "$tmp/exp/calibration.json"

for who in 'Anna Ö.' bernd; do ok spk enroll "$g" "$who" --remove; done
refused 1 'nobody is enrolled' spk identify "$g" v7-1.wav --model "$tmp/exp"
finish
