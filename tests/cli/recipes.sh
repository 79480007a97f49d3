# SPDX-License-Identifier: Apache-2.0
# The published VoxCeleb configurations open as they are: every file of recipes/voxceleb with its own lists, which lie where ESPnet's
# recipe puts them, on a few hums. Only the batch is smaller.
. tests/cli/common.sh
. tests/cli/corpus.inc
recipes=$PWD/recipes/voxceleb
build=$(readlink -f "$build")
corpus "$tmp/data"
cd "$tmp" || exit 1
printf '%s\n' "n1.wav 20 1 2.0" "n2.wav 21 1 0.8" "r1.wav 22 1 0.3" | waves
mkdir -p dump/raw dump/raw_copy
for d in dump/raw dump/raw_copy; do
    for kind in speech noise music; do printf '%s\n' "n1 ../../n1.wav" "n2 ../../n2.wav" >$d/musan_$kind.scp; done
    echo "r1 ../../r1.wav" >$d/rirs.scp
done
train=(spk train --train_dir data/train --valid_dir data/valid --num_threads 1)

# parameters NAME: frontend, encoder, pooling and projector as ESPnet 202611 counts them, and 6 classes, of three centres each but in
# the last.
parameters() {
    case $1 in
    train_ECAPA_mel) echo $((13273600 + 788352 + 596160 + 3 * 6 * 192)) ;;
    train_rawnet3) echo $((258 + 14697856 + 788352 + 596160 + 3 * 6 * 192)) ;;
    train_SKA_mel) echo $((34427968 + 788352 + 596544 + 3 * 6 * 192)) ;;
    train_xvector) echo $((2818452 + 1799168 + 3 * 6 * 512)) ;;
    train_mfa_conformer) echo $((49964032 + 1576320 + 1585408 + 6 * 256)) ;;
    esac
}
n=0
for file in "$recipes"/*.yaml; do
    name=$(basename "$file" .yaml)
    ok "${train[@]}" --config "$file" --output_dir "exp/$name" --batch_size 6 --dry_run true
    has "$err" "model: .*: $(parameters "$name") parameters"
    has "$err" 'training: 6 speakers, 24 utterances, crops of 3 s'
    has "$err" 'validation: 36 trials over 9 utterances, 5 segments each'
    has "$err" 'everything can be opened'
    n=$((n + 1))
done
check "five configurations" test $n = 5

# The lists are opened, not only named: one that is away is refused by its name.
mv dump/raw/rirs.scp dump/raw/away.scp
refused 1 'dump/raw/rirs\.scp: cannot open' "${train[@]}" --config "$recipes/train_xvector.yaml" --output_dir exp/none --batch_size 6 \
    --dry_run true
mv dump/raw/away.scp dump/raw/rirs.scp

# The smallest trains, with its noises and responses: two steps and a validation.
ok "${train[@]}" --config "$recipes/train_xvector.yaml" --output_dir exp/x --batch_size 4 --num_iters_per_epoch 2 --max_epoch 1
has "$out" '^1epoch results: .*\beer=[0-9.]+'
has "$out" 'n_trials=36\b'
finish
