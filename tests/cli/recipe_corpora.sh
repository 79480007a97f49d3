# SPDX-License-Identifier: Apache-2.0
# The recipes of VoxCeleb and CN-Celeb from the corpora's folders to the report, on made-up ones of their layouts: what a stage
# writes is what the next one reads. (spk-test: slow)
. tests/cli/common.sh
. tests/cli/corpus.inc
build=$(readlink -f "$build")
recipes=$PWD/recipes
cd "$tmp" || exit 1
tiny_config conf.yaml
mkdir -p db/musan/{speech,noise,music}/x db/RIRS_NOISES/simulated_rirs/{small,medium}room/Room001
{ for k in speech noise music; do echo "db/musan/$k/x/a.wav 30 1 2"; done
  for r in small medium; do echo "db/RIRS_NOISES/simulated_rirs/${r}room/Room001/Room001-00001.wav 31 1 0.1"; done; } | waves
small=(--config conf.yaml --target_duration 1.0 --num_eval 2 --top_k 4 --num_utt_per_spk 1
    --train_args "--num_threads 1 --batch_size 4 --num_iters_per_epoch 3 --use_matplotlib false")

# ---- VoxCeleb ----
v1=db/voxceleb1 v2=db/voxceleb2
mkdir -p $v1/dev/wav/id10{001,002,003}/aaa $v1/test/wav/id10{270,271,272}/bbb $v2/dev/wav/id00{012,013}/ccc $v2/test/wav/id00{017,018,019,020}/ddd
{ n=0
  for f in $v1/*/wav/*/* $v2/dev/wav/*/*; do n=$((n + 1)); for u in 1 2 3; do echo "$f/0000$u.wav $n $u 1.3"; done; done
  for f in $v2/test/wav/*/*; do n=$((n + 1)); for u in 1 2 3; do echo "$f/0000$u.wav $n $u 2.$u"; echo "$f/0001$u.wav $n 4$u 6.$u"; done; done; } | waves
for a in 270 271 272; do for b in 270 271 272; do for u in 2 3; do
    echo "$([ $a = $b ] && echo 1 || echo 0) id10$a/bbb/00001.wav id10$b/bbb/0000$u.wav"; done; done; done >db/veri_test2.txt
vox=(spk recipe run "$recipes/voxceleb.yaml" --exp vox "${small[@]}" --qmf_trials 6)
ok "${vox[@]}"
check "16 steps were done" test "$(grep -cE '^\[[ 0-9]+/16\] [a-z_0-9]+ +done in ' "$err")" = 16
has "$out" '^\| scores \| raw \| asnorm \| qmf \|$'
has "$out" '^\| target trials \| 6 \| 6 \| 6 \|$'
check "three times the speakers" test "$(wc -l <data/voxceleb12_devs_sp/spk2utt)" = 15
has vox/scores/asnorm '^id10270/bbb/00001\*id10271/bbb/00002 -?[0-9.]+ 0$'
for file in report.html model.zip calibration.json; do check "$file" test -s vox/$file; done
ok "${vox[@]}"
has "$err" 'all 16 steps are up to date'
sed -i 1d db/veri_test2.txt # one trial less: lists, scores and results are made again, the training's data not
ok "${vox[@]}" --stage 5 --stop_stage 6 --dry_run
check "outside of the range nothing is looked at" test "$(grep -c 'up to date' "$out")" = 6
ok "${vox[@]}" --valid_set data/voxceleb1_test --stage 1 --stop_stage 2
check "lists are made again" grep -qE '^\[ 1/16\] prep +done' "$err"
check "speeds are not" grep -qE '^\[ 4/16\] speed +up to date' "$err"

# ---- CN-Celeb ----
c1=db/CN-Celeb_flac c2=db/CN-Celeb2_flac
mkdir -p $c1/data/id00{000,001,002,800,801} $c1/dev $c1/eval/{enroll,test,lists} $c2/data/id10{000,001}
{ for s in 000 001 002; do for u in 1 2 3; do echo "$c1/data/id00$s/singing-01-00$u.wav $((s + 1)) $u 1.3"; done; done
  for s in 000 001; do for u in 1 2 3; do echo "$c2/data/id10$s/vlog-01-00$u.wav $((s + 6)) $u 1.3"; done; done
  for s in 800 801; do
      for u in 1 2; do echo "$c1/data/id00$s/speech-01-00$u.wav $((s - 790)) $u 1.3"; echo "$c1/eval/test/id00$s-singing-02-00$u.wav $((s - 790)) 3$u 1.3"; done
      echo "$c1/eval/enroll/id00$s-enroll.wav $((s - 790)) 4 2.6"
  done; } | waves
printf 'id00000\nid00001\nid00002\n' >$c1/dev/dev.lst; printf 'id10000\nid10001\n' >$c2/spk.lst
for s in 800 801; do
    echo "id00$s-enroll enroll/id00$s-enroll.wav" >&3
    echo "id00$s-enroll id00$s/speech-01-001.wav id00$s/speech-01-002.wav"
done >$c1/eval/lists/enroll.map 3>$c1/eval/lists/enroll.lst
for e in 800 801; do for s in 800 801; do for u in 1 2; do
    echo "id00$e-enroll test/id00$s-singing-02-00$u.wav $([ $e = $s ] && echo 1 || echo 0)"; done; done; done >$c1/eval/lists/trials.lst
rm -r data dump
ok spk recipe run "$recipes/cnceleb.yaml" --exp cn "${small[@]}" --top_k 2 --fold 1/2
check "15 steps were done" test "$(grep -cE '^\[[ 0-9]+/15\] [a-z_0-9]+ +done in ' "$err")" = 15
has "$out" '^\| scores \| joined \| apart \| apart\\_asnorm \|$'
has "$out" '^\| target trials \| 4 \| 4 \| 4 \|$'
for file in report.html model.zip; do check "$file" test -s cn/$file; done
finish
