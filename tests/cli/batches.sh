# SPDX-License-Identifier: Apache-2.0
# Training with every way to make batches: it runs, the log says what an epoch covers, more loader threads change nothing.
. tests/cli/common.sh
. tests/cli/corpus.inc
corpus "$tmp/data"
tiny_config "$tmp/conf.yaml"
sed 's/ .*/ one/; 1,9s/one$/two/' "$tmp/data/train/utt2spk" >"$tmp/data/train/utt2dataset"
sed 's/ .*/ 19200/' "$tmp/data/train/utt2spk" >"$tmp/data/train/shape"
train=(spk train --config "$tmp/conf.yaml" --train_dir "$tmp/data/train" --valid_dir "$tmp/data/valid" --num_threads 1
    --preprocessor_conf target_duration=0.5)
try() { # NAME BATCHES OPTION...
    local name=$1 batches=$2; shift 2
    ok "${train[@]}" --output_dir "$tmp/$name" "$@"
    has "$err" "epoch 1: $batches batches, .*coverage"
    ok "${train[@]}" --output_dir "$tmp/$name-4" --num_workers 4 "$@"
    same "$tmp/$name/1epoch.pth" "$tmp/$name-4/1epoch.pth"
}
try sorted 4 --iterator_type sequence --batch_type sorted
try folded 8 --iterator_type sequence --batch_type folded --fold_length 10000
try length 4 --iterator_type sequence --batch_type length --batch_bins 100000 --train_shape_file "$tmp/data/train/shape"
try numel 3 --iterator_type sequence --batch_type numel --batch_bins 100000 --shuffle_within_batch true --num_iters_per_epoch 3
try catpow 4 --batch_type catpow --batch_bins 100000
try datasets 5 --batch_type catpow_balance_dataset --batch_bins 100000 --max_batch_size 5
try chunk '[0-9]+' --iterator_type chunk --chunk_length 4000,5000
has "$err" 'chunks make no full batch and are left out'
# Chunks of balanced batches: so many crops are cut, 24 of 8000 samples with chunks of 4000 that begin every 2000.
try category_chunk 12 --iterator_type category_chunk --category_sample_size 4 --chunk_length 4000
try few 4 --iterator_type category_chunk --category_sample_size 4 --chunk_length 4000 --num_iters_per_epoch 2 --valid_iterator_type chunk
has "$err" 'crops of 0.5 s$' # not steps: these are
has "$err" '4 steps an epoch'
refused 1 'category_sample_size 40' "${train[@]}" --output_dir "$tmp/x" --iterator_type category_chunk --category_sample_size 40 --chunk_length 4000
refused 1 'would have no batch: .*lower batch_size' "${train[@]}" --output_dir "$tmp/x" --iterator_type category_chunk --batch_size 400 --chunk_length 4000
refused 1 'no chunk is shorter than a crop \(8000 samples' "${train[@]}" --output_dir "$tmp/x" --iterator_type chunk --chunk_length 8000
refused 1 'would have no batch: .*lower batch_bins' "${train[@]}" --output_dir "$tmp/x" --batch_type catpow
refused 2 'catpow needs iterator_type category' "${train[@]}" --output_dir "$tmp/x" --iterator_type sequence --batch_type catpow
refused 2 "chunk_length: '5x' is no length" "${train[@]}" --output_dir "$tmp/x" --chunk_length 5x
finish
