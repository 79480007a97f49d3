# SPDX-License-Identifier: Apache-2.0
# spk recipe: steps run once, again where their inputs or commands change, and go on where they were stopped or killed; what
# is wrong with a recipe or missing is said before anything runs. Every shipped recipe has commands that exist.
. tests/cli/common.sh
. tests/cli/corpus.inc
build=$(readlink -f "$build")
ok spk recipe check
shipped=$(find recipes -maxdepth 1 -name '*.yaml' | xargs grep -lE '^steps:' | wc -l)
check "all shipped recipes were checked" test "$(grep -c 'all commands are right$' "$out")" = "$shipped" -a "$shipped" -gt 0
cp "$out" "$tmp/checked"; ok spk recipe list; check "and listed" test "$(wc -l <"$out")" = "$shipped"

corpus "$tmp/data"
cd "$tmp" || exit 1
tiny_config conf.yaml
for f in data/audio/v*.wav; do n=$(basename "$f" .wav); echo "$n ../audio/$n.wav" >&3; echo "$n s${n:1:1}"; done >data/valid/utt2spk 3>data/valid/wav.scp
cat >r.yaml <<'END'
title: a tiny one
variables:
  exp: exp
  data: {default: "${env.RECIPE_DATA:-data}", help: the data folder}
  top: 3
  more: [--norm, none]
  second: true
  train_args: []
results: ${exp}/RESULTS.md
steps:
- name: train
  stage: 5
  run: train --config ${here}/conf.yaml --train_dir ${data}/train --valid_dir ${data}/valid --output_dir ${exp}/model --num_threads 1 ${train_args}
  anew: --overwrite true
  resume: --resume true
  checkpoint: ${exp}/model/checkpoint.safetensors
  inputs: ["${here}/conf.yaml", "${data}/train", "${data}/valid"]
  outputs: ${exp}/model/valid.eer.best.pth
- name: extract
  stage: 6
  run: extract --model ${exp}/model --output_dir ${exp}/emb ${data}/valid/wav.scp
  inputs: ${exp}/model/valid.eer.best.pth ${data}/valid/wav.scp
  outputs: ${exp}/emb/embeddings.npz
- name: score
  run: score --embeddings ${exp}/emb/embeddings.npz --trials ${data}/valid/trial_label --output ${exp}/scores ${more}
  inputs: ${exp}/emb/embeddings.npz ${data}/valid/trial_label
  outputs: ${exp}/scores
- name: second
  stage: 7
  when: ${second}
  run: score --embeddings ${exp}/emb/embeddings.npz --trials ${data}/valid/trial_label --scorer cosine --output ${exp}/cosine
  inputs: ${exp}/emb/embeddings.npz ${data}/valid/trial_label
  outputs: ${exp}/cosine
- name: evaluate
  stage: 8
  run: eval ${exp}/scores --utt2spk ${data}/valid/utt2spk --results ${exp}/RESULTS.md
  inputs: ${exp}/scores ${data}/valid/utt2spk
  outputs: ${exp}/RESULTS.md
END

# turns WORD...: of the five steps in stderr's lines, done, up (to date), left (out).
turns() {
    local got want="$*"
    got=$(sed -nE 's/^\[ *[0-9]+\/5\] [a-z]+ +(done|up|left|FAILED|interrupted).*/\1/p' "$err" | xargs)
    [ "$got" = "$want" ] || echo "turns: '$got', not '$want'"
    report "turns $want" "$([ "$got" = "$want" ]; echo $?)"
}

# ---- a dry run makes nothing; the whole run; nothing a second time ----
ok spk recipe run r.yaml --dry_run true
check "nothing was made" test ! -e exp
check "five would run" test "$(grep -c 'runs: it has not run yet' "$out")" = 5
ok spk recipe run r.yaml
turns "done done done done done"
has "$out" '^\| EER % \| [0-9.]+ \['
has exp/logs/01-train.log '^# .*command: spk train --config \./conf.yaml|^# .*command: spk train --config conf.yaml'
has exp/logs/01-train.log '^# .*ended: exit status 0'
for n in 01-train 02-extract 03-score 04-second 05-evaluate; do check "a log $n" test -s "exp/logs/$n.log"; done
ok spk recipe run r.yaml
turns "up up up up up"
has "$err" 'all 5 steps are up to date'

# ---- changes rerun what depends on them, and no more ----
touch data/valid/trial_label exp/emb/embeddings.npz conf.yaml # other times, same contents
ok spk recipe run r.yaml
turns "up up up up up"
sed -i '$d' data/valid/trial_label data/valid/trial.scp data/valid/trial2.scp # the training reads its folder, too
ok spk recipe run r.yaml --stage score --dry_run true
has "$out" '\] score +runs: data/valid/trial_label has changed'
has "$out" '\] evaluate +runs: if step .score. makes another exp/scores'
ok spk recipe run r.yaml --stage score
turns "done done done"
echo "# a remark" >>data/train/other
ok spk recipe run r.yaml --stage train --stop_stage 5 --dry_run true
has "$out" '\] train +runs: data/(valid|train) has changed'
rm data/train/other
ok spk recipe run r.yaml
turns "done up up up up" # the same weights from the same training data
rm exp/scores
ok spk recipe run r.yaml
turns "up up done up up"
echo "v7-1*v7-2 5 1" >>exp/scores
ok spk recipe run r.yaml --dry_run true
has "$out" '\] score +runs: exp/scores is not as the step left it'
ok spk recipe run r.yaml
turns "up up done up up"
ok spk recipe run r.yaml --more "--form wespeaker" --second no
turns "up up done left done"
has exp/scores '^v7-1 v7-2 '
ok spk recipe run r.yaml --dry_run
has "$out" "\] score +runs: its command has changed: '--norm' was '--form'"
ok spk recipe run r.yaml --stage 6 --stop_stage 6 --anew
turns "done done"

# ---- a step that fails is shown with the end of its log, and runs again ----
cp data/valid/trial_label keep
echo "v7-1*nobody 1" >>data/valid/trial_label
refused 1 "^spk: error: r.yaml:[0-9]+: step 'score' ended with exit status 1; the whole log is exp/logs/03-score.log" spk recipe run r.yaml --stage score
has "$err" '^    \| spk: error: .*nobody'
turns FAILED
cp keep data/valid/trial_label
ok spk recipe run r.yaml
turns "up up done up done"

# ---- interrupted and killed trainings go on to the same bits ----
train=(--train_args "--max_epoch 40 --checkpoint_interval 0.0005 --use_matplotlib false --keep_nbest_models 40" --second false)
ok spk recipe run r.yaml --exp whole "${train[@]}"
"$build/spk" recipe run r.yaml --exp cut "${train[@]}" >"$out" 2>"$err" & pid=$!
for i in $(seq 400); do [ -e cut/model/2epoch.pth ] && break; sleep 0.02; done
kill -INT $pid; wait $pid; rc=$?
check "ended by the signal: $rc" test $rc = 130
turns interrupted
has "$err" "interrupted in step 'train'"
has cut/logs/01-train.log '^# .*ended: (exit status 130|signal 2)'
ok spk recipe run r.yaml --exp cut "${train[@]}" --dry_run true
has "$out" '\] train +goes on: it was interrupted'
# child_of PID: a child of it, in $child; none: "".
child_of() {
    local p i
    child=
    for i in $(seq 200); do
        for p in /proc/[0-9]*; do
            read -r _ _ _ parent _ 2>/dev/null <"$p/stat" || continue
            [ "$parent" = "$1" ] && child=${p#/proc/}
        done
        if [ "$child" ] || ! kill -0 "$1" 2>/dev/null; then return; fi
        sleep 0.05
    done
}
# Gone, or dead and not yet waited for.
gone() { local i s; for i in $(seq 200); do read -r _ _ s _ 2>/dev/null <"/proc/$1/stat" && [ "$s" != Z ] || return 0; sleep 0.05; done; return 1; }
# Both killed within the training.
"$build/spk" recipe run r.yaml --exp cut "${train[@]}" >"$out" 2>"$err" & pid=$!
child_of $pid
kill -KILL $pid $child 2>/dev/null
wait $pid 2>/dev/null
[ -z "$child" ] || check "the training is gone" gone "$child"
ok spk recipe run r.yaml --exp cut "${train[@]}"
has cut/logs/01-train.log 'resume true'
same whole/model/40epoch.pth cut/model/40epoch.pth
same whole/scores cut/scores

# A step that outlives its killed recipe keeps others out. This one waits for somebody to write into a pipe.
mkfifo pipe
cat >wait.yaml <<'END'
variables: {exp: waits}
steps:
- {name: wait, run: eval pipe, outputs: "${exp}/never"}
END
"$build/spk" recipe run wait.yaml >"$out" 2>"$err" & pid=$!
child_of $pid
check "a step runs" test -n "$child"
kill -KILL $pid; wait $pid 2>/dev/null
refused 1 'another run of a recipe works in this folder' spk recipe run wait.yaml
kill -KILL "$child"
check "it is gone" gone "$child"
timeout 20 "$build/spk" recipe run wait.yaml >"$out" 2>"$err" </dev/null & pid=$!
printf 'a b\n' >pipe # the lock is free: the step runs and says that this is no score
wait $pid; rc=$?
check "exit status $rc" test $rc = 1
has "$err" "step 'wait' ended with exit status 1"

# ---- what is missing, what is wrong ----
refused 1 "r.yaml:2[0-9]: step 'score' needs new/emb/embeddings.npz, which step 'extract' makes: run that first \(--stage extract\)" \
    spk recipe run r.yaml --exp new --stage score
refused 1 "step 'train' needs nowhere/train, which is not there and no step makes; --data says where it is" spk recipe run r.yaml --exp new --data nowhere
RECIPE_DATA=elsewhere refused 1 'needs elsewhere/train' spk recipe run r.yaml --exp new
refused 2 "there is no step 'scor'; did you mean 'score'" spk recipe run r.yaml --stage scor
refused 2 'lies behind step' spk recipe run r.yaml --stage 8 --stop_stage 5
refused 2 'unknown option --dta; did you mean --data' spk recipe run r.yaml --dta x
refused 1 'none.yaml: cannot open' spk recipe run none.yaml
refused 1 'conf.yaml: is no recipe' spk recipe run conf.yaml
check "nothing was made of these" test ! -e new
# broken PATTERN SED: the recipe changed by sed is refused with the pattern.
broken() { sed -E "$2" r.yaml >b.yaml; refused 1 "$1" spk recipe run b.yaml --exp new; }
broken "b.yaml:12:3: .*'stge'.*stage" 's/^  stage: 5/  stge: 5/'
broken "b.yaml:[0-9]+: step 'train': there is no variable 'dta'; did you mean 'data'" 's/\$\{data\}\/train --valid/${dta}\/train --valid/'
broken 'b.yaml:2[0-9]:.* score is the name of two steps' 's/^- name: second/- name: score/'
broken "step 'second': makes exp/scores|makes new/scores, which step 'score' makes, too" 's/\$\{exp\}\/cosine/${exp}\/scores/'
broken 'the variable exp is missing' 's/^  exp: exp/  expp: exp/'
broken 'has only one of resume and checkpoint' '/^  checkpoint/d'
broken 'names no outputs' 's/^  outputs: \$\{exp\}\/scores//'
broken 'is a list of words and can only stand' 's/--output \$\{exp\}\/scores/--output ${exp}\/scores${more}/'
broken "that is what its command says" 's/--scorer cosine/--scorrer cosine/'
has "$err" 'unknown option --scorrer; did you mean --scorer'
sed 's/--scorer cosine/--scorrer cosine/' r.yaml >b.yaml; refused 1 "step 'second': that is what" spk recipe check b.yaml
broken 'cannot be called .stage.' 's/^  top: 3/  stage: 3/'
sed 's/^  exp: exp/  exp: "${data}"/' r.yaml >b.yaml; refused 1 'stands further down' spk recipe run b.yaml
check "nothing was made of these" test ! -e new
finish
