# SPDX-License-Identifier: Apache-2.0
# Train, resume, validate, extract on a few hums.
. tests/cli/common.sh
. tests/cli/corpus.inc
corpus "$tmp/data"
tiny_config "$tmp/conf.yaml"
train=(spk train --config "$tmp/conf.yaml" --train_dir "$tmp/data/train" --valid_dir "$tmp/data/valid" --num_threads 1)

# Two epochs at once, and one epoch resumed by another: the same weights and the same line.
ok "${train[@]}" --max_epoch 2 --output_dir "$tmp/a"
cp "$out" "$tmp/a.out"
has "$tmp/a.out" '^2epoch results: .*\beer=[0-9.]+.*\bmindcf=[0-9.]+'
has "$tmp/a.out" 'n_trials=36\b'
has "$tmp/a/train.log" '2epoch results: .*eer=[0-9.]+'
has "$err" '[0-9]+ parameters'
for file in config.yaml 1epoch.pth 2epoch.pth latest.pth valid.eer.best.pth checkpoint.safetensors; do
    check "$file" test -s "$tmp/a/$file"
done
ok "${train[@]}" --max_epoch 1 --output_dir "$tmp/b"
ok "${train[@]}" --max_epoch 2 --output_dir "$tmp/b" --resume --quiet
check "quiet" test ! -s <(grep -v ' W ' "$err")
same "$tmp/a/2epoch.pth" "$tmp/b/2epoch.pth"
eers() { sed -E 's/.*\[valid\] (eer=[^,]*, mindcf=[^,]*).*/\1/'; }
check "the resumed epoch has the same figures" test "$(tail -1 "$tmp/a.out" | eers)" = "$(tail -1 "$out" | eers)"
check "train.log goes on" test "$(grep -c 'epoch results' "$tmp/b/train.log")" = 2

# The lists by name are the folders; --resume without a checkpoint begins; another number of loaders changes nothing.
# shellcheck disable=SC2046
ok spk train --config "$tmp/conf.yaml" $(lists "$tmp/data") --num_threads 1 --max_epoch 2 --output_dir "$tmp/c" \
    --resume true --num_workers 3
same "$tmp/a/2epoch.pth" "$tmp/c/2epoch.pth"

# The folder is protected.
sum() { (cd "$1" && find . -type f -exec cksum {} + | sort); }
before=$(sum "$tmp/a")
refused 1 'resume.*overwrite|overwrite.*resume' "${train[@]}" --output_dir "$tmp/a"
check "nothing was touched" test "$before" = "$(sum "$tmp/a")"
ok "${train[@]}" --output_dir "$tmp/c" --overwrite true
check "overwritten" test ! -e "$tmp/c/2epoch.pth"

# Looking without training.
ok "${train[@]}" --output_dir "$tmp/none" --dry_run true
check "a dry run leaves no checkpoint" test ! -e "$tmp/none/checkpoint.safetensors"
ok "${train[@]}" --print_config
has "$out" '^max_epoch: 1'
# A complete configuration that was printed gives the same training.
ok spk train --config "$tmp/a/config.yaml" --output_dir "$tmp/d"
same "$tmp/a/2epoch.pth" "$tmp/d/2epoch.pth"

# Validation gives the epoch's figures.
ok spk validate --model "$tmp/a" --valid_dir "$tmp/data/valid" --spk_model_file "$tmp/a/2epoch.pth" --json --quiet
for key in eer eer_espnet mindcf mindcf_p01 n_trials trg_mean trg_std nontrg_mean nontrg_std threshold_eer \
    threshold_mindcf threshold_mindcf_p01; do
    has "$out" "\"$key\": -?[0-9]"
done
check "one line" test "$(wc -l <"$out")" = 1
check "no other key" test "$(grep -oE '"[a-z0-9_]+":' "$out" | wc -l)" = 12
eer=$(grep -oE '"eer": [^,]*' "$out" | cut -d' ' -f2)
check "the EER of the training" test "$(printf 'eer=%.3f' "$eer")" = "$(tail -1 "$tmp/a.out" | eers | cut -d, -f1)"
cp "$out" "$tmp/json"
# shellcheck disable=SC2046
ok spk validate --spk_train_config "$tmp/a/config.yaml" --spk_model_file "$tmp/a/2epoch.pth" \
    $(trial_lists "$tmp/data") --json --quiet --valid_batch_size 2 --num_workers 1
same "$tmp/json" "$out"
ok spk validate --model "$tmp/a" --valid_dir "$tmp/data/valid"
has "$out" '^n_trials=36$'
has "$out" '^eer=[0-9.]+$'
# With one segment the mean over the segments is the segment.
ok spk validate --model "$tmp/a" --valid_dir "$tmp/data/valid" --num_eval 1 --json --quiet
cp "$out" "$tmp/json"
ok spk validate --model "$tmp/a" --valid_dir "$tmp/data/valid" --num_eval 1 --json --quiet --average_embd true
check "means of one" test "$(cut -d, -f1-5 "$tmp/json")" = "$(cut -d, -f1-5 "$out")"
ok spk validate --model "$tmp/a" --valid_dir "$tmp/data/valid" --json --quiet --average_embd true
has "$out" '"n_trials": 36'

# A signal ends the training after its step, with a checkpoint; it goes on from there. Exit status as a shell's.
wait_for() { for _ in $(seq 400); do [ -s "$1" ] && return; sleep 0.02; done; }
for signal in INT TERM; do
    "$build/spk" "${train[@]:1}" --output_dir "$tmp/$signal" --max_epoch 100000 >"$out" 2>"$err" & pid=$!
    wait_for "$tmp/$signal/1epoch.pth"
    kill -$signal $pid
    wait $pid; status=$?
    report "$signal: exit status $status" "$([ $status = $((128 + $(kill -l $signal))) ]; echo $?)"
    has "$err" '^spk: error: .*interrupt.*--resume goes on'
    done=$(grep -c 'epoch results' "$tmp/$signal/train.log")
    ok "${train[@]}" --output_dir "$tmp/$signal" --max_epoch $((done + 1)) --resume
    check "one more epoch" grep -q "^$((done + 1))epoch results" "$out"
done

# Another setting needs a word; the old one can be had back.
ok "${train[@]}" --max_epoch 1 --output_dir "$tmp/e"
refused 1 'written with other settings: now batch_size: 3 \(was [0-9]+\).*--resume_conf new.*--resume_conf old' \
    "${train[@]}" --max_epoch 2 --output_dir "$tmp/e" --resume --batch_size 3
cp -r "$tmp/e" "$tmp/f"
ok "${train[@]}" --max_epoch 2 --output_dir "$tmp/e" --resume --batch_size 3 --resume_conf old
same "$tmp/a/2epoch.pth" "$tmp/e/2epoch.pth"
ok "${train[@]}" --max_epoch 2 --output_dir "$tmp/f" --resume --batch_size 3 --resume_conf new
has "$err" 'hold from here on: batch_size: 3'
has "$tmp/f/config.yaml" '^batch_size: 3'
check "other weights" test "$(cksum <"$tmp/a/2epoch.pth")" != "$(cksum <"$tmp/f/2epoch.pth")"
finish
