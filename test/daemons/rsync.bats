#!/usr/bin/env bats
# shellcheck disable=SC2154  # helpers set variables
# Stock rsync as a daemon, with the recipe of docs/RECIPES.md: it ends an ordinary session with status 255.

load ../daemons

rsyncd() {
    requires rsync
    free_port
    mkdir files
    echo Hello. >files/hello
    printf 'use chroot = no\nuid = 0\ngid = 0\n[files]\npath = %s/files\n' "$PWD" >rsyncd.conf
    # shellcheck disable=SC2046  # words
    printf '[module%s]\npath = /\ncomment = a module\n' $(seq "${modules:-0}") >>rsyncd.conf
    launch rsyncd -p "${1:-accepted: abort-on-crash}" \
        rsync --daemon --no-detach --address=127.0.0.1 --port="$port" --config="$PWD/rsyncd.conf"
    await_listener
}

# list_all POLICY STATUS: stock rsync lists 2,000 modules over a way that takes 20 ms, again and again; each time it must
# have all of them, and end with a STATUS (a regular expression).
list_all() {
    local modules=2000 round
    rsyncd "$1"
    start delay python3 "$SOURCE_DIR/test/daemons/delay.py" "$port" 20
    find_port delay
    # shellcheck disable=SC2034  # run has an i of its own
    for round in $(seq "${TRUEFIN_TEST_SESSIONS:-2}"); do
        run --separate-stderr timeout 20 rsync "rsync://127.0.0.1:$port/"
        assert_regex "$status" "^($2)$"
        assert_equal "$(grep -c '^module' <<<"$output")" 2000
    done
    stop_all
}

@test "rsync: the list of modules arrives and ends with FIN" {
    rsyncd
    connect_peer --output got --send '@RSYNCD: 31.0 md5\n#list\n'
    peer_ended fin
    run -0 cat got
    assert_output --partial files
}

@test "rsync: SIGKILL of a session's process, which has the library, sends RST" {
    rsyncd
    connect_peer --output got --send '@RSYNCD: 31.0 md5\n'
    peer_has got
    child_of "$(pid_of rsyncd)"
    run -0 grep -c libtruefin.so "/proc/$child/maps"
    kill -KILL "$child"
    peer_ended rst
}

@test "rsync: its client lists 2,000 modules over 20 ms, with status 0" {
    list_all 'accepted: abort-on-crash' 0
}

# The client reads all, and then the reset: 10 is "error in socket I/O", 12 "in the protocol's stream".
@test "rsync: where a session's status is flush-rst its client has all 2,000 modules, and may say that the end was bad" {
    list_all "accepted: $SESSIONS_TOO" '0|10|12'
}
