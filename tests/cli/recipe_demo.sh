# SPDX-License-Identifier: Apache-2.0
# The demo's recipe from nothing to the report, on a small corpus of synthetic speakers. (spk-test: slow)
. tests/cli/common.sh
need_program espeak-ng
demo=(spk recipe run demo --exp "$tmp/demo"
    --corpus_args "--train_speakers 8 --valid_speakers 6 --train_utterances 4 --valid_utterances 4 --trials 100"
    --train_args "--max_epoch 2 --num_iters_per_epoch 3 --batch_size 8")
ok "${demo[@]}"
has "$out" '^\| EER % \| [0-9.]+ \[[0-9.]+, [0-9.]+\] \| [0-9.]+ \['
check "seven steps were done" test "$(grep -cE '^\[ [1-7]/7\] [a-z_]+ +done in ' "$err")" = 7
for file in RESULTS.md report.html model/valid.eer.best.pth scores/cosine scores/cosine_snorm logs/07-evaluate.log; do
    check "$file" test -s "$tmp/demo/$file"
done
if command -v gnuplot >/dev/null; then check "det.png" test -s "$tmp/demo/images/det.png"; fi
ok "${demo[@]}"
has "$err" 'all 7 steps are up to date'
has "$out" '^\| EER % '
finish
