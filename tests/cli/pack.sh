# SPDX-License-Identifier: Apache-2.0
# spk pack: one file that serves as the model's folder does, with ESPnet's meta.yaml, the same bytes each time.
. tests/cli/common.sh
. tests/cli/corpus.inc
need_program python3
case $build in /*) ;; *) build=$PWD/$build ;; esac
corpus "$tmp/data"
tiny_config "$tmp/conf.yaml"
ok spk train --config "$tmp/conf.yaml" --train_dir "$tmp/data/train" --valid_dir "$tmp/data/valid" --quiet \
    --num_iters_per_epoch 1 --output_dir "$tmp/exp"
echo '{"format": "spk-calibration-1", "kind": "linear", "n_systems": 1, "embedding_size": 0, "prior": 0.5, "bias": 1, "weights": [2]}' >"$tmp/exp/calibration.json"
echo '# Results' >"$tmp/exp/RESULTS.md"
cd "$tmp" || exit 1
member() { python3 -c 'import sys, zipfile; sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read(sys.argv[2]))' "$@" >"$tmp/member"; }
members() { python3 -c 'import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; print(*z.namelist())' "$1" >"$tmp/names"; }

ok spk pack exp --output model.zip --licence CC-BY-4.0
has "$out" '^model.zip: config.yaml, model.pth, calibration.json, speakers.txt, RESULTS.md, LICENSE$'
members model.zip
has names '^meta.yaml config.yaml model.pth calibration.json speakers.txt RESULTS.md LICENSE$'
member model.zip model.pth; same member exp/valid.eer.best.pth
member model.zip config.yaml; same member exp/config.yaml
member model.zip LICENSE; has member '^CC-BY-4.0$'
# What espnet2.main_funcs.pack_funcs.unpack looks for.
member model.zip meta.yaml
has member '^yaml_files:$'
has member '^    train_config: config.yaml$'
has member '^files:$'
has member '^    model_file: model.pth$'
sleep 1.1 # no times are in it
ok spk pack exp --output again.zip --licence CC-BY-4.0
same model.zip again.zip

# As the folder.
cd data/audio || exit 1
for model in exp model.zip; do
    ok spk verify v7-1.wav v8-1.wav --model "$tmp/$model" --json true; cp "$out" "$tmp/verify-$model"
    ok spk extract v7-1.wav v8-1.wav --model "$tmp/$model" --format jsonl --quiet; cp "$out" "$tmp/extract-$model"
    ok spk validate --model "$tmp/$model" --valid_dir ../valid --quiet; cp "$out" "$tmp/validate-$model"
done
cd "$tmp" || exit 1
for what in verify extract validate; do same "$what-exp" "$what-model.zip"; done
check "with a ratio" grep -q log_likelihood_ratio verify-model.zip
ok spk enroll people anna data/audio/v7-1.wav --model exp
ok spk identify people data/audio/v7-2.wav --model model.zip --p_target 0.5
# Out of safetensors, with other files.
ok spk convert exp --to safetensors --output_dir copy --quiet
echo '{"format": "spk-calibration-1", "kind": "linear", "n_systems": 1, "embedding_size": 0, "prior": 0.5, "bias": 0, "weights": [1]}' >c.json
echo cohort >cohort.scp
ok spk pack copy --output copy.zip --calibration c.json --results exp/RESULTS.md --licence LICENSE.txt --add cohort.scp --licence exp/RESULTS.md
has "$out" '^copy.zip: config.yaml, model.pth, calibration.json, (speakers.txt, )?RESULTS.md, LICENSE, cohort.scp$'
member copy.zip calibration.json; same member c.json
check "nothing is left beside it" test -z "$(find . -name 'copy.zip.*')"
ok spk extract data/audio/v7-1.wav data/audio/v8-1.wav --model copy.zip --format jsonl --quiet
same "$out" extract-exp

# What is refused leaves nothing.
refused 2 'must end in .zip' spk pack exp --output x.tar
refused 1 'model.zip: is packed already' spk pack model.zip --output x.zip
refused 1 'data: no config.yaml' spk pack data --output x.zip
refused 1 'lic/x: there is no such file with a licence' spk pack exp --output x.zip --licence lic/x
refused 1 'conf.yaml' spk pack exp --output x.zip --calibration conf.yaml
refused 1 'none: .*No such file' spk pack exp --output x.zip --add none
refused 1 'under the name config.yaml' spk pack exp --output x.zip --add copy/config.yaml
refused 1 'no/x.zip' spk pack exp --output no/x.zip
check "no file" test -z "$(find . -name 'x.*')"
cp model.zip damaged.zip # one byte of the weights
python3 -c 'import zipfile
at = zipfile.ZipFile("damaged.zip").getinfo("model.pth").header_offset + 3000
f = open("damaged.zip", "r+b"); f.seek(at); b = f.read(1)[0]; f.seek(at); f.write(bytes([b ^ 1]))'
refused 1 'damaged.zip' spk verify data/audio/v7-1.wav data/audio/v8-1.wav --model damaged.zip
head -c 20000 model.zip >cut.zip
refused 1 'cut.zip' spk verify data/audio/v7-1.wav data/audio/v8-1.wav --model cut.zip
finish
