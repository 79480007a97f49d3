# SPDX-License-Identifier: Apache-2.0
# The installed copy serves the programs of examples/: with pkg-config, statically, and with CMake. (spk-test: slow)
. tests/cli/common.sh
need_program pkg-config
need_program cmake
ok bash .ci/install "$build" "$tmp/programs"
cat "$out" "$err" | tail -n 5
finish
