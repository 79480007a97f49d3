# SPDX-License-Identifier: Apache-2.0
# The loss's classes divided among several processes: gradients, losses and files are those of one.
. tests/cli/common.sh
. tests/cli/corpus.inc
. tests/cli/ranks.inc
need_numpy
corpus "$tmp/data"
tiny_config "$tmp/conf.yaml"
train=("$build/spk" train --config "$tmp/conf.yaml" --train_dir "$tmp/data/train" --valid_dir "$tmp/data/valid" --num_threads 1
    --use_matplotlib false --use_tensorboard false --quiet)
plain=(--optim sgd --scheduler none --sync_bn true --log_interval 1)
divided=(--shard_classes true)

# compare.py ONE OTHER MOST [TWO]: the largest difference of the tensors of two snapshots is at most MOST, or MOST times what
# TWO moves more than ONE.
cat >"$tmp/compare.py" <<'END_OF_SCRIPT'
import sys, zipfile, numpy
def load(path):
    with zipfile.ZipFile(path) as z:
        names = [n for n in sorted(z.namelist()) if "/data/" in n]
        return [numpy.frombuffer(z.read(n), "<f4") for n in names if len(z.read(n)) % 8 == 0 and len(z.read(n)) > 8]
def difference(a, b):
    assert [len(x) for x in a] == [len(x) for x in b], "other shapes"
    return max(abs(x - y).max() for x, y in zip(a, b))
one, other = load(sys.argv[1]), load(sys.argv[2])
size = difference(one, load(sys.argv[4])) if len(sys.argv) > 4 else 1
worst = difference(one, other)
print("difference %g of %g" % (worst, size))
sys.exit(not (size > 0.5 and worst <= float(sys.argv[3]) * size))
END_OF_SCRIPT

# The first step's gradients (a step at rate 1 without a bound), the rows of classes that other processes have among them: 6
# speakers are two or three classes for each of 2, 3 and 4 processes, and batches of 13 leave uneven shares.
first() { # RATE FOLDER LAUNCHER... -- OPTIONS...
    local rate=$1 folder=$2 launch=(); shift 2
    while [ "$1" != -- ]; do launch+=("$1"); shift; done
    shift
    "${launch[@]}" "${train[@]}" --max_epoch 1 --num_iters_per_epoch 2 --accum_grad 2 --batch_size 13 --grad_clip 0 "${plain[@]}" \
        --optim_conf lr="$rate" --output_dir "$folder" "$@"
}
for i in 0 1 2 3; do
    case $i in # of aamsoftmax are the configuration's margin and scale
    0) loss=() numbers='2 3 4' ;;
    1) loss=(--loss amsoftmax) numbers=3 ;;
    2) loss=(--loss sphereface2) numbers=4 ;;
    3) loss=(--loss aamsoftmax_sc_topk --loss_conf '{k_top: 4, margin: 0.3, mp: 0.2}') numbers='2 4' ;;
    esac
    ok first 2 "$tmp/two$i" -- "${loss[@]}"
    ok first 1 "$tmp/one$i" -- "${loss[@]}"
    for n in $numbers; do
        ok first 1 "$tmp/g$i$n" ranks "$n" -- "${loss[@]}" "${divided[@]}"
        ok python "$tmp/compare.py" "$tmp/one$i/1epoch.pth" "$tmp/g$i$n/1epoch.pth" 1e-5 "$tmp/two$i/1epoch.pth"
    done
done
# At rate 0: the weights that one process draws.
ok first 0 "$tmp/drawn1" -- "${loss[@]}"
ok first 0 "$tmp/drawn4" ranks 4 -- "${loss[@]}" "${divided[@]}"
ok python "$tmp/compare.py" "$tmp/drawn1/1epoch.pth" "$tmp/drawn4/1epoch.pth" 1e-6

# Losses and norms of 52 steps.
figures() { grep '"window"' "$1/metrics.jsonl" | grep -oE "\"$2\": [^,]*" | cut -d' ' -f2; }
near() { # FOLDER FOLDER FIGURE TOLERANCE
    paste <(figures "$1" "$3") <(figures "$2" "$3") | awk -v most="$4" '{ d = $1 - $2; if (d < 0) d = -d; if (d > worst) worst = d }
        END { print "worst " worst " of " NR; exit !(NR >= 50 && worst <= most) }'
}
ok "${train[@]}" "${plain[@]}" --optim_conf lr=1e-5 --max_epoch 13 --output_dir "$tmp/l1"
for n in 2 3 4; do
    ok ranks $n "${train[@]}" "${plain[@]}" "${divided[@]}" --optim_conf lr=1e-5 --max_epoch 13 --output_dir "$tmp/l$n"
    ok near "$tmp/l1" "$tmp/l$n" loss 1e-3
    ok near "$tmp/l1" "$tmp/l$n" accuracy 1e-6
    ok near "$tmp/l1" "$tmp/l$n" grad_norm 1e-2
done
has "$tmp/l4/train.log" 'shard_classes: this process has 2 of 6 rows of loss.weight: 0.000 GB'
# Without shared statistics, and with a process that has no share: what the same processes do with whole class weights.
bare=(--optim sgd --scheduler none --log_interval 1 --optim_conf lr=1e-6 --max_epoch 13)
ok ranks 4 "${train[@]}" "${bare[@]}" --output_dir "$tmp/w4"
ok ranks 4 "${train[@]}" "${bare[@]}" "${divided[@]}" --output_dir "$tmp/b4"
ok near "$tmp/w4" "$tmp/b4" loss 1e-3
ok near "$tmp/w4" "$tmp/b4" accuracy 1e-6
ok ranks 4 "${train[@]}" "${bare[@]}" "${divided[@]}" --ddp_comm_hook bf16_compress_hook --output_dir "$tmp/bf16"
ok near "$tmp/b4" "$tmp/bf16" loss 1e-2

# Alone the option has no effect.
ok "${train[@]}" --output_dir "$tmp/alone"
ok "${train[@]}" "${divided[@]}" --output_dir "$tmp/alone_divided"
same "$tmp/alone/1epoch.pth" "$tmp/alone_divided/1epoch.pth"

# Checkpoints, within epochs too, hold all: the same bytes go on with the same number, and another number can.
ok ranks 2 "${train[@]}" "${divided[@]}" --max_epoch 3 --output_dir "$tmp/whole"
ok ranks 2 "${train[@]}" "${divided[@]}" --max_epoch 2 --output_dir "$tmp/part" --checkpoint_interval 0.0001
for n in 1 3; do cp -r "$tmp/part" "$tmp/part$n"; done
cp -r "$tmp/part" "$tmp/part2" && rm "$tmp/part2/2epoch.pth"
ok ranks 2 "${train[@]}" "${divided[@]}" --max_epoch 3 --output_dir "$tmp/part" --resume true
same "$tmp/whole/3epoch.pth" "$tmp/part/3epoch.pth"
# A snapshot that is gone is made anew; and with whole weights.
ok ranks 2 "${train[@]}" --max_epoch 3 --output_dir "$tmp/part2" --resume true
same "$tmp/whole/2epoch.pth" "$tmp/part2/2epoch.pth"
for n in 1 3; do
    cp -r "$tmp/part$n" "$tmp/renewed$n" && rm "$tmp/renewed$n/2epoch.pth"
    ok ranks $n "${train[@]}" "${divided[@]}" --max_epoch 3 --output_dir "$tmp/renewed$n" --resume true
    same "$tmp/whole/2epoch.pth" "$tmp/renewed$n/2epoch.pth"
    check "three epochs" test "$(grep -c '"kind": "epoch"' "$tmp/renewed$n/metrics.jsonl")" = 3
    ok python "$tmp/compare.py" "$tmp/whole/3epoch.pth" "$tmp/renewed$n/3epoch.pth" 100 # the same shapes
done

# Weights to begin with, whose classes go by names or by places; and means of weights.
begun=("${plain[@]}" --optim_conf lr=0 --max_epoch 1)
ok "${train[@]}" "${begun[@]}" --init_param "$tmp/whole/3epoch.pth" --output_dir "$tmp/begun1"
ok ranks 4 "${train[@]}" "${begun[@]}" "${divided[@]}" --init_param "$tmp/whole/3epoch.pth" --output_dir "$tmp/begun4"
ok python "$tmp/compare.py" "$tmp/begun1/1epoch.pth" "$tmp/begun4/1epoch.pth" 1e-3
has "$tmp/begun4/train.log" 'classes by the speakers. names: 6 kept, 0 new, 0 dropped'
ok ranks 2 "${train[@]}" "${divided[@]}" --max_epoch 2 --swa_start 1 --average_last 2 --valid_interval 2 --lr_scale loss=2 \
    --output_dir "$tmp/swa"
ok python "$tmp/compare.py" "$tmp/swa/swa.pth" "$tmp/swa/ave_last2.pth" 100 # the same shapes

# What cannot be.
ranks_refused 1 'shard_classes: 6 speakers cannot be divided among 7 processes' 7 "${train[@]}" "${divided[@]}" --output_dir "$tmp/no"
grep -v '^loss_conf' "$tmp/conf.yaml" >"$tmp/plain.yaml"
ranks_refused 1 'shard_classes: the loss ge2e compares' 2 "${train[@]}" "${divided[@]}" --config "$tmp/plain.yaml" --loss ge2e \
    --batch_type pk --per_speaker 2 --batch_size 8 --output_dir "$tmp/no"
ranks_refused 1 'freeze_param: loss.weight cannot be frozen' 2 "${train[@]}" "${divided[@]}" --freeze_param loss --output_dir "$tmp/no"
for option in sharded_ddp grad_noise detect_anomaly; do
    ranks_refused 1 "shard_classes: .*$option" 2 "${train[@]}" "${divided[@]}" --$option true --output_dir "$tmp/no"
done
check "nothing was trained" test ! -e "$tmp/no/1epoch.pth"
finish
