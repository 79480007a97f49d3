# SPDX-License-Identifier: Apache-2.0
# --ngpu, on the emulated GPU (SPK_DEVICE=cuda in the environment: on a real one): trainings, validations and extractions as on the
# processor within rounding, the same bits twice and when resumed, several processes, bfloat16; what is refused.
. tests/cli/common.sh
. tests/cli/corpus.inc
export SPK_DEVICE=${SPK_DEVICE:-emulated}
[ -e "$build/libspk_$SPK_DEVICE.so" ] || skip "no $build/libspk_$SPK_DEVICE.so (a C++ compiler makes it)"
corpus "$tmp/data"
tiny_config "$tmp/conf.yaml"
train() { spk train --config "$tmp/conf.yaml" --quiet --num_threads 2 --train_dir "$tmp/data/train" --valid_dir "$tmp/data/valid" "$@"; }
value() { grep -oE "\"$2\": [0-9.e+-]+" "$1" | sed -n "${3:-1}p" | cut -d' ' -f2; }
# near A B RELATIVE: two numbers.
near() { perl -e 'my ($a, $b, $r) = @ARGV; exit !(length $a && length $b && abs($a - $b) <= $r * (abs($a) + 1e-6))' "$@"; }
same_values() { # WHAT FOLDER FOLDER RELATIVE KEY...
    local what=$1 a=$2/metrics.jsonl b=$3/metrics.jsonl within=$4 key; shift 4
    for key; do check "$what: $key $(value "$a" "$key") and $(value "$b" "$key")" near "$(value "$a" "$key")" "$(value "$b" "$key")" "$within"; done
}

ok train --max_epoch 2 --output_dir "$tmp/here"
ok train --max_epoch 2 --ngpu 1 --output_dir "$tmp/there"
has "$tmp/there/train.log" "GPU: .*GPU|GPU: NVIDIA"
same_values "processor and GPU" "$tmp/here" "$tmp/there" 1e-4 loss accuracy grad_norm
ok train --max_epoch 2 --ngpu 1 --output_dir "$tmp/again"
same "$tmp/there/2epoch.pth" "$tmp/again/2epoch.pth"
ok train --max_epoch 1 --ngpu 1 --output_dir "$tmp/resumed"
ok train --max_epoch 2 --ngpu 1 --resume true --output_dir "$tmp/resumed"
same "$tmp/there/2epoch.pth" "$tmp/resumed/2epoch.pth"
ok train --max_epoch 2 --ngpu 1 --accum_grad 2 --optim sgd --optim_conf '{lr: 0.01}' --output_dir "$tmp/accum"
ok train --max_epoch 2 --accum_grad 2 --optim sgd --optim_conf '{lr: 0.01}' --output_dir "$tmp/accum-here"
same_values "sgd, accumulated" "$tmp/accum-here" "$tmp/accum" 1e-4 loss grad_norm
ok train --ngpu 1 --use_amp true --output_dir "$tmp/amp"
same_values "bfloat16 and float" "$tmp/here" "$tmp/amp" 5e-2 loss

# Embeddings.
model=(--model "$tmp/here" --valid_dir "$tmp/data/valid")
ok spk extract "${model[@]}" --output_dir "$tmp/e-here"
ok spk extract "${model[@]}" --ngpu 1 --output_dir "$tmp/e-there"
ok spk extract "${model[@]}" --whole true --output_dir "$tmp/w-here"
ok spk extract "${model[@]}" --whole true --ngpu 1 --output_dir "$tmp/w-there"
alike() { # NPZ NPZ
    python -c 'import sys, numpy
a, b = numpy.load(sys.argv[1]), numpy.load(sys.argv[2])
assert sorted(a) == sorted(b) and len(a.files) == 9
for k in a: assert numpy.abs(a[k] - b[k]).max() <= 1e-5 * numpy.abs(a[k]).max(), k' "$@"
}
if python -c 'import numpy' 2>/dev/null; then
    check "segments' embeddings" alike "$tmp/e-here/valid_embeddings.npz" "$tmp/e-there/valid_embeddings.npz"
    check "recordings' embeddings" alike "$tmp/w-here/valid_embeddings.npz" "$tmp/w-there/valid_embeddings.npz"
fi
ok spk validate "${model[@]}" --json
here=$(value "$out" eer)
ok spk validate "${model[@]}" --ngpu 1 --json
check "validation's EER" test "$(value "$out" eer)" = "$here"
{ cat "$tmp/conf.yaml"; echo spk_num: 6; } >"$tmp/bench.yaml"
ok spk bench --config "$tmp/bench.yaml" --batch 4 --seconds 1 --steps 1 --ngpu 1
has "$out" '"share_of_peak": null, "peak_gflops": null, "tf32": false, "gpu": "[^"]+", "gpu_gb": [0-9.]+}'
ok spk bench --config "$tmp/bench.yaml" --batch 4 --seconds 1 --steps 1 --ngpu 1 --profile
has "$err" 'conv1d '

# Processes with a GPU each; here all share the one.
if command -v mpirun.openmpi >/dev/null && [ -e "$build/libspk_mpi_openmpi.so" ]; then
    . tests/cli/ranks.inc
    ok ranks 2 "$build/spk" train --config "$tmp/conf.yaml" --quiet --num_threads 1 --train_dir "$tmp/data/train" \
        --valid_dir "$tmp/data/valid" --output_dir "$tmp/two" --ngpu 1 --max_epoch 2
    ok ranks 2 "$build/spk" train --config "$tmp/conf.yaml" --quiet --num_threads 1 --train_dir "$tmp/data/train" \
        --valid_dir "$tmp/data/valid" --output_dir "$tmp/two-here" --max_epoch 2
    same_values "two processes" "$tmp/two-here" "$tmp/two" 1e-3 loss
    refused 1 'sync_bn' ranks 2 "$build/spk" train --config "$tmp/conf.yaml" --quiet --train_dir "$tmp/data/train" \
        --valid_dir "$tmp/data/valid" --output_dir "$tmp/no" --ngpu 1 --sync_bn true
fi

# ESPnet's figures.
for g in identity xvector; do
    [ ! -d "$shared/golden/$g" ] || ok "$build/spk_golden" --ngpu 1 --threads 2 "$shared/golden/$g"
done

refused 1 'ngpu: float64 is computed by the processor' train --ngpu 1 --train_dtype float64 --output_dir "$tmp/no"
refused 1 'ngpu: 2 GPUs are asked for, and 1 process runs .*mpirun -np 2' train --ngpu 2 --output_dir "$tmp/no"
if [ "$SPK_DEVICE" = emulated ]; then
    export SPK_EMULATED_BYTES=2000000
    refused 1 'out of memory on the GPU: a batch needs 0.0[0-9]+ GB for activations, and 0.00 GB are free; use a batch_size of at most [0-9]+ %' \
        train --ngpu 1 --output_dir "$tmp/small"
    unset SPK_EMULATED_BYTES
fi
SPK_DEVICE=nothing refused 1 'ngpu: .*no plugin for GPUs.*libspk_nothing.so' train --ngpu 1 --output_dir "$tmp/no"
check "nothing was written" test ! -e "$tmp/no/1epoch.pth"
finish
