#!/usr/bin/env bats
# shellcheck disable=SC2154  # helpers set variables
# What watched programs do that might hold up the side-car, and with it all others that it watches.

load ../helpers
load ../watch

# measured NAME: sets $p99 and $worst to what a program hostile said of its forks, in microseconds.
measured() {
    local beats
    WAIT_LIMIT=${RUN_LIMIT:-60} ended "$1" exit 0 || return
    beats=$(<"$1.out")
    assert_regex "$beats" '^beats [0-9]+ median [0-9]+ p99 [0-9]+ worst [0-9]+$'
    echo "# $1: $beats" >&3
    p99=$(cut -d' ' -f6 <<<"$beats")
    worst=$(cut -d' ' -f8 <<<"$beats")
}

# hostile POLICY KIND COUNT: runs it without truefin, and then watched. Sets $p99 and $worst, and $bare_p99 and $bare_worst:
# a machine that has much else to do must not fail a test.
hostile() {
    start bare "$PROGRAMS/outcome" bare.status "$PROGRAMS/hostile" "${@:2}"
    measured bare
    bare_p99=$p99
    bare_worst=$worst
    watched watched -p "$1" -- "$PROGRAMS/hostile" "${@:2}"
    measured watched
}

@test "a connection that is closed while the side-car looks at it, and lingers, holds up nobody" {
    # Of 50 deaths at least one met the moment, as long as the side-car could wait: for a minute.
    hostile abort-on-crash closes 50
    assert [ "$worst" -lt $((2 * bare_worst + 5000000)) ]
}

@test "a death with thousands of connections holds up nobody" {
    hostile abort-on-crash crowd 4000
    assert [ "$worst" -lt $((4 * bare_worst + 150000)) ]
}

@test "an exec with thousands of connections holds up nobody" {
    hostile abort-on-crash exec 4000
    assert [ "$worst" -lt $((4 * bare_worst + 150000)) ]
}

@test "children that die oddly, with odd names, hold up nobody" {
    local policy rows=0
    for policy in abort-on-crash abort-unless-shutdown always-fin; do
        # What the side-car does it does each time; what else the machine does may hit one of three.
        for _ in 1 2 3; do
            hostile "$policy" deaths "${TRUEFIN_TEST_DEATHS:-150}"
            [[ $p99 -ge $((4 * bare_p99 + 50000)) ]] || break
        done
        assert [ "$p99" -lt $((4 * bare_p99 + 50000)) ]
        rows=$((rows + 1))
    done
    assert_equal "$rows" 3
}
