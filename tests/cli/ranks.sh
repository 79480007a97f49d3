# SPDX-License-Identifier: Apache-2.0
# Several processes are one: gradients, losses, figures, embeddings, and going on with another number of them.
. tests/cli/common.sh
. tests/cli/corpus.inc
. tests/cli/ranks.inc
corpus "$tmp/data"
tiny_config "$tmp/conf.yaml"
train=("$build/spk" train --config "$tmp/conf.yaml" --train_dir "$tmp/data/train" --valid_dir "$tmp/data/valid" --num_threads 1
    --use_matplotlib false --use_tensorboard false --quiet)
plain=(--optim sgd --scheduler none --sync_bn true --log_interval 1)

for n in 2 4; do ok ranks $n "$build/test_comm_comm"; done

# With statistics over all: the gradient of the first step (a step at rate 1 without a bound), at accum_grad 2 also. Batches of
# 13 leave uneven shares, and of 14 processes one has none. (In batches of 7 BatchNorm magnifies rounding: a sum in another
# order alone moves gradients by up to 1.6e-5 of the largest.)
first() { # RATE FOLDER, behind a launcher or nothing
    "${@:3}" "${train[@]}" --max_epoch 1 --num_iters_per_epoch 2 --accum_grad 2 --batch_size 13 --grad_clip 0 "${plain[@]}" \
        --optim_conf lr="$1" --output_dir "$2"
}
ok first 2 "$tmp/two"
ok first 1 "$tmp/g1"
for n in 2 3 4 8 14; do ok first 1 "$tmp/g$n" ranks "$n"; done
if python -c 'import numpy' 2>/dev/null; then
    cat >"$tmp/compare.py" <<'END_OF_SCRIPT'
import sys, zipfile, numpy
def load(path):
    with zipfile.ZipFile(path) as z:
        names = [n for n in sorted(z.namelist()) if "/data/" in n]
        return [numpy.frombuffer(z.read(n), "<f4") for n in names if len(z.read(n)) % 8 == 0 and len(z.read(n)) > 8]
two, one, other = (load(p + "/1epoch.pth") for p in sys.argv[1:])
largest = max(abs(a - b).max() for a, b in zip(one, two))   # gradient: what twice the rate moves more
worst = max(abs(a - b).max() for a, b in zip(one, other))
print("largest gradient %g, difference %g" % (largest, worst))
sys.exit(not (largest > 1 and worst <= 1e-5 * largest))
END_OF_SCRIPT
    for n in 2 3 4 8 14; do ok python "$tmp/compare.py" "$tmp/two" "$tmp/g1" "$tmp/g$n"; done
fi

# Losses of 52 steps.
losses() { grep '"window"' "$1/metrics.jsonl" | grep -oE '"loss": [^,]*' | cut -d' ' -f2; }
near() { # FOLDER FOLDER TOLERANCE
    paste <(losses "$1") <(losses "$2") | awk -v most="$3" '{ d = $1 - $2; if (d < 0) d = -d; if (d > worst) worst = d }
        END { print "worst " worst " of " NR; exit !(NR >= 50 && worst <= most) }'
}
for n in 1 2 3 4; do
    ok ranks $n "${train[@]}" "${plain[@]}" --optim_conf lr=1e-5 --max_epoch 13 --output_dir "$tmp/l$n"
    [ $n = 1 ] || ok near "$tmp/l1" "$tmp/l$n" 1e-3
done
# Each its own statistics, as ESPnet has it: something else.
ok ranks 2 "${train[@]}" "${plain[@]}" --sync_bn false --optim_conf lr=1e-5 --max_epoch 13 --output_dir "$tmp/local"
near "$tmp/l1" "$tmp/local" 1e-3 >/dev/null
report "local statistics differ" $((! $?))
check "one log" test "$(grep -c 'results:' "$tmp/local/train.log")" = 13
has "$tmp/local/train.log" 'comm: rank 1 on .* \(processors '
has "$tmp/local/train.log" 'reduce_time='

# Validation and extraction: the bytes of one process; a stale part of an earlier extraction is not taken.
model=(--model "$tmp/l1" --num_threads 1 --quiet)
ok spk validate "${model[@]}" --valid_dir "$tmp/data/valid" --json
cp "$out" "$tmp/json"
ok spk extract "${model[@]}" --valid_dir "$tmp/data/valid" --output_dir "$tmp/x1"
mkdir -p "$tmp/few" && head -2 "$tmp/data/valid/wav.scp" | sed "s| \.\./| $tmp/data/|" >"$tmp/few/wav.scp"
ok spk extract "${model[@]}" --valid_dir "$tmp/few" --output_dir "$tmp/x1"
for n in 2 4; do
    ok ranks $n "$build/spk" validate "${model[@]}" --valid_dir "$tmp/data/valid" --json
    same "$tmp/json" "$out"
    mkdir -p "$tmp/x$n"
    echo stale | tee "$tmp/x$n/embeddings1.npz" >"$tmp/x$n/embeddings7.npz"
    ok ranks $n "$build/spk" extract "${model[@]}" --valid_dir "$tmp/data/valid" --output_dir "$tmp/x$n"
    check "said once" test "$(wc -l <"$out")" = 1
    same "$tmp/x1/valid_embeddings.npz" "$tmp/x$n/valid_embeddings.npz"
    ok ranks $n "$build/spk" extract "${model[@]}" --valid_dir "$tmp/few" --output_dir "$tmp/x$n"
    same "$tmp/x1/few_embeddings.npz" "$tmp/x$n/few_embeddings.npz"
    check "no other part is left" test "$(cd "$tmp/x$n" && echo *)" = "embeddings7.npz few_embeddings.npz valid_embeddings.npz"
done

ok spk validate "${model[@]}" --valid_dir "$tmp/data/valid" --average_embd true --json
cp "$out" "$tmp/means"
ok ranks 2 "$build/spk" validate "${model[@]}" --valid_dir "$tmp/data/valid" --average_embd true --json
same "$tmp/means" "$out"

# Whole recordings, segments in other formats, windows: the same bytes, here and on standard output; of one recording that
# cannot be read all is said once. Parts of other runs stay what they are.
mkdir -p "$tmp/many/sub"
for i in 1 2 3 4 5 6 7; do echo "$tmp/many/sub/m$i.wav $((i % 3)) $i 0.$((3 * i % 7 + 3))"; done | waves
cp "$tmp/data/audio/"v*.wav "$tmp/many"
extract_all() { # FOLDER, behind a launcher or nothing
    local f=$1; shift
    for k in npz ark jsonl; do ok "$@" "$build/spk" extract "${model[@]}" --output_dir "$f/$k" --format $k "$tmp/many"; done
    cp "$out" "$f/said"
    ok "$@" "$build/spk" extract "${model[@]}" --output_dir "$f/few" --whole true --valid_dir "$tmp/few"
    ok "$@" "$build/spk" extract "${model[@]}" --output_dir "$f/npy" --format npy --num_eval 3 --whole false "$tmp/many"
    ok "$@" "$build/spk" extract "${model[@]}" --output_dir "$f/windows" --window 0.4 --hop 0.15 "$tmp/many"
    ls "$tmp"/many/*.wav "$tmp/cut.wav" | "$@" "$build/spk" extract "${model[@]}" --output_dir "$f/list" - >"$f/out" 2>"$f/err"
    report "a list with a bad file" $((! $?))
    check "the bad file" test "$(grep -c 'spk: .*cut.wav' "$f/err")" = 1
    check "how many" test "$(grep -c 'error: 1 of the recordings could not be embedded' "$f/err")" = 1
}
: >"$tmp/cut.wav"
extract_all "$tmp/one"
for n in 2 4; do
    mkdir -p "$tmp/all/npz" && echo stale | tee "$tmp/all/npz/embeddings.1.part" >"$tmp/all/npz/embeddings.7.part"
    extract_all "$tmp/all" ranks $n
    check "no other part is left" test "$(cd "$tmp/all" && echo */*.part)" = npz/embeddings.7.part
    rm "$tmp/all/npz/embeddings.7.part" "$tmp/all/err" "$tmp/one/err"
    find "$tmp/all" -name '*.scp' -o -name said -o -name out | xargs sed -i "s|$tmp/all|$tmp/one|"
    ok diff -r "$tmp/one" "$tmp/all"
    touch "$tmp/one/err"
    rm -r "$tmp/all"
done

# Statistics of the data, and reading alone.
ok "${train[@]}" --collect_stats true --output_dir "$tmp/stats1"
for n in 2 4; do
    ok ranks $n "${train[@]}" --collect_stats true --output_dir "$tmp/stats$n"
    for s in train valid; do ok diff -r "$tmp/stats1/$s" "$tmp/stats$n/$s"; done
done
ok ranks 3 "${train[@]}" --no_forward_run true --max_epoch 2 --batch_size 7 --output_dir "$tmp/read"
has "$tmp/read/train.log" '2epoch:train: 3 batches, 21 utterances in '
has "$tmp/read/train.log" '2epoch:valid: 3 batches, 9 utterances in '

# A training that goes on: the bytes of one that never stopped; and with other numbers of processes.
ok ranks 2 "${train[@]}" --max_epoch 3 --output_dir "$tmp/whole"
ok ranks 2 "${train[@]}" --max_epoch 2 --output_dir "$tmp/part"
cp -r "$tmp/part" "$tmp/part1"
cp -r "$tmp/part" "$tmp/part4"
ok ranks 2 "${train[@]}" --max_epoch 3 --output_dir "$tmp/part" --resume true
same "$tmp/whole/3epoch.pth" "$tmp/part/3epoch.pth"
for n in 1 4; do
    ok ranks $n "${train[@]}" --max_epoch 3 --output_dir "$tmp/part$n" --resume true
    check "three epochs" test "$(grep -c '"kind": "epoch"' "$tmp/part$n/metrics.jsonl")" = 3
done

# Divided state of the optimiser: the same bytes, and a checkpoint for any number of processes.
ok ranks 2 "${train[@]}" --max_epoch 2 --sharded_ddp true --output_dir "$tmp/sharded" --checkpoint_interval 0.0001
same "$tmp/part1/2epoch.pth" "$tmp/sharded/2epoch.pth"
ok ranks 3 "${train[@]}" --max_epoch 3 --sharded_ddp true --output_dir "$tmp/sharded" --resume true
ok ranks 2 "${train[@]}" --max_epoch 2 --output_dir "$tmp/part2"
ok ranks 3 "${train[@]}" --max_epoch 3 --output_dir "$tmp/part2" --resume true
same "$tmp/part2/3epoch.pth" "$tmp/sharded/3epoch.pth"

# Gradients summed in two bytes: near, and not the same.
for t in bf16 fp16; do
    ok ranks 2 "${train[@]}" "${plain[@]}" --optim_conf lr=1e-5 --max_epoch 13 --ddp_comm_hook ${t}_compress_hook --output_dir "$tmp/$t"
    ok near "$tmp/l2" "$tmp/$t" 1e-2
    near "$tmp/l2" "$tmp/$t" 1e-7 >/dev/null
    report "$t differs" $((! $?))
done
near "$tmp/bf16" "$tmp/fp16" 1e-7 >/dev/null
report "and they from each other" $((! $?))

# What a sum costs.
ok ranks 2 "$build/spk" bench --comm --largest 1 --repeats 3 --quiet
has "$out" '"ranks": 2, "hosts": 1, .*"latency_us": [0-9.]+, "gb_per_s": [0-9.]+'

# Means of weights, and of weights with new statistics, are rank 0's work.
ok ranks 2 "${train[@]}" --max_epoch 2 --swa_start 1 --average_last 2 --valid_interval 2 --output_dir "$tmp/swa"
check "means" test -s "$tmp/swa/swa.pth" -a -s "$tmp/swa/ave_last2.pth"
finish
