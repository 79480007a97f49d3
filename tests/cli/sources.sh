# SPDX-License-Identifier: Apache-2.0
# Recordings out of Kaldi's archives, from commands, and as segments: the same weights and embeddings as from files.
. tests/cli/common.sh
. tests/cli/corpus.inc
corpus "$tmp/data"
tiny_config "$tmp/conf.yaml"
train=(spk train --config "$tmp/conf.yaml" --valid_dir "$tmp/data/valid" --num_threads 1)
ok "${train[@]}" --train_dir "$tmp/data/train" --output_dir "$tmp/files"

# One archive of all training files, with the lists that name it; two recordings of all utterances one after the other.
mkdir -p "$tmp/data/ark" "$tmp/data/pipes" "$tmp/data/segments"
perl -e '
    my ($d) = @ARGV; my ($ark, $scp, $pipes) = ("", "", "");
    open(my $in, "<", "$d/train/wav.scp") or die; my (@pcm, $segments);
    while (<$in>) {
        my ($id, $path) = split; open(my $f, "<:raw", "$d/train/$path") or die; local $/; my $wav = <$f>;
        $ark .= "$id "; $scp .= "$id all.ark:" . length($ark) . "\n"; $ark .= $wav;
        $pipes .= "$id cat $d/train/$path |\n";
        my $at = $#pcm < 0 ? 0 : length($pcm[0]) / 32000; $pcm[0] .= substr($wav, 44);
        $segments .= "$id all $at " . length($pcm[0]) / 32000 . "\n";
    }
    sub put { my ($file, $text) = @_; open(my $f, ">:raw", $file) or die "$file: $!"; print $f $text; close $f }
    put("$d/ark/all.ark", $ark); put("$d/ark/wav.scp", $scp); put("$d/pipes/wav.scp", $pipes);
    put("$d/segments/all.wav", "RIFF" . pack("V", 36 + length $pcm[0]) . "WAVEfmt " .
        pack("VvvVVvv", 16, 1, 1, 16000, 32000, 2, 16) . "data" . pack("V", length $pcm[0]) . $pcm[0]);
    put("$d/segments/segments", $segments); put("$d/segments/wav.scp", "all all.wav\n");
' "$tmp/data"
for kind in ark pipes segments; do cp "$tmp/data/train/utt2spk" "$tmp/data/train/spk2utt" "$tmp/data/$kind"; done

ok "${train[@]}" --train_dir "$tmp/data/ark" --output_dir "$tmp/ark" --num_workers 3
same "$tmp/files/1epoch.pth" "$tmp/ark/1epoch.pth"
list=train_data_path_and_name_and_type
ok "${train[@]}" "--$list" "$tmp/data/ark/wav.scp,speech,kaldi_ark" "--$list" "$tmp/data/ark/utt2spk,spk_labels,text" \
    --spk2utt "$tmp/data/ark/spk2utt" --output_dir "$tmp/type"
same "$tmp/files/1epoch.pth" "$tmp/type/1epoch.pth"
refused 1 "wav.scp:1: 't1-1' is read from a command .*--allow_pipes true" "${train[@]}" --train_dir "$tmp/data/pipes" \
    --output_dir "$tmp/x"
ok "${train[@]}" --train_dir "$tmp/data/pipes" --output_dir "$tmp/pipes" --allow_pipes true
same "$tmp/files/1epoch.pth" "$tmp/pipes/1epoch.pth"
ok "${train[@]}" --train_dir "$tmp/data/segments" --output_dir "$tmp/segments"
same "$tmp/files/1epoch.pth" "$tmp/segments/1epoch.pth"

# Embeddings of them.
extract=(spk extract --model "$tmp/files" --num_threads 1 --quiet)
for kind in train ark segments; do ok "${extract[@]}" --valid_dir "$tmp/data/$kind" --whole --format ark --output_dir "$tmp/e-$kind"; done
same "$tmp/e-train/train_embeddings.ark" "$tmp/e-ark/ark_embeddings.ark"
same "$tmp/e-train/train_embeddings.ark" "$tmp/e-segments/segments_embeddings.ark"
refused 1 'allow_pipes' "${extract[@]}" --valid_dir "$tmp/data/pipes" --output_dir "$tmp/x"
ok "${extract[@]}" --valid_dir "$tmp/data/pipes" --whole --format ark --allow_pipes true --output_dir "$tmp/e-pipes"
same "$tmp/e-train/train_embeddings.ark" "$tmp/e-pipes/pipes_embeddings.ark"

# Labels as numbers.
list=valid_data_path_and_name_and_type
ok spk train --config "$tmp/conf.yaml" --train_dir "$tmp/data/train" --num_threads 1 --output_dir "$tmp/int" \
    "--$list" "$tmp/data/valid/trial.scp,speech,sound" "--$list" "$tmp/data/valid/trial2.scp,speech2,sound" \
    "--$list" "$tmp/data/valid/trial_label,spk_labels,text_int"
same "$tmp/files/1epoch.pth" "$tmp/int/1epoch.pth"
finish
