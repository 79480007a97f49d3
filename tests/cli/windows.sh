# SPDX-License-Identifier: Apache-2.0
# spk extract --window: windows with their times and Kaldi's segments, every format, in memory that the length of a
# recording does not change.
. tests/cli/common.sh
. tests/cli/corpus.inc
need_program python3
case $build in /*) ;; *) build=$PWD/$build ;; esac
corpus "$tmp/data"
tiny_config "$tmp/conf.yaml"
ok spk train --config "$tmp/conf.yaml" --train_dir "$tmp/data/train" --valid_dir "$tmp/data/valid" --quiet \
    --num_iters_per_epoch 1 --output_dir "$tmp/exp"
cd "$tmp" || exit 1
extract=(spk extract --model exp --quiet)
near() { # FILE FILE: embeddings of JSON lines, in their order
    check "$1 is near $2" python3 -c '
import json, sys
a, b = ([json.loads(l)["embedding"] for l in open(f)] for f in sys.argv[1:3])
assert len(a) == len(b) > 0
assert all(abs(x - y) < 1e-4 * max(map(abs, p)) for p, q in zip(a, b) for x, y in zip(p, q))' "$1" "$2"
}

echo "$tmp/talk.wav 3 1 4.125" | waves
ok "${extract[@]}" talk.wav --window 1.5 --hop 0.75 --output_dir w --format jsonl
cut -d'"' -f4 w/embeddings.jsonl >ids
printf 'talk-%s\n' 0000000-0000150 0000075-0000225 0000150-0000300 0000225-0000375 0000263-0000413 >want
same ids want
printf 'talk-%s\n' '0000000-0000150 talk 0 1.5' '0000075-0000225 talk 0.75 2.25' '0000150-0000300 talk 1.5 3' \
    '0000225-0000375 talk 2.25 3.75' '0000263-0000413 talk 2.625 4.125' >want
same w/segments want
# The same as utterances of a data folder, whose parts Kaldi's segments name.
mkdir data2
echo "talk $tmp/talk.wav" >data2/wav.scp
cp w/segments data2/segments
ok "${extract[@]}" --valid_dir data2 --whole true --format jsonl --output_dir u
near w/embeddings.jsonl u/data2_embeddings.jsonl
ok "${extract[@]}" talk.wav --window 1.5 --format jsonl # half a window from one to the next
same "$out" w/embeddings.jsonl
for format in npz npy ark; do
    ok "${extract[@]}" talk.wav --window 1.5 --hop 0.75 --output_dir $format --format $format
    same $format/segments w/segments
done
check "ark" test "$(wc -l <ark/embeddings.scp)" = 5
check "npz" python3 -c 'import zipfile; assert len(zipfile.ZipFile("npz/embeddings.npz").namelist()) == 5'
ok "${extract[@]}" --valid_dir data/valid --window 1 --hop 0.3 --output_dir v
has "$out" '^v/valid_embeddings.npz: 27 embeddings of windows of 9 recordings$'
check "27 lines" test "$(wc -l <v/valid_segments)" = 27
# At another rate, and the parts that a window ends with.
echo "$tmp/rate.wav 3 1 2.004 8000" | waves
ok "${extract[@]}" rate.wav --window 1 --hop 1 --output_dir r --format jsonl
cut -d' ' -f3,4 r/segments >times
printf '0 1\n1 2\n' >want
same times want
echo "$tmp/rate.wav 3 1 2.5 8000" | waves
ok "${extract[@]}" rate.wav --window 1 --hop 1 --output_dir r --format jsonl
cut -d' ' -f3,4 r/segments >times
printf '0 1\n1 2\n1.5 2.5\n' >want
same times want

# What fails is named and leaves the others; nothing at all leaves no file.
echo text >text.wav
refused 1 '1 of the recordings' "${extract[@]}" text.wav talk.wav --window 1.5 --output_dir some
has "$err" 'text.wav'
check "segments of the other" test "$(wc -l <some/segments)" = 5
refused 1 'none of the 1 recordings' "${extract[@]}" text.wav --window 1.5 --output_dir nothing
check "no file" test -z "$(ls -A nothing)"
refused 1 'shorter than the model takes' "${extract[@]}" talk.wav --window 0.01 --output_dir nothing
refused 2 'give --window' "${extract[@]}" talk.wav --hop 1
refused 2 'both cut' "${extract[@]}" talk.wav --window 1 --whole false

# Twelve minutes take the memory of one, but for what the list of results needs. (A sanitizer keeps what was freed.)
[ -z "${SPK_SANITIZED:-}" ] || finish
python3 - <<'PY'
import random, wave
r = random.Random(4)
minute = r.randbytes(2 * 16000 * 60)
for minutes in 1, 12:
    with wave.open(f"minutes{minutes}.wav", "wb") as f:
        f.setparams((1, 2, 16000, 0, "NONE", ""))
        for _ in range(minutes):
            f.writeframes(minute)
PY
for how in "" "--vad energy"; do
    for n in 1 12; do
        # shellcheck disable=SC2086
        python3 -c '
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)' "$build/spk" extract --model exp --quiet --num_threads 1 \
            minutes$n.wav --window 1.5 --hop 0.75 $how --output_dir long$n --format ark >peak$n
    done
    echo "peak of 1 and 12 minutes $how: $(cat peak1) and $(cat peak12) KiB"
    check "constant memory $how" test "$(($(cat peak12) - $(cat peak1)))" -lt 6000 # the audio alone would add 42 MB
done
check "959 windows" test "$(wc -l <long12/segments)" = 959
finish
