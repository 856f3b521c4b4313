#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2154  # braces are words here, and helpers set variables
# Rules match real connections: whose they are, on which port, with whom.

load ../helpers

# More addresses to come from: what is sent to a local address comes from that address.
setup_file() {
    ip address add 10.1.2.3/32 dev lo
    ip address add fd00::1/128 dev lo nodad
}

# accepted fin|rst POLICY [LISTEN]: how a failing server's connection ends, seen from ${host:-127.0.0.1}.
accepted() {
    serve -p "$2" "${3:-listen:8080}" accept write:Hello. exit:3
    peer_sees "$1" 6
    server_ended exit 3
}

# connected fin|rst POLICY: the same for a connection that the program made.
connected() {
    listen_peer
    perform -p "${2//PORT/$port}" connect:"$port" write:Hello. exit:3
    peer_saw "$1" 6
}

@test "port= matches the port of an accepted connection" {
    accepted rst 'port=8080: abort-on-crash'
}

@test "port= matches no other port" {
    accepted fin 'port=8081: abort-on-crash'
}

@test "port= takes lists and ranges" {
    accepted rst 'port=80,8000-8099: abort-on-crash'
}

@test "!port= matches the other ports" {
    accepted fin '!port=8080: abort-on-crash'
}

@test "port= means the remote port of a connection that the program made" {
    connected rst 'port=PORT: abort-on-crash'
}

@test "port= matches no other remote port" {
    connected fin '!port=PORT: abort-on-crash'
}

@test "accepted matches an accepted connection" {
    accepted rst 'accepted: abort-on-crash'
}

@test "accepted does not match a connection that the program made" {
    connected fin 'accepted: abort-on-crash'
}

@test "connected matches a connection that the program made" {
    connected rst 'connected: abort-on-crash'
}

@test "connected does not match an accepted connection" {
    accepted fin 'connected: abort-on-crash'
}

@test "!connected matches an accepted connection" {
    accepted rst '!connected: abort-on-crash'
}

@test "peer= matches an IPv4 prefix" {
    host=10.1.2.3 accepted rst 'peer=10.0.0.0/8: abort-on-crash'
}

@test "peer= matches no other IPv4 address" {
    accepted fin 'peer=10.0.0.0/8: abort-on-crash'
}

@test "!peer= matches the other addresses" {
    accepted rst '!peer=10.0.0.0/8: abort-on-crash'
}

@test "peer= takes a list" {
    host=10.1.2.3 accepted rst 'peer=192.0.2.1,10.1.2.3: abort-on-crash'
}

@test "peer= matches an IPv6 prefix" {
    host=fd00::1 accepted rst 'peer=fd00::/8: abort-on-crash' listen_ipv6:8080
}

@test "peer= matches no other IPv6 address" {
    host=::1 accepted fin 'peer=fd00::/8: abort-on-crash' listen_ipv6:8080
}

@test "an IPv4 prefix matches an IPv4 peer of an IPv6 listener" {
    accepted rst 'peer=127.0.0.0/8: abort-on-crash' listen_ipv6:8080
}

@test "an IPv6 prefix does not match an IPv4 peer of an IPv6 listener" {
    accepted fin 'peer=::/0: abort-on-crash' listen_ipv6:8080
}

@test "peer= matches the other side of a connection that the program made" {
    connected rst 'connected peer=127.0.0.1: abort-on-crash'
}

@test "all terms of a rule must match" {
    accepted fin 'accepted port=8080 peer=10.0.0.0/8: abort-on-crash'
}

@test "the first rule that matches decides" {
    accepted fin 'port=8080: off; abort-on-crash'
}

@test "a rule that does not match leaves it to the next" {
    accepted rst 'port=8081: off; abort-on-crash'
}

@test "when no rule matches nothing changes" {
    accepted fin 'port=8081: abort-on-crash; connected: abort-on-crash'
}
