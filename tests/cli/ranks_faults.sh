# SPDX-License-Identifier: Apache-2.0
# Several processes of which one has other settings or data, dies, hangs, or is told to stop.
. tests/cli/common.sh
. tests/cli/corpus.inc
. tests/cli/ranks.inc
corpus "$tmp/data"
tiny_config "$tmp/conf.yaml"
spk=$build/spk
train=("$spk" train --config "$tmp/conf.yaml" --train_dir "$tmp/data/train" --valid_dir "$tmp/data/valid" --threads 1
    --use_matplotlib false --use_tensorboard false --quiet)
other=$tmp/other

# Found at the start, before anything is written.
ranks_refused 1 'rank 1 on .*configuration.*seed: 3 \(was 0\)' 2 "$other" '--seed 3' "${train[@]}" --output_dir "$tmp/a"
cp -r "$tmp/data" "$tmp/less"
sed -i '$d' "$tmp/less/train/wav.scp" "$tmp/less/train/utt2spk"
sed -i 's/ t6-4//' "$tmp/less/train/spk2utt"
ranks_refused 1 'rank 1 on .*training data is 23 utterances.*rank 0 on .* 24 utterances' 2 \
    "$other" "--train_dir $tmp/less/train" "${train[@]}" --output_dir "$tmp/a"
ranks_refused 1 'rank 1 on .*number of threads is 2' 2 "$other" '--threads 2' "${train[@]}" --output_dir "$tmp/a"
ranks_refused 1 'rank 1 on .*rank-one: there is no such folder' 2 "$other" "--valid_dir $tmp/rank-one" \
    "${train[@]}" --output_dir "$tmp/a"
check "nothing was trained" test ! -e "$tmp/a/1epoch.pth"
ranks_refused 2 'unknown option --nothing' 2 "$spk" train --nothing
ranks_refused 2 'spk eval runs as one process, and mpirun .* started 2' 2 "$spk" eval scores
refused 1 'dist_world_size: 4 processes .* mpirun -np 4 spk train' "${train[@]}" --dist_world_size 4 --output_dir "$tmp/a"
refused 1 'dist_launcher: is mpi, and this process runs alone' "${train[@]}" --dist_launcher mpi --output_dir "$tmp/a"
ranks_refused 1 'dist_world_size: is 3, and 2 processes' 2 "${train[@]}" --dist_world_size 3 --output_dir "$tmp/a"
ranks_refused 1 'ddp_comm_hook: fp16_compress_hook' 2 "${train[@]}" --ddp_comm_hook fp16_compress_hook --output_dir "$tmp/a"
ranks_refused 1 'spk bench times one process' 2 "$spk" bench --config "$tmp/conf.yaml"
refused 1 'this process runs alone: mpirun -np N spk bench --comm' "$spk" bench --comm
ranks_refused 1 'collect_stats: runs in one process' 2 "${train[@]}" --collect_stats true --output_dir "$tmp/a"
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
ranks_refused 1 "rank 1 on .*v7-2" 2 "$spk" extract --model "$tmp/named" --valid_dir "$tmp/bad/valid" --threads 1 \
    --output_dir "$tmp/x" --quiet
check "nothing is left" test -z "$(ls "$tmp/x")"
ranks_refused 1 "rank 1 on .*, epoch 1, validation: .*v7-2" 2 "${train[@]}" --valid_dir "$tmp/bad/valid" --output_dir "$tmp/c"

# A rank that dies, hangs or is told to stop in a training; the folder serves afterwards.
children() { pgrep -P "$1" -f "^$spk train" | sort -n; }
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
begin "$tmp/killed"
kill -KILL "${pid[1]}"
wait $launcher; report "a job with a killed rank fails: $?" $((! $?))
check "nobody is left" test -z "$(pgrep -f "output_dir $tmp/killed")"
goes_on "$tmp/killed"
for r in 0 1; do
    begin "$tmp/hangs$r" --dist_timeout 1
    kill -STOP "${pid[r]}"
    wait $launcher; report "a job with a rank that hangs ends: $?" $((! $?))
    has "$err" "^spk: error: rank $((1 - r)) on .*, epoch [0-9]+, .*waited 1 s for rank $r on "
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
