# SPDX-License-Identifier: Apache-2.0
# A training that is killed at random instants and resumed each time ends with the bytes and the figures of one that never
# was. A dozen kills here; as many as SPK_KILLS says (100, say) by hand:
#   SPK_KILLS=100 bash tests/cli/killed.sh build
. tests/cli/common.sh
. tests/cli/corpus.inc
kills=${SPK_KILLS:-12}
seed=${SEED:-$RANDOM}
RANDOM=$seed
echo "SEED=$seed"
corpus "$tmp/data"
tiny_config "$tmp/conf.yaml"
train=(train --config "$tmp/conf.yaml" --train_dir "$tmp/data/train" --valid_dir "$tmp/data/valid" --num_threads 1
    --log_interval 1 --max_epoch 12 --accum_grad 2 --valid_interval 3 --average_last 3 --use_matplotlib false --quiet)
ok spk "${train[@]}" --output_dir "$tmp/whole"
start=$(date +%s%N)
ok spk "${train[@]}" --output_dir "$tmp/again"
span=$((($(date +%s%N) - start) / 1000000)) # milliseconds of a run

# Figures without times; the configuration's own folder differs.
figures() { sed -E 's/"([a-z_]*_)?time": [^,}]*//g' "$1/metrics.jsonl"; }
# same_run FOLDER
same_run() {
    local file
    for file in "$tmp/whole"/*.pth; do same "$file" "$1/${file##*/}"; done
    figures "$1" >"$tmp/figures"
    figures "$tmp/whole" | cmp - "$tmp/figures"
    report "the figures of $1" $?
}
same_run "$tmp/again"

killed=0 midway=0 runs=0
while [ $killed -lt "$kills" ]; do
    "$build/spk" "${train[@]}" --output_dir "$tmp/k" --resume true --checkpoint_interval 0.0005 >"$out" 2>"$err" & pid=$!
    sleep "$(printf '0.%03d' $((RANDOM % (span < 900 ? span : 900) + 10)))"
    kill -KILL $pid 2>/dev/null
    wait $pid 2>/dev/null; rc=$?
    if [ $rc = 137 ]; then
        killed=$((killed + 1))
        grep -q '"stage":"train"' <(head -c 4000000 "$tmp/k/checkpoint.safetensors" 2>/dev/null | tr -d '\0') && midway=$((midway + 1))
    else
        report "a run that was let end: $rc" $rc
        [ $rc = 0 ] || { tail -3 "$err"; break; }
        same_run "$tmp/k"
        rm -rf "$tmp/k"
        runs=$((runs + 1))
    fi
done
ok spk "${train[@]}" --output_dir "$tmp/k" --resume true
same_run "$tmp/k"
echo "killed $killed times, $midway with a checkpoint within an epoch; $((runs + 1)) runs ended"
check "some were killed within an epoch" test $midway -gt 0
finish
