# SPDX-License-Identifier: Apache-2.0
# use_preprocessor false: whole utterances and numbers of classes; the same bits for any number of loaders and when resumed, in
# every way to make batches; what does not fit is refused by name.
. tests/cli/common.sh
. tests/cli/corpus.inc
. tests/cli/whole.inc
raw() { spk "${raw[@]}" "$@"; }
ok raw --output_dir "$tmp/a" --max_epoch 2
has "$tmp/a/train.log" 'training: 6 speakers, 24 utterances, whole'
has "$err" 'of preprocessor_conf these have no effect: target_duration, num_eval'
has "$tmp/a/train.log" 'epoch 1: whole utterances: the largest batch has room for [0-9.]+ s, and [0-9.]+ % of all is padding'
has "$tmp/a/train.log" 'clip=[0-9.e+-]+, loss_scale=1.000, '
check "classes by their numbers" test "$(tr '\n' ' ' <"$tmp/a/speakers.txt")" = '0 1 2 3 4 5 '
ok raw --output_dir "$tmp/b" --max_epoch 1 --num_workers 4
ok raw --output_dir "$tmp/b" --max_epoch 2 --num_workers 3 --resume true
same "$tmp/a/2epoch.pth" "$tmp/b/2epoch.pth"

# Validation as in training: each utterance whole.
eer() { grep -oE '"eer": [0-9.e+-]+' | head -1; }
ok spk validate --model "$tmp/a" --spk_model_file "$tmp/a/2epoch.pth" --valid_dir "$tmp/data/valid" --num_threads 1 --json
has "$err" '36 trials over 9 utterances, whole'
check "the figures of training" test "$(eer <"$out")" = "$(tail -1 "$tmp/a/metrics.jsonl" | grep -oE '"eer": [0-9.e+-]+' | head -1)"
ok spk validate --model "$tmp/a" --valid_dir "$tmp/data/valid" --num_threads 1 --num_eval 2
has "$err" '2 segments of 1 s each'

# Batches.
try() { # NAME OPTION...
    local name=$1; shift
    ok raw --output_dir "$tmp/$name" "$@"
    ok raw --output_dir "$tmp/$name-4" --num_workers 4 "$@"
    same "$tmp/$name/1epoch.pth" "$tmp/$name-4/1epoch.pth"
}
try sorted --iterator_type sequence --batch_type sorted
try folded --iterator_type sequence --batch_type folded --fold_length 10000
try length --iterator_type sequence --batch_type length --batch_bins 100000
try numel --iterator_type sequence --batch_type numel --batch_bins 100000 --accum_grad 2
try catpow --batch_type catpow --batch_bins 100000
try swa --max_epoch 2 --swa_start 1 --average_last 2
same "$tmp/swa/swa.pth" "$tmp/swa-4/swa.pth"
# Chunks of whole utterances: the short ones are left out, or come as they are.
try chunk --iterator_type chunk --chunk_length 15000,20000 --batch_size 4
has "$err" '[0-9]+ of 24 utterances are not longer than any chunk_length and are left out'
ok raw --output_dir "$tmp/kept" --iterator_type chunk --chunk_length 15000,20000 --batch_size 3 --chunk_discard_short_samples false
has "$err" 'chunk_length and come as they are'
ok raw --output_dir "$tmp/fs" --iterator_type chunk --chunk_length 5500 --chunk_default_fs 8000 --chunk_max_abs_length 9000 --batch_size 4

# What does not fit.
refused 1 'the label of .t6-1. is 5; with 5 classes \(spk_num\) they are 0 to 4' raw --spk_num 5 --output_dir "$tmp/x"
refused 2 'spk_num is missing; with use_preprocessor false' raw --spk_num none --output_dir "$tmp/x"
refused 1 "the label of 't1-1' is 's1'; .*numbers of classes" spk train --config "$tmp/conf.yaml" --quiet --use_preprocessor false \
    --spk_num 6 --train_dir "$tmp/data/train" --valid_dir "$tmp/data/valid" --output_dir "$tmp/x"
echo "$tmp/data/audio/t3-2.wav 3 2 0.005" | waves
refused 1 "utterance 't3-2' has 80 samples, and the model needs [0-9]+" raw --output_dir "$tmp/x"
check "nothing was trained" test ! -e "$tmp/x/1epoch.pth"

# A damaged checkpoint is refused; the one before it is offered and serves.
cp -r "$tmp/a" "$tmp/c"
printf 'x' | dd of="$tmp/c/checkpoint.safetensors" bs=1 seek=$(($(stat -c %s "$tmp/c/checkpoint.safetensors") - 101)) conv=notrunc 2>/dev/null
cp "$tmp/c/checkpoint.safetensors" "$tmp/damaged"
echo "$tmp/data/audio/t3-2.wav 3 2 $(((4 + 2 * 2 + 3) * 100 / 9 * 10))e-3" | waves
refused 1 'c/checkpoint.safetensors: is damaged.*checkpoint.prev.safetensors \(epoch 1.*--resume_from previous' \
    raw --output_dir "$tmp/c" --max_epoch 2 --resume true
same "$tmp/damaged" "$tmp/c/checkpoint.safetensors"
rm "$tmp/c/2epoch.pth"
ok raw --output_dir "$tmp/c" --max_epoch 2 --resume true --resume_from previous
same "$tmp/damaged" "$tmp/c/checkpoint.damaged.safetensors"
same "$tmp/a/2epoch.pth" "$tmp/c/2epoch.pth"
ok raw --output_dir "$tmp/c" --max_epoch 2 --resume true --resume_from previous # now the latest one is whole
has "$tmp/c/train.log" 'checkpoint.safetensors is whole, and serves'
finish
