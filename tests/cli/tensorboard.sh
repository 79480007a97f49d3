# SPDX-License-Identifier: Apache-2.0
# What TensorBoard's own package reads of a run: SPK_PEER_PYTHON names a Python that has it.
. tests/cli/common.sh
. tests/cli/corpus.inc
peer=${SPK_PEER_PYTHON:-/opt/peer/venv/bin/python}
[ -x "$peer" ] || skip "no $peer (SPK_PEER_PYTHON names a Python with the package tensorboard)"
"$peer" -c 'from tensorboard.backend.event_processing import event_accumulator' 2>/dev/null ||
    skip "$peer has no package tensorboard"
corpus "$tmp/data"
tiny_config "$tmp/conf.yaml"
train=(spk train --config "$tmp/conf.yaml" --train_dir "$tmp/data/train" --valid_dir "$tmp/data/valid" --num_threads 1
    --log_interval 1)
ok "${train[@]}" --max_epoch 2 --output_dir "$tmp/a"
ok "${train[@]}" --max_epoch 3 --output_dir "$tmp/a" --resume
cat >"$tmp/read.py" <<'PYTHON'
import json
import math
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

folder = sys.argv[1]
lines = [json.loads(line) for line in open(f"{folder}/metrics.jsonl")]
windows = [x for x in lines if x["kind"] == "window"]
epochs = [x for x in lines if x["kind"] == "epoch"]
assert len(epochs) == 3 and len(windows) >= 3, (len(epochs), len(windows))


def scalars(phase):
    events = EventAccumulator(f"{folder}/tensorboard/{phase}", size_guidance={"scalars": 0})
    events.Reload()
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def same(got, want):
    assert [x for x, _ in got] == [x for x, _ in want], (got, want)
    for (_, a), (_, b) in zip(got, want):
        assert math.isclose(a, b, rel_tol=1e-6), (got, want)  # TensorBoard keeps float32


train, valid = scalars("train"), scalars("valid")
for name in ("loss", "accuracy", "grad_norm", "optim0_lr0"):
    same(train[name], [(x["total_count"], x["train"][name]) for x in windows])
    same(train[name + "_epoch"], [(x["total_count"], x["train"][name]) for x in epochs])
same(train["iter_epoch"], [(x["total_count"], x["epoch"]) for x in epochs])
for name in ("eer", "mindcf", "threshold_eer", "n_trials"):
    same(valid[name], [(x["total_count"], x["valid"][name]) for x in epochs])
print("read")
PYTHON
ok "$peer" "$tmp/read.py" "$tmp/a"
has "$out" '^read$'
# A run that is killed within an epoch leaves values behind its last checkpoint; they are void when it goes on.
"$build/spk" "${train[@]:1}" --max_epoch 100000 --output_dir "$tmp/a" --resume --checkpoint_interval 0.001 >"$out" 2>"$err" & pid=$!
sleep 1.37
kill -KILL $pid
wait $pid 2>/dev/null
done=$(grep -c '"kind": "epoch"' "$tmp/a/metrics.jsonl")
ok "${train[@]}" --max_epoch $((done + 1)) --output_dir "$tmp/a" --resume
sed -i 's/len(epochs) == 3/len(epochs) > 3/' "$tmp/read.py"
ok "$peer" "$tmp/read.py" "$tmp/a"
has "$out" '^read$'
finish
