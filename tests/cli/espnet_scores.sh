# SPDX-License-Identifier: Apache-2.0
# The chain of ESPnet's scripts: raw scores, AS-norm, quality measures, EER and minDCF, against figures that PyTorch,
# scikit-learn and ESPnet 202611 gave for the same embeddings (espnet_scores.py says how), to 1e-6.
. tests/cli/common.sh
need_numpy
case $build in /*) ;; *) build=$PWD/$build ;; esac
figures=$PWD/tests/cli/espnet_scores.txt
python tests/cli/espnet_scores.py data "$tmp" || exit 1
cd "$tmp" || exit 1

cohort="--norm asnorm_espnet --cohort cohort.npz --cohort_utt2spk cohort.spk --top_k 7"
for part in dev test; do
    ok spk score --embeddings $part.npz --trials $part.trials --output $part.raw
    # shellcheck disable=SC2086
    ok spk score --embeddings $part.npz --trials $part.trials --output $part.norm $cohort
done
ok spk calibrate --kind qmf_espnet --fit dev.norm --fit_embeddings dev.npz --fit_durations dev.dur \
    --apply test.norm --apply_embeddings test.npz --apply_durations test.dur --output test.qmf
column=2
for what in raw norm qmf; do
    grep '[*]' "$figures" | awk -v c=$column '{print $1, $c}' >want
    # A figure above 1 is met to 1e-6 of itself: scores are written in single precision.
    paste -d' ' test.$what want | awk '$1 != $4 {bad = 1} {d = $2 - $5; m = $5; if (d < 0) d = -d; if (m < 0) m = -m; e = d / (m > 1 ? m : 1); if (e > w) w = e}
        END {printf "%d trials, largest difference %.2g\n", NR, w; exit bad || w > 1e-6 || NR != 96}' >report
    report "$what: $(cat report)" $?
    echo "$what: $(cat report)"
    ok spk eval test.$what --json
    python - "$out" "$figures" $what <<'PY'
import json, sys
s = json.load(open(sys.argv[1]))["systems"][0]
w = next(l.split() for l in open(sys.argv[2]) if l.startswith(sys.argv[3] + " "))
got = [s["eer_espnet"], s["mindcf_espnet"]]
good = all(abs(a - float(b)) <= 1e-6 for a, b in zip(got, (w[2], w[4])))
print(sys.argv[3], got, w[2::2]) if not good else None
sys.exit(not good)
PY
    report "$what: EER and minDCF as ESPnet's" $?
    column=$((column + 1))
done
finish
