# SPDX-License-Identifier: Apache-2.0
# Frontends of fixed filters at 8 kHz: they train, the saved configuration says what they compute, embeddings are made with
# that, and another configuration is refused.
. tests/cli/common.sh
. tests/cli/corpus.inc
corpus "$tmp/data"
tiny_config "$tmp/base.yaml"
sed -i '/^frontend/d; s/sample_rate: 16000/sample_rate: 8000/' "$tmp/base.yaml"

# train NAME FRONTEND CONF: $exp is the model.
train() {
    exp=$tmp/exp/$1
    { echo "frontend: $2"; echo "frontend_conf: $3"; cat "$tmp/base.yaml"; } >"$tmp/$1.yaml"
    ok spk train --config "$tmp/$1.yaml" --train_dir "$tmp/data/train" --valid_dir "$tmp/data/valid" \
        --output_dir "$exp" --num_iters_per_epoch 1 --quiet
    ok extract
    cp "$exp/config.yaml" "$tmp/saved.yaml"
}
# changed SED_SCRIPT: the saved configuration with an option changed.
changed() {
    sed "$1" "$tmp/saved.yaml" >"$exp/config.yaml"
    if cmp -s "$tmp/saved.yaml" "$exp/config.yaml"; then report "$1 changes it" 1; fi
}
extract() { spk extract --model "$exp" "$tmp/data/audio/v7-1.wav" --output_dir "$exp/out" --quiet; }

train melspec melspec_torch '{n_mels: 24, f_max: 3800, log: true}'
has "$exp/config.yaml" '^ +f_max: 3800$'
has "$exp/config.yaml" '^ +window_fn: .?hamming'
has "$exp/config.yaml" '^ +sample_rate: 8000$'
changed 's/f_max: 3800/f_max: 3000/'
refused 1 'mel_scale\.fb .*f_max' extract
changed 's/sample_rate: 8000/sample_rate: 16000/'
refused 1 'mel_scale\.fb .*sample_rate' extract

train default default '{n_mels: 24, n_fft: 256, hop_length: 80}'
has "$exp/config.yaml" '^ +fmax: 4000$'
changed 's/htk: false/htk: true/'
refused 1 'logmel\.melmat .*htk' extract

train kaldi kaldi_fbank '{preset: wespeaker}'
has "$exp/config.yaml" '^ +num_mel_bins: 80$'
has "$exp/config.yaml" '^ +dither: 1'
has "$exp/config.yaml" '^ +window_type: .?hamming'
changed '/^preprocessor_conf/,/^[a-z]/s/sample_rate: 8000/sample_rate: 16000/'
refused 1 'sample_rate' extract
changed 's/num_mel_bins: 80/num_mel_bins: 60/'
refused 1 'do not fit' extract

train speechbrain speechbrain_fbank '{n_mels: 24}'

# A band above half of the rate ends the program before anything is written.
{ echo "frontend: melspec_torch"; cat "$tmp/base.yaml"; } >"$tmp/high.yaml"
refused 1 'f_max.*4000 or less' spk train --config "$tmp/high.yaml" --train_dir "$tmp/data/train" \
    --valid_dir "$tmp/data/valid" --output_dir "$tmp/exp/high" --quiet
check "no model" test ! -e "$tmp/exp/high/config.yaml"
finish
