# SPDX-License-Identifier: Apache-2.0
# spk prep voxceleb, cnceleb, musan, rirs: made-up corpora of the known layouts, and what is missing or wrong in them.
. tests/cli/common.sh
. tests/cli/corpus.inc
case $build in /*) ;; *) build=$PWD/$build ;; esac
cd "$tmp" || exit 1
lines() { [ "$(wc -l <"$1")" = "$2" ]; report "$1 has $2 lines" $?; }
# holds FILE LINE: that very line.
holds() { grep -qxF -- "$2" "$1"; local rc=$?; [ $rc = 0 ] || { echo "$1 has no line '$2':"; head -5 "$1"; }; report "holds $2" $rc; }

# ---- VoxCeleb ----
mkdir -p v1/dev/wav/id10{001,002}/{aaa,b-b} v1/test/wav/id10270/5r0dWxy17C8 v1/test/wav/id10271/x_y v2/dev/aac/id00012/vvv
for f in v1/dev/wav/*/*; do echo "$f/00001.wav 1 1 0.05"; echo "$f/00002.wav 1 2 0.05"; done | waves
for f in v1/test/wav/*/*; do echo "$f/00001.wav 2 1 0.05"; echo "$f/00003.wav 2 2 0.05"; done | waves
echo notes >v1/dev/wav/id10001/aaa/notes.txt
echo "1 id10270/5r0dWxy17C8/00001.wav id10270/5r0dWxy17C8/00003.wav
0 id10270/5r0dWxy17C8/00001.wav id10271/x_y/00001.wav
1 id10271/x_y/00001.wav id10271/x_y/00003.wav" >veri_test2.txt
echo "0 id10001/aaa/00001.wav id10270/5r0dWxy17C8/00001.wav
1 id10001/aaa/00001.wav id10001/b-b/00002.wav" >list_test_all2.txt

ok spk prep voxceleb --vox1 v1 --trials veri_test2.txt --trials list_test_all2.txt out
has "$out" 'out/voxceleb1_dev: 2 speakers, 8 utterances$'
has "$out" 'out/voxceleb1_test: 2 speakers, 4 utterances, 2 target and 1 nontarget trials$'
has "$out" 'out/voxceleb1_list_test_all2: 2 speakers, 3 utterances, 1 target and 1 nontarget trials$'
has "$err" 'voxceleb1_dev: 2 speakers with 8 utterances are there; the complete one has 1211 with 148642'
has "$err" '1 files and folders were left out'
holds out/voxceleb1_dev/wav.scp "id10001/b-b/00002 $tmp/v1/dev/wav/id10001/b-b/00002.wav"
holds out/voxceleb1_dev/utt2spk 'id10002/aaa/00001 id10002'
holds out/voxceleb1_test/spk2utt 'id10270 id10270/5r0dWxy17C8/00001 id10270/5r0dWxy17C8/00003'
holds out/voxceleb1_test/trial.scp "id10270/5r0dWxy17C8/00001*id10271/x_y/00001 $tmp/v1/test/wav/id10270/5r0dWxy17C8/00001.wav"
holds out/voxceleb1_test/trial2.scp "id10270/5r0dWxy17C8/00001*id10271/x_y/00001 $tmp/v1/test/wav/id10271/x_y/00001.wav"
holds out/voxceleb1_test/trial_label 'id10270/5r0dWxy17C8/00001*id10271/x_y/00001 0'
holds out/voxceleb1_test/trials 'id10271/x_y/00001 id10271/x_y/00003 target'
check "no combined set of one corpus" test ! -e out/voxceleb12_devs
ok spk prep check out/voxceleb1_dev out/voxceleb1_test out/voxceleb1_list_test_all2
cksum out/*/* >sums
ok spk prep voxceleb --vox1 v1 --trials veri_test2.txt --trials list_test_all2.txt out
cksum out/*/* >again; same sums again
head -2 veri_test2.txt >two.txt
refused 1 'out/voxceleb1_test/trials: is there already.*--overwrite' \
    spk prep voxceleb --vox1 v1 --trials list_test_all2.txt --trials two.txt out
cksum out/*/* >again; same sums again

# m4a without ffmpeg, with a pretended one, converted once.
real_path=$PATH
mkdir -p empty_bin bin
for f in 1 2 3; do echo m4a >v2/dev/aac/id00012/vvv/0000$f.m4a; done
refused 1 '00001.m4a: 3 recordings are m4a, which only ffmpeg reads: install it' \
    /usr/bin/env PATH="$tmp/empty_bin" "$build/spk" prep voxceleb --vox1 v1 --vox2 v2 out2
check "nothing is written" test ! -e out2
cat >bin/ffmpeg <<'END'
#!/bin/sh
# Pretends to be ffmpeg: a file of the "m4a" becomes a tone; "bad" cannot be read.
while [ $# -gt 1 ]; do case $1 in -i) shift; in=$1 ;; esac; shift; done
grep -q bad "$in" && { echo "$in: Invalid data" >&2; exit 1; }
echo "$in" >>"$FFMPEG_LOG"
case $1 in -) cat "$TONE" ;; *) cat "$TONE" >"$1" ;; esac
END
chmod +x bin/ffmpeg
echo "tone.wav 3 1 0.5" | waves
export TONE=$tmp/tone.wav FFMPEG_LOG=$tmp/ffmpeg.log PATH=$tmp/bin:$real_path
ok spk prep voxceleb --vox1 v1 --vox2 v2 out2
has "$err" '3 recordings are m4a.*--allow_pipes'
has "$out" 'out2/voxceleb12_devs: 3 speakers, 11 utterances$'
holds out2/voxceleb2_dev/wav.scp "id00012/vvv/00001 ffmpeg -nostdin -v error -i $tmp/v2/dev/aac/id00012/vvv/00001.m4a -ac 1 -ar 16000 -f wav - |"
check "sorted" sort -c out2/voxceleb12_devs/wav.scp
echo bad >v2/dev/aac/id00012/vvv/00002.m4a
refused 1 '1 of 3 files could not be converted.*00002.m4a: ffmpeg failed:.*Invalid data' \
    spk prep voxceleb --vox2 v2 --convert conv --convert_to wav --jobs 2 out3
check "the others are" cmp conv/voxceleb2/dev/id00012/vvv/00003.wav tone.wav
check "no half files" test -z "$(find conv -name '*.tmp')"
check "no lists" test ! -e out3
echo m4a >v2/dev/aac/id00012/vvv/00002.m4a; : >ffmpeg.log
ok spk prep voxceleb --vox2 v2 --convert conv --convert_to wav --jobs 2 out3
lines ffmpeg.log 1 # what was there is not made again
holds out3/voxceleb2_dev/wav.scp "id00012/vvv/00002 $tmp/conv/voxceleb2/dev/id00012/vvv/00002.wav"
ok /usr/bin/env PATH="$tmp/empty_bin" "$build/spk" prep voxceleb --vox2 v2 --convert conv --convert_to wav out3 # and needs no ffmpeg now
cp tone.wav v2/dev/aac/id00012/vvv/00001.wav # a wav beside the m4a is taken
ok spk prep voxceleb --vox2 v2 --convert conv --convert_to wav out4
holds out4/voxceleb2_dev/wav.scp "id00012/vvv/00001 $tmp/v2/dev/aac/id00012/vvv/00001.wav"
PATH=$real_path

# What is missing and wrong.
rm v1/test/wav/id10271/x_y/00003.wav
refused 1 'veri_test2.txt: 1 utterances of its trials are not there \(id10271/x_y/00003\)' \
    spk prep voxceleb --vox1 v1 --trials veri_test2.txt out5
ok spk prep voxceleb --vox1 v1 --trials veri_test2.txt --allow_missing true out5
has "$err" 'are not there \(id10271/x_y/00003\): 1 of 3 trials are left out'
lines out5/voxceleb1_test/trial_label 2
trial() { echo "$1" >t.txt; refused 1 "$2" spk prep voxceleb --vox1 v1 --trials t.txt out6; }
trial '2 id10001/aaa/00001.wav id10001/b-b/00001.wav' "t.txt:1: a line of VoxCeleb's trials is"
trial '1 id10001/aaa/00001.wav' 't.txt:1: a line'
trial '1 id10001/aaa/00001.wav id10001/aaa/00001.wav' 't.txt:1: the trial is of .*00001. with itself'
refused 1 'no_such: there is no such folder of VoxCeleb1' spk prep voxceleb --vox1 no_such out6
refused 1 'bin: neither dev nor test is in it' spk prep voxceleb --vox1 bin out6
refused 2 'give --vox1' spk prep voxceleb out6
refused 2 'of VoxCeleb1' spk prep voxceleb --vox2 v2 --trials t.txt out6
check "nothing is written" test ! -e out6

# ---- CN-Celeb ----
mkdir -p cn/data/id00{000,001,800,801} cn/dev cn/eval/{enroll,test,lists} cn2/data/id10000
for s in 000 001; do for u in 1 2; do echo "cn/data/id00$s/singing-01-00$u.wav 4 $u 0.05"; done; done | waves
for s in 800 801; do
    for u in 1 2 3; do echo "cn/data/id00$s/speech-01-00$u.wav 5 $u 0.05"; done
    echo "cn/eval/enroll/id00$s-enroll.wav 5 4 0.05"
    for u in 1 2; do echo "cn/eval/test/id00$s-singing-02-00$u.wav 5 $u 0.05"; done
done | waves
echo "cn2/data/id10000/vlog-01-001.wav 6 1 0.05" | waves
printf 'id00000\nid00001\n' >cn/dev/dev.lst; echo id10000 >cn2/spk.lst
for s in 800 801; do echo "id00$s-enroll enroll/id00$s-enroll.flac"; done >cn/eval/lists/enroll.lst
for s in 800 801; do echo "id00$s-enroll id00$s/speech-01-001.flac id00$s/speech-01-002.flac"; done >cn/eval/lists/enroll.map
for e in 800 801; do for s in 800 801; do for u in 1 2; do
    echo "id00$e-enroll test/id00$s-singing-02-00$u.wav $([ $e = $s ] && echo 1 || echo 0)"; done; done; done >cn/eval/lists/trials.lst
ok spk prep cnceleb --cnceleb1 cn --cnceleb2 cn2 cno
has "$out" 'cno/cnceleb_train: 3 speakers, 5 utterances$'
has "$out" 'cno/cnceleb1_eval: 2 speakers, 6 utterances, 4 target and 4 nontarget trials$'
has "$out" 'cno/cnceleb1_eval_sep: 2 speakers, 8 utterances, 4 target and 4 nontarget trials$'
holds cno/cnceleb_train/wav.scp "id00001-singing-01-002 $tmp/cn/data/id00001/singing-01-002.wav"
holds cno/cnceleb1_eval/trial_label 'id00800-enroll*id00801-singing-02-001 0'
holds cno/cnceleb1_eval/trial2.scp "id00800-enroll*id00801-singing-02-001 $tmp/cn/eval/test/id00801-singing-02-001.wav"
holds cno/cnceleb1_eval/utt2spk 'id00800-enroll id00800'
holds cno/cnceleb1_eval_sep/enroll.map 'id00800-enroll id00800-enroll-speech-01-001 id00800-enroll-speech-01-002'
holds cno/cnceleb1_eval_sep/enroll_trials 'id00801-enroll id00801-singing-02-002 target'
ok spk prep check cno/cnceleb_train cno/cnceleb1_eval cno/cnceleb1_eval_sep
ok spk prep check cno/cnceleb1_eval --against cno/cnceleb_train
cksum cno/*/* >sums
ok spk prep cnceleb --cnceleb1 cn --cnceleb2 cn2 cno
cksum cno/*/* >again; same sums again
if python -c 'import numpy' 2>/dev/null; then # the two lists fit together
    python -c '
import numpy as np
np.savez("e.npz", **{l.split()[0]: np.array([float(len(l)), i], "f") for i, l in enumerate(open("cno/cnceleb1_eval_sep/wav.scp"))})'
    ok spk score --embeddings e.npz --trials cno/cnceleb1_eval_sep/enroll_trials --enroll cno/cnceleb1_eval_sep/enroll.map --quiet
    lines "$out" 8
fi
rm cn/eval/test/id00801-singing-02-002.wav
refused 1 'trials.lst: the recordings of 2 trials are not in .*id00800-enroll\*id00801-singing-02-002' spk prep cnceleb --cnceleb1 cn cno2
ok spk prep cnceleb --cnceleb1 cn --allow_missing true cno2
has "$err" 'trials.lst: 2 of 8 trials are left out'
echo id00007 >>cn/dev/dev.lst
refused 1 'dev.lst: 1 of its 3 speakers have no recordings in .*id00007' spk prep cnceleb --cnceleb1 cn cno3
sed -i '$d' cn/dev/dev.lst
echo 'id00800-enroll test/id00800-singing-02-001.wav 2' >>cn/eval/lists/trials.lst
refused 1 "trials.lst:9: a line of CN-Celeb's trials" spk prep cnceleb --cnceleb1 cn cno3
sed -i '$d' cn/eval/lists/trials.lst
echo 'id00802-enroll id00802/speech-01-001.flac' >>cn/eval/lists/enroll.map
refused 1 "enroll.map:3: 'id00802/speech-01-001.flac' of model 'id00802-enroll' is not in" spk prep cnceleb --cnceleb1 cn cno3
sed -i '$d' cn/eval/lists/enroll.map
echo 'id00802-enroll enroll/id00802-enroll.wav' >>cn/eval/lists/enroll.lst
refused 1 'enroll.lst:3: enroll/id00802-enroll.wav is not in' spk prep cnceleb --cnceleb1 cn cno3
check "nothing is written" test ! -e cno3

# ---- MUSAN and room responses ----
mkdir -p musan/{speech/librivox,noise/free-sound,music/hd-classical} R/RIRS_NOISES/simulated_rirs/{small,medium,large}room/Room001 R/RIRS_NOISES/real_rirs_isotropic_noises
for k in speech/librivox/a noise/free-sound/n "music/hd-classical/with blank"; do cp tone.wav "musan/$k.wav"; done
for r in small medium large; do cp tone.wav R/RIRS_NOISES/simulated_rirs/${r}room/Room001/Room001-00001.wav; done
for r in RVB2014_type1_rir_a RVB2014_type1_noise_a RWCP_type1_rir_b; do cp tone.wav R/RIRS_NOISES/real_rirs_isotropic_noises/$r.wav; done
ok spk prep musan musan lists
has "$out" 'lists/musan_noise.scp: 1 recordings'
holds lists/musan_music.scp "music/hd-classical/with_blank $tmp/musan/music/hd-classical/with blank.wav"
ok spk prep rirs R lists
has "$out" 'lists/rirs.scp: 2 recordings'
check "large rooms are left out" test "$(grep -c large lists/rirs.scp)" = 0
refused 1 'lists/rirs.scp: is there already' spk prep rirs R/RIRS_NOISES lists --rooms real
ok spk prep rirs R/RIRS_NOISES lists --rooms real large --overwrite
check "two measured, no noise, one large" test "$(grep -c real lists/rirs.scp)$(grep -c noise_a lists/rirs.scp)$(grep -c large lists/rirs.scp)" = 201
echo '--rir-id 1 --room-id 1 RIRS_NOISES/real_rirs_isotropic_noises/RWCP_type1_rir_b.wav' >R/RIRS_NOISES/real_rirs_isotropic_noises/rir_list
ok spk prep rirs R lists --rooms real --overwrite true
lines lists/rirs.scp 1
refused 2 "there is no 'tiny'" spk prep rirs R lists --rooms tiny
refused 1 'v1: is not MUSAN' spk prep musan v1 lists
# The trainer reads them.
corpus corpus
tiny_config conf.yaml
echo 'preprocessor_conf: {target_duration: 0.5, sample_rate: 16000, num_eval: 2, noise_apply_prob: 1, rir_apply_prob: 1,
  noise_info: [[1, lists/musan_noise.scp, [1, 1], [0, 15]], [1, lists/musan_music.scp, [1, 1], [5, 15]]], rir_scp: lists/rirs.scp}' >aug.yaml
sed '/^preprocessor_conf/d' conf.yaml | cat - aug.yaml >train.yaml
ok spk train --config train.yaml --train_dir corpus/train --valid_dir corpus/valid --output_dir exp --max_epoch 1 --num_workers 1
# Models of several utterances, as docs/data.md says.
ok spk extract --model exp --valid_dir cno2/cnceleb1_eval_sep --output_dir emb
ok spk score --embeddings emb/cnceleb1_eval_sep_embeddings.npz --trials cno2/cnceleb1_eval_sep/enroll_trials \
    --enroll cno2/cnceleb1_eval_sep/enroll.map --output scores
lines scores 6
has scores '^id00800-enroll id00801-singing-02-001 -[0-9.]+'
finish
