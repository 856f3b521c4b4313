#!/usr/bin/env bats
# A part of what scripts/relays runs: many connections at once through stock relays under the preset relay, half of which
# end badly.

load ../helpers

# through RELAY [OPTION...]: no false RST, none missed, all bytes.
through() {
    run -0 python3 -B "$SOURCE_DIR/test/oracle/relays/main.py" --truefin "$TRUEFIN" --backend "$PROGRAMS/backend" \
        --count 60 --fates crash,reset "${@:2}" "$1"
    assert_output --regexp "$1 round 1 down: 60 connections, 0 false RST, 0 missed, 0 other"
    assert_output --regexp "$1 round 1 up: 60 connections, 0 false RST, 0 missed, 0 other"
}

@test "HAProxy in tcp mode, two threads" {
    requires haproxy
    through haproxy-tcp
}

@test "HAProxy in tcp mode with splice(2)" {
    requires haproxy
    through haproxy-tcp-splice
}

@test "nginx stream, two workers" {
    requires nginx
    through nginx-stream
}

@test "socat that forks" {
    requires socat
    through socat
}

@test "without the preset resets end at the relay" {
    requires haproxy
    run -1 python3 -B "$SOURCE_DIR/test/oracle/relays/main.py" --truefin "$TRUEFIN" --backend "$PROGRAMS/backend" \
        --count 20 --fates crash,reset --policy abort-on-crash haproxy-tcp
    assert_output --partial 'haproxy-tcp round 1 down: 20 connections, 0 false RST, 10 missed, 0 other'
}
