#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2030,SC2031,SC2154  # braces are words here, and helpers set variables
# What truefin costs, counted in system calls: those that a program makes under the shim, less those it makes
# without. Start-up is taken out of it by comparing a long run with a short one.

load ../helpers

# trace FILE CONNECTIONS OPERATION...: performs operations under strace, with a peer for each connection.
trace() {
    local file=$1 connections=$2 i
    requires strace
    without_sanitizer 'a sanitizer makes calls of its own'
    shim_settings "$PROGRAMS/server" "${@:3}"
    start server strace -f -qq -o "$file" "${settings[@]/#/--env=}" "${rest[@]}"
    for ((i = 0; i < connections; i++)); do
        find_port server
        peer=peer-$i connect_peer
        wait_until test -s "peer-$i.out"
    done
    wait "$started_pid" || true
}

# calls FILE: how many system calls it holds.
calls() {
    grep -Ec '^[0-9]+ +[a-z_0-9]+\(' "$1"
}

# costs CALLS SHORT LONG: what truefin adds to the long run over the short one. The operations stand in the arrays
# $short and $long; SHORT and LONG are their connections.
costs() {
    trace short "$2" "${short[@]}"
    trace long "$3" "${long[@]}"
    TRUEFIN_TEST_BARE=1 trace short-bare "$2" "${short[@]}"
    TRUEFIN_TEST_BARE=1 trace long-bare "$3" "${long[@]}"
    assert_equal $(($(calls long) - $(calls short) - $(calls long-bare) + $(calls short-bare))) "$1"
}

@test "a connection that is accepted and closed costs two calls more" {
    short=(accept write:Hello. close again:2)
    long=(accept write:Hello. close again:12)
    costs 20 2 12
}

@test "these two calls set SO_LINGER" {
    trace few 1 accept write:Hello. close
    TRUEFIN_TEST_BARE=1 trace few-bare 1 accept write:Hello. close
    assert_equal "$(grep -c 'SO_LINGER' few)" 2
    assert_equal "$(grep -c 'SO_LINGER' few-bare)" 0
}

# costs_more CALLS OPERATION...: so many calls more does a close under flush-rst make than one under rst, with nothing to
# be delivered.
costs_more() {
    TRUEFIN_POLICY=close=rst trace rst 1 "${@:2}"
    TRUEFIN_POLICY=close=flush-rst trace flush 1 "${@:2}"
    local name
    for name in rst flush; do
        sed -n '/"closes\\n"/,/"closed\\n"/p' "$name" >"$name-close"
    done
    assert_equal $(($(calls flush-close) - $(calls rst-close))) "$1"
}

@test "flush-rst with nothing to be delivered costs one call more than rst: TCP_INFO tells all of TCP" {
    costs_more 1 accept say:closes close say:closed
    assert_equal "$(grep -c TCP_INFO flush-close)" 1
}

@test "flush-rst with nothing to be delivered costs two calls more over MPTCP, where TCP_INFO does not tell all" {
    costs_more 2 listen_mptcp accept say:closes close say:closed
    assert_equal "$(grep -c -e TCP_INFO -e SIOCOUTQ -e TIOCOUTQ flush-close)" 2
}

@test "flush-rst without a gap costs one call more than rst" {
    TRUEFIN_FLUSH_GAP=0 costs_more 1 listen_mptcp accept say:closes close say:closed
}

@test "a connection of a non-blocking server costs two calls more" {
    short=(accept4 nonblock write:Hello. close again:2)
    long=(accept4 nonblock write:Hello. close again:12)
    costs 20 2 12
}

@test "a write costs nothing" {
    short=(accept write:a close)
    long=(accept write:a write:b write:c write:d write:e write:f close)
    costs 0 1 1
}

@test "a file that is opened and closed costs nothing" {
    short=(files:1)
    long=(files:101)
    costs 0 0 0
}

@test "a file that is opened and closed beside a connection costs nothing" {
    short=(accept write:a files:1 close)
    long=(accept write:a files:101 close)
    costs 0 1 1
}

@test "the end of a process without connections costs nothing" {
    trace whole 0 say:end exit:3
    TRUEFIN_TEST_BARE=1 trace whole-bare 0 say:end exit:3
    sed '1,/"end\\n"/d' whole >end
    sed '1,/"end\\n"/d' whole-bare >end-bare
    assert_equal "$(calls end)" "$(calls end-bare)"
    assert_equal "$(calls end)" 1
}

@test "under off a connection costs nothing" {
    export TRUEFIN_POLICY=off
    short=(accept write:Hello. close again:2)
    long=(accept write:Hello. close again:12)
    costs 0 2 12
}

@test "with counters a connection costs not one call more than without" {
    mkdir -m 700 pages
    export TRUEFIN_STATS=$PWD/pages
    short=(accept write:Hello. close again:2)
    long=(accept write:Hello. close again:12)
    costs 20 2 12
    # Two runs under the shim, and two without it.
    assert_equal "$(find pages -type f | wc -l)" 2
}

@test "an observed close costs two calls, and a connection nothing else" {
    mkdir -m 700 pages
    export TRUEFIN_STATS=$PWD/pages TRUEFIN_OBSERVE=1
    short=(accept write:Hello. close again:2)
    long=(accept write:Hello. close again:12)
    costs 20 2 12
    sed -n 's/.*\(SIOCINQ\|TIOCINQ\|TIOCOUTQ\|FIONREAD\|TCP_INFO\).*/\1/p' long | sort | uniq -c | sed 's/^ *//' >asked
    assert_equal "$(cat asked)" "12 FIONREAD
12 TCP_INFO"
}

@test "an observed read and an observed write cost nothing" {
    export TRUEFIN_OBSERVE=1
    short=(accept write:a close)
    long=(accept write:a write:b write:c write:d write:e write:f close)
    costs 0 1 1
}

@test "the page of a process takes no descriptor that stays" {
    mkdir -m 700 pages
    local bare lowest=''
    for bare in yes ''; do
        stop_all
        TRUEFIN_TEST_BARE=$bare perform TRUEFIN_STATS="$PWD/pages" listen accept lowest pause
        find_port server
        connect_peer
        server_said ready
        lowest+=$(grep lowest server.out)
    done
    assert_regex "$lowest" '^(lowest [0-9]+)\1$'
    run find "/proc/$(pid_of server)/fd" -lname "$PWD/pages/*"
    assert_output ''
}
