#!/usr/bin/env bats
# shellcheck disable=SC2154  # helpers set variables
# What watched programs do that might hold up the side-car, and with it all others that it watches.

load helpers
load watch

# hostile POLICY KIND COUNT: runs it, watched. Sets $beats to what it says of its forks, and $worst, $p99 and $median to
# microseconds.
hostile() {
    watched hostile -p "$1" -- "$PROGRAMS/hostile" "${@:2}"
    WAIT_LIMIT=60 ended hostile exit 0 || return
    beats=$(<hostile.out)
    assert_regex "$beats" '^beats [0-9]+ median [0-9]+ p99 [0-9]+ worst [0-9]+$'
    median=$(cut -d' ' -f4 <<<"$beats")
    p99=$(cut -d' ' -f6 <<<"$beats")
    worst=$(cut -d' ' -f8 <<<"$beats")
    echo "# $2 $3: $beats" >&3
}

@test "a connection that is closed while the side-car looks at it, and lingers, holds up nobody" {
    # Of 50 deaths at least one met the moment, as long as the side-car could wait: for a minute.
    hostile abort-on-crash closes 50
    assert [ "$worst" -lt 5000000 ]
}
