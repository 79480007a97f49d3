# SPDX-License-Identifier: Apache-2.0
# Data of the type hdf5: features and waves, to train, validate and extract with, the same results as from other files.
. tests/cli/common.sh
. tests/cli/corpus.inc
[ -x "$build/npy_to_h5" ] || skip "built without libhdf5"
need_numpy
corpus "$tmp/data"
tiny_config "$tmp/conf.yaml"
key=train_data_path_and_name_and_type
# Samples as libsndfile reads them, and features of 8 values: of utterances, and of trials under ESPnet's ids.
python - "$tmp" <<'PY'
import os, sys, wave
import numpy as np
top = sys.argv[1]
lists = {}
def add(name, key, path): lists.setdefault(name, []).append(f"{key} {path}\n")
for kind in "npy", "feats": os.makedirs(f"{top}/{kind}")
for name in sorted(os.listdir(f"{top}/data/audio")):
    with wave.open(f"{top}/data/audio/{name}") as w:
        x = np.frombuffer(w.readframes(w.getnframes()), "<i2").astype("f4") / 32768
    stem = name[:-4]
    np.save(f"{top}/npy/{stem}.npy", x)
    np.save(f"{top}/feats/{stem}.npy", np.abs(x[:x.size // 8 * 8].reshape(-1, 8)) + x[0])
    for kind in "npy", "feats":
        if name[0] == "t": add(kind + ".train", stem, f"{top}/{kind}/{stem}.npy")
        add(kind + ".all", stem, f"{top}/{kind}/{stem}.npy")
for trial in open(f"{top}/data/valid/trial_label"):
    trial = trial.split()[0]
    for side in 0, 1:
        for kind in "npy", "feats":
            add(f"{kind}.trial{side}", trial, f"{top}/{kind}/{trial.split('*')[side]}.npy")
for name, lines in lists.items(): open(f"{top}/{name}", "w").writelines(lines)
PY
for kind in npy feats; do
    for list in train all trial0 trial1; do
        check "$kind.$list" bash -c "'$build/npy_to_h5' '$tmp/$kind.$list.h5' <'$tmp/$kind.$list'"
    done
done
labels=("--$key" "$tmp/data/train/utt2spk,spk_labels,text" --spk2utt "$tmp/data/train/spk2utt")
valid=valid_data_path_and_name_and_type

# Waves: noise or none, at other speeds, by any number of threads, what sound files give.
run=(spk train --config "$tmp/conf.yaml" --num_threads 1 --max_epoch 2 --quiet --preprocessor_conf speed_perturb_factors=[0.9,1.0]
    --preprocessor_conf target_duration=0.5)
ok "${run[@]}" --train_dir "$tmp/data/train" --valid_dir "$tmp/data/valid" --output_dir "$tmp/sound"
ok "${run[@]}" "--$key" "$tmp/npy.train.h5,speech,hdf5" "${labels[@]}" --output_dir "$tmp/waves" --num_workers 3 \
    "--$valid" "$tmp/npy.trial0.h5,speech,hdf5" "--$valid" "$tmp/npy.trial1.h5,speech2,hdf5" \
    "--$valid" "$tmp/data/valid/trial_label,spk_labels,text"
same "$tmp/sound/2epoch.pth" "$tmp/waves/2epoch.pth"
figures() { grep -o '"eer":[^,]*' "$1/metrics.jsonl"; }
check "the same error rates" test "$(figures "$tmp/sound")" = "$(figures "$tmp/waves")"
data=--data_path_and_name_and_type
ok spk extract --model "$tmp/sound" --output_dir "$tmp/e1" --quiet $data "$tmp/data/valid/wav.scp,speech,sound" --format jsonl
ok spk extract --model "$tmp/sound" --output_dir "$tmp/e2" --quiet $data "$tmp/npy.all.h5,speech,hdf5" --format jsonl
check "nine and twenty-four embeddings" test "$(cat "$tmp/e1"/* | wc -l) $(cat "$tmp/e2"/* | wc -l)" = "9 33"
check "the same embeddings" test "$(cat "$tmp/e1"/* "$tmp/e2"/* | grep '^{"\(id\|key\|utt\)[^,]*"v' | sort -u | wc -l)" = 9
# Features, and a list that names arrays.
sed -i -e 's/^frontend: .*/frontend: none/' -e 's/^frontend_conf: .*/input_size: 8/' "$tmp/conf.yaml"
sed 's|\(.*\) .*|\1 hdf5:feats.all.h5::\1|' "$tmp/feats.all" | grep '^t' >"$tmp/named.scp"
feats=(spk train --config "$tmp/conf.yaml" --num_threads 1 --quiet --preprocessor_conf target_duration=0.5 --max_epoch 2 "${labels[@]}"
    "--$valid" "$tmp/data/valid/trial_label,spk_labels,text")
sides() { echo "--$valid" "$tmp/feats.trial0$1,speech,$2" "--$valid" "$tmp/feats.trial1$1,speech2,$2"; }
ok "${feats[@]}" "--$key" "$tmp/feats.train,speech,npy" $(sides '' npy) --output_dir "$tmp/f1"
ok "${feats[@]}" "--$key" "$tmp/feats.train.h5,speech,hdf5" $(sides .h5 hdf5) --output_dir "$tmp/f2"
ok "${feats[@]}" "--$key" "$tmp/named.scp,speech,npy" $(sides .h5 hdf5) --output_dir "$tmp/f3" --num_workers 3
same "$tmp/f1/2epoch.pth" "$tmp/f2/2epoch.pth"
same "$tmp/f1/2epoch.pth" "$tmp/f3/2epoch.pth"
check "the same error rates" test "$(figures "$tmp/f1")" = "$(figures "$tmp/f2")"

grep ' .*/[tv][17]-' "$tmp/feats.all" | sed 's|\(.*\) .*|\1 hdf5:feats.all.h5::\1|' >"$tmp/some.scp"
ok spk extract --model "$tmp/f1" --format jsonl --quiet "$tmp/some.scp"
check "embeddings of arrays" test "$(wc -l <"$out")" = 7

# What is wrong: a damaged file, arrays of another kind, an utterance that is not there, and no plugin.
bad() {
    refused 1 "$1" "${feats[@]}" "--$key" "$2,speech,hdf5" $(sides .h5 hdf5) --output_dir "$tmp/x"
    check "libhdf5 prints nothing" test "$(grep -c 'HDF5-DIAG' "$err")" = 0
}
head -c 3000 "$tmp/feats.train.h5" >"$tmp/cut.h5"
bad 'cut.h5: cannot be read as HDF5: truncated file' "$tmp/cut.h5"
bad 'conf.yaml: cannot be read as HDF5: ' "$tmp/conf.yaml"
bad "not 1-dimensional" "$tmp/npy.train.h5"
has "$err" "utterance 't[0-9]-[0-9]': hdf5:.*npy.train.h5::t[0-9]-[0-9]: features are"
bad "'v7-1' is not in .*utt2spk" "$tmp/feats.all.h5"
cp "$build/spk" "$tmp/alone"
refused 1 'no plugin for HDF5 \(libspk_hdf5.so\): install libhdf5-dev' "$tmp/alone" "${feats[@]:1}" \
    "--$key" "$tmp/feats.train.h5,speech,hdf5" $(sides .h5 hdf5) --output_dir "$tmp/x"
finish
