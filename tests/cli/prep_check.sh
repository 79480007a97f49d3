# SPDX-License-Identifier: Apache-2.0
# spk prep check: every kind of fault is found, with its file and line; copies without faults.
. tests/cli/common.sh
. tests/cli/corpus.inc
case $build in /*) ;; *) build=$PWD/$build ;; esac
cd "$tmp" || exit 1

# Good folders: 4 speakers with 3 utterances, and trials.
mkdir -p rec/s{1,2,3,4} good
for s in 1 2 3 4; do for u in 1 2 3; do echo "$tmp/rec/s$s/u$u.wav $s $u 0.1"; done; done | waves
for s in 1 2 3 4; do for u in 1 2 3; do echo "s$s-u$u $tmp/rec/s$s/u$u.wav"; done; done >good/wav.scp
for s in 1 2 3 4; do for u in 1 2 3; do echo "s$s-u$u s$s"; done; done >good/utt2spk
for s in 1 2 3 4; do echo "s$s s$s-u1 s$s-u2 s$s-u3"; done >good/spk2utt
for s in 1 2 3 4; do echo "s$s $([ $((s % 2)) = 0 ] && echo f || echo m)"; done >good/spk2gender
sed 's/ .*/ 1600/' good/wav.scp >good/utt2num_samples
sed 's/ .*/ 0.10/' good/wav.scp >good/utt2dur
while read -r a b l; do
    echo "$a*$b $tmp/rec/${a%-*}/${a#*-}.wav" >&3
    echo "$a*$b $tmp/rec/${b%-*}/${b#*-}.wav" >&4
    echo "$a*$b $l" >&5
    echo "$a $b $([ "$l" = 1 ] && echo target || echo nontarget)" >&6
done 3>good/trial.scp 4>good/trial2.scp 5>good/trial_label 6>good/trials <<'END'
s1-u1 s1-u2 1
s1-u1 s2-u1 0
s3-u2 s3-u3 1
s2-u1 s4-u2 0
END
ok spk prep check good
has "$out" '^good: 4 speakers, 12 utterances, 2 target and 2 nontarget trials, 0.00 hours, 0.10 to 0.10 s, 16000 Hz: 0 errors, 0 warnings$'
ok spk prep check good --audio decode --num_threads 1
ok spk prep check good --audio false

# fault 'PATTERN' 'COMMANDS': in a copy of the good folder something is done; the check must say PATTERN, and end with 1.
fault() {
    rm -rf d; cp -r good d
    (cd d && eval "$2") || echo "preparing '$2' failed"
    spk prep check d --audio decode >"$out" 2>"$err"
    local rc=$?
    [ $rc = 1 ]; report "$2: exit status 1" $?
    grep -qE -- "$1" "$out" || { echo "'$2' is not found as '$1':"; cat "$out" "$err"; false; }
    report "$2" $?
}
w='sed -i'
fault "^d/wav.scp:3: 's1-u2' stands behind 's1-u3': the list is not sorted" "$w -e '2{h;d};3{G}' wav.scp"
fault "^d/wav.scp:2: key 's1-u1' stands twice \(first at line 1\)" "$w '1p' wav.scp"
fault "^d/wav.scp:13: nothing follows the key 'x'" "echo x >>wav.scp"
fault "^d/wav.scp:5: the line is blank" "$w '5i\\\\' wav.scp"
fault "^d/wav.scp:13: 'x' is not in d/utt2spk" "echo 'x ../rec/s1/u1.wav' >>wav.scp"
fault "^d/utt2spk:5: 's2-u2' is not in d/wav.scp" "$w '5d' wav.scp"
fault "^d/wav.scp:5: 's2-u2' is not in d/utt2spk" "$w '5d' utt2spk"
fault "^d/utt2spk:2: the speaker of 's1-u2' is 's1 x'; a name is one word" "$w '2s/\$/ x/' utt2spk"
fault "^d: has no utt2spk" "rm utt2spk"
fault "^d/spk2utt:1: utterance 's1-u2' of speaker 's1' is of 's2' in d/utt2spk:2" "$w '2s/ s1/ s2/' utt2spk"
fault "^d/utt2spk:2: 's1-u2' of 's1' is not in d/spk2utt" "$w 's/ s1-u2//' spk2utt"
fault "^d/spk2utt:2: utterance 's2-u1' stands on line 2 too" "$w '2s/\$/ s2-u1/' spk2utt"
fault "^d/spk2utt:5: utterance 'y' of speaker 's5' is not in d/utt2spk" "echo 's5 y' >>spk2utt"
fault "^d/utt2spk:4: speaker 's2' is not in d/spk2gender" "$w 2d spk2gender"
fault "^d/spk2gender:5: speaker 's9' is not in d/utt2spk" "echo 's9 f' >>spk2gender"
fault "^d/spk2gender:1: 'x' of 's1' is not f or m" "$w '1s/ .*/ x/' spk2gender"
fault "^d/utt2dur:1: '-1' of 's1-u1' is not seconds above 0" "$w '1s/ .*/ -1/' utt2dur"
fault "^d/utt2dur:2: 's1-u2' is of 0.2 seconds here, and .*u2.wav has 0.100" "$w '2s/ .*/ 0.2/' utt2dur"
fault "^d/utt2num_samples:2: 's1-u2' has 1601 samples here" "$w '2s/ .*/ 1601/' utt2num_samples"
fault "^d/utt2spk:3: utterance 's1-u3' is not in d/utt2dur" "$w 3d utt2dur"
fault "^d/wav.scp:1: file of 's1-u1': /no/such.wav: is not there" "$w '1s, .*, /no/such.wav,' wav.scp"
fault "^d/wav.scp:4: 's2-u1': .*e.wav: the file is empty" ": >e.wav; $w '4s, .*, d/e.wav,' wav.scp"
fault "^d/wav.scp:4: 's2-u1': .*c.wav: the file is truncated" "head -c 600 ../rec/s2/u1.wav >c.wav; $w '4s, .*, d/c.wav,' wav.scp"
fault "^d/wav.scp:4: 's2-u1': .*t.wav: is not audio" "echo text >t.wav; $w '4s, .*, d/t.wav,' wav.scp"
fault "^d/wav.scp:4: 's2-u1': d/z.wav: holds only zeros" "{ head -c 44 ../rec/s2/u1.wav; head -c 3200 /dev/zero; } >z.wav; $w '4s, .*, d/z.wav,' wav.scp"
fault "^d/wav.scp:4: the line is not UTF-8" "printf 's2-u1 \\377\\n' >x; $w -e '4r x' -e 4d wav.scp"
fault "^d/trial_label:2: the label of trial 's1-u1\\*s2-u1' is '2'; it must be 1 or 0" "$w '2s/0\$/2/' trial_label"
fault "^d/trial2.scp:2: the trial is 's2-u1\\*s4-u2', and in d/trial.scp:2 's1-u1\\*s2-u1'" "$w -e '2{h;d};4{G}' -e 3d trial2.scp"
fault "^d/trial_label: has 3 trials, and d/trial.scp has 4" "$w 4d trial_label"
fault "^d: has no trial2.scp" "rm trial2.scp"
fault "^d/trial.scp:1: the id 'ab' is not two utterances" "$w '1s/^[^ ]*/ab/' trial.scp trial2.scp trial_label"
fault "^d/trial.scp:3: trial 's3-u2\\*s3-u3' is labelled as of two speakers, and in d/utt2spk they are of 's3' and 's3'" "$w '3s/1\$/0/' trial_label"
fault "^d/trial.scp:1: the trial is of 's1-u1' with itself" "$w '1s/s1-u2/s1-u1/' trial.scp trial2.scp trial_label"
fault "^d/trial2.scp:4: utterance 's4-u2' is .*u1.wav here and .*s4/u2.wav in d/wav.scp:11" "$w '4s,s4/u2,s4/u1,' trial2.scp"
fault "^d/trial.scp:1: utterance 'q' of the trial is not in d/wav.scp" "$w '1s/s1-u2/q/' trial.scp trial2.scp trial_label"
fault "^d/trial.scp: has no nontarget trial" "for f in trial.scp trial2.scp trial_label trials; do $w '2d;4d' \$f; done"
fault "^d/trials:2: is another trial than d/trial_label:2" "$w '2s/s2-u1/s2-u2/' trials"
fault "^d/trials:5: the trial 's1-u1 s1-u2' stands on line 1 too|^d/trials:5: the trial 's1-u1\\*s1-u2' stands on line 1 too" "rm trial*.scp trial_label; head -1 trials >x; cat x >>trials; rm x"
fault "^d/trials:5: the trial 's1-u2\\*s1-u1' stands on line 1 too, the other way round, with another label\$" "rm trial*.scp trial_label; echo 's1-u2 s1-u1 nontarget' >>trials"
fault "^d/trials:2: the label of trial .* is 'maybe'; it must be target or nontarget" "rm trial*.scp trial_label; $w '2s/nontarget/maybe/' trials"
fault "^d/segments:1: recording 'r9' of 's1-u1' is not in d/wav.scp" "awk '{print \$1, \"r\" (NR == 1 ? 9 : 1), 0, 0.05}' wav.scp >segments; echo \"r1 $tmp/rec/s1/u1.wav\" >wav.scp"
fault "^d/segments:2: a segment is" "awk '{print \$1, \"r1\", 0, NR == 2 ? -3 : 0.05}' wav.scp >segments; echo \"r1 $tmp/rec/s1/u1.wav\" >wav.scp"
fault "^d/segments:2: 's1-u2': .*: the part lies outside" "awk '{print \$1, \"r1\", NR == 2 ? 3 : 0, 0.05 + 3 * (NR == 2)}' wav.scp >segments; echo \"r1 $tmp/rec/s1/u1.wav\" >wav.scp"
fault "^d: holds neither wav.scp, feats.scp nor trial.scp" "rm wav.scp trial*"
refused 1 'none: there is no such data folder' spk prep check none
refused 2 'such|false|header' spk prep check good --audio maybe

# Warnings do not fail.
warns() { rm -rf d; cp -r good d; (cd d && eval "$2"); ok spk prep check d; has "$out" "$1"; }
warns "^d: has no spk2utt; .*\(warning\)" 'rm spk2utt'
echo "$tmp/rec/r8.wav 1 1 0.1 8000" | waves; echo "$tmp/rec/st.wav 1 1 0.1 16000 2" | waves
warns "^d/wav.scp:1: 's1-u1': .*r8.wav: is of 8000 Hz, most are of 16000 Hz \(warning\)" "rm utt2num_samples trial*; $w '1s,s1/u1,r8,' wav.scp"
has "$out" '11 of 16000 Hz and 1 of 8000 Hz: 0 errors, 1 warning$'
warns "^d/wav.scp:1: 's1-u1': .*st.wav: has 2 channels; training needs --channel \(warning\)" "rm trial*; $w '1s,s1/u1,st,' wav.scp"
warns "^d: 1 entries are commands, which were not run" "rm trial*; $w '1s,[^ ]*\$,cat & |,' wav.scp"
ok spk prep check d --allow_pipes true --audio decode
check "the command was run" bash -c "! grep -q warning\) '$out'"
warns "^d/utt2spk:4: sorted by utterance, the speakers are not sorted" "$w 's/ s1\$/ z/' utt2spk; $w -e 's/^s1 /z /' -e '1{h;d};4{G}' spk2utt; $w -e 's/^s1 /z /' -e '1{h;d};4{G}' spk2gender"  # s1 is z now
warns "trial 's1-u2\*s1-u1' stands on line 1 too, the other way round \(warning\)" "rm trial*.scp trial_label; echo 's1-u2 s1-u1 target' >>trials"

# Speakers of another set; many findings; folders of trials alone.
mkdir other; echo 'q-1 s3' >other/utt2spk
spk prep check good --against other >"$out" 2>"$err"; report "shared: exit status 1" "$([ $? = 1 ]; echo $?)"
has "$out" "^good/utt2spk:7: speaker 's3' is in other/utt2spk:1 too$"
refused 1 'none/utt2spk: cannot open' spk prep check good --against none
rm -rf d; cp -r good d; sed -i 's, .*, /no,' d/wav.scp; rm d/trial*
spk prep check d --max_findings 2 >"$out" 2>"$err"
check "two are shown" test "$(grep -c 'is not there' "$out")" = 2
has "$out" '^d/wav.scp: and 10 more errors$'
has "$out" ': 12 errors, 0 warnings$'
mkdir alone; cp good/trial.scp good/trial2.scp good/trial_label alone
ok spk prep check alone
has "$out" '^alone: 0 speakers, 0 utterances, 2 target and 2 nontarget trials'
sed -i 's,s4/u2,s4/none,' alone/trial2.scp
spk prep check alone >"$out" 2>"$err"; report "alone: exit status 1" "$([ $? = 1 ]; echo $?)"
has "$out" "^alone/trial2.scp:4: file of 's2-u1\*s4-u2': .*none.wav: is not there"

# ---- a copy without the faults ----
rm -rf d; cp -r good d
printf 's2-u9 /no/such.wav\n\ns1-u1 twice.wav\n' >>d/wav.scp # a missing file, a blank line, a key twice
sed -i '1!G;h;$!d' d/utt2spk d/trials # backwards
sed -i 's/ s3-u3//' d/spk2utt
sed -i 's,^s4-u2 .*,s4-u2 d/cut.wav,' d/wav.scp; head -c 600 rec/s4/u2.wav >d/cut.wav
echo 's1-u1*s1-u1 1' >>d/trial_label; echo "s1-u1*s1-u1 $tmp/rec/s1/u1.wav" | tee -a d/trial.scp >>d/trial2.scp
echo 'nobody f' >>d/spk2gender; echo 's9-u9 5' >>d/utt2num_samples
sums=$(cksum d/*)
ok spk prep check d --audio decode --fix true --output fixed
has "$out" '^d: .*: [0-9]+ errors, '
has "$out" '^fixed: 4 speakers, 11 utterances, 2 target and 1 nontarget trials: 0 errors, 0 warnings$'
check "nothing is changed" test "$sums" = "$(cksum d/*)"
ok spk prep check fixed --audio decode
check "the cut recording is not in it" bash -c '! grep -q s4-u2 fixed/*'
check "sorted" env LC_ALL=C sort -c fixed/utt2spk
same fixed/spk2gender good/spk2gender
ok spk prep check d --audio decode --fix true --output fixed # the same again
sed -i 1d d/wav.scp
refused 1 'fixed/wav.scp: is there already' spk prep check d --fix true --output fixed
refused 2 'give --output' spk prep check d --fix true
refused 2 'give --fix' spk prep check d --output x
ok spk prep check good --fix true --output fine
for f in wav.scp utt2spk spk2utt spk2gender trials trial.scp trial2.scp trial_label utt2dur utt2num_samples; do same good/$f fine/$f; done
finish
