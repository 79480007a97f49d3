# SPDX-License-Identifier: Apache-2.0
# Losses as a user meets them: batches of P x K, a growing margin that a resumed training goes on with, frozen parts.
. tests/cli/common.sh
. tests/cli/corpus.inc
corpus "$tmp/data"
tiny_config "$tmp/whole.yaml"
grep -v '^loss_conf' "$tmp/whole.yaml" >"$tmp/conf.yaml"
train=(spk train --config "$tmp/conf.yaml" --train_dir "$tmp/data/train" --valid_dir "$tmp/data/valid" --num_threads 1)
pk=(--iterator_type category --batch_type pk --per_speaker 2 --batch_size 6)
grow=(--margin_scheduler linear --margin_scheduler_conf increase_start_epoch=1 --margin_scheduler_conf fix_start_epoch=3)

# Every metric loss on batches of three speakers with two utterances each.
for loss in angleproto ge2e softmaxproto; do
    ok "${train[@]}" "${pk[@]}" --loss $loss --output_dir "$tmp/$loss"
    has "$out" '^1epoch results: .*\bloss=[0-9.]+'
done
refused 1 'ge2e compares utterances .*batch_type to pk' "${train[@]}" --loss ge2e --output_dir "$tmp/no"
refused 2 'pk needs iterator_type category' "${train[@]}" --batch_type pk --iterator_type sequence --output_dir "$tmp/no"
refused 2 '7 is no multiple of per_speaker' "${train[@]}" "${pk[@]}" --batch_size 7 --output_dir "$tmp/no"
refused 1 'takes 7 speakers, and there are 6' "${train[@]}" "${pk[@]}" --batch_size 14 --output_dir "$tmp/no"

# The margin is in the log, and is where it was after resuming.
topk=(--loss aamsoftmax_sc_topk --loss_conf '{k_top: 2, margin: 0.3}')
ok "${train[@]}" "${topk[@]}" "${grow[@]}" --max_epoch 3 --output_dir "$tmp/a"
has "$out" '^3epoch results: .*\bmargin=0\.300'
has "$err" 'loss_conf.penalty: true .*ESPnet 202611: false'
ok "${train[@]}" "${topk[@]}" "${grow[@]}" --max_epoch 1 --output_dir "$tmp/b"
ok "${train[@]}" "${topk[@]}" "${grow[@]}" --max_epoch 3 --output_dir "$tmp/b" --resume
same "$tmp/a/3epoch.pth" "$tmp/b/3epoch.pth"
refused 1 'k_top \(6\) must be below the number of speakers \(6\)' "${train[@]}" --loss aamsoftmax_sc_topk \
    --loss_conf k_top=6 --output_dir "$tmp/no"
refused 1 'softmax has no margin' "${train[@]}" --loss softmax "${grow[@]}" --output_dir "$tmp/no"
refused 1 'give both increase_start_epoch' "${train[@]}" --margin_scheduler exp --output_dir "$tmp/no"

# Large margins afterwards, from those weights, the encoder frozen; another start.
ok "${train[@]}" "${topk[@]}" --loss_conf do_lm=true --loss_conf margin=0.5 --init_param "$tmp/a/3epoch.pth" \
    --freeze_param encoder --output_dir "$tmp/lm"
has "$err" 'freeze_param encoder: [0-9]+ tensors are not trained'
refused 1 'did you mean encoder' "${train[@]}" --freeze_param encodre --output_dir "$tmp/no"
ok "${train[@]}" --init kaiming_normal --output_dir "$tmp/init"
check "nothing was written where training did not begin" test ! -e "$tmp/no/config.yaml"
finish
