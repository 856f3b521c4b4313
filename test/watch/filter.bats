#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2034  # helpers set and use variables
# When the filter that shows closes is installed, and what run says of it.

load ../helpers
load ../watch

setup() {
    with_wrapper
    cd "$BATS_TEST_TMPDIR" || return
    started=()
}

# status_under [OPTION...]: the line with "Seccomp" in a watched command's status, on standard output.
seccomp_under() {
    "$TRUEFIN" run --watch "$@" -- grep -E '^Seccomp:|^NoNewPrivs:' /proc/self/status
}

# As for a program without CAP_SYS_ADMIN.
plain='setpriv --bounding-set -sys_admin'

@test "there is a filter only where the policy asks something of a close, and not with --watch=deaths" {
    local rows=0 policy mode
    while IFS='|' read -r policy mode; do
        run -0 --separate-stderr seccomp_under -p "$policy"
        assert_output $'NoNewPrivs:\t0\nSeccomp:\t'"$mode"
        assert_equal "$stderr" ''
        rows=$((rows + 1))
    done <<'ROWS'
abort-on-crash|0
off, crash=rst|0
always-fin|2
off, unread=rst|2
abort-on-crash, defer-close|2
accepted: close=rst; crash=rst|2
ROWS
    assert_equal "$rows" 6
    run -0 seccomp_under -p always-fin --watch=deaths
    assert_output $'NoNewPrivs:\t0\nSeccomp:\t0'
}

@test "without CAP_SYS_ADMIN the filter takes no_new_privs, which is said, or refused" {
    requires setpriv
    # shellcheck disable=SC2086  # words
    run -0 --separate-stderr $plain "$TRUEFIN" run --watch -p always-fin -- grep -E '^Seccomp:|^NoNewPrivs:' /proc/self/status
    assert_output $'NoNewPrivs:\t1\nSeccomp:\t2'
    assert_equal "$stderr" 'truefin: grep: set-user-ID programs get no rights below it (no_new_privs, for want of CAP_SYS_ADMIN; --keep-privileges refuses)'
    # shellcheck disable=SC2086  # words
    run -125 --separate-stderr $plain "$TRUEFIN" run --watch --keep-privileges -p always-fin -- true
    assert_equal "$stderr" 'truefin: true: to see closes takes CAP_SYS_ADMIN, or no_new_privs, against --keep-privileges (--force: only deaths are seen)'
    # shellcheck disable=SC2086  # words
    run -0 --separate-stderr $plain "$TRUEFIN" run --watch --keep-privileges --force -p always-fin -- grep NoNewPrivs /proc/self/status
    assert_output $'NoNewPrivs:\t0'
    run -0 --separate-stderr "$TRUEFIN" run --watch --keep-privileges -p always-fin -- true
    assert_equal "$stderr" ''
}

@test "beside another listener only deaths are seen, and run says so" {
    # shellcheck disable=SC2016  # for the inner shell
    run -0 --separate-stderr "$TRUEFIN" run --watch -p always-fin -- sh -c \
        'kill -KILL "$TRUEFIN_WATCH"; while ! grep -q "^TracerPid:.0" /proc/$$/status; do :; done; exec "$0" run --watch -p close=rst -- true' "$TRUEFIN"
    assert_equal "$stderr" 'truefin: true: only deaths are seen, not closes: another program has the one listener that there can be, as a container'"'"'s runtime'
}

@test "refuse-write-after-fin takes the library, and run says so" {
    run -0 --separate-stderr "$TRUEFIN" run --watch -p 'always-fin, refuse-write-after-fin' -- /sbin/ldconfig --version
    assert_line --partial ldconfig
    assert_equal "${stderr_lines[0]}" 'truefin: /sbin/ldconfig: refuse-write-after-fin takes the library: no write is refused'
}

@test "a program installs a filter of its own, and has its closes seen" {
    watch_static -p close=rst -- accept ask_seccomp write:Hello. close pause
    peer_sees rst 6
}
