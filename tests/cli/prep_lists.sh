# SPDX-License-Identifier: Apache-2.0
# spk prep tree --train_only, split, trials, speed: folders of lists from others, and that training takes them.
. tests/cli/common.sh
. tests/cli/corpus.inc
case $build in /*) ;; *) build=$PWD/$build ;; esac
cd "$tmp" || exit 1
lines() { [ "$(wc -l <"$1")" = "$2" ]; report "$1 has $2 lines" $?; }

mkdir -p rec/s{1,2,3,4,5,6,7,8}
for s in 1 2 3 4 5 6 7 8; do for u in a-1 a-2 b-1 b-2; do echo "rec/s$s/$u.wav $s ${u#*-} 0.6"; done; done | waves
ok spk prep tree rec all --train_only true
has "$out" '^all/train: 8 speakers, 32 utterances$'
lines "$out" 1
check "nobody is held back" test ! -e all/valid
ok spk prep check all/train
has all/train/wav.scp "^s3-b-1 $tmp/rec/s3/b-1.wav$"
ok spk prep tree rec all --train_only true --seed 9 # the same: nothing is drawn

# ---- folds ----
for s in 1 2 3 4 5 6 7 8; do echo "s$s $([ "$s" -lt 5 ] && echo f || echo m)"; done >all/train/spk2gender
for k in 1 2 3 4; do
    ok spk prep split all/train fold$k --fold $k/4 --seed 3 --nontarget_ratio 2
    has "$out" "^fold$k/train: 6 speakers, 24 utterances$"
    has "$out" "^fold$k/valid: 2 speakers, 8 utterances, 12 target and 16 nontarget trials$" # all of the other kind
    ok spk prep check fold$k/train fold$k/valid
    ok spk prep check fold$k/valid --against fold$k/train
    check "a woman and a man" test "$(cut -d' ' -f2 fold$k/valid/spk2gender | sort | tr -d '\n')" = fm
done
check "each speaker is held back once" test "$(cat fold?/valid/spk2utt | cut -d' ' -f1 | sort | tr '\n' ' ')" = "s1 s2 s3 s4 s5 s6 s7 s8 "
ok spk prep split all/train fold1 --fold 1/4 --seed 3 --nontarget_ratio 2 # the same
refused 1 'fold1/.*: is there already.*--overwrite' spk prep split all/train fold1 --fold 1/4 --seed 4 --nontarget_ratio 2
ok spk prep split all/train fold1 --fold 1/4 --seed 4 --nontarget_ratio 2 --overwrite true
refused 1 'fold 5 of 4' spk prep split all/train fold5 --fold 5/4
refused 2 'fold is K/N' spk prep split all/train fold5 --fold 5
refused 2 'fold' spk prep split all/train fold5

# ---- trials ----
ok spk prep trials all/train t --targets 3 --nontarget_ratio 4 --seed 1
has "$out" '^t: 8 speakers, 32 utterances, 24 target and 96 nontarget trials$'
ok spk prep check t
check "each speaker stands first equally often" test "$(grep ' nontarget' t/trials | cut -c1-2 | sort | uniq -c | awk '{print $1}' | sort -u)" = 12
check "three targets each" test "$(grep ' target' t/trials | cut -c1-2 | sort | uniq -c | awk '{print $1}' | sort -u)" = 3
ok spk prep trials all/train t2 --same_sex true --cross_session id --targets 3
check "one sex" test -z "$(awk '$3 == "nontarget" && (substr($1, 2, 1) < 5) != (substr($2, 2, 1) < 5)' t2/trials)"
check "two sessions" test -z "$(awk '$3 == "target" && substr($1, 4, 1) == substr($2, 4, 1)' t2/trials)"
sed 's/ .*//; s/^\(...\)\(.\)\(.*\)/\1\2\3 \1day\3/' all/train/wav.scp >all/train/utt2sess # by the last number
ok spk prep trials all/train t3 --cross_session utt2sess
check "two days" test -z "$(awk '$3 == "target" && substr($1, 6) == substr($2, 6)' t3/trials)"
printf 's2\ns5\n' >who
ok spk prep trials all/train t4 --speakers who --targets 2
check "they alone" test "$(cut -d' ' -f1 t4/spk2utt | tr '\n' ' ')" = 's2 s5 '
ok spk prep trials all/train t5 --speakers 4 --seed 2
check "half of them women" test "$(grep -c f t5/spk2gender)" = 2
refused 1 "who:2: speaker 's5' is not in" spk prep trials t5 t6 --speakers who
refused 2 'targets' spk prep trials all/train t6 --targets none
cp -r t4 t7; rm t7/spk2gender
refused 1 't7/spk2gender: is not there, and --same_sex' spk prep trials t7 t6 --same_sex true
ok spk prep trials t4 t4 --targets 2 --overwrite true # beside the lists
ok spk prep check t4

# ---- speeds ----
rm all/train/utt2sess
sed 's/ .*/ 9600/' all/train/wav.scp >all/train/utt2num_samples
sed 's/ .*/ 0.6/' all/train/wav.scp >all/train/utt2dur
ok spk prep speed all/train sp --factors 0.9 1.0 1.1
has "$out" '^sp: 24 speakers, 96 utterances$'
ok spk prep check sp --audio decode # lengths too
has "$out" '0 errors, 0 warnings$'
has sp/wav.scp "^sp0.9-s1-a-1 $tmp/rec/s1/a-1.wav\[speed:0.9\]$"
has sp/utt2spk '^sp0.9-s1-a-1 sp0.9-s1$'
has sp/utt2uniq '^sp0.9-s1-a-1 s1-a-1$'
has sp/spk2gender '^sp1.1-s5 m$'
has sp/utt2num_samples '^sp0.9-s1-a-1 10667$'
ok spk prep speed all/train sp --factors 0.9 1.0 1.1 # the same
ok spk prep speed all/train sox --factors 1.1 --pipes sox
has sox/wav.scp "^sp1.1-s1-a-1 sox $tmp/rec/s1/a-1.wav -t wav - speed 1.1 \|$"
lines sox/wav.scp 32
refused 1 'speed:0.9.*is a copy at another speed already' spk prep speed sp spsp
refused 1 'factors: 9 must lie' spk prep speed all/train x --factors 9
refused 1 'factors: 0.9 is there twice' spk prep speed all/train x --factors 0.9 0.9
refused 2 "'fast' is none" spk prep speed all/train x --factors fast
# Training takes the list, and it is the training by speed_perturb_factors: as many classes and batches.
tiny_config conf.yaml
train=(spk train --config conf.yaml --valid_dir fold1/valid --max_epoch 1 --num_workers 1 --preprocessor_conf target_duration=0.4)
ok "${train[@]}" --train_dir sp --output_dir a
ok "${train[@]}" --train_dir all/train --output_dir b --preprocessor_conf speed_perturb_factors='[0.9, 1.0, 1.1]'
check "the same classes" cmp <(sort a/speakers.txt) <(sort b/speakers.txt)
grep -ohE 'epoch 1: [0-9]+ batches' a/train.log >n1; grep -ohE 'epoch 1: [0-9]+ batches' b/train.log >n2
check "batches are counted" test -s n1
same n1 n2
finish
