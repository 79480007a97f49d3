# SPDX-License-Identifier: Apache-2.0
# Several processes of which one has other settings or data, dies, hangs, or is told to stop.
. tests/cli/common.sh
. tests/cli/corpus.inc
. tests/cli/ranks.inc
corpus "$tmp/data"
tiny_config "$tmp/conf.yaml"
spk=$build/spk
train=("$spk" train --config "$tmp/conf.yaml" --train_dir "$tmp/data/train" --valid_dir "$tmp/data/valid" --num_threads 1
    --use_matplotlib false --use_tensorboard false --quiet)
other=$tmp/other
children() { pgrep -P "$1" -f "^$spk train" | sort -n; } # of a launcher: its ranks in their order

# Found at the start, before anything is written.
ranks_refused 1 'rank 1 on .*configuration.*seed: 3 \(was 0\)' 2 "$other" '--seed 3' "${train[@]}" --output_dir "$tmp/a"
cp -r "$tmp/data" "$tmp/less"
sed -i '$d' "$tmp/less/train/wav.scp" "$tmp/less/train/utt2spk"
sed -i 's/ t6-4//' "$tmp/less/train/spk2utt"
ranks_refused 1 'rank 1 on .*training data is 23 utterances.*rank 0 on .* 24 utterances' 2 \
    "$other" "--train_dir $tmp/less/train" "${train[@]}" --output_dir "$tmp/a"
ranks_refused 1 'rank 1 on .*number of threads is 2' 2 "$other" '--num_threads 2' "${train[@]}" --output_dir "$tmp/a"
ranks_refused 1 'rank 1 on .*rank-one: there is no such folder' 2 "$other" "--valid_dir $tmp/rank-one" \
    "${train[@]}" --output_dir "$tmp/a"
check "nothing was trained" test ! -e "$tmp/a/1epoch.pth"
ranks_refused 2 'unknown option --nothing' 2 "$spk" train --nothing
ranks_refused 2 'spk eval runs as one process, and mpirun .* started 2' 2 "$spk" eval scores
ranks_refused 1 'train_dtype: several processes train in float32' 2 "${train[@]}" --train_dtype float64 --output_dir "$tmp/wide"
refused 1 'dist_world_size: 4 processes .* mpirun -np 4 spk train' "${train[@]}" --dist_world_size 4 --output_dir "$tmp/a"
refused 1 'dist_launcher: is mpi, and this process runs alone' "${train[@]}" --dist_launcher mpi --output_dir "$tmp/a"
ranks_refused 1 'dist_world_size: is 3, and 2 processes' 2 "${train[@]}" --dist_world_size 3 --output_dir "$tmp/a"
ranks_refused 1 'spk bench times one process' 2 "$spk" bench --config "$tmp/conf.yaml"
refused 1 'this process runs alone: mpirun -np N spk bench --comm' "$spk" bench --comm
ranks_refused 2 'bring their parts together in a folder: give --output_dir' 2 "$spk" extract --model "$tmp" --format jsonl x.wav
ok ranks 2 "${train[@]}" --dist_world_size 2 --dist_launcher mpi --dist_backend gloo --multiprocessing_distributed true \
    --output_dir "$tmp/named"

# A program without a plugin says so once instead of training twice; unless it is told to.
mkdir "$tmp/bare" && cp "$spk" "$tmp/bare/spk"
ranks_refused 1 'mpirun of Open MPI started 2 processes, and this build of spk cannot join them' 2 \
    "$tmp/bare/spk" "${train[@]:1}" --output_dir "$tmp/bare/exp"
check "nothing was trained" test ! -e "$tmp/bare/exp"
SPK_MPI=none ok ranks 2 "$tmp/bare/spk" version
check "each for itself" test "$(grep -c '^spk ' "$out")" = 2

# A file that rank 1 cannot read; a part of an extraction that fails leaves nothing.
cp -r "$tmp/data" "$tmp/bad"
: >"$tmp/bad/audio/t5-2.wav"
: >"$tmp/bad/audio/v7-2.wav"
ranks_refused 1 "^spk: error: rank [01] on [^,]+, epoch [12], batch [1-4]: utterance 't5-2': .*t5-2.wav: the file is empty" \
    2 "${train[@]}" --train_dir "$tmp/bad/train" --max_epoch 2 --output_dir "$tmp/b"
ranks_refused 1 "rank 1 on .*v7-2" 2 "$spk" extract --model "$tmp/named" --valid_dir "$tmp/bad/valid" --num_threads 1 \
    --output_dir "$tmp/x" --quiet
check "nothing is left" test -z "$(ls "$tmp/x")"
ranks_refused 1 "rank 1 on .*, epoch 1, validation: .*v7-2" 2 "${train[@]}" --valid_dir "$tmp/bad/valid" --output_dir "$tmp/c"

ranks_refused 1 "rank [01] on .*, collect_stats: utterance 't5-2': .*t5-2.wav" 2 "${train[@]}" --train_dir "$tmp/bad/train" \
    --collect_stats true --output_dir "$tmp/s"
check "no statistics" test ! -e "$tmp/s/train"
ranks_refused 1 "rank [01] on .*, epoch 1, reading: utterance 't5-2': .*t5-2.wav" 2 "${train[@]}" --train_dir "$tmp/bad/train" \
    --no_forward_run true --output_dir "$tmp/r"

# Other data or another model in one of the ranks of a validation or an extraction.
model=(--model "$tmp/named" --num_threads 1 --quiet --valid_dir "$tmp/data/valid")
cp -r "$tmp/named" "$tmp/newer"
ok spk train --config "$tmp/conf.yaml" --train_dir "$tmp/data/train" --valid_dir "$tmp/data/valid" --num_threads 1 --quiet --overwrite true \
    --seed 7 --output_dir "$tmp/newer"
head -5 "$tmp/data/valid/wav.scp" >"$tmp/less/valid/wav.scp"
rm "$tmp"/less/valid/trial*
for what in "validate" "extract --whole true --output_dir $tmp/o"; do
    # shellcheck disable=SC2086
    ranks_refused 1 "rank 1 on .*its model's sum of weights is" 2 "$other" "--model $tmp/newer" "$spk" $what "${model[@]}"
done
ranks_refused 1 'rank 1 on .*its data is 5 utterances and 0 trials .*rank 0 on .* is 9 utterances' 2 \
    "$other" "--valid_dir $tmp/less/valid" "$spk" extract "${model[@]}" --output_dir "$tmp/o"

# Rank 1 as on another machine: another host name, and another folder at the place of the output.
if unshare -um true 2>/dev/null; then
    export SEEN="$tmp/seen" INSTEAD="$tmp/instead"
    mkdir "$SEEN" "$INSTEAD"
    cat >"$tmp/elsewhere" <<'END_OF_SCRIPT'
#!/bin/bash
[ "$OMPI_COMM_WORLD_RANK" = 1 ] || exec "$@"
exec unshare -um sh -c 'hostname elsewhere; mount --bind "$INSTEAD" "$SEEN"; exec "$@"' - "$@"
END_OF_SCRIPT
    chmod +x "$tmp/elsewhere"
    ok ranks 2 "$tmp/elsewhere" "${train[@]}" --output_dir "$tmp/both"
    has "$tmp/both/train.log" 'comm: rank 1 on elsewhere \(processors '
    ranks_refused 1 'rank 1 on elsewhere, at the start: .*/seen: what rank 0 writes .* that all hosts share' 2 \
        "$tmp/elsewhere" "${train[@]}" --output_dir "$SEEN"
    model=(--model "$tmp/named" --num_threads 1 --quiet --valid_dir "$tmp/data/valid" --output_dir "$SEEN")
    ranks_refused 1 'rank 0 on .*embeddings1.npz: is not there, and rank 1 has written it' 2 "$tmp/elsewhere" "$spk" extract "${model[@]}"
    ranks_refused 1 'rank 0 on .*.1.part: is not there, and rank 1 has written it' 2 \
        "$tmp/elsewhere" "$spk" extract "${model[@]}" --whole true
    check "nothing is left" test -z "$(ls -A "$SEEN" "$INSTEAD" | grep -v :)"
else
    echo "no rights to another host name and another file system: not tested"
fi

# A rank that hangs at a recording (a pipe into which nothing comes): whose it is, and what that rank had to do.
cp -r "$tmp/data" "$tmp/pipe"
sed -i "s#[^ ]*/[tv][57]-2.wav#touch $tmp/at; exec sleep 20 2>/dev/null |#" "$tmp"/pipe/*/*.scp
late='waited 1 s for rank 1 on [^ ]+ \(its share: utterance'
ranks_refused 1 "waited 1 s for rank [01] on [^ ]+ \\(its share: utterance 't[1-6]-[1-4]' and 2 more\\)" 2 "${train[@]}" \
    --train_dir "$tmp/pipe/train" --allow_pipes true --dist_timeout 1 --output_dir "$tmp/p1"
ranks_refused 1 "epoch 1, validation: $late 'v7-2' and 3 more\\)" 2 "${train[@]}" --valid_dir "$tmp/pipe/valid" --allow_pipes true --dist_timeout 1 \
    --output_dir "$tmp/p2"
check "the epoch's weights are not there yet" test ! -e "$tmp/p2/1epoch.pth"
ranks_refused 1 ", collect_stats: $late 't5-1' and 3 more\\)" 3 "${train[@]}" --train_dir "$tmp/pipe/train" --allow_pipes true --dist_timeout 1 \
    --collect_stats true --output_dir "$tmp/p3"
model=(--model "$tmp/named" --num_threads 1 --quiet --dist_timeout 1 --valid_dir "$tmp/pipe/valid" --allow_pipes true)
ranks_refused 1 "rank 0 on .*, validation: $late 'v7-2' and 3 more\\)" 2 "$spk" validate "${model[@]}"
ranks_refused 1 "rank 0 on .*, extraction: $late 'v7-2' and 2 more\\)" 3 "$spk" extract "${model[@]}" --output_dir "$tmp/p5"
ranks_refused 1 "rank 0 on .*, extraction: $late 'v7-2' and 2 more\\)" 3 "$spk" extract "${model[@]}" --whole true --output_dir "$tmp/p6"
# What that leaves is taken by nobody.
ok ranks 3 "$spk" extract --model "$tmp/named" --num_threads 1 --quiet --whole true --valid_dir "$tmp/data/valid" --output_dir "$tmp/p6"
ok spk extract --model "$tmp/named" --num_threads 1 --quiet --whole true --valid_dir "$tmp/data/valid" --output_dir "$tmp/p7"
same "$tmp/p6/valid_embeddings.npz" "$tmp/p7/valid_embeddings.npz"
check "nothing else is left" test "$(ls "$tmp/p6")" = valid_embeddings.npz

# One that dies there.
rm "$tmp/at"
"$mpirun" --quiet --oversubscribe -np 2 "${train[@]}" --valid_dir "$tmp/pipe/valid" --allow_pipes true --output_dir "$tmp/p8" >"$out" 2>"$err" </dev/null & launcher=$!
for _ in $(seq 400); do [ -e "$tmp/at" ] && break; sleep 0.05; done
sleep 0.5
kill -KILL "$(children $launcher | sed -n 2p)"
wait $launcher; report "it fails: $?" $((! $?))
has "$err" "W comm: epoch 1, validation: .*; nothing is heard of rank 1 on [^ ]+ \\(its share: utterance 'v7-2' and 3 more\\): it may have ended"

# A rank that dies, hangs or is told to stop in a training; the folder serves afterwards.
# begin FOLDER OPTION...: a training of two ranks in the background that has some epochs behind it; its pids in $pid
begin() {
    local folder=$1; shift
    "$mpirun" --quiet --oversubscribe -np 2 "${train[@]}" --checkpoint_interval 0.0005 --max_epoch 100000 --output_dir "$folder" "$@" \
        >"$out" 2>"$err" </dev/null & launcher=$!
    for _ in $(seq 400); do [ -s "$folder/2epoch.pth" ] && break; sleep 0.05; done
    sleep "0.0$((RANDOM % 90 + 10))"
    mapfile -t pid < <(children $launcher)
    check "two ranks run" test ${#pid[@]} = 2
}
goes_on() { # FOLDER
    local done
    done=$(grep -c 'epoch results' "$1/train.log")
    ok ranks 2 "${train[@]}" --output_dir "$1" --resume true --max_epoch $((done + 1))
    check "another epoch" test -s "$1/$((done + 1))epoch.pth"
}
share=" \\(its share: utterance '[tv][1-9]-[1-4]' and [0-9] more\\)" # not between two epochs
for r in 0 1; do
    begin "$tmp/killed$r"
    kill -KILL "${pid[r]}"
    wait $launcher; report "a job with a killed rank fails: $?" $((! $?))
    has "$err" "W comm: epoch [0-9]+, .*; nothing is heard of rank $r on [^ ]+($share)?: it may have ended"
    check "said once" test "$(grep -c 'nothing is heard of' "$err")" = 1
    check "nobody is left" test -z "$(pgrep -f "output_dir $tmp/killed$r")"
done
goes_on "$tmp/killed1"
for r in 0 1; do
    begin "$tmp/hangs$r" --dist_timeout 1 --shard_classes "$([ $r = 1 ] && echo true || echo false)"
    kill -STOP "${pid[r]}"
    wait $launcher; report "a job with a rank that hangs ends: $?" $((! $?))
    has "$err" "^spk: error: rank $((1 - r)) on .*, epoch [0-9]+, .*waited 1 s for rank $r on [^ ]+($share)?, and the job is ended"
    check "nobody is left" test -z "$(pgrep -f "output_dir $tmp/hangs$r")"
done
goes_on "$tmp/hangs1"
begin "$tmp/told"
kill -TERM "${pid[1]}"
wait $launcher
has "$err" '^spk: error: interrupted by a signal in .*epoch [0-9]+.*--resume goes on'
check "said once" test "$(grep -c '^spk: error' "$err")" = 1
goes_on "$tmp/told"
finish
