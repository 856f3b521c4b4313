#!/usr/bin/env bats
# shellcheck disable=SC2154  # run sets stderr and stderr_lines
# What the executable policy says and exits with.

bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert

POLICY=$BUILD_DIR/libexec/truefin/policy

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    unset "${!TRUEFIN_@}"
}

@test "a text is shown in canonical form, with its table" {
    run --separate-stderr "$POLICY" 'port = 80: crash=flush-rst,session-error=keep,exit-error=flush-rst,unwind=flush-rst'
    assert_success
    assert_line -n 0 'port=80: abort-on-crash'
    assert_line -n 1 'match     close  unread  unwind     exception  source-failed  exit  exit-error  session-error  stop  crash'
    assert_line -n 2 'port=80   keep   keep    flush-rst  keep       keep           keep  flush-rst   keep           keep  flush-rst'
    assert_line -n 3 'no match  keep   keep    keep       keep       keep           keep  keep        keep           keep  keep'
    assert_equal "$stderr" ''
}

@test "a fault is said in one line, and a caret points at it; status 78" {
    run --separate-stderr -78 "$POLICY" 'off; abort-on-crsh'
    assert_output ''
    assert_equal "${stderr_lines[0]}" 'truefin: policy: unknown word "abort-on-crsh" at column 6 (allowed: abort-on-crash, abort-on-unread-data, abort-unless-shutdown, always-fin, relay, refuse-write-after-fin, defer-close, off, EVENT=ENDING; did you mean abort-on-crash?)'
    assert_equal "${stderr_lines[1]}" 'off; abort-on-crsh'
    assert_equal "${stderr_lines[2]}" '     ^^^^^^^^^^^^^'
    assert_equal "${#stderr_lines[@]}" 3
}

@test "a fault in a file is said with the file's name and the line" {
    printf '# comment\noff\ncrash=rts\n' >policies
    run --separate-stderr -78 "$POLICY" -f policies
    assert_equal "${stderr_lines[0]}" 'truefin: policies: unknown ending "rts" at line 3, column 7 (allowed: keep, fin, linger, flush-rst, rst; did you mean rst?)'
}

@test "without a text, the environment's policy is shown: variable, file, default" {
    run -0 "$POLICY"
    assert_line -n 0 'abort-on-crash'
    TRUEFIN_POLICY=always-fin run -0 "$POLICY"
    assert_line -n 0 'always-fin'
    echo 'off # here' >policies
    TRUEFIN_POLICY_FILE=policies run -0 "$POLICY"
    assert_line -n 0 'off'
}

@test "a text on the command line goes before the environment" {
    TRUEFIN_POLICY=nonsense run -0 "$POLICY" off
    assert_line -n 0 'off'
}

@test "TRUEFIN_POLICY and TRUEFIN_POLICY_FILE together are a fault" {
    TRUEFIN_POLICY=off TRUEFIN_POLICY_FILE=policies run -78 "$POLICY"
    assert_output --partial 'both set'
    TRUEFIN_POLICY=off TRUEFIN_POLICY_FILE=policies run -78 "$POLICY" --check-env
    assert_output --partial 'both set'
}

@test "a file that is not there, is a directory, is too long or no text is a fault" {
    run -78 "$POLICY" -f missing
    assert_output 'truefin: missing: No such file or directory'
    run -78 "$POLICY" -f .
    assert_output 'truefin: .: Is a directory'
    head -c 70000 /dev/zero | tr '\0' ' ' >long
    run -78 "$POLICY" -f long
    assert_output 'truefin: long: longer than 64 KiB'
    printf 'off\0off' >binary
    run -78 "$POLICY" -f binary
    assert_output 'truefin: binary: not a text: it contains a zero byte'
}

@test "wrong usage exits 2" {
    run -2 "$POLICY" off off
    run -2 "$POLICY" -f
    run -2 "$POLICY" -x file
    run -2 "$POLICY" --nonsense
    run -2 "$POLICY" -f a b
    assert_output 'truefin: usage: policy [TEXT | -f FILE | --check-env]'
}

@test "a good environment is checked quietly" {
    run -0 "$POLICY" --check-env
    assert_output ''
    TRUEFIN_POLICY=off TRUEFIN_LINGER_TIME=500ms TRUEFIN_CLEAN_EXITS=0,1 TRUEFIN_STOP_SIGNALS=TERM \
        TRUEFIN_LOG=/tmp/x run -0 "$POLICY" --check-env
    assert_output ''
}

@test "the names of the libraries that a policy needs are printed: source-failed needs one where close does not do the same" {
    local policy
    for policy in relay 'abort-on-crash, relay' 'abort-on-crash; port=80: source-failed=rst' 'close=rst, source-failed=fin' \
        defer-close refuse-write-after-fin; do
        TRUEFIN_POLICY=$policy run -0 "$POLICY" --check-env
        assert_output libtruefin-io.so
    done
    for policy in abort-on-crash always-fin abort-unless-shutdown 'close=rst, source-failed=keep' 'relay, off'; do
        TRUEFIN_POLICY=$policy run -0 "$POLICY" --check-env
        assert_output ''
    done
}

@test "each bad variable is named, all of them at once" {
    checked=0
    while read -r name value; do
        run -78 env "$name=$value" "$POLICY" --check-env
        assert_line -n 0 --partial "truefin: $name: "
        checked=$((checked + 1))
    done <<'ROWS'
TRUEFIN_POLICY crash
TRUEFIN_LINGER_TIME 2
TRUEFIN_LINGER_BYTES 2
TRUEFIN_LINGER_END keep
TRUEFIN_LINGER_AT_EXIT no
TRUEFIN_CLEAN_EXITS 256
TRUEFIN_STOP_SIGNALS KILL
TRUEFIN_LOG sdterr
ROWS
    assert_equal "$checked" 8
    TRUEFIN_LINGER_TIME=2 TRUEFIN_LOG=x run -78 "$POLICY" --check-env
    assert_output --partial 'TRUEFIN_LINGER_TIME'
    assert_output --partial 'TRUEFIN_LOG'
}

to_full_disk() {
    "$POLICY" off >/dev/full
}

@test "a table that cannot be written is not a success" {
    run -1 --separate-stderr to_full_disk
    assert_equal "$stderr" 'truefin: standard output: No space left on device'
}

@test "--help says what it does, on standard output" {
    run -0 --separate-stderr "$POLICY" --help
    assert_output --partial 'usage: truefin policy [TEXT | -f FILE | --check-env]'
    assert_equal "$stderr" ""
}

@test "a policy with linger is followed by what bounds it" {
    run -0 "$POLICY" always-fin
    assert_line -n 3 'linger: at most 2s and 64M, then fin; at exit: end'
    TRUEFIN_LINGER_TIME=500ms TRUEFIN_LINGER_BYTES=1G TRUEFIN_LINGER_END=rst TRUEFIN_LINGER_AT_EXIT=wait \
        run -0 "$POLICY" close=linger
    assert_line 'linger: at most 500ms and 1G, then rst; at exit: wait'
    TRUEFIN_LINGER_BYTES=64 run -78 "$POLICY" close=linger
    assert_line 'truefin: TRUEFIN_LINGER_BYTES: size without a unit "64" at column 1 (allowed: a whole number and K, M or G, at most 1024G; or 0)'
    run -0 "$POLICY" close=fin
    refute_output --partial linger:
}
