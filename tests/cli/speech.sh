# SPDX-License-Identifier: Apache-2.0
# --vad: what is embedded is the speech that NumPy finds by Kaldi's formulas, or that a file names, with the gaps taken out.
. tests/cli/common.sh
. tests/cli/corpus.inc
need_numpy
case $build in /*) ;; *) build=$PWD/$build ;; esac
corpus "$tmp/data"
tiny_config "$tmp/conf.yaml"
ok spk train --config "$tmp/conf.yaml" --train_dir "$tmp/data/train" --valid_dir "$tmp/data/valid" --quiet \
    --num_iters_per_epoch 1 --output_dir "$tmp/exp"
cd "$tmp" || exit 1
mkdir audio labs joined

# A recording with pauses; its speech by energy as recordings of their own; and lists that say another speech.
python - <<'PY'
import numpy as np, struct, wave
r = np.random.default_rng(3)
def read(p):
    with wave.open(p) as f: return np.frombuffer(f.readframes(f.getnframes()), "<i2")
def write(p, x):
    with wave.open(p, "wb") as f: f.setparams((1, 2, 16000, 0, "NONE", "")); f.writeframes(np.asarray(x, "<i2").tobytes())
quiet = lambda n: r.integers(-12, 13, n)
x = np.concatenate([quiet(9000), read("data/audio/v7-1.wav"), quiet(15000), read("data/audio/v7-2.wav")[:11000], quiet(4321)])
write("audio/talk.wav", x)
write("audio/quiet.wav", np.concatenate([quiet(20000), read("data/audio/v8-1.wav")[:4000], quiet(20000)]))
write("audio/zeros.wav", np.zeros(30000))
def vad(x, threshold=5.0, scale=0.5, context=0, proportion=0.6):
    x = x.astype("f8")
    T = 1 + (len(x) - 400) // 160
    w = np.stack([x[160 * t:160 * t + 400] for t in range(T)])
    e = np.log(np.maximum(((w - w.mean(1, keepdims=True)) ** 2).sum(1), np.finfo("f4").eps))
    high = e > threshold + scale * e.mean()
    return np.array([np.mean(high[max(0, t - context):t + context + 1]) >= proportion - 1e-9 for t in range(T)])
def join(x, v):
    n = [160] * (len(v) - 1) + [len(x) - 160 * (len(v) - 1)]
    return x[np.repeat(v, n)]
v = vad(x)
assert 0.2 < v.mean() < 0.8
print("%.2f" % (len(join(x, v)) / 16000), file=open("seconds", "w"))
write("joined/talk.wav", join(x, v))
c = vad(x, 5.5, 0.6, 5, 0.3)
assert (c != v).any()
write("joined/context.wav", join(x, c))
# Lists: from 0.5 to 1.25 s and from 2 to 2.75 s.
named = np.concatenate([x[8000:20000], x[32000:44000]])
write("joined/named.wav", named)
open("parts.rttm", "w").write("SPEAKER talk 1 2.0 0.75 <NA> <NA> a <NA> <NA>\nSPEAKER talk 1 0.5 0.5 <NA> <NA> a <NA> <NA>\n"
                              "SPEAKER talk 1 0.8 0.45 <NA> <NA> b <NA> <NA>\n")
open("segments", "w").write("talk-1 talk 0.5 1.25\ntalk-2 talk 2 2.75\n")
open("labs/talk.lab", "w").write("0 0.5 sil\n0.5 1.25 speech\n2.0 2.75 speech\n")
m = np.zeros(1 + (len(x) - 400) // 160, "<f4")
m[50:125] = m[200:275] = 1
with open("vad.ark", "wb") as f:
    f.write(b"talk "); at = f.tell(); f.write(b"\0BFV \4" + struct.pack("<i", len(m)) + m.tobytes())
open("vad.scp", "w").write(f"talk vad.ark:{at}\n")
PY
embed() { ok spk extract --model exp --format jsonl --quiet "$@"; }
near() { # two files of JSON lines; the first line of each
    check "$1 is near $2" python -c '
import json, sys, numpy as np
a, b = (np.array(json.loads(open(f).readline())["embedding"]) for f in sys.argv[1:3])
assert a.shape == b.shape and abs(a - b).max() < 1e-4 * abs(a).max(), abs(a - b).max()' "$1" "$2"
}
far() { check "$1 differs from $2" bash -c '! cmp -s "$1" "$2"' - "$1" "$2"; }

for w in talk context named; do embed joined/$w.wav; cp "$out" want-$w; done
embed audio/talk.wav; cp "$out" all; far all want-talk
embed audio/talk.wav --vad energy; near "$out" want-talk
embed audio/talk.wav --vad energy --vad_energy_threshold 5.5 --vad_energy_mean_scale 0.6 --vad_frames_context 5 --vad_proportion_threshold 0.3
near "$out" want-context
for list in parts.rttm segments labs vad.scp; do embed audio/talk.wav --vad $list; near "$out" want-named; done
embed audio/talk.wav --vad segments --whole false --num_eval 1 --target_duration 1.5; near <(sed 's/\[\[/[/; s/\]\]/]/' "$out") want-named
# As segments, in the npz that ESPnet's way writes too.
echo "talk $tmp/audio/talk.wav" >audio/wav.scp
ok spk extract --model exp --valid_dir audio --vad segments --num_eval 4 --target_duration 0.5 --output_dir o --quiet
check "(4, 16)" python -c 'import numpy as np; assert np.load("o/audio_embeddings.npz")["talk"].shape == (4, 16)'

# Windows stay inside the stretches of speech, and times are the recording's.
ok spk extract --model exp audio/talk.wav --vad segments --window 0.5 --hop 0.25 --format jsonl --output_dir w --quiet
cut -d' ' -f3,4 w/segments >times
printf '0.5 1\n0.75 1.25\n2 2.5\n2.25 2.75\n' >want
same times want

# Too little of it.
refused 1 'none of the 1 recordings' spk extract --model exp audio/zeros.wav --vad energy --format jsonl --quiet
has "$err" "zeros.wav: 'zeros' has no speech"
has "$err" 'only zeros'
refused 1 '1 of the recordings' spk extract --model exp audio/talk.wav audio/quiet.wav --vad energy --min_speech 1 --output_dir m --quiet
has "$err" "quiet.wav: 'quiet' has 0.2[0-9] s of speech, less than the 1 s"
check "the other is there" python -c 'import numpy as np; assert list(np.load("m/embeddings.npz")) == ["talk"]'
refused 1 'none of' spk extract --model exp audio/talk.wav --vad energy --min_speech 9 --format jsonl --quiet
has "$err" "talk.wav: 'talk' has $(cat seconds) s of speech, less than the 9 s"
refused 1 '1 of the recordings' spk extract --model exp audio/talk.wav audio/quiet.wav --vad segments --output_dir m --quiet
has "$err" "segments: says nothing of the utterance 'quiet'"
refused 1 'none.rttm: .*No such file' spk extract --model exp audio/talk.wav --vad none.rttm --format jsonl
sed '2s/2 2.75/2.75 2/' segments >bad
refused 1 'bad:2: .*begin before end' spk extract --model exp audio/talk.wav --vad bad --format jsonl

# The commands that compare voices.
embedded() { spk verify audio/talk.wav joined/talk.wav --model exp --json true "$@" --quiet 2>"$err"; }
check "verify" python -c 'import json, sys; assert json.loads(sys.argv[1])["score"] < 0.99999' "$(embedded)"
ok spk verify joined/named.wav audio/talk.wav --model exp --vad energy
ok spk enroll people talk audio/talk.wav --model exp --vad segments
ok spk identify people joined/named.wav --model exp --json true
check "one and the same" python -c 'import json; assert json.load(open("'"$out"'"))["nearest"][0]["score"] > 0.99999'
refused 1 'of talk could not be embedded' spk enroll people talk audio/talk.wav --add --model exp --vad energy --min_speech 9
has "$err" "talk.wav: 'talk' has .* less than the 9 s"
finish
