# SPDX-License-Identifier: Apache-2.0
# spk extract: from trial lists as ESPnet does, and from files, folders and lists, to every format.
. tests/cli/common.sh
. tests/cli/corpus.inc
corpus "$tmp/data"
tiny_config "$tmp/conf.yaml"
exp=$tmp/exp audio=$tmp/data/audio
ok spk train --config "$tmp/conf.yaml" --train_dir "$tmp/data/train" --valid_dir "$tmp/data/valid" --output_dir "$exp" \
    --num_iters_per_epoch 1 --quiet
keys() { perl -0777 -ne 'while (/PK\x01\x02.{24}(..).{16}/sg) { print substr($_, pos, unpack("v", $1)), "\n" }' "$1"; }

# ESPnet's way: one member for each distinct utterance, named after the folder of the lists.
# shellcheck disable=SC2046
ok spk extract --model "$exp" $(trial_lists "$tmp/data") --output_dir "$tmp/out/new" --num_eval 3 --target_duration 1
check "9 utterances" test "$(keys "$tmp/out/new/valid_embeddings.npz" | wc -l)" = 9
check "key" grep -qx 'v7-1.npy' <(keys "$tmp/out/new/valid_embeddings.npz")
has "$out" 'valid_embeddings.npz: 9 embeddings'
has "$err" '9 utterances, .* s of audio in .* times real time'
ok spk extract --model "$exp" --valid_dir "$tmp/data/valid" --output_dir "$tmp/out/new2" --num_eval 3 \
    --target_duration 1 --quiet --valid_batch_size 4
same "$tmp/out/new/valid_embeddings.npz" "$tmp/out/new2/valid_embeddings.npz"
ok spk extract --model "$exp" --valid_dir "$tmp/data/valid" --output_dir "$tmp/out" --average_embd true --format jsonl
check "9 lines" test "$(wc -l <"$tmp/out/valid_embeddings.jsonl")" = 9
check "16 values" test "$(head -1 "$tmp/out/valid_embeddings.jsonl" | tr -cd , | wc -c)" = 16
# A plain wav.scp gives utterances without trials.
ok spk extract --model "$exp" --data_path_and_name_and_type "$tmp/data/train/wav.scp,speech,sound" \
    --output_dir "$tmp/out" --num_eval 1
check "24 utterances" test "$(keys "$tmp/out/train_embeddings.npz" | wc -l)" = 24

# Files, a folder, a list, standard input: the same recordings, the same embeddings.
ok spk extract --model "$exp" "$audio" --output_dir "$tmp/folder" --quiet
check "33 recordings" test "$(keys "$tmp/folder/embeddings.npz" | wc -l)" = 33
(cd "$tmp/data/train" && sort wav.scp | sed "s# \.\./# $tmp/data/#") >"$tmp/all.scp"
sort "$tmp/data/valid/wav.scp" | sed "s# \.\./# $tmp/data/#" >>"$tmp/all.scp"
ok spk extract --model "$exp" "$tmp/all.scp" --output_dir "$tmp/scp" --quiet
same "$tmp/folder/embeddings.npz" "$tmp/scp/embeddings.npz"
spk extract --model "$exp" - --output_dir "$tmp/stdin" --quiet <"$tmp/all.scp" >"$out" 2>"$err"
report "a list on standard input" $?
same "$tmp/folder/embeddings.npz" "$tmp/stdin/embeddings.npz"
cut -d' ' -f2 "$tmp/all.scp" | spk extract --model "$exp" - --output_dir "$tmp/paths" --quiet >"$out" 2>"$err"
report "paths on standard input" $?
same "$tmp/folder/embeddings.npz" "$tmp/paths/embeddings.npz"

# Formats.
for format in npz npy ark jsonl; do
    ok spk extract --model "$exp" "$audio/v7-1.wav" "$audio/v8-1.wav" --output_dir "$tmp/f/$format" --format $format --quiet
done
check "npy" test -s "$tmp/f/npy/v7-1.npy"
check "npy's list" grep -q '^v8-1 ' "$tmp/f/npy/embeddings.scp"
check "ark and scp" test -s "$tmp/f/ark/embeddings.ark" -a "$(wc -l <"$tmp/f/ark/embeddings.scp")" = 2
ok spk extract --model "$exp" "$audio/v7-1.wav" "$audio/v8-1.wav" --format jsonl --quiet
same "$out" "$tmp/f/jsonl/embeddings.jsonl"
has "$out" '^\{"id": "v7-1", "embedding": \[-?[0-9]'
ok spk extract --model "$exp" "$audio/v7-1.wav" --format jsonl --whole false --num_eval 2 --quiet
has "$out" '"embedding": \[\['

# Other rates are converted; a short file is repeated, and said; ids of equal names become paths.
mkdir -p "$tmp/x" "$tmp/y"
waves <<END
$tmp/x/a.wav 1 1 1 8000
$tmp/y/a.wav 1 1 1 44100
$tmp/x/short.wav 1 1 0.004
END
ok spk extract --model "$exp" "$tmp/x/a.wav" "$tmp/y/a.wav" --output_dir "$tmp/same" --quiet
check "ids are paths" grep -q '/y/a.npy' <(keys "$tmp/same/embeddings.npz")
ok spk extract --model "$exp" "$tmp/x/short.wav" --format jsonl
has "$err" 'short.wav: .* repeat'

# What fails is named, the rest is kept.
echo "no audio" >"$tmp/x/text.wav"
refused 1 '2 of the recordings' spk extract --model "$exp" "$tmp/x/text.wav" "$tmp/x/a.wav" "$tmp/x/none.wav" --output_dir "$tmp/some"
has "$err" 'text.wav'
has "$err" 'none.wav.*No such file'
check "the other is there" test "$(keys "$tmp/some/embeddings.npz" | wc -l)" = 1
refused 1 'none of the 1 recordings' spk extract --model "$exp" "$tmp/x/text.wav" --output_dir "$tmp/nothing"
check "no file" test ! -e "$tmp/nothing/embeddings.npz"
refused 1 'no recordings' spk extract --model "$exp" "$tmp/out" --output_dir "$tmp/nothing"
finish
