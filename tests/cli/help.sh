# SPDX-License-Identifier: Apache-2.0
# Help of every command, the version, exit statuses, and where text goes.
. tests/cli/common.sh

ok spk help
has "$out" '^  train '
ok spk --help
ok spk --version
has "$out" '^spk [0-9]+\.[0-9]+\.[0-9]+$'
ok spk version
mapfile -t subs < <(spk prep --help | awk '/^  [a-z]/ {print "prep " $1}')
check "prep has its sub-commands" test ${#subs[@]} -ge 10
for command in train validate extract verify enroll identify pack score eval calibrate bench demo prep "${subs[@]}"; do
    # shellcheck disable=SC2086
    ok spk $command --help
    has "$out" "^usage: spk $command"
    check "nothing on stderr" test ! -s "$err"
done
for command in train validate extract verify enroll identify pack score eval calibrate bench demo prep recipe; do ok spk help $command; done
# Every option that the help of a command names is one that it takes: a wrong value is refused, not the name.
for command in train validate extract verify enroll identify pack score eval calibrate bench demo "${subs[@]}"; do
    # shellcheck disable=SC2086
    spk $command --help >"$out"
    missing=0
    for option in $(grep -oE '^  --[a-z_0-9]+' "$out" | grep -vE -- '--(help|print_config)$'); do
        # shellcheck disable=SC2086
        spk $command "$option" x --no_such_option_at_all >"$tmp/o" 2>"$tmp/e" </dev/null
        grep -qE 'unknown option \'"$option" "$tmp/e" && { echo "$command: $option"; missing=1; }
    done
    report "$command: the help is true" $missing
done

refused 2 "did you mean 'train'" spk trian
refused 2 "no command 'frobnicate'" spk frobnicate
refused 2 "no command" spk help frobnicate
spk >"$out" 2>"$err"; report "no command: exit status 2" "$([ $? = 2 ]; echo $?)"
refused 2 'max_epoch' spk train --max_epo 9
refused 2 'did you mean --max_epoch' spk train --max_epohc 9
refused 2 'max_epoch' spk train --max_epoch many
refused 2 "not expected|no option|too many" spk train word
refused 2 'name the model' spk validate
refused 2 'name what to embed' spk extract --model x
refused 2 'one of them' spk extract --model x --valid_dir y a.wav
refused 2 'whole' spk extract --model x --num_eval 3 a.wav
refused 2 'prep' spk prep
refused 2 "no 'tre'" spk prep tre
refused 2 'needs' spk prep tree onlyone
# Standard output that cannot be written is a failure.
if [ -w /dev/full ]; then
    spk help >/dev/full 2>"$err"; report "a full standard output" "$([ $? = 1 ]; echo $?)"
fi
refused 2 'output_dir is missing' spk train
finish
