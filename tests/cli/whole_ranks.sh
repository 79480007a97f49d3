# SPDX-License-Identifier: Apache-2.0
# Whole utterances over several processes: each pads its own share, and with statistics over all the losses are those of one.
. tests/cli/common.sh
. tests/cli/corpus.inc
. tests/cli/ranks.inc
. tests/cli/whole.inc
plain=(--optim sgd --scheduler none --sync_bn true --log_interval 1 --optim_conf lr=1e-5 --max_epoch 6 --batch_size 8
    --use_matplotlib false --use_tensorboard false)
losses() { grep '"window"' "$1/metrics.jsonl" | grep -oE '"loss": [^,]*' | cut -d' ' -f2; }
near() { # FOLDER FOLDER TOLERANCE
    paste <(losses "$1") <(losses "$2") | awk -v most="$3" '{ d = $1 - $2; if (d < 0) d = -d; if (d > worst) worst = d }
        END { print "worst " worst " of " NR; exit !(NR >= 15 && worst <= most) }'
}
ok spk "${raw[@]}" "${plain[@]}" --output_dir "$tmp/one"
for n in 2 3; do
    ok ranks $n "$build/spk" "${raw[@]}" "${plain[@]}" --output_dir "$tmp/r$n"
    ok near "$tmp/one" "$tmp/r$n" 1e-3
done
finish
