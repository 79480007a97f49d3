# SPDX-License-Identifier: Apache-2.0
# The programs of examples/, built against an installed copy, on a model that was just trained. (spk-test: slow)
. tests/cli/common.sh
need_data
need_program pkg-config
need_program cmake
need_numpy
data=$(readlink -f "$shared/data/speechocean762")

# A small part of the data: 8 speakers to train, 60 trials.
mkdir -p "$tmp/train" "$tmp/valid"
head -8 "$data/train/spk2utt" >"$tmp/train/spk2utt"
awk 'NR==FNR { for (i = 2; i <= NF; i++) keep[$i] = 1; next } $1 in keep' "$tmp/train/spk2utt" "$data/train/utt2spk" >"$tmp/train/utt2spk"
awk -v d="$data/train/" 'NR==FNR { keep[$1] = 1; next } $1 in keep { print $1, d $2 }' "$tmp/train/utt2spk" "$data/train/wav.scp" >"$tmp/train/wav.scp"
for f in trial.scp trial2.scp; do head -60 "$data/valid/$f" | sed "s# \.\./# $data/#" >"$tmp/valid/$f"; done
head -60 "$data/valid/trial_label" >"$tmp/valid/trial_label"
cat >"$tmp/conf.yaml" <<'END'
frontend: melspec_torch
encoder: ecapa_tdnn
encoder_conf: {model_scale: 8, ndim: 32, output_size: 96}
pooling: chn_attn_stat
projector: rawnet3
projector_conf: {output_size: 16}
preprocessor: spk
preprocessor_conf: {target_duration: 1.5, sample_rate: 16000, num_eval: 2, noise_apply_prob: 0.0, rir_apply_prob: 0.0}
loss: aamsoftmax
spk_num: 8
max_epoch: 2
batch_size: 8
num_iters_per_epoch: 3
optim: adam
END

ok bash .ci/install "$build" "$tmp/programs"
ok spk train --config "$tmp/conf.yaml" --train_dir "$tmp/train" --valid_dir "$tmp/valid" --output_dir "$tmp/exp"
ok spk validate --model "$tmp/exp" --valid_dir "$tmp/valid" --json
cp "$out" "$tmp/told.json"

# validate: the figure that `spk validate` tells.
ok "$tmp/programs/validate" "$tmp/exp" "$tmp/valid"
has "$out" '^n_trials=60$'
eer=$(sed -n 's/^eer=//p' "$out")
check "the EER of the library ($eer) and of the program are the same" python -c "
import json, sys
told = json.load(open('$tmp/told.json'))['eer']
sys.exit(abs(told - float('$eer')) > 1e-3)"

# extract: an .npz that numpy reads.
mkdir "$tmp/emb"
ok "$tmp/programs/extract" "$tmp/exp" "$tmp/valid" "$tmp/emb"
check "numpy reads the embeddings" python -c "
import numpy, sys
z = numpy.load('$tmp/emb/embeddings0.npz')
sys.exit(not (len(z.files) > 10 and all(z[k].shape == (16,) and z[k].dtype == numpy.float32 for k in z.files)))"
refused 1 'nowhere' "$tmp/programs/extract" "$tmp/exp" "$tmp/valid" "$tmp/nowhere"

# compare_two: a recording is like itself.
read -r _ one <"$tmp/train/wav.scp"
two=$(tail -1 "$tmp/train/wav.scp" | cut -d' ' -f2)
ok "$tmp/programs/compare_two" "$tmp/exp" "$one" "$one" 0.99
has "$out" '^cosine 1\.0000: the same speaker$'
ok "$tmp/programs/compare_two" "$tmp/exp" "$one" "$two"
has "$out" '^cosine -?[01]\.[0-9]{4}$'
refused 1 'missing.wav' "$tmp/programs/compare_two" "$tmp/exp" "$one" "$tmp/missing.wav"

# own_trainer: its own hooks run, and it ends as soon as it is content.
ok "$tmp/programs/own_trainer" "$tmp/conf.yaml" "$tmp/train" "$tmp/valid" "$tmp/own" 0
has "$out" '^epoch 2: EER'
ok "$tmp/programs/own_trainer" "$tmp/conf.yaml" "$tmp/train" "$tmp/valid" "$tmp/own2" 100
has "$out" '^good enough'
check "it ended after the first epoch" test ! -e "$tmp/own2/2epoch.pth"
finish
