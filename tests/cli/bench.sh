# SPDX-License-Identifier: Apache-2.0
# spk bench: the line, the tables of ops and of where a step's time went; the same table of a real training.
. tests/cli/common.sh
. tests/cli/corpus.inc
corpus "$tmp/data"
tiny_config "$tmp/conf.yaml"
echo "spk_num: 10" >"$tmp/bench.yaml"
grep -v '^spk_num' "$tmp/conf.yaml" >>"$tmp/bench.yaml"
bench=(spk bench --config "$tmp/bench.yaml" --batch 4 --seconds 1 --steps 3 --num_threads 1)

# adds_up TABLE: its kinds of ops make "all ops", and these and the rest the step, within what rounding takes. Prints the
# share that is unexplained.
adds_up() {
    awk '
        /^kind of op/ { inside = 1; next }
        /^step / { step = $2; inside = 0 }
        /^unexplained/ { left = $2 }
        !inside { next }
        /^all ops/ { all = $5; next }
        /%$/ { rest += $(NF - 1); next }
        { ops += $4 }
        END {
            off = ops - all; sum = all + rest - step
            good = step > 0 && off * off < 1e-3 && sum * sum < 1e-3 && left >= -0.01
            if (!good) printf "ops %g, the table says %g; rest %g; unexplained %g; step %g\n", ops, all, rest, left, step
            printf "%.3f\n", (step > 0 ? left / step : 1)
            exit !good
        }' "$1"
}
# small SHARE...: the least of them is below a fifth. One alone may be large where others use the processor.
small() { printf '%s\n' "$@" | sort -g | head -1 | awk '{ exit !($1 ~ /^[-0-9]/ && $1 < 0.2) }'; }

ok "${bench[@]}" --profile true
for key in train_utt_per_s embed_utt_per_s peak_gb gflops share_of_peak peak_gflops; do has "$out" "\"$key\": [0-9.]+"; done
check "one line" test "$(wc -l <"$out")" = 1
has "$err" '^training: 3 steps, ms a step$'
has "$err" '^embedding: 3 steps, ms a step$'
has "$err" '^clearing gradients '
has "$err" '^optimiser '
sed -n '/^training/,/^the largest/p' "$err" >"$tmp/training"
sed -n '/^embedding/,/^the largest/p' "$err" >"$tmp/embedding"
train_left=$(adds_up "$tmp/training"); report "the training's table adds up: $train_left" $?
embed_left=$(adds_up "$tmp/embedding"); report "the embedding's table adds up: $embed_left" $?
small "$train_left" "$embed_left"; report "little is unexplained: $train_left $embed_left" $?

ok "${bench[@]}" --ops
has "$out" '^training, mean of 3 steps; matrix peak [0-9.]+ GFLOP/s, memory [0-9.]+ GB/s$'
has "$out" '^embedding, mean of 3 steps'
has "$out" '^ *[0-9]+ conv1d +onednn +4x101x16 <- 24, 5 taps +\| +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9]+ \|'
has "$out" '^ *[0-9]+ melspec .*\| +- +- +- +- +-$'
check "tables, no line" test "$(grep -c train_utt_per_s "$out")" = 0

ok "${bench[@]}" --ops --json
if python -c 'import json' 2>/dev/null; then
    python - "$out" <<'END'
import json, sys
line = json.load(open(sys.argv[1]))
assert line["memory_gb_per_s"] > 0 and line["peak_gflops"] > 0
# In a step: the counted work of the ops is that of gflops, which counts once; embedding is forward only.
train = sum(op[way]["flops"] for op in line["train_ops"] for way in ("forward", "backward") if op[way])
batch_seconds = line["batch"] / line["train_utt_per_s"]
assert abs(train / batch_seconds / 1e9 - line["gflops"]) < 0.06, (train, batch_seconds, line["gflops"])
for op in line["train_ops"] + line["embed_ops"]:
    for way in ("forward", "backward"):
        if op[way]:
            least = max(op[way]["flops"] / line["peak_gflops"], op[way]["bytes"] / line["memory_gb_per_s"]) * 1e-6
            assert abs(op[way]["share_of_roofline"] - least / op[way]["ms"]) <= 0.05 * op[way]["share_of_roofline"] + 1e-4
assert all(op["backward"] is None for op in line["embed_ops"])
END
    report "the figures of --json agree with each other" $?
fi

# A real training: a table behind the steps of each epoch, in front of the epoch's line.
ok spk train --config "$tmp/conf.yaml" --train_dir "$tmp/data/train" --valid_dir "$tmp/data/valid" --num_threads 1 \
    --max_epoch 4 --output_dir "$tmp/a" --profile true
left=()
for epoch in 1 2 3 4; do
    sed -n "/^epoch $epoch: [0-9]* steps, ms a step/,/^the largest/p" "$out" >"$tmp/epoch$epoch"
    for row in 'all ops' 'waiting for the loader' 'clearing gradients' 'norm of the gradients' optimiser unexplained step; do
        has "$tmp/epoch$epoch" "^$row"
    done
    left+=("$(adds_up "$tmp/epoch$epoch")"); report "epoch $epoch adds up: ${left[-1]}" $?
done
small "${left[@]}"; report "little is unexplained: ${left[*]}" $?
has "$tmp/epoch1" '^making plans '
check "the epoch's line is the last" test "$(tail -1 "$out" | cut -d' ' -f1)" = 4epoch
# The clocks change nothing.
ok spk train --config "$tmp/conf.yaml" --train_dir "$tmp/data/train" --valid_dir "$tmp/data/valid" --num_threads 1 \
    --max_epoch 2 --output_dir "$tmp/b"
same "$tmp/a/2epoch.pth" "$tmp/b/2epoch.pth"
check "no table without being asked" test "$(grep -c 'ms a step' "$out")" = 0
finish
