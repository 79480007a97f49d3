# SPDX-License-Identifier: Apache-2.0
# Training with noise, room responses, volume and speeds: the same bytes for any number of loader threads, for any store
# and when resumed; classes of the speeds, and a training that goes on with them but without the speeds.
. tests/cli/common.sh
. tests/cli/corpus.inc
corpus "$tmp/data"
tiny_config "$tmp/conf.yaml"
mkdir -p "$tmp/more"
printf '%s\n' "$tmp/more/n1.wav 11 1 3" "$tmp/more/n2.wav 12 1 0.2" "$tmp/more/n3.wav 13 1 2 8000" \
    "$tmp/more/h1.wav 14 1 0.1" | waves
printf 'n1 n1.wav\nn2 n2.wav\nn3 n3.wav\n' >"$tmp/more/noise.scp"
printf 'h1.wav\n' >"$tmp/more/rirs.scp"
sed -e '/^preprocessor_conf/d' "$tmp/conf.yaml" >"$tmp/augment.yaml"
cat >>"$tmp/augment.yaml" <<END
preprocessor_conf:
    target_duration: 0.5
    sample_rate: 16000
    num_eval: 2
    noise_apply_prob: 0.8
    noise_info:
    - [1.0, $tmp/more/noise.scp, [1, 2], [0, 15]]
    - [1.0, babble, [2, 3], [13, 20]]
    rir_scp: $tmp/more/rirs.scp
    rir_apply_prob: 0.5
    volume_db_range: [-6, 6]
    speed_perturb_factors: [0.9, 1.0, 1.1]
END
train=(spk train --train_dir "$tmp/data/train" --valid_dir "$tmp/data/valid" --num_threads 1)

ok "${train[@]}" --config "$tmp/augment.yaml" --max_epoch 2 --output_dir "$tmp/a"
has "$err" '18 speakers, 72 utterances'
has "$tmp/a/speakers.txt" '^sp0\.9-s1$'
check "eighteen classes" test "$(wc -l <"$tmp/a/speakers.txt")" = 18
ok "${train[@]}" --config "$tmp/augment.yaml" --max_epoch 2 --output_dir "$tmp/b" --num_workers 4
same "$tmp/a/2epoch.pth" "$tmp/b/2epoch.pth"
ok "${train[@]}" --config "$tmp/augment.yaml" --max_epoch 2 --output_dir "$tmp/c" --preprocessor_conf augment_cache_size=0
same "$tmp/a/2epoch.pth" "$tmp/c/2epoch.pth"
ok "${train[@]}" --config "$tmp/augment.yaml" --max_epoch 1 --output_dir "$tmp/d"
ok "${train[@]}" --config "$tmp/augment.yaml" --max_epoch 2 --output_dir "$tmp/d" --resume --num_workers 4
same "$tmp/a/2epoch.pth" "$tmp/d/2epoch.pth"
ok spk train --config "$tmp/a/config.yaml" --output_dir "$tmp/e"
same "$tmp/a/2epoch.pth" "$tmp/e/2epoch.pth"

# Without the speeds, with their classes.
ok "${train[@]}" --config "$tmp/conf.yaml" --spk2utt "$tmp/a/speakers.txt" --max_epoch 1 --output_dir "$tmp/f" \
    --init_param "$tmp/a/2epoch.pth"
same "$tmp/a/speakers.txt" "$tmp/f/speakers.txt"
# The copies are of the same speakers.
ok "${train[@]}" --config "$tmp/augment.yaml" --max_epoch 1 --output_dir "$tmp/g" \
    --preprocessor_conf speed_perturb_classes=false
has "$err" '6 speakers, 72 utterances'
# Statistics are of recordings as they are.
ok "${train[@]}" --config "$tmp/augment.yaml" --output_dir "$tmp/stats" --collect_stats --spk_num 18
check "no copies" test "$(wc -l <"$tmp/stats/train/speech_shape")" = 24

refused 2 'noise_info: .*an entry needs four parts' "${train[@]}" --config "$tmp/conf.yaml" --output_dir "$tmp/x" \
    --preprocessor_conf '{noise_info: [[1, a.scp]]}'
refused 1 'rir_apply_prob is 0.5 and there is no rir_scp' "${train[@]}" --config "$tmp/conf.yaml" --output_dir "$tmp/x" \
    --preprocessor_conf rir_apply_prob=0.5
refused 1 'none\.scp: .*No such file' "${train[@]}" --config "$tmp/conf.yaml" --output_dir "$tmp/x" \
    --preprocessor_conf "{noise_scp: $tmp/none.scp}"
refused 1 'spk_num is 6, and .* has 18 speakers \(with those of the speeds\)' "${train[@]}" --config "$tmp/augment.yaml" \
    --output_dir "$tmp/x" --spk_num 6
echo spoilt >"$tmp/more/n2.wav"
refused 1 "augmenting utterance '.*n2\.wav: is not audio" "${train[@]}" --config "$tmp/augment.yaml" --output_dir "$tmp/x" \
    --max_epoch 1
finish
