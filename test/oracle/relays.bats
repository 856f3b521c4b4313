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

# as_in_recipe RELAY: with the settings of the drop-in in RECIPES, and this build's libraries.
as_in_recipe() {
    local -a settings
    mapfile -t settings < <(sed -n "/^## HAProxy in tcp mode/,/^## PostgreSQL/s/^Environment=//p" "$SOURCE_DIR/docs/RECIPES.md" |
        tr -d "'" | sed "s|/usr/local/lib/|${LIBTRUEFIN%/*}/|g")
    assert_equal "${#settings[@]}" 2
    through "$1" --setting "${settings[0]}" --setting "${settings[1]}"
}

@test "HAProxy in tcp mode, two threads, as in the recipe" {
    requires haproxy
    as_in_recipe haproxy-tcp
}

@test "HAProxy in tcp mode with splice(2)" {
    requires haproxy
    through haproxy-tcp-splice
}

@test "nginx stream, two workers, as in the recipe" {
    requires nginx
    as_in_recipe nginx-stream
}

@test "systemd-socket-proxyd, as in the recipe" {
    requires systemd-socket-activate
    as_in_recipe socket-proxyd
}

@test "relays that copy: Node, and asyncio" {
    requires node
    through node
    through asyncio
}

@test "a proxy of HTTP, kept connections: whole answers end as without the preset" {
    requires nginx
    run -0 python3 -B "$SOURCE_DIR/test/oracle/relays/main.py" --truefin "$TRUEFIN" --backend "$PROGRAMS/backend" \
        --requests 480 nginx-http
    assert_output --regexp 'nginx-http: 480 requests, 0 resets after a whole answer, [1-9][0-9]* ended because of their source'
    refute_output --regexp '(length|chunked|close|idle) +(short|other|502)'
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
