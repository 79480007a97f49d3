# SPDX-License-Identifier: Apache-2.0
# Models between formats: what comes back is what went in, embeddings stay, packed models are taken as they are, and what
# another program lacks is refused by name with nothing written.
. tests/cli/common.sh
. tests/cli/corpus.inc
need_golden
golden=$shared/golden
echo "$tmp/a.wav 3 1 1.5" | waves
embed() { spk extract --model "$1" --output_dir "$2" --quiet "$tmp/a.wav"; }

# ESPnet's to safetensors and back: the same bytes as at once, and the same embedding.
ok spk convert --to espnet --output_dir "$tmp/at_once" "$golden/resnet18"
ok spk convert --to safetensors --output_dir "$tmp/safe" "$golden/resnet18"
ok spk convert --to espnet --output_dir "$tmp/back" "$tmp/safe"
same "$tmp/at_once/model.pth" "$tmp/back/model.pth"
has "$tmp/back/config.yaml" "^version: '202611'"
ok embed "$tmp/safe" "$tmp/e_safe"
ok embed "$tmp/back" "$tmp/e_back"
same "$tmp/e_safe/embeddings.npz" "$tmp/e_back/embeddings.npz"

# WeSpeaker's and back: its own golden arrays still hold.
for name in ecapa_glob resnet34 xvec campplus; do
    ok spk convert --to spk --output_dir "$tmp/$name" "$golden/wespeaker/$name"
    ok spk convert --to wespeaker --output_dir "$tmp/w_$name" "$tmp/$name"
    cp "$golden/wespeaker/$name/golden.npz" "$tmp/w_$name/"
    mv "$tmp/w_$name/avg_model.pt" "$tmp/w_$name/model.pt"
    ok "$build/spk_golden" "$tmp/w_$name"
done
has "$tmp/resnet34/config.yaml" '^frontend: kaldi_fbank'
has "$tmp/resnet34/config.yaml" '^pool_lengths: encoder'
# The look of CAM++ without a configuration is 3D-Speaker's.
cp "$golden/wespeaker/campplus/model.pt" "$tmp/campplus.bin"
ok spk convert --to spk --output_dir "$tmp/3d" "$tmp/campplus.bin"
has "$tmp/3d/config.yaml" 'preset: 3dspeaker'

# A packed model.
if command -v python3 >/dev/null; then
    python - "$golden/ecapa" "$tmp/packed.zip" <<'PYTHON'
import sys, zipfile
with zipfile.ZipFile(sys.argv[2], "w") as z:
    z.writestr("meta.yaml", "files:\n  model_file: exp/model.pth\nyaml_files:\n  train_config: exp/config.yaml\ntorch: '2.0'\n")
    z.write(sys.argv[1] + "/config.yaml", "exp/config.yaml")
    z.write(sys.argv[1] + "/model.pth", "exp/model.pth", zipfile.ZIP_DEFLATED)
PYTHON
    ok spk convert --to espnet --output_dir "$tmp/unpacked" "$tmp/packed.zip"
    ok embed "$tmp/packed.zip" "$tmp/e_packed"
    ok embed "$tmp/unpacked" "$tmp/e_unpacked"
    same "$tmp/e_packed/embeddings.npz" "$tmp/e_unpacked/embeddings.npz"
    head -c 3000 "$tmp/packed.zip" >"$tmp/cut.zip"
    refused 1 'cut.zip: ' spk convert --to espnet --output_dir "$tmp/never" "$tmp/cut.zip"
fi

# Refusals.
refused 1 'encoder: ESPnet has no encoder of the name campplus|frontend: ESPnet has no frontend of the name kaldi_fbank' \
    spk convert --to espnet --allow_different_pooling true --output_dir "$tmp/never" "$tmp/campplus"
refused 1 'pool_lengths: the model has encoder' spk convert --to espnet --output_dir "$tmp/never" "$tmp/campplus"
refused 1 'frontend: melspec_torch has no counterpart|encoder_conf.flatten' spk convert --to wespeaker --output_dir "$tmp/never" "$golden/resnet18"
refused 1 'holds config.yaml already' spk convert --to spk --output_dir "$tmp/safe" "$golden/resnet18"
refused 1 'no such file' spk convert --to spk --output_dir "$tmp/never" "$tmp/nothing"
refused 2 'pickle' spk convert --to pickle --output_dir "$tmp/never" "$golden/resnet18"
cp "$golden/xvector/model.pth" "$tmp/alone.pth"
refused 1 'alone.pth' spk convert --to spk --output_dir "$tmp/never" "$tmp/alone.pth"
refused 1 'missing|misshapen|surplus' spk convert --to spk --output_dir "$tmp/never" --config "$golden/ecapa/config.yaml" "$tmp/alone.pth"
check "nothing was written" test ! -e "$tmp/never"

# The list of layers.
ok spk model --config "$golden/resnet18/config.yaml"
has "$out" '^encoder.conv1 .*conv2d'
has "$out" '^all '
ok spk model --config "$golden/resnet18/config.yaml" --json --seconds 1
has "$out" '"parts": \['
sed 's/^encoder: .*/encoder: restnet/' "$golden/resnet18/config.yaml" >"$tmp/typo.yaml"
refused 1 "typo.yaml:[0-9]+:.*encoder: 'restnet' is not known; did you mean 'resnet'" spk model --config "$tmp/typo.yaml"
finish
