#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2154  # braces are words here, and helpers set variables
# What the side-car sees of closes: of a static program, which the library cannot be loaded into.

load ../helpers
load ../watch

# static_ends POLICY ENDING BYTES OPERATION...
static_ends() {
    watch_static -p "$1" -- "${@:4}"
    peer_sees "$2" "$3"
    rows=$((rows + 1))
}

# looped WAY ANSWER: a static event loop under always-fin registers its connections that way, and closes them early.
looped() {
    local size=500000
    watched looper -p always-fin -- "$PROGRAMS/looper-static" 3 "$1"
    find_port looper
    for peer in 1 2 3; do
        start "$peer" "$PROGRAMS/upload" "$port" "$size"
        wait_until test -s "$peer.out"
        echo "way: $1"
        assert_equal "$(head -n 1 "$peer.out")" "$2"
    done
    said looper 'done 3'
    kill -TERM "$(pid_of looper)"
    said looper end
    assert_equal "$(grep -c -e stale -e failed looper.out)" 0
    stop_all
    rows=$((rows + 1))
}

# shares POLICY WAY: a static program whose connection goes from one process to another. Sets $port.
shares() {
    watched sharing -p "$1" -- "$PROGRAMS/sharing" "$2"
    find_port sharing
    connect_peer
}

# all_die: the program's processes are killed.
all_die() {
    local pid
    pid=$(pid_of sharing)
    # shellcheck disable=SC2046  # words
    kill -KILL "$pid" $(cat "/proc/$pid/task/$pid/children")
}

@test "each way to close a connection is a close, in a process that goes on" {
    local rows=0 way
    while read -r way; do
        # shellcheck disable=SC2086  # words
        static_ends close=rst rst 6 accept write:Hello. $way pause
    done < <(ways_to_close)
    assert_equal "$rows" 12
}

@test "each ending is carried out" {
    local rows=0
    static_ends close=fin fin 6 accept write:Hello. close pause
    static_ends close=linger fin 6 accept write:Hello. close pause
    static_ends close=flush-rst rst 6 accept write:Hello. close pause
    static_ends close=keep,crash=rst fin 6 accept write:Hello. close pause
    static_ends 'accepted: close=rst; close=keep' rst 6 accept write:Hello. close pause
    static_ends 'connected: close=rst; close=keep, unread=rst' fin 6 accept write:Hello. close pause
    static_ends close=rst fin 6 accept write:Hello. shutdown_wr close pause
    assert_equal "$rows" 7
}

@test "what was left unread is told from the rest" {
    local rows=0
    watch_static -p unread=flush-rst,close=fin -- accept await_unread:1 write:Hello. close pause
    peer_sees rst 6 --send request
    watch_static -p unread=fin,close=rst -- accept await_unread:1 write:Hello. close pause
    peer_sees fin 6 --send request
}

@test "a close with a second descriptor, or with another process's, ends nothing; the last one does" {
    local rows=0
    static_ends close=rst rst 10 accept write:Hello. dup close swap write:More close pause
    static_ends close=rst rst 10 accept write:Hello. dup_fcntl close swap write:More close pause
    static_ends close=rst rst 10 accept write:Hello. fork{ write:More close } wait close pause
    static_ends close=rst rst 10 accept write:Hello. fork{ await_orphaned write:More close pause } close exit:0
    assert_equal "$rows" 4
}

@test "dup2 onto itself, a dup3 that is refused, and CLOSE_RANGE_CLOEXEC close nothing" {
    local rows=0
    static_ends close=rst rst 10 accept write:Hello. dup2_self write:More close pause
    static_ends close=rst rst 10 accept write:Hello. dup3_refused write:More close pause
    static_ends close=rst rst 10 accept write:Hello. close_range_cloexec write:More close pause
    assert_equal "$rows" 3
}

@test "an event loop hears of nothing that it has closed, and the answer arrives" {
    local rows=0 way
    for way in level edge exclusive oneshot two removed forked poll select; do
        looped "$way" 'all 6 fin'
    done
    assert_equal "$rows" 9
}

@test "defer-close: the end of the process decides, or the time" {
    local rows=0 policy='abort-on-crash, defer-close'
    export TRUEFIN_DEFER_TIME=1min
    static_ends "$policy" rst 6 accept write:Hello. close exit:3
    static_ends "$policy" rst 6 accept write:Hello. close segv
    static_ends "$policy" rst 6 accept write:Hello. close kill_self:KILL
    static_ends "$policy" rst 6 accept write:Hello. thread{ close } exit:3
    static_ends "$policy" fin 6 accept write:Hello. close exit:0
    static_ends "$policy" fin 6 accept write:Hello. close raise:TERM
    static_ends "$policy" fin 6 accept write:Hello. close exec:/bin/true
    TRUEFIN_DEFER_TIME=20ms static_ends "$policy" fin 6 accept write:Hello. close pause
    assert_equal "$rows" 8
}

@test "a connection that was sent to another process is that one's to close" {
    shares close=rst message
    said sharing closed
    peer_saw rst 6
}

@test "a connection that is on its way to another process is left alone" {
    shares close=rst,crash=keep flight
    said sharing closed
    all_die
    peer_saw fin 0
}

@test "two processes with one table of descriptors: the one number is the last, a second one is not" {
    shares close=rst table
    peer_saw rst 6
    stop_all
    shares close=rst,crash=keep twin
    said sharing closed
    all_die
    peer_saw fin 6
}

@test "programs of 32 bits, and calls by the numbers of x32" {
    [[ -x $PROGRAMS/close32 ]] || skip 'for x86-64'
    listen_peer
    watched close32 -p close=rst -- "$PROGRAMS/close32" "$port"
    peer_saw rst 6
    stop_all
    shares close=rst x32
    wait_until grep -Exq 'none|closed' sharing.out
    grep -qx none sharing.out || peer_saw rst 6
}

@test "an exec that closes a connection goes unseen: the kernel ends it" {
    shares close=rst exec
    peer_saw fin 6
}
