# SPDX-License-Identifier: Apache-2.0
# Models that spk trains load into ESPnet with no name missing or surplus, and embed a wave there as here. Needs a Python
# that has ESPnet: SPK_PEER_PYTHON names it, SPK_PEER_PYTHONPATH where its packages lie if it does not find them itself.
# spk-test: slow
. tests/cli/common.sh
. tests/cli/corpus.inc
peer=${SPK_PEER_PYTHON:-}
[ -n "$peer" ] || skip "SPK_PEER_PYTHON does not name a Python with ESPnet"
PYTHONPATH=${SPK_PEER_PYTHONPATH:-${PYTHONPATH:-}} "$peer" -c 'from espnet2.tasks.spk import SpeakerTask' 2>/dev/null ||
    skip "$peer cannot import espnet2.tasks.spk (SPK_PEER_PYTHONPATH may say where it lies)"
corpus "$tmp/data"

# in_espnet: for each line "NAME FOLDER NPZ TOLERANCE" of $tmp/list, build from config.yaml, load strictly, embed the wave,
# compare with the archive's one array. Prints "NAME ERROR" or "NAME FAILED: REASON".
in_espnet() {
    PYTHONPATH=${SPK_PEER_PYTHONPATH:-${PYTHONPATH:-}} OMP_NUM_THREADS=1 "$peer" - "$tmp/list" "$1" <<'PYTHON'
import os, sys, wave
import numpy as np, torch
from espnet2.tasks.spk import SpeakerTask

def error(folder, npz, x):
    weights = folder + ("/latest.pth" if os.path.exists(folder + "/latest.pth") else "/model.pth")
    model, _ = SpeakerTask.build_model_from_file(folder + "/config.yaml", weights, "cpu")
    model.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True), strict=True)
    model.eval()
    with torch.no_grad():
        theirs = model(speech=torch.from_numpy(x)[None], spk_labels=None, extract_embd=True)[0].numpy()
    ours = next(iter(np.load(npz).values()))
    return np.abs(ours - theirs).max() / np.abs(theirs).max()

with wave.open(sys.argv[2]) as f:
    x = np.frombuffer(f.readframes(f.getnframes()), "<i2").astype(np.float32) / 32768
for line in open(sys.argv[1]):
    name, folder, npz, tolerance = line.split()
    try:
        e = error(folder, npz, x)
        print(name, "%.2e" % e, "holds" if e < float(tolerance) else "FAILED")
    except Exception as trouble:
        print(name, "FAILED:", type(trouble).__name__, str(trouble).replace("\n", " ")[:500])
PYTHON
}

# round_trip NAME TOLERANCE: the configuration is on stdin.
round_trip() {
    local name=$1 tolerance=$2
    { cat; printf 'optim: adam\noptim_conf: {lr: 0.001}\nmax_epoch: 1\nnum_iters_per_epoch: 2\nbatch_size: 4\n'
      printf 'target_duration: 1.0\npreprocessor_conf: {target_duration: 1.0, num_eval: 2}\nuse_matplotlib: false\n'; } >"$tmp/$name.yaml"
    ok spk train --config "$tmp/$name.yaml" --train_dir "$tmp/data/train" --valid_dir "$tmp/data/valid" --num_threads 2 \
        --output_dir "$tmp/$name" --quiet
    ok spk extract --model "$tmp/$name" --spk_model_file "$tmp/$name/latest.pth" --output_dir "$tmp/e_$name" --quiet "$tmp/data/audio/v7-1.wav"
    echo "$name $tmp/$name $tmp/e_$name/embeddings.npz $tolerance" >>"$tmp/list"
}

mel='frontend: melspec_torch
frontend_conf: {n_mels: 80, log: true, normalize: mn, f_min: 20, f_max: 7600}
pool_lengths: frontend'
round_trip ecapa 1e-4 <<Y
$mel
encoder: ecapa_tdnn
encoder_conf: {ndim: 64, output_size: 48, num_blocks: 4}
projector_conf: {output_size: 16}
Y
round_trip mfaconformer 1e-4 <<Y
$mel
encoder: mfaconformer
encoder_conf: {output_size: 32, attention_heads: 4, linear_units: 32, num_blocks: 2, dropout_rate: 0.1}
specaug: specaug
specaug_conf: {apply_time_warp: false, time_mask_width_range: [0, 5], freq_mask_width_range: [0, 8]}
Y
round_trip ska_tdnn 1e-4 <<Y
$mel
encoder: ska_tdnn
encoder_conf: {ndim: 64, output_size: 48, ska_dim: 16}
projector: ska_tdnn
projector_conf: {output_size: 16}
loss: aamsoftmax_sc_topk
loss_conf: {margin: 0.3, scale: 30.0, K: 2, k_top: 2, penalty: false}
Y
round_trip xvector 1e-4 <<Y
$mel
normalize: utterance_mvn
encoder: xvector
encoder_conf: {ndim: 32, output_size: 48}
pooling: stats
projector: xvector
projector_conf: {output_size: 16}
loss: softmax
Y
for type in resnet18 resnet34 resnet50; do
    round_trip $type 1e-4 <<Y
$mel
encoder: resnet
encoder_conf: {resnet_type: $type, m_channels: 8}
pooling: stats
loss_conf: {margin: 0.2, scale: 32, easy_margin: false}
Y
done
round_trip rawnet3 1e-3 <<Y
frontend: asteroid_frontend
frontend_conf: {sinc_stride: 48}
pool_lengths: frontend
encoder: rawnet3
encoder_conf: {ndim: 64, output_size: 48}
Y
round_trip identity 1e-4 <<Y
frontend: default
frontend_conf: {n_fft: 512, hop_length: 160, n_mels: 40, fs: 16k}
pool_lengths: frontend
encoder: identity
pooling: mean
Y

# What was trained with the encoder's lengths is refused on the way to ESPnet, unless it is asked for or agrees.
{ grep -v pool_lengths "$tmp/resnet18.yaml"; } >"$tmp/own.yaml"
ok spk train --config "$tmp/own.yaml" --train_dir "$tmp/data/train" --valid_dir "$tmp/data/valid" --output_dir "$tmp/own" --quiet
refused 1 'pool_lengths: the model has encoder.*allow_different_pooling' spk convert --to espnet --output_dir "$tmp/no" "$tmp/own"
check "nothing is written" test ! -e "$tmp/no"
ok spk convert --to espnet --output_dir "$tmp/other" --allow_different_pooling true "$tmp/own"
{ grep -v pool_lengths "$tmp/ecapa.yaml"; } >"$tmp/own_ecapa.yaml"
ok spk train --config "$tmp/own_ecapa.yaml" --train_dir "$tmp/data/train" --valid_dir "$tmp/data/valid" --output_dir "$tmp/own_ecapa" --quiet
ok spk convert --to espnet --output_dir "$tmp/same" "$tmp/own_ecapa"
ok spk extract --model "$tmp/own_ecapa" --spk_model_file "$tmp/own_ecapa/latest.pth" --output_dir "$tmp/e_own" --quiet "$tmp/data/audio/v7-1.wav"
echo "converted_ecapa $tmp/same $tmp/e_own/embeddings.npz 1e-4" >>"$tmp/list"
has "$tmp/same/config.yaml" "^version: '202611'"

in_espnet "$tmp/data/audio/v7-1.wav" >"$tmp/results" 2>"$err" || tail -3 "$err"
cat "$tmp/results"
while read -r name _; do
    check "$name in ESPnet" grep -q "^$name .* holds$" "$tmp/results"
done <"$tmp/list"
finish
