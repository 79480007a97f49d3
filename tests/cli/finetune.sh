# SPDX-License-Identifier: Apache-2.0
# From one training to the next: init_from, keep_classes, the recipe for large-margin fine-tuning; sets that share files;
# stochastic weight averaging.
. tests/cli/common.sh
. tests/cli/corpus.inc
corpus "$tmp/data"
tiny_config "$tmp/conf.yaml"
data=(--train_dir "$tmp/data/train" --valid_dir "$tmp/data/valid" --num_threads 1 --use_matplotlib false)
ok spk train --config "$tmp/conf.yaml" "${data[@]}" --max_epoch 2 --output_dir "$tmp/a"

# The model of a folder, without its configuration: the same parts, and no step at rate 0 leaves the weights.
still=(--optim sgd --optim_conf "{lr: 0.0}" --max_epoch 1 --batch_size 4 --target_duration 0.3)
ok spk train --init_from "$tmp/a" "${still[@]}" "${data[@]}" --output_dir "$tmp/b"
has "$err" 'init_param .*valid.eer.ave.pth: [0-9]+ of the model'
has "$tmp/b/config.yaml" "^encoder: ecapa_tdnn"
has "$tmp/b/config.yaml" "^init_from: "
for key in encoder_conf frontend_conf projector_conf; do
    block() { sed -n "/^$key:/,/^[a-z]/p" "$1/config.yaml" | sed '1!{/^[a-z]/d}'; }
    check "$key" test "$(block "$tmp/a")" = "$(block "$tmp/b")"
done
# ... also when it is resumed, and from its own configuration.
ok spk train --init_from "$tmp/a" "${still[@]}" --max_epoch 2 "${data[@]}" --output_dir "$tmp/b" --resume
ok spk train --config "$tmp/b/config.yaml" --output_dir "$tmp/b2"
same "$tmp/b/1epoch.pth" "$tmp/b2/1epoch.pth"
# What is given wins, key by key.
ok spk train --init_from "$tmp/a/1epoch.pth" "${still[@]}" --loss_conf margin=0.45 "${data[@]}" --output_dir "$tmp/c"
sed -n '/^loss_conf:/,/^[a-z]/p' "$tmp/c/config.yaml" >"$tmp/loss"
has "$tmp/loss" 'margin: 0.45'
has "$tmp/loss" 'scale: '
refused 1 'init_from.*holds no' spk train --init_from "$tmp" "${still[@]}" "${data[@]}" --output_dir "$tmp/x"

# Classes without utterances stay where they are asked to.
mkdir "$tmp/data/less"
for list in wav.scp utt2spk spk2utt; do grep -vE '^(s1 |t1-)' "$tmp/data/train/$list" >"$tmp/data/less/$list"; done
less=(--train_dir "$tmp/data/less" --valid_dir "$tmp/data/valid" --num_threads 1 --use_matplotlib false)
n=$(wc -l <"$tmp/a/speakers.txt")
ok spk train --init_from "$tmp/a" "${still[@]}" "${less[@]}" --output_dir "$tmp/d"
check "one class less" test "$(wc -l <"$tmp/d/speakers.txt")" = $((n - 1))
has "$err" "classes by the speakers' names: $((n - 1)) kept, 0 new, 1 dropped"
ok spk train --init_from "$tmp/a" "${still[@]}" "${less[@]}" --keep_classes true --output_dir "$tmp/e"
same "$tmp/a/speakers.txt" "$tmp/e/speakers.txt"
ok spk train --config recipes/lmft.yaml --init_from "$tmp/a" --target_duration 0.3 --preprocessor_conf target_duration=0.3 \
    --batch_size 4 --valid_batch_size 4 --max_epoch 2 "${less[@]}" --output_dir "$tmp/f"
has "$tmp/f/config.yaml" 'margin: 0.5'
check "its mean" test -s "$tmp/f/ave_last2.pth"

# Sets that share files or speakers.
ok spk train --config "$tmp/conf.yaml" "${data[@]}" --max_epoch 1 --output_dir "$tmp/g" --test_dir "$tmp/data/valid"
has "$err" ' W data: the validation set and the test set .* share [0-9]+ files \(.*chosen by what it is tested on'
ok spk train --config "$tmp/conf.yaml" "${data[@]}" --max_epoch 1 --output_dir "$tmp/h" --valid_sets again="$tmp/data/valid" \
    --best_model_criterion valid,again.eer,min
check "no warning" test "$(grep -c ' W data:' "$err")" = 0
has "$out" ', again.eer=[0-9.]+, .*again.threshold_eer='
check "its best" test -L "$tmp/h/valid.again.eer.best.pth"

# The weights' mean with statistics of its own is a whole model.
ok spk train --config "$tmp/conf.yaml" "${data[@]}" --max_epoch 3 --output_dir "$tmp/s" --swa_start 2 --keep_nbest_models 1
has "$err" 'swa.pth: the mean of epochs 2 to 3'
ok spk validate --model "$tmp/s" --spk_model_file "$tmp/s/swa.pth" --valid_dir "$tmp/data/valid" --json
has "$out" '"eer": [0-9.]+'
check "not one of the snapshots" test "$(cksum <"$tmp/s/swa.pth")" != "$(cksum <"$tmp/s/3epoch.pth")"
check "2epoch.pth stayed for it" test -s "$tmp/s/2epoch.pth"

# Reading only.
ok spk train --config "$tmp/conf.yaml" "${data[@]}" --max_epoch 1 --output_dir "$tmp/r" --no_forward_run true
has "$err" '1epoch:train: [0-9]+ batches, [0-9]+ utterances in .*utterances/s'
check "nothing was trained" test ! -e "$tmp/r/config.yaml"
finish
