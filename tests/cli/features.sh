# SPDX-License-Identifier: Apache-2.0
# Training, validation and extraction on features from files: .npy and Kaldi's arks, layers of a larger model, statistics
# and random masks.
. tests/cli/common.sh
need_program perl

# A folder of features: 6 speakers of 4 utterances to train on, 3 others of 3 for trials. Frames of 10 values around the
# speaker's own; written as .npy, as .npy of 2 layers with 5 values each, and as one Kaldi ark with its list.
perl - "$tmp/data" <<'END'
use strict;
my ($d) = @ARGV;
my $state = 7;
sub noise { $state = ($state * 1103515245 + 12345) % 2147483648; return $state / 1073741824 - 1 }
sub put { my ($file, $text) = @_; open(my $f, ">:raw", $file) or die "$file: $!"; print $f $text; close $f }
sub npy {
    my ($file, $shape, @x) = @_;
    my $head = "{'descr': '<f4', 'fortran_order': False, 'shape': ($shape), }";
    $head .= " " while (10 + 1 + length $head) % 64;
    put($file, "\x93NUMPY\x01\x00" . pack("v", 1 + length $head) . "$head\n" . pack("f<*", @x));
}
mkdir $_ for $d, map { "$d/$_" } qw(npy layers train valid train_ark train_layers valid_layers);
my ($ark, %list) = ("");
for my $s (1 .. 9) {
    for my $u (1 .. ($s < 7 ? 4 : 3)) {
        my ($id, $frames) = ("s$s-$u", 60 + 10 * $u + $s);
        my @x = map { sin(3 * $s + ($_ % 10) * 0.7 * $s) * 2 + 3 + noise() } 0 .. 10 * $frames - 1;
        npy("$d/npy/$id.npy", "$frames, 10", @x);
        my @layers = map { my $l = $_; map { @x[10 * $_ + 5 * $l .. 10 * $_ + 5 * $l + 4] } 0 .. $frames - 1 } 0 .. 1;
        npy("$d/layers/$id.npy", "2, $frames, 5", @layers);
        $ark .= "$id ";
        my $where = $s < 7 ? "train" : "valid";
        $list{"$where/feats.scp"} .= "$id ../npy/$id.npy\n";
        $list{"${where}_layers/feats.scp"} .= "$id ../layers/$id.npy\n";
        $list{"train_ark/feats.scp"} .= "$id ../feats.ark:" . length($ark) . "\n" if $s < 7;
        $list{"ark.scp"} .= "$id feats.ark:" . length($ark) . "\n";
        $ark .= "\0BFM \4" . pack("V", $frames) . "\4" . pack("V", 10) . pack("f<*", @x);
        $list{"train/utt2spk"} .= "$id s$s\n" if $s < 7;
    }
}
put("$d/feats.ark", $ark);
$list{"$_/utt2spk"} = $list{"train/utt2spk"} for "train_ark", "train_layers";
for my $s (7 .. 9) { for my $u (1 .. 3) { for my $r (7 .. 9) { for my $w (1 .. 3) {
    $list{"valid/trials"} .= "s$s-$u s$r-$w " . ($s == $r ? "target" : "nontarget") . "\n" if "$s$u" lt "$r$w";
} } } }
$list{"valid_layers/trials"} = $list{"valid/trials"};
put("$d/$_", $list{$_}) for keys %list;
END

cat >"$tmp/conf.yaml" <<'END'
frontend: none
input_size: 10
normalize: utterance_mvn
normalize_conf: {norm_vars: true}
encoder: ecapa_tdnn
encoder_conf: {model_scale: 4, ndim: 16, output_size: 24}
pooling: chn_attn_stat
projector: rawnet3
projector_conf: {output_size: 8}
loss: aamsoftmax
preprocessor_conf: {target_duration: 0.5, num_eval: 3}
iterator_type: category
batch_type: catbel
batch_size: 6
optim: adam
optim_conf: {lr: 0.005}
max_epoch: 2
num_iters_per_epoch: 6
use_matplotlib: false
seed: 3
END
train() { spk train --config "$tmp/conf.yaml" --num_threads 1 --quiet "$@"; }
npy=(--train_dir "$tmp/data/train" --valid_dir "$tmp/data/valid")

# The same features in another kind of file, and by lists with names and types: the same weights.
ok train "${npy[@]}" --output_dir "$tmp/a"
has "$out" '^2epoch results: .*\beer=[0-9.]+'
has "$tmp/a/train.log" 'crops of 0.5 s'
ok train --train_dir "$tmp/data/train_ark" --valid_dir "$tmp/data/valid" --output_dir "$tmp/b"
same "$tmp/a/2epoch.pth" "$tmp/b/2epoch.pth"
cut -d' ' -f2 "$tmp/data/train/utt2spk" | sort -u >"$tmp/spk2utt"
data=train_data_path_and_name_and_type
ok train "--$data" "$tmp/data/train_ark/feats.scp,speech,kaldi_ark" "--$data" "$tmp/data/train/utt2spk,spk_labels,text" \
    --spk2utt "$tmp/spk2utt" --valid_dir "$tmp/data/valid" --output_dir "$tmp/c" --num_workers 3
same "$tmp/a/2epoch.pth" "$tmp/c/2epoch.pth"

# Validation and extraction read features too; whole utterances as files, as a list and from an ark are the same.
ok spk validate --model "$tmp/a" --valid_dir "$tmp/data/valid" --json --quiet
has "$out" '"n_trials": 36'
ok spk extract --model "$tmp/a" --format jsonl --quiet "$tmp/data/npy/s7-1.npy" "$tmp/data/npy/s8-2.npy"
sort "$out" >"$tmp/some"
ok spk extract --model "$tmp/a" --format jsonl --quiet "$tmp/data/ark.scp"
grep -E '"s(7-1|8-2)"' "$out" | sort >"$tmp/all"
check "two utterances" test "$(wc -l <"$tmp/some")" = 2
same "$tmp/some" "$tmp/all"

# Layers: their weights are learned; sound where features belong, and frames of another size, are refused by name.
sed -e 's/^frontend: none/frontend: layer_weights/' -e 's/^input_size: 10/frontend_conf: {num_layers: 2, feature_size: 5}/' \
    "$tmp/conf.yaml" >"$tmp/layers.yaml"
ok spk train --config "$tmp/layers.yaml" --num_threads 1 --quiet --train_dir "$tmp/data/train_layers" \
    --valid_dir "$tmp/data/valid_layers" --output_dir "$tmp/l"
refused 1 's[0-9]-[0-9].npy: its frames have 10 values; the model takes 12' train "${npy[@]}" --input_size 12 --output_dir "$tmp/n"
refused 2 'no frontend for it' train "--$data" "$tmp/data/train/feats.scp,speech,sound" \
    "--$data" "$tmp/data/train/utt2spk,spk_labels,text" --spk2utt "$tmp/spk2utt" --valid_dir "$tmp/data/valid" \
    --output_dir "$tmp/n"
refused 1 'feats.scp' train --train_dir "$tmp/data" --valid_dir "$tmp/data/valid" --output_dir "$tmp/n"
printf 'RIFF' >"$tmp/a.wav"
refused 1 'none of the 1 recordings' spk extract --model "$tmp/a" --output_dir "$tmp/z" "$tmp/a.wav"
has "$err" 'a.wav: the model takes features'

# Statistics for global_mvn, random masks and dropout: another number of loaders and a resumption give the same bits.
ok train --train_dir "$tmp/data/train" --output_dir "$tmp/s" --collect_stats true --use_preprocessor false
awk '{ if (!($2 in n)) n[$2] = k++; print $1, n[$2] }' "$tmp/data/train/utt2spk" >"$tmp/data/train/label"
ok train "--$data" "$tmp/data/train/feats.scp,speech,npy" "--$data" "$tmp/data/train/label,spk_labels,text_int" \
    --valid_dir "$tmp/data/valid" --use_preprocessor false --spk_num 6 --output_dir "$tmp/whole"
has "$tmp/whole/train.log" 'whole utterances: the largest batch has room'
for file in feats_stats.npz speech_shape batch_keys stats_keys; do check "train/$file" test -s "$tmp/s/train/$file"; done
has "$tmp/s/train/speech_shape" '^s1-1 71,10$'
mvn=(--normalize global_mvn --normalize_conf "{stats_file: $tmp/s/train/feats_stats.npz}" --specaug specaug
    --specaug_conf '{freq_mask_width_range: [0, 3], time_mask_width_range: [0, 8]}')
sed '/normalize_conf/d' "$tmp/conf.yaml" >"$tmp/plain.yaml"
sed -i -e 's/^encoder: .*/encoder: mfaconformer/' -e '/^encoder_conf/s/: .*/: {output_size: 16, attention_heads: 2, '\
'linear_units: 16, num_blocks: 1, cnn_module_kernel: 5, input_layer: conv2d2, dropout_rate: 0.2}/' "$tmp/plain.yaml"
plain() { spk train --config "$tmp/plain.yaml" --num_threads 1 --quiet "${npy[@]}" "${mvn[@]}" "$@"; }
ok plain --output_dir "$tmp/d"
ok plain --output_dir "$tmp/e" --num_workers 4 --max_epoch 1
ok plain --output_dir "$tmp/e" --num_workers 1 --max_epoch 2 --resume true
same "$tmp/d/2epoch.pth" "$tmp/e/2epoch.pth"
ok plain --output_dir "$tmp/f" --seed 4
check "another seed, other masks" test "$(cksum <"$tmp/d/2epoch.pth")" != "$(cksum <"$tmp/f/2epoch.pth")"
mv "$tmp/s" "$tmp/s.gone"
ok spk validate --model "$tmp/d" --valid_dir "$tmp/data/valid" --json --quiet
refused 1 'stats_file.*is not there.*collect_stats' plain --output_dir "$tmp/g"
finish
