# SPDX-License-Identifier: Apache-2.0
# What the scripts of tests/cli share. A script begins with `. tests/cli/common.sh`; its first argument is the build
# folder; it runs in the project's root. ctest runs each; exit status 77 means skipped. How a script is written:
#
#   . tests/cli/common.sh
#   need_data                                   # leaves (77) where the speech data are not there
#   ok spk prep tree "$tmp/in" "$tmp/out"       # must end with status 0
#   refused 1 'a.wav: .*empty' spk extract ...  # must end with status 1 and say so on stderr, in one line
#   finish                                      # prints how many checks held; 1 when one did not
# After `ok` and `refused`, $out and $err name the files that hold stdout and stderr.
set -uo pipefail
build=${1:?usage: SCRIPT BUILD_FOLDER}
shared=${SPK_SHARED:-../shared}
tmp=$(mktemp -d "${TMPDIR:-/tmp}/spk-cli.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
out=$tmp/stdout err=$tmp/stderr
n_checks=0 n_failed=0

spk() { "$build/spk" "$@"; }

skip() { echo "skipped: $*"; exit 77; }
[ -x "$build/spk" ] || skip "$build/spk is not built"
need_data() { [ -d "$shared/data/speechocean762" ] || skip "no $shared/data/speechocean762 (SPK_SHARED names the folder)"; }
need_golden() { [ -d "$shared/golden" ] || skip "no $shared/golden (SPK_SHARED names the folder)"; }
need_program() { command -v "$1" >/dev/null || skip "$1 is not installed"; }
# Debian's python3, which has python3-numpy; another one may come first in PATH.
python() { if [ -x /usr/bin/python3 ]; then /usr/bin/python3 "$@"; else python3 "$@"; fi; }
need_numpy() { python -c 'import numpy' 2>/dev/null || skip "python3-numpy is not installed"; }

# report TEXT STATUS: one check.
report() {
    n_checks=$((n_checks + 1))
    [ "$2" = 0 ] || { n_failed=$((n_failed + 1)); echo "FAILED: $1"; }
    return 0
}
# check TEXT COMMAND...: the command must end with 0.
check() { local text=$1; shift; "$@" >/dev/null 2>&1; report "$text" $?; }

# ok COMMAND...
ok() {
    "$@" >"$out" 2>"$err" </dev/null
    local rc=$?
    [ $rc = 0 ] || { echo "exit status $rc, stderr:"; tail -5 "$err"; }
    report "$*" $rc
}
# refused STATUS PATTERN COMMAND...: must end with STATUS, and the last line of stderr match the extended pattern.
refused() {
    local want=$1 pattern=$2 rc=0 good=0; shift 2
    "$@" >"$out" 2>"$err" </dev/null; rc=$?
    [ $rc = "$want" ] || { echo "exit status $rc, not $want"; good=1; }
    tail -1 "$err" | grep -qE -- "$pattern" || { echo "stderr does not say '$pattern':"; tail -3 "$err"; good=1; }
    report "$*" $good
}
# has FILE PATTERN: a line of the file matches the extended pattern.
has() { grep -qE -- "$2" "$1"; local rc=$?; [ $rc = 0 ] || { echo "$1 has no line with '$2':"; head -5 "$1"; }; report "has $2" $rc; }
same() { cmp "$1" "$2"; report "$1 and $2 are the same" $?; }

finish() { echo "$((n_checks - n_failed)) of $n_checks checks held"; [ $n_failed = 0 ] && [ $n_checks -gt 0 ]; exit; }
