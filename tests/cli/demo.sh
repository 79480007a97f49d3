# SPDX-License-Identifier: Apache-2.0
# The demo on data folders of the user's; and data preparation. (spk-test: slow)
. tests/cli/common.sh
. tests/cli/corpus.inc

# ---- a folder of recordings becomes data folders ----
mkdir -p "$tmp/rec"/s{1,2,3,4,5,6,7,8,9}
for s in 1 2 3 4 5 6 7 8 9; do for u in 1 2 3 4 5; do echo "$tmp/rec/s$s/u$u.wav $s $u 2.1"; done; done | waves
ok spk prep tree "$tmp/rec" "$tmp/data" --seed 1 --valid_speakers 3
has "$out" 'train: 6 speakers, 30 utterances'
has "$out" 'valid: 3 speakers, 15 utterances, 30 target and 75 nontarget trials'
for file in train/wav.scp train/utt2spk train/spk2utt valid/wav.scp valid/trial.scp valid/trial2.scp valid/trial_label; do
    check "$file" test -s "$tmp/data/$file"
done
check "no speaker is on both sides" test -z "$(comm -12 <(cut -d' ' -f1 "$tmp/data/train/spk2utt") <(cut -d' ' -f1 "$tmp/data/valid/spk2utt"))"
ok spk prep tree "$tmp/rec" "$tmp/data2" --seed 1 --valid_speakers 3
check "the same seed gives the same" diff -r "$tmp/data" "$tmp/data2"
ok spk prep tree "$tmp/rec" "$tmp/data3" --seed 2 --valid_speakers 3
check "another seed gives another" bash -c "! diff -rq '$tmp/data' '$tmp/data3'"
sums=$(cksum "$tmp/data"/*/*)
refused 1 'overwrite' spk prep tree "$tmp/rec" "$tmp/data" --seed 2
check "nothing was changed" test "$sums" = "$(cksum "$tmp/data"/*/*)"
refused 1 'none.*no such' spk prep tree "$tmp/none" "$tmp/data4"
mkdir -p "$tmp/few"; cp -r "$tmp/rec/s1" "$tmp/rec/s2" "$tmp/few"
refused 1 'speakers' spk prep tree "$tmp/few" "$tmp/data4"
refused 2 'seed' spk prep tree "$tmp/rec" "$tmp/data4" --seed x

# ---- the way from data folders to embeddings ----
ok spk demo --data "$tmp/data" --output_dir "$tmp/demo" --epochs 2 --steps 2 --num_threads 2
has "$out" '^epoch  2/2: .*EER +[0-9.]+ %'
has "$out" 'valid_embeddings.npz: 15 embeddings'
check "nothing about synthetic speakers" bash -c "! grep -q synthetic '$out'"
check "embeddings" test -s "$tmp/demo/valid_embeddings.npz"
check "the best model" test -s "$tmp/demo/exp/valid.eer.best.pth"
if command -v gnuplot >/dev/null; then
    for picture in progress scores; do check "$picture.png" test -s "$tmp/demo/exp/images/$picture.png"; done
fi
ok spk demo --data "$tmp/data" --output_dir "$tmp/demo" --epochs 1 --steps 1 --quiet # a second time
check "quiet" test ! -s "$err"
refused 1 'wav.scp' spk demo --data "$tmp/few" --output_dir "$tmp/demo2"

# ---- synthetic speakers ----
if command -v espeak-ng >/dev/null; then
    ok spk prep synth "$tmp/synth" --train_speakers 4 --valid_speakers 2 --train_utterances 2 --valid_utterances 2
    has "$out" '6 synthetic speakers, 12 utterances'
    ok spk demo --data "$tmp/synth" --output_dir "$tmp/demo3" --epochs 1 --steps 1 --num_threads 2 --quiet
else
    echo "espeak-ng is not installed: no synthetic speakers"
fi
finish
