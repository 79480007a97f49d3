# SPDX-License-Identifier: Apache-2.0
# Trainings in double are ESPnet's to double's digits: loss, norm of the gradient, every weight and statistic after each of
# some steps, and the validation's scores. Needs a Python that has ESPnet, as espnet_round_trip.sh does.
# spk-test: slow
. tests/cli/common.sh
. tests/cli/corpus.inc
peer=${SPK_PEER_PYTHON:-}
[ -n "$peer" ] || skip "SPK_PEER_PYTHON does not name a Python with ESPnet"
in_peer() { PYTHONPATH=${SPK_PEER_PYTHONPATH:-${PYTHONPATH:-}} OMP_NUM_THREADS=1 "$peer" "$@" 2>"$err" || tail -3 "$err"; }
[ "$(in_peer -c 'from espnet2.tasks.spk import SpeakerTask; print(1)')" = 1 ] ||
    skip "$peer cannot import espnet2.tasks.spk (SPK_PEER_PYTHONPATH may say where it lies)"
corpus "$tmp/data"
steps=3

# A batch is the whole training set, and a crop all of a recording, repeated to 1.5 s: nothing is drawn.
tiny_config "$tmp/tiny.yaml"
{ grep -vE '^(iterator_type|batch_type|batch_size|drop_last_iter|preprocessor_conf|encoder_conf|optim|optim_conf):' "$tmp/tiny.yaml"
  cat <<'Y'
encoder_conf: {model_scale: 4, ndim: 16, output_size: 24, num_blocks: 4}
preprocessor_conf: {target_duration: 1.5, sample_rate: 16000, num_eval: 2}
target_duration: 1.5
iterator_type: sequence
batch_type: unsorted
batch_size: 24
pool_lengths: frontend
train_dtype: float64
Y
} >"$tmp/conf.yaml"
sed -i 's/normalize: mn}/normalize: mn, f_min: 20, f_max: 7600}/' "$tmp/conf.yaml"
train=(spk train --config "$tmp/conf.yaml" --train_dir "$tmp/data/train" --valid_dir "$tmp/data/valid" --num_threads 2 --quiet)

cat >"$tmp/peer.py" <<'PYTHON'
import json, sys, wave
import numpy as np, torch
from espnet2.tasks.spk import SpeakerTask

def read(path):
    with wave.open(path) as f:
        return np.resize(np.frombuffer(f.readframes(f.getnframes()), "<i2") / 32768.0, 24000)

def off(a, b):
    return (np.abs(np.asarray(a) - np.asarray(b)).max() / max(np.abs(np.asarray(b)).max(), 1e-300)).item()

start, data = sys.argv[1:3]
speech = torch.tensor(np.stack([read(f"{data}/audio/t{s}-{u}.wav") for s in range(1, 7) for u in range(1, 5)]))
labels = torch.arange(6).repeat_interleave(4)[:, None]
names = [(s, u) for s in (7, 8, 9) for u in (1, 2, 3)]
trials = torch.tensor(np.stack([read(f"{data}/audio/v{s}-{u}.wav") for s, u in names]))
for folder, kind, conf in zip(sys.argv[3::3], sys.argv[4::3], sys.argv[5::3]):
    model, _ = SpeakerTask.build_model_from_file(folder + "/config.yaml", start, "cpu")
    model = model.to(torch.float64)
    optim = getattr(torch.optim, kind)(model.parameters(), **json.loads(conf))
    lines = [json.loads(line) for line in open(folder + "/metrics.jsonl")]
    figure = lambda phase, key: [v for v in (line.get(phase, {}).get(key) for line in lines) if v is not None]
    worst = {"loss": 0, "grad_norm": 0, "weights": 0, "trg_mean": 0}
    for step in range(len(figure("train", "loss"))):
        model.train()
        loss, _, _ = model(speech=speech, spk_labels=labels)
        optim.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optim.step()
        model.eval()
        with torch.no_grad():
            e = torch.nn.functional.normalize(model(speech=trials, spk_labels=None, extract_embd=True))
        targets = [-torch.dist(e[i], e[j]).item() for i in range(9) for j in range(9) if i < j and names[i][0] == names[j][0]]
        ours = torch.load(f"{folder}/{step + 1}epoch.pth", weights_only=True)
        for key, value in model.state_dict().items():
            assert ours[key].dtype == value.dtype, key
            if key != "pooling.attention.2.bias":  # softmax over time does not see it: its gradient is rounding
                worst["weights"] = max(worst["weights"], off(ours[key].double(), value.double()))
        for key, value in (("loss", loss.item()), ("grad_norm", norm.item())):
            worst[key] = max(worst[key], off(figure("train", key)[step], value))
        worst["trg_mean"] = max(worst["trg_mean"], off(figure("valid", "trg_mean")[step], np.mean(targets)))
    for key, value in worst.items():
        print(kind, key, "%.1e" % value, "holds" if value < (1e-6 if key == "trg_mean" else 1e-9) else "FAILED")
PYTHON

ok "${train[@]}" --max_epoch 1 --train_dtype float32 --optim sgd --output_dir "$tmp/start"
list=()
for kind in 'SGD {"lr":0.01,"momentum":0.9,"weight_decay":0.001}' 'AdamW {"lr":0.001}'; do
    name=${kind%% *} conf=${kind#* }
    ok "${train[@]}" --max_epoch $steps --optim "$name" --optim_conf "$conf" --init_param "$tmp/start/1epoch.pth" --output_dir "$tmp/$name"
    list+=("$tmp/$name" "$name" "$conf")
done
in_peer "$tmp/peer.py" "$tmp/start/1epoch.pth" "$tmp/data" "${list[@]}" | tee "$tmp/results"
for name in SGD AdamW; do for what in loss grad_norm weights trg_mean; do
    check "$name: $what" grep -q "^$name $what .* holds$" "$tmp/results"
done; done
finish
