# SPDX-License-Identifier: Apache-2.0
# Everything that can be wrong with what a user gives: one sentence on stderr that names it, exit status 1 (2 for wrong
# usage), no crash, and earlier files as they were. The last lines say how many of the cases held.
. tests/cli/common.sh
. tests/cli/corpus.inc
good=$tmp/good exp=$tmp/exp
corpus "$good"
tiny_config "$tmp/conf.yaml"
ok spk train --config "$tmp/conf.yaml" --train_dir "$good/train" --valid_dir "$good/valid" --output_dir "$exp" --quiet

n_cases=0 n_held=0
sums() { find "$exp" "$good" -exec cksum {} + 2>/dev/null | sort | cksum; }
before=$(sums)
# bad NAME STATUS PATTERN COMMAND...
bad() {
    local name=$1 want=$2 pattern=$3 rc held=1; shift 3
    "$@" >"$out" 2>"$err" </dev/null; rc=$?
    n_cases=$((n_cases + 1))
    [ $rc = "$want" ] || { echo "$name: exit status $rc, not $want"; held=0; }
    [ "$(grep -c '^spk: error: ' "$err")" = 1 ] || { echo "$name: not one sentence"; held=0; }
    grep '^spk: error: ' "$err" | grep -qE -- "$pattern" || { echo "$name: does not say '$pattern'"; held=0; }
    [ "$before" = "$(sums)" ] || { echo "$name: an earlier file was changed"; held=0; before=$(sums); }
    [ $held = 1 ] || tail -3 "$err"
    n_held=$((n_held + held))
    report "$name" $((1 - held))
}
# said NAME PATTERN COMMAND...: works, and says so on stderr.
said() {
    local name=$1 pattern=$2 held=1; shift 2
    n_cases=$((n_cases + 1))
    "$@" >"$out" 2>"$err" </dev/null || { echo "$name: exit status $?"; held=0; }
    grep -qE -- "$pattern" "$err" || { echo "$name: does not say '$pattern'"; held=0; tail -3 "$err"; }
    n_held=$((n_held + held))
    report "$name" $((1 - held))
}
fresh() { rm -rf "$tmp/d" "$tmp/o"; cp -r "$good" "$tmp/d"; }
train() { spk train --config "$tmp/conf.yaml" --train_dir "$tmp/d/train" --valid_dir "$tmp/d/valid" --output_dir "$tmp/o" --num_threads 1 "$@"; }
validate() { spk validate --model "$exp" --valid_dir "$tmp/d/valid" --num_threads 1 "$@"; }
with() { fresh; (cd "$tmp/d" && eval "$1") || echo "preparing '$1' failed"; }

# ---- files ----
with 'rm train/wav.scp';                     bad "no wav.scp" 1 'wav.scp.*No such file' train
with 'rm train/utt2spk';                     bad "no utt2spk" 1 'utt2spk.*No such file' train
with 'rm valid/trial2.scp';                  bad "no trial2.scp" 1 'trial2.scp.*No such file' train
with 'rm audio/t3-2.wav';                    bad "a recording is missing" 1 't3-2.wav' train
check "it was seen before training" test ! -e "$tmp/o/checkpoint.safetensors"
with 'rm audio/v8-3.wav';                    bad "a trial's recording is missing" 1 'v8-3.wav' train
with 'rm audio/t3-2.wav; mkdir audio/t3-2.wav'; bad "a folder as recording" 1 't3-2.wav' train
bad "no configuration" 1 'none.yaml.*No such file' spk train --config "$tmp/none.yaml" --output_dir "$tmp/o"
bad "no model" 1 'nowhere' spk validate --model "$tmp/nowhere" --valid_dir "$good/valid"
fresh
bad "no weights" 1 'none.pth.*No such file' validate --spk_model_file "$tmp/none.pth"

# ---- audio: training stops at the first, validation always ----
nan_wave() { perl -e 'my $d = pack("f<", 0.1) x 9999 . "\0\0\xc0\x7f" . pack("f<", 0.1) x 10000; print "RIFF", pack("V", 36 + length $d), "WAVEfmt ",
    pack("VvvVVvv", 16, 3, 1, 16000, 64000, 4, 32), "data", pack("V", length $d), $d' >"$1"; }
header_only() { head -c 40 "$1" >"$1.new"; printf '\0\0\0\0' >>"$1.new"; mv "$1.new" "$1"; }
cut_short() { head -c 20000 "$1" >"$1.new"; mv "$1.new" "$1"; }
for kind in empty_file no_samples truncated not_audio nan; do
    for file in t2-1 v7-1; do
        fresh; f=$tmp/d/audio/$file.wav
        case $kind in
        empty_file) : >"$f" ;;
        no_samples) header_only "$f" ;;
        truncated) cut_short "$f" ;;
        not_audio) yes text | head -c 30000 >"$f" ;;
        nan) nan_wave "$f" ;;
        esac
        if [ $file = t2-1 ]; then
            bad "training on audio: $kind" 1 't2-1' train
            check "no checkpoint" test ! -e "$tmp/o/checkpoint.safetensors"
            said "passed over: $kind" 't2-1' train --max_bad_files 1
        else
            bad "validating on audio: $kind" 1 'v7-1' validate
            bad "validating on audio in training: $kind" 1 'v7-1' train --max_bad_files 9
        fi
        bad "embedding audio: $kind" 1 'none of the 1' spk extract --model "$exp" "$f" --output_dir "$tmp/o"
    done
done
with 'perl -e "binmode STDIN; local \$/; \$_ = <STDIN>; print substr(\$_, 0, 44), chr(0) x (length(\$_) - 44)" <audio/t1-1.wav >x; mv x audio/t1-1.wav'
said "all zeros are said" 't1-1.*zero' train
fresh; echo "$tmp/d/audio/t1-1.wav 1 1 1.2 16000 2" | waves
bad "two channels" 1 't1-1.*channel' train
said "two channels, and which one" 'epoch started|parameters' train --channel 0
fresh; echo "$tmp/d/audio/t1-1.wav 1 1 0.3" | waves
said "shorter than the crop" 'parameters' train

# ---- lists ----
with 'sed -i "3s/ .*//" train/wav.scp';             bad "a line without a path" 1 'wav.scp:3' train
with 'sed -n 2p train/wav.scp >>train/wav.scp';     bad "an id twice" 1 'wav.scp:25.*t1-2|t1-2.*wav.scp.*25' train
with 'sed -i 5d train/utt2spk';                     bad "an id without speaker" 1 't2-1' train
with 'sed -i 5d train/wav.scp';                     bad "an id without audio" 1 't2-1' train
with 'sed -i "5s/s2/nobody/" train/utt2spk';        bad "a speaker that is not known" 1 'utt2spk:5.*nobody|nobody.*utt2spk:5' train
with 'sed -i "4s/.$/2/" valid/trial_label';         bad "label 2" 1 'trial_label:4.*v7-1.v8-2' train
bad "label 2 in validation" 1 'trial_label:4.*v7-1.v8-2' validate
with 'sed -i "4s/.$/yes/" valid/trial_label';       bad "label yes" 1 'trial_label:4.*v7-1.v8-2' validate
with 'sed -i "4s/ .*//" valid/trial_label';         bad "no label" 1 'trial_label:4.*v7-1.v8-2' validate
with 'sed -i 4d valid/trial_label';                 bad "a trial without label" 1 'v7-1.v8-2' validate
with 'sed -i "s/.$/0/" valid/trial_label';          bad "no target trials" 1 'target' validate
with 'sed -i "s/.$/1/" valid/trial_label';          bad "no nontarget trials" 1 'nontarget|non-target|different' validate
with 'sed -i 4d valid/trial2.scp';                  bad "a trial with one side" 1 'v7-1.v8-2' validate
with 'rm valid/trial.scp valid/trial2.scp valid/trial_label; printf "v7-1 v7-2 target\nv7-1 v9-9 nontarget\n" >valid/trials'
bad "a trial without audio" 1 'trials:2.*v9-9|v9-9.*trials:2' validate
with 'sed -i "2s#/audio.*#/audio/v9-3.wav#" valid/trial.scp'; bad "one id with two paths" 1 'v7-1' validate
fresh; bad "an empty wav.scp" 1 'wav.scp' sh -c ": >'$tmp/d/train/wav.scp'; exec '$build/spk' train --config '$tmp/conf.yaml' \
    --train_dir '$tmp/d/train' --valid_dir '$tmp/d/valid' --output_dir '$tmp/o'"

# ---- configuration ----
fresh
conf() { sed "$1" "$tmp/conf.yaml" >"$tmp/bad.yaml"; }
run_bad() { train --config "$tmp/bad.yaml"; }
conf 's/^max_epoch:/max_epohc:/';           bad "an unknown key" 1 'bad.yaml:12:1.*max_epohc.*max_epoch' run_bad
conf 's/ndim: 16/ndmi: 16/';                bad "an unknown key of a part" 1 'bad.yaml:4:[0-9]+.*ndmi.*ndim' run_bad
conf '12s/.*/&\nmax_epoch: 3/';             bad "a key twice" 1 'bad.yaml:13:1.*max_epoch' run_bad
conf 's/^max_epoch: 1/max_epoch: many/';    bad "a word for a number" 1 'bad.yaml:12:[0-9]+.*max_epoch.*many' run_bad
conf 's/ndim: 16/ndim: big/';               bad "a word for a number of a part" 1 'bad.yaml:4:[0-9]+.*ndim.*big' run_bad
conf 's/^batch_size: 6/batch_size: -6/';    bad "out of range" 1 'bad.yaml:17:[0-9]+.*batch_size.*-6' run_bad
conf 's/lr: 0.001/lr: -1/';                 bad "a rate out of range" 1 'lr' run_bad
conf 's/^encoder: .*/encoder: ecappa_tdnn/'; bad "an unknown encoder" 1 'bad.yaml:3:[0-9]+.*ecapa_tdnn' run_bad
conf 's/^frontend: .*/frontend: s3prl/';     bad "a frontend that is not here" 1 's3prl.*layer_weights' run_bad
conf 's/^max_epoch: 1/max_epoch: [/';       bad "no YAML" 1 'bad.yaml:1[0-9]' run_bad
conf '$a use_deepspeed: true';              bad "what is not there yet" 1 'bad.yaml:23.*use_deepspeed' run_bad
bad "on the command line" 2 'use_deepspeed' train --use_deepspeed true
export SPK_DEVICE=nothing
bad "a GPU without a plugin" 1 'ngpu: .*libspk_nothing.so' train --ngpu 1
conf '$a ngpu: 3';                          bad "GPUs for processes that are not there" 1 'bad.yaml:23.*ngpu: 3 GPUs.*mpirun -np 3' run_bad
unset SPK_DEVICE
bad "an abbreviated option" 2 'max_epoch' train --max_ep 3
bad "no value" 2 'max_epoch' train --max_epoch
bad "no output_dir" 2 'output_dir' spk train --config "$tmp/conf.yaml" --train_dir "$good/train" --valid_dir "$good/valid"
conf '$a spk_num: 7';                       bad "spk_num that disagrees" 1 'spk_num.*7.*6|6.*spk_num.*7|7 .*6' run_bad
bad "a batch larger than the data" 1 'batch' train --batch_size 25

# ---- weights ----
weights() { validate --spk_model_file "$tmp/w.pth"; }
other() { rm -rf "$tmp/other"; ok spk train --config "$tmp/conf.yaml" --train_dir "$good/train" --valid_dir "$good/valid" \
    --output_dir "$tmp/other" --quiet --encoder_conf "$1" --num_iters_per_epoch 1; cp "$tmp/other/1epoch.pth" "$tmp/w.pth"; }
other "ndim=20";                            bad "misshapen tensors" 1 'w.pth.*encoder' weights
other "model_scale=8";                      bad "surplus tensors" 1 'w.pth.*encoder' weights
other "model_scale=2";                      bad "missing tensors" 1 'w.pth.*encoder' weights
head -c 9000 "$exp/1epoch.pth" >"$tmp/w.pth"; bad "truncated weights" 1 'w.pth' weights
echo "no weights" >"$tmp/w.pth";            bad "no weights at all" 1 'w.pth' weights
# A zip file with one stored member, archive/data.pkl.
pickle() { perl -e 'my $d = $ARGV[0]; $d =~ s/\\n/\n/g; $d = "\x80\x02" . $d; my $c = 0xffffffff;
    for (unpack "C*", $d) { $c ^= $_; $c = $c & 1 ? ($c >> 1) ^ 0xedb88320 : $c >> 1 for 1 .. 8 } $c ^= 0xffffffff;
    my $n = "archive/data.pkl"; my $h = pack("vvvvvVVVvv", 20, 0, 0, 0, 33, $c, length $d, length $d, length $n, 0);
    my $l = "PK\3\4$h$n$d"; my $e = "PK\1\2" . pack("v", 20) . $h . pack("vvvVV", 0, 0, 0, 0, 0) . $n;
    print $l, $e, "PK\5\6", pack("vvvvVVv", 0, 0, 1, 1, length $e, length $l, 0)' "$1" >"$tmp/w.pth"; }
pickle "cos\\nsystem\\n(S'touch $tmp/called'\\ntR."
bad "a pickle that calls a program" 1 'w.pth.*(os.system|system)' weights
check "nothing was called" test ! -e "$tmp/called"
pickle 'cbuiltins\neval\n(S"1"\ntR.';       bad "a pickle that calls eval" 1 'w.pth.*eval' weights
other "ndim=20"
bad "weights to begin with that do not fit" 1 'w.pth' train --init_param "$tmp/w.pth"

# ---- output ----
fresh
bad "a folder that holds a checkpoint" 1 'resume' train --output_dir "$exp"
echo file >"$tmp/file"
bad "an output folder under a file" 1 'file' train --output_dir "$tmp/file/o"
bad "extracting to a folder under a file" 1 'file' spk extract --model "$exp" --valid_dir "$good/valid" --output_dir "$tmp/file/o"
bad "embeddings to a folder under a file" 1 'file' spk extract --model "$exp" "$good/audio" --output_dir "$tmp/file/o"
if [ "$(id -u)" != 0 ]; then
    mkdir -p "$tmp/locked"; chmod 555 "$tmp/locked"
    bad "an output folder that is not writable" 1 'locked' train --output_dir "$tmp/locked"
fi
with 'sed -i "1{h;d};6G" train/spk2utt; true'
rm -rf "$tmp/resumed"; cp -r "$exp" "$tmp/resumed"
bad "resuming with another order of speakers" 1 'speaker' train --output_dir "$tmp/resumed" --resume --max_epoch 2
with 'sed -i "s/^s6 /s0 /" train/spk2utt; sed -i "s/ s6/ s0/" train/utt2spk'
bad "resuming with another speaker" 1 'speaker' train --output_dir "$tmp/resumed" --resume --max_epoch 2
fresh
bad "resuming with another model" 1 'checkpoint|encoder' train --output_dir "$tmp/resumed" --resume --max_epoch 2 --encoder_conf ndim=20
check "the checkpoint is as it was" cmp "$tmp/resumed/checkpoint.safetensors" "$exp/checkpoint.safetensors"

# A full disk: the files' sizes are limited, as a full disk limits them.
limited() { (trap '' XFSZ; ulimit -f "$1"; shift; "$@"); }
bad "a full disk in training" 1 'resumed.*(File too large|No space)' limited 60 train --output_dir "$tmp/resumed" --resume --max_epoch 2 --resume_conf new
check "the checkpoint is as it was" cmp "$tmp/resumed/checkpoint.safetensors" "$exp/checkpoint.safetensors"
check "nothing half written" test -z "$(find "$tmp/resumed" -name '*.tmp')"
said "and it goes on from there" 'epoch started' train --output_dir "$tmp/resumed" --resume --max_epoch 2 --resume_conf new
mkdir -p "$tmp/full"; cp "$exp/config.yaml" "$tmp/full/embeddings.npz"
many() { for i in $(seq 60); do echo "id-$i $good/audio/t1-1.wav"; done >"$tmp/many.scp"; limited "$1" spk extract --model "$exp" "$tmp/many.scp" --output_dir "$tmp/full"; }
bad "a full disk in extraction" 1 'full.*(File too large|No space)' many 4
check "the file before is as it was" cmp "$tmp/full/embeddings.npz" "$exp/config.yaml"
if mkdir -p "$tmp/disk" && mount -t tmpfs -o size=600k none "$tmp/disk" 2>/dev/null; then
    cp "$exp"/{checkpoint.safetensors,config.yaml,speakers.txt} "$tmp/disk"
    dd if=/dev/zero of="$tmp/disk/filler" bs=1k count=600 2>/dev/null
    bad "a disk that is full" 1 'disk.*No space' train --output_dir "$tmp/disk" --resume --max_epoch 2 --resume_conf new
    check "the checkpoint is as it was" cmp "$tmp/disk/checkpoint.safetensors" "$exp/checkpoint.safetensors"
    umount "$tmp/disk"
fi

# ---- numbers that are not finite ----
fresh
bad "losses or gradients that are not finite" 1 'invalid|finite' train --optim_conf lr=1e38 --max_epoch 3

echo "bad input: $n_held of $n_cases held"
finish
