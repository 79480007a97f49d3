#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Two ranks of one thread against one process of two threads, and against what docs/distributed.md's model says: the step
# of a half batch with one thread while the neighbouring core does the same, and the sum of the gradients behind it.
#
#   bench/ranks.sh BUILD ecapa512|resnet34|tiny [FOLDER]
#
# Needs two free cores, perl and Open MPI; takes three to five minutes. Prints seconds of a step (medians of the log's windows
# but the first) and the model's; FOLDER (else a temporary one) keeps the trainings' folders.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '3,10s/^# \{0,1\}//p' "$0" >&2; exit 2; }
build=$(realpath "$1") model=$2 repo=$(realpath "$(dirname "$0")/..")
tmp=${3:-$(mktemp -d "${TMPDIR:-/tmp}/spk-ranks.XXXXXX")}
[ $# -ge 3 ] || trap 'rm -rf "$tmp"' EXIT
need_program() { command -v "$1" >/dev/null || { echo "$1 is not installed" >&2; exit 1; }; }
. "$repo/tests/cli/corpus.inc"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_btl_vader_single_copy_mechanism=none OMPI_MCA_btl=self,vader,tcp

steps=8 seconds=3.0
case $model in
ecapa512)
    batch=32
    net='{encoder: ecapa_tdnn, encoder_conf: {model_scale: 8, ndim: 512, output_size: 1536}, pooling: chn_attn_stat, projector: rawnet3, projector_conf: {output_size: 192}}' ;;
resnet34)
    batch=16 steps=6
    net='{encoder: resnet, encoder_conf: {resnet_type: resnet34}, pooling: stats, projector: xvector, projector_conf: {output_size: 256}}' ;;
tiny)
    batch=8 seconds=1.0
    net='{encoder: ecapa_tdnn, encoder_conf: {model_scale: 4, ndim: 32, output_size: 48}, pooling: chn_attn_stat, projector: rawnet3, projector_conf: {output_size: 16}}' ;;
*) echo "$model: ecapa512, resnet34 or tiny" >&2; exit 2 ;;
esac

# 40 speakers of two utterances; a validation of two trials over three utterances of others.
mkdir -p "$tmp/data/train" "$tmp/data/valid"
for s in $(seq 42); do for u in 1 2; do echo "$tmp/data/s$s-$u.wav $s $u 3.2"; done; done | waves
for s in $(seq 40); do for u in 1 2; do
    echo "s$s-$u $tmp/data/s$s-$u.wav" >>"$tmp/data/train/wav.scp"
    echo "s$s-$u s$s" >>"$tmp/data/train/utt2spk"
done; done
for trial in "s41-2 1" "s42-1 0"; do
    read -r second label <<<"$trial"
    echo "s41-1*$second $tmp/data/s41-1.wav" >>"$tmp/data/valid/trial.scp"
    echo "s41-1*$second $tmp/data/$second.wav" >>"$tmp/data/valid/trial2.scp"
    echo "s41-1*$second $label" >>"$tmp/data/valid/trial_label"
done
cat >"$tmp/conf.yaml" <<END
frontend: melspec_torch
frontend_conf: {preemp: true, n_fft: 512, log: true, win_length: 400, hop_length: 160, n_mels: 80, normalize: mn}
$(sed 's/^{//; s/}$//; s/, \(encoder_conf\|pooling\|projector\|projector_conf\):/\n\1:/g' <<<"$net")
preprocessor: spk
preprocessor_conf: {target_duration: $seconds, sample_rate: 16000, num_eval: 1}
loss: aamsoftmax
loss_conf: {margin: 0.2, scale: 30}
max_epoch: 1
num_iters_per_epoch: $steps
log_interval: 2
num_workers: 1
iterator_type: category
valid_iterator_type: sequence
batch_type: catbel
drop_last_iter: true
optim: adam
optim_conf: {lr: 0.001}
use_matplotlib: false
use_tensorboard: false
END

# train FOLDER BATCH THREADS, behind a launcher or nothing
train() {
    "${@:4}" "$build/spk" train --config "$tmp/conf.yaml" --train_dir "$tmp/data/train" --valid_dir "$tmp/data/valid" --quiet \
        --overwrite true --batch_size "$2" --num_threads "$3" --output_dir "$tmp/$1" >/dev/null
}
# The median of a figure over the log's windows but the first.
figure() { # FOLDER NAME
    grep '"window"' "$tmp/$1/metrics.jsonl" | tail -n +2 | grep -oE "\"$2\": [0-9.e+-]+" | cut -d' ' -f2 | sort -g |
        awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}
run2() { mpirun.openmpi --quiet --bind-to core -np 2 "$@"; }

train alone $((batch / 2)) 1 taskset -c 0
SPK_MPI=none train beside $((batch / 2)) 1 taskset -c 0 & other=$!
SPK_MPI=none train alike $((batch / 2)) 1 taskset -c 1
wait $other
train ranks "$batch" 1 run2
train threads "$batch" 2
parameters=$(grep -oE '[0-9]+ parameters' "$tmp/ranks/train.log" | head -1 | cut -d' ' -f1)
sum=$(run2 "$build/spk" bench --comm --quiet --largest "$(awk "BEGIN { print $parameters * 4 / 1e6 }")" | grep -oE '"seconds": [0-9.e+-]+' | tail -1 | cut -d' ' -f2)
awk -v m="$model" -v b="$batch" -v p="$parameters" -v alone="$(figure alone train_time)" -v beside="$(figure beside train_time)" \
    -v alike="$(figure alike train_time)" -v ranks="$(figure ranks train_time)" -v waits="$(figure ranks reduce_time)" \
    -v threads="$(figure threads train_time)" -v sum="$sum" 'BEGIN {
    busy = beside > alike ? beside : alike
    printf "%s, batch %d, %d parameters\n", m, b, p
    printf "half a batch, one thread, alone            %.3f s\n", alone
    printf "the same beside another such process       %.3f s\n", busy
    printf "sum of the gradients alone (bench --comm)   %.3f s\n", sum
    printf "model: two ranks, nothing of it hidden      %.3f s\n", busy + sum
    printf "measured: two ranks of one thread           %.3f s (waits %.3f s), %+.1f %% of the model\n", ranks, waits, 100 * (ranks / (busy + sum) - 1)
    printf "measured: one process of two threads        %.3f s; two ranks reach %.1f %% of its speed\n", threads, 100 * threads / ranks }'
