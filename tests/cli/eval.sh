# SPDX-License-Identifier: Apache-2.0
# spk eval: figures worked out by hand, forms, conditions, intervals, pictures, and what is refused.
. tests/cli/common.sh
case $build in /*) ;; *) build=$PWD/$build ;; esac
cd "$tmp" || exit 1

# By falling score 1 1 0 1 0 1 0 0. EER 25 %, minDCF (p 0.5) 1/2; at the threshold 0 all are accepted: actual DCF 1.
i=0
for label in 1 1 0 1 0 1 0 0; do
    i=$((i + 1))
    word=nontarget; [ $label = 1 ] && word=target
    echo "a$i*b$i 0.$((10 - i)) $label" >>espnet
    echo "a$i b$i 0.$((10 - i)) $word" >>wespeaker
    echo "a$i b$i $label 0.$((10 - i))" >>speechbrain
    echo "a$i b$i 0.$((10 - i))" >>kaldi
    echo "a$i b$i $word" >>trials
done
for form in espnet wespeaker speechbrain "kaldi --trials trials"; do
    # shellcheck disable=SC2086
    ok spk eval $form --p_target 0.5
    has "$out" '^EER % +25\.000$'
    has "$out" '^EER % as ESPnet +25\.000$'
    has "$out" '^target trials +4$'
    has "$out" '^minDCF \(p 0\.5\) +0\.5000$'
    has "$out" '^actual DCF \(p 0\.5\) +1\.0000$'
    has "$out" '^minCllr +0\.5000$' # by rising score the pools are {0 0} {1 0} {1 0} {1 1}, half of each class in a pool of ratio 1
done
ok spk eval espnet --json --p_target 0.5 --c_fa 10
has "$out" '"eer": 25(\.0+)?,'
has "$out" '"bayes_threshold": 2\.302585'
ok spk eval --quiet espnet
check "nothing on stderr" test ! -s "$err"

# Conditions: a1 a2 b1 b2 are w, a3 a4 b3 b4 w and m, the others m.
for k in 1 2 3 4 5 6 7 8; do
    echo "a$k $([ $k -le 4 ] && echo w || echo m)"; echo "b$k $([ $k -le 2 ] && echo w || echo m)"
done >utt2gender
ok spk eval espnet --condition utt2gender --results results/RESULTS.md
has "$out" '^utt2gender +w +2 +0 +- +- +-$'
has "$out" '^utt2gender +m-w +1 +1 +100\.000 '
has "$out" '^utt2gender +m +1 +3 +33\.333 '
has results/RESULTS.md '^\| EER % \| 25.000 \|$'
has results/RESULTS.md '^\|---\|---:\|$'

# NeMo's scores have no names: figures as they are, names and all else by the list in their order.
awk '{print $2 "\t" $3}' espnet >nemo
ok spk eval nemo --p_target 0.5
has "$err" "form 'score 1' \(nemo\)"
has "$out" '^EER % +25\.000$'
ok spk eval nemo --trials trials --condition utt2gender
has "$out" '^utt2gender +m-w +1 +1 +100\.000 '
refused 1 "nemo:1: 'trial1' is not in utt2gender" spk eval nemo --condition utt2gender
sed '$d' trials >fewer; refused 1 'nemo has 8 scores without names and fewer 7 trials' spk eval nemo --trials fewer
sed '3s/nontarget/target/' trials >wrong; refused 1 'nemo:3: the label is 0, but that of the trial in its place \(wrong:3\) is 1' spk eval nemo --trials wrong
ok spk calibrate --fit nemo espnet --l2 1 --trials trials --apply nemo nemo --output_form nemo
check "eight lines of NeMo's" bash -c 'test "$(grep -cE "^[-0-9.e]+	[01]$" "$1")" = 8' - "$out"

# Durations: a and b of 1 to 8 seconds; where a side is an edge it belongs above it.
for k in 1 2 3 4 5 6 7 8; do echo "a$k $k"; echo "b$k $((9 - k))"; done >utt2dur
ok spk eval espnet --utt2dur utt2dur --duration_bins 3 7
has "$out" '^duration +<3 s, >=7 s +2 +2 '  # 1 2 7 8
has "$out" '^duration +3-7 s, 3-7 s +2 +2 ' # 3 4 5 6
ok spk eval espnet --utt2dur utt2dur --json
has "$out" '"<2 s, >=6 s"'
refused 1 "duration_bins: '2' is no time above the one before" spk eval espnet --utt2dur utt2dur --duration_bins 3 2
sed 4d utt2dur >u; refused 1 "espnet:2: 'b2' is not in u" spk eval espnet --utt2dur u
sed '2s/ .*/ 0/' utt2dur >u; refused 1 "u:2: the duration '0' is not above 0" spk eval espnet --utt2dur u
sed '2s/ .*/ no.wav/' utt2dur >u; refused 1 'u:2: no.wav' spk eval espnet --utt2dur u

# Intervals: with one speaker for each target pair all draws that have both classes are between 0 and 100.
for k in 1 2 3 4 5 6 7 8; do
    case $k in 1 | 2 | 4 | 6) echo "a$k s$k"; echo "b$k s$k" ;; *) echo "a$k s1"; echo "b$k s2" ;; esac
done >utt2spk
ok spk eval espnet --utt2spk utt2spk --bootstrap 200 --seed 3
has "$out" '^EER % +25\.000 \[[0-9.]+, [0-9.]+\]$'
cp "$out" first; ok spk eval espnet --utt2spk utt2spk --bootstrap 200 --seed 3 --num_threads 1; same "$out" first
sed 's/b3 s2/b3 s1/' utt2spk >wrong; refused 1 "espnet:3: 'a3' and 'b3' are of one speaker in wrong, but the trial is a nontarget" spk eval espnet --utt2spk wrong
sed 's/b1 s1/b1 s3/' utt2spk >wrong; refused 1 "espnet:1: .*two speakers in wrong, but the trial is a target" spk eval espnet --utt2spk wrong
sed 1d utt2spk >wrong; refused 1 "espnet:1: 'a1' is not in wrong" spk eval espnet --utt2spk wrong

# A list of the speakers' words, and the row of all trials whose sides are alike; groups have intervals where speakers are known.
printf '%s\n' "s1 w" "s2 m" "s4 m" "s6 w" >spk2gender
for k in 3 5 7 8; do sed -i "s/^b$k s2/b$k s3/" utt2spk; done
echo "s3 w" >>spk2gender
ok spk eval espnet --utt2spk utt2spk --condition spk2gender --bootstrap 50
has "$out" '^spk2gender +m +2 +0 +-'
has "$out" '^spk2gender +w +2 +4 +[0-9.]+ \[[0-9.]+, [0-9.]+\]'
check "no row for what is all there is" bash -c "! grep -q 'both sides alike' '$out'"
sed -i 's/^s3 w/s3 m/' spk2gender
ok spk eval espnet --utt2spk utt2spk --condition spk2gender --bootstrap 50
has "$out" '^spk2gender +m-w +0 +4 +-'
has "$out" '^spk2gender +both sides alike +4 +0 +-'
sed -i '/^s4/d' spk2gender
refused 1 "espnet:4: 'a4' is not in spk2gender" spk eval espnet --utt2spk utt2spk --condition spk2gender

# One page that needs no other file: well formed, a DET plot, distributions, names escaped, nothing fetched.
cp espnet 'a<b&"c'
ok spk eval espnet 'a<b&"c' --utt2spk utt2spk --condition utt2gender --bootstrap 50 --html pages/report.html
page=pages/report.html
has $page '^<!doctype html>$'
has $page 'a&lt;b&amp;&quot;c'
has $page 'prefers-color-scheme:dark'
has $page '@media print'
has $page 'EER 25\.00&#8239;%'
check "EERs, DET, two distributions" test "$(grep -c '<svg .*role="img"' $page)" = 4
check "each with a title and a description" test "$(grep -c '<title id=' $page)" = 4 -a "$(grep -c '<desc id=' $page)" = 4
check "nothing is fetched" bash -c "! grep -qE '(src|href|url)[=(]|@import|https?:|<script' $page"
ok spk eval espnet --html one.html
check "one system without intervals: DET and a distribution" test "$(grep -c '<svg .*role="img"' one.html)" = 2
if python -c 'import html.parser' 2>/dev/null; then
    check "its tags close" python -c '
import html.parser, sys
class P(html.parser.HTMLParser):
    open_tags = []
    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "br"): self.open_tags.append(tag)
    def handle_endtag(self, tag): assert self.open_tags.pop() == tag, (tag, self.getpos())
p = P(convert_charrefs=False)
p.feed(open(sys.argv[1]).read())
assert not p.open_tags, p.open_tags' $page
fi

if command -v gnuplot >/dev/null; then
    ok spk eval espnet --images images
    for name in det scores; do check "$name.png" grep -q PNG images/$name.png; done
    ok spk eval espnet speechbrain --images two
    for name in det scores_1 scores_2; do check "$name.png" grep -q PNG two/$name.png; done
    check "nothing else" test "$(find two -type f | wc -l)" = 3
fi

refused 1 'kaldi: the scores have no labels' spk eval kaldi
refused 1 "trials:8: trial 'a8\*b8' is not in short" bash -c 'head -7 kaldi >short; "$1" eval short --trials trials' - "$build/spk"
refused 1 "kaldi:1: trial 'a1\*b1' is not in others|others:1: trial" bash -c 'sed s/a/x/ trials >others; "$1" eval kaldi --trials others' - "$build/spk"
sed '2s/0\.8/nan/' espnet >bad; refused 1 "bad:2: the score 'nan' is no finite number" spk eval bad
sed '2d' wespeaker | grep -v nontarget >bad; refused 1 'bad: all 3 trials are target' spk eval bad
refused 1 'no_such' spk eval no_such
refused 2 'p_target' spk eval espnet --p_target 1.5
refused 2 'files of scores' spk eval
finish
