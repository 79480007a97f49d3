# SPDX-License-Identifier: Apache-2.0
# train_dtype float64: what a run leaves is in double and goes on to the same bits; its weights serve in float as well. That
# the numbers are ESPnet's: espnet_float64.sh.
. tests/cli/common.sh
. tests/cli/corpus.inc
need_program unzip
corpus "$tmp/data"
tiny_config "$tmp/conf.yaml"
short=(--target_duration 0.3 --preprocessor_conf '{target_duration: 0.3, num_eval: 2}')
train=(spk train --config "$tmp/conf.yaml" --train_dir "$tmp/data/train" --valid_dir "$tmp/data/valid" --num_threads 2
    --use_matplotlib false --quiet "${short[@]}")
wide=("${train[@]}" --train_dtype float64 --accum_grad 2 --grad_noise true --average_last 2 --swa_start 2)

# has_storage TYPE FILE: the weights are of that type and no other real one.
has_storage() {
    unzip -p "$2" '*/data.pkl' | grep -aoE '(Float|Double)Storage' | sort -u >"$tmp/types"
    check "$2 is $1" test "$(cat "$tmp/types")" = "$1Storage"
}

ok "${wide[@]}" --max_epoch 3 --output_dir "$tmp/a"
cp "$out" "$tmp/figures"
has "$tmp/a/config.yaml" '^train_dtype: float64$'
for file in 3epoch swa ave_last2 valid.eer.ave_3best; do has_storage Double "$tmp/a/$file.pth"; done
head -c 100000 "$tmp/a/checkpoint.safetensors" | tr -d '\0' >"$tmp/head"
has "$tmp/head" '"optim.exp_avg":\{"dtype":"F64"'
check "no state in float" test "$(grep -c '"dtype":"F32"' "$tmp/head")" = 0

# Resumed after an epoch, and stopped within one.
ok "${wide[@]}" --max_epoch 2 --output_dir "$tmp/b"
ok "${wide[@]}" --max_epoch 3 --output_dir "$tmp/b" --resume
ok "${wide[@]}" --max_epoch 1 --output_dir "$tmp/c"
"$build/spk" "${wide[@]:1}" --max_epoch 3 --output_dir "$tmp/c" --resume >"$out" 2>"$err" & pid=$!
for _ in $(seq 400); do grep -q '2/3epoch started' "$tmp/c/train.log" && break; sleep 0.02; done
kill -TERM $pid 2>/dev/null
wait $pid 2>/dev/null; rc=$?
check "it was stopped ($rc)" test $rc = 143 -o $rc = 0
ok "${wide[@]}" --max_epoch 3 --output_dir "$tmp/c" --resume
for file in 3epoch swa ave_last2 valid.eer.ave_3best; do
    same "$tmp/a/$file.pth" "$tmp/b/$file.pth"
    same "$tmp/a/$file.pth" "$tmp/c/$file.pth"
done

# A validation in double has the training's figures; in float the weights serve, too.
ok spk validate --model "$tmp/a" --spk_model_file "$tmp/a/3epoch.pth" --valid_dir "$tmp/data/valid" --train_dtype float64 --quiet --json
mean=$(grep -oE '"trg_mean": [-0-9.e]+' "$out" | cut -d' ' -f2)
has "$tmp/a/metrics.jsonl" "\"trg_mean\": ?${mean}"
ok spk validate --model "$tmp/a" --spk_model_file "$tmp/a/3epoch.pth" --valid_dir "$tmp/data/valid" --quiet --json
check "float is near" awk -v a="$mean" -v b="$(grep -oE '"trg_mean": [-0-9.e]+' "$out" | cut -d' ' -f2)" \
    'BEGIN { d = (a - b) / a; exit !(d < 1e-3 && d > -1e-3) }'
ok spk extract --model "$tmp/a" --valid_dir "$tmp/data/valid" --output_dir "$tmp/e" --quiet
ok spk extract --model "$tmp/a" --valid_dir "$tmp/data/valid" --output_dir "$tmp/f" --quiet --train_dtype float64
for kind in e:f4 f:f8; do
    unzip -p "$tmp/${kind%:*}/valid_embeddings.npz" v7-1.npy | head -c 100 >"$tmp/head"
    check "$kind" grep -qa "'<${kind#*:}'" "$tmp/head"
done
ok spk extract --model "$tmp/a" --output_dir "$tmp/g" --quiet --train_dtype float64 "$tmp/data/audio/v7-1.wav"

# Float's weights become double's start, and a training goes on in the other type where that is asked for.
ok "${train[@]}" --max_epoch 1 --output_dir "$tmp/n"
has_storage Float "$tmp/n/1epoch.pth"
still=(--optim sgd --optim_conf '{lr: 0.0}' --max_epoch 1 --train_dtype float64)
ok "${train[@]}" "${still[@]}" --init_param "$tmp/n/1epoch.pth" --output_dir "$tmp/i"
ok "${train[@]}" "${still[@]}" --init_param "$tmp/a/3epoch.pth" --output_dir "$tmp/j"
refused 1 'train_dtype: float64 \(was float32\)' "${train[@]}" --max_epoch 2 --output_dir "$tmp/n" --resume --train_dtype float64
ok "${train[@]}" --max_epoch 2 --output_dir "$tmp/n" --resume --resume_conf new --train_dtype float64
has_storage Double "$tmp/n/2epoch.pth"
ok "${train[@]}" --max_epoch 3 --output_dir "$tmp/n" --resume --resume_conf new
has_storage Float "$tmp/n/3epoch.pth"

ok "${train[@]}" --train_dtype float64 --collect_stats true --output_dir "$tmp/stats"

# What has no meaning.
refused 2 'train_dtype: float16: weights of 16 bits .*use_amp' "${train[@]}" --train_dtype float16 --output_dir "$tmp/no"
refused 2 'train_dtype: bfloat16: .*use_amp' "${train[@]}" --train_dtype bfloat16 --output_dir "$tmp/no"
refused 2 'use_amp: .*float64' "${train[@]}" --train_dtype float64 --use_amp true --output_dir "$tmp/no"
refused 2 'use_amp asks for bfloat16 and --train_dtype for float64' \
    spk validate --model "$tmp/a" --valid_dir "$tmp/data/valid" --train_dtype float64 --use_amp true
refused 2 'train_dtype: float16 is not supported' spk validate --model "$tmp/a" --valid_dir "$tmp/data/valid" --train_dtype float16
finish
