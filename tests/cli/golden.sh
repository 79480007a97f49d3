# SPDX-License-Identifier: Apache-2.0
# spk_golden on ESPnet's own arrays: every one must hold, in float and in double; a part that is not there is named; a
# changed weight and a forgotten array are noticed.
. tests/cli/common.sh
need_golden
golden() { "$build/spk_golden" "$@"; }

for name in ecapa ecapa_blocks5; do
    ok golden "$shared/golden/$name"
    has "$out" "$name: [1-9][0-9]* arrays hold, 0 fail"
    ok golden --f64 "$shared/golden/$name"
    has "$out" "$name: [1-9][0-9]* arrays hold, 0 fail"
done
mkdir "$tmp/missing"
cp "$shared/golden/ecapa/golden.npz" "$shared/golden/ecapa/model.pth" "$tmp/missing/"
sed 's/^frontend: .*/frontend: s3prl/' "$shared/golden/ecapa/config.yaml" >"$tmp/missing/config.yaml"
refused 1 's3prl' golden "$tmp/missing"
refused 2 'Prints a row' golden
refused 1 'config.yaml' golden "$tmp"

# Another model's weights: they do not fit, and it is said by name.
mkdir "$tmp/mixed"
cp "$shared/golden/ecapa/config.yaml" "$shared/golden/ecapa/golden.npz" "$tmp/mixed/"
cp "$shared/golden/ecapa_blocks5/model.pth" "$tmp/mixed/"
refused 1 'model.pth: .*(missing|surplus|misshapen)' golden "$tmp/mixed"
# Another loss: the arrays behind it differ, those before it hold.
cp "$shared/golden/ecapa/model.pth" "$tmp/mixed/"
chmod u+w "$tmp/mixed/config.yaml"
sed -i 's/margin: 0.3/margin: 0.29/' "$tmp/mixed/config.yaml"
golden "$tmp/mixed" >"$out" 2>"$err"
report "a changed margin is noticed" $(($? == 1 ? 0 : 1))
has "$out" '^embedding_eval .*pass'
has "$out" '^losses .*FAIL'
finish
