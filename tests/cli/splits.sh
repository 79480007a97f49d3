# SPDX-License-Identifier: Apache-2.0
# Training data in splits (multiple_iterator), as ESPnet's split_scps.py writes them: steps, loader threads, going on
# within an epoch, processes, and what is wrong with a folder.
. tests/cli/common.sh
. tests/cli/corpus.inc
corpus "$tmp/data"
tiny_config "$tmp/conf.yaml"
sed -i "s| \.\./| $tmp/data/|" "$tmp/data/train/wav.scp"
# Utterance i goes to split i mod 3.
for list in wav.scp utt2spk; do
    mkdir -p "$tmp/splits/$list" && echo 3 >"$tmp/splits/$list/num_splits"
    awk -v n=3 -v d="$tmp/splits/$list" '{ print >(d "/split." (NR - 1) % n) }' "$tmp/data/train/$list"
done
key=train_data_path_and_name_and_type
train=(train --config "$tmp/conf.yaml" --preprocessor_conf target_duration=0.5 --num_threads 1 --log_interval 1
    --valid_dir "$tmp/data/valid" --spk2utt "$tmp/data/train/spk2utt" --multiple_iterator true --batch_size 4
    --iterator_type sequence --batch_type unsorted)
lists=("--$key" "$tmp/splits/wav.scp,speech,sound" "--$key" "$tmp/splits/utt2spk,spk_labels,text")

# Two batches of each split; the order of the splits changes; folders are found by --train_dir too.
ok spk "${train[@]}" "${lists[@]}" --output_dir "$tmp/a" --max_epoch 3
has "$err" 'epoch 1: splits in the order [0-2] [0-2] [0-2]$'
has "$err" 'epoch 1: 6 batches, 24 crops; coverage 100.0 %'
check "another order in another epoch" test "$(grep -o 'splits in the order.*' "$err" | sort -u | wc -l)" -gt 1
ok spk "${train[@]}" --train_dir "$tmp/splits" --output_dir "$tmp/b" --max_epoch 3 --num_workers 4
same "$tmp/a/3epoch.pth" "$tmp/b/3epoch.pth"
ok spk "${train[@]}" "${lists[@]}" --output_dir "$tmp/c" --iterator_type category --batch_type catbel --num_iters_per_epoch 7
has "$err" ', 7 steps an epoch'
has "$err" 'epoch 1: 7 batches'

# Ended within an epoch and gone on with: the same weights.
long=("${train[@]}" "${lists[@]}" --num_iters_per_epoch 40 --max_epoch 2)
ok spk "${long[@]}" --output_dir "$tmp/whole"
"$build/spk" "${long[@]}" --output_dir "$tmp/cut" >"$out" 2>"$err" & pid=$!
for i in $(seq 3000); do grep -qs '^.*2epoch:train:2[0-9]-' "$tmp/cut/train.log" && break; sleep 0.01; done
kill -TERM $pid
wait $pid
rc=$?
check "it was ended by the signal ($rc)" test $rc = 143
ok spk "${long[@]}" --output_dir "$tmp/cut" --resume true
same "$tmp/whole/2epoch.pth" "$tmp/cut/2epoch.pth"

# Two processes, of splits and of chunks of balanced batches: the losses of one.
if [ -e "$build/libspk_mpi_openmpi.so" ] && command -v mpirun >/dev/null; then
    . tests/cli/ranks.inc
    losses() { grep '"window"' "$1/metrics.jsonl" | grep -oE '"loss": [^,]*' | cut -d' ' -f2; }
    for n in 1 2; do
        ok ranks $n "$build/spk" "${train[@]}" "${lists[@]}" --output_dir "$tmp/r$n" --sync_bn true --optim sgd \
            --optim_conf lr=1e-5 --scheduler none --max_epoch 2 --iterator_type category_chunk --batch_type catbel \
            --category_sample_size 3 --chunk_length 4000,5000 --batch_size 6 --use_tensorboard false --quiet
    done
    paste <(losses "$tmp/r1") <(losses "$tmp/r2") | awk '{ d = $1 - $2; if (d < 0) d = -d; if (d > worst) worst = d }
        END { print "losses differ by " worst " at most, of " NR; exit !(NR >= 15 && worst <= 1e-3) }'
    report "the losses of two processes" $?
fi

# What is wrong is said before anything is trained.
no() { refused 1 "$1" spk "${train[@]}" "${lists[@]}" --output_dir "$tmp/x" "${@:2}"; }
no 'num_iters_per_epoch is 2 and there are 3 splits' --num_iters_per_epoch 2
refused 1 'wav.scp: is no folder; with multiple_iterator' spk "${train[@]}" --train_dir "$tmp/data/train" --output_dir "$tmp/x"
printf 4 >"$tmp/splits/wav.scp/num_splits"
no 'wav.scp/split.3: is not there, and .*num_splits says 4'
cp "$tmp/splits/wav.scp/split.2" "$tmp/splits/wav.scp/split.3"
no 'wav.scp has 4 splits and .*utt2spk has 3'
rm "$tmp/splits/wav.scp/num_splits"
no 'wav.scp/num_splits: is not there'
printf 3 >"$tmp/splits/wav.scp/num_splits"
no 'wav.scp/split.3: is there'
rm "$tmp/splits/wav.scp/split.3"
sed -i '$s/ .*/ s77/' "$tmp/splits/utt2spk/split.1"
no "utt2spk/split.1:8: speaker 's77' of utterance '.*' is not in .*spk2utt"
finish
