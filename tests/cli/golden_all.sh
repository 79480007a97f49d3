# SPDX-License-Identifier: Apache-2.0
# spk_golden on all of ESPnet's and WeSpeaker's folders: every array must hold. spk-test: slow
. tests/cli/common.sh
need_golden
golden() { "$build/spk_golden" "$@"; }

for name in identity mfaconformer rawnet3 resnet18 resnet50 ska_tdnn subcenter_topk xvector; do
    ok golden "$shared/golden/$name"
    has "$out" "$name: [1-9][0-9]* arrays hold, 0 fail"
    ok golden --f64 "$shared/golden/$name"
    has "$out" "$name.*: [1-9][0-9]* arrays hold, 0 fail"
done
for name in campplus ecapa_astp ecapa_glob resnet34 xvec; do
    ok golden "$shared/golden/wespeaker/$name"
    has "$out" "$name: [1-9][0-9]* arrays hold, 0 fail"
done
finish
