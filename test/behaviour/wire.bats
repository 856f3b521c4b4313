#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2154  # braces are words here, and helpers set variables
# What goes over the wire: the FIN and RST packets that the program's side sends, and the kernel's own counters of them.

load ../helpers

# Nobody listens here: a connection to it is answered with an RST, which marks the end of what is to be seen.
marker=9

# capture FILTER: writes a line for each FIN and RST that FILTER (pcap-filter(7)) lets pass, and waits until it looks.
capture() {
    requires tcpdump
    start packets tcpdump --immediate-mode -l -n -i lo -Z "$(id -un)" \
        "($1 or src port $marker) and tcp[tcpflags] & (tcp-fin|tcp-rst) != 0"
    wait_until grep -q '^listening on' packets.err || cat packets.err
}

# serve_captured ...: serve, with all that the program's side sends captured.
serve_captured() {
    capture 'src port 8080'
    serve listen:8080 "$@"
}

marked() {
    grep -q "127.0.0.1.$marker >" packets.out
}

# sent FLAGS...: the packets with FIN or RST were these, in this order, and no others. To be asked when all has ended.
sent() {
    # Packets are captured in their order: before the marker is all that there was.
    ! (: <>"/dev/tcp/127.0.0.1/$marker") 2>/dev/null
    wait_until marked
    sed -n "/127.0.0.1.$marker >/d; s/.*Flags \[\([^]]*\)\].*/\1/p" packets.out >flags
    run -0 paste -sd ' ' flags
    assert_output "$*"
}

# counted NAME: the kernel's counter in this network namespace.
counted() {
    nstat -asz "$1" | awk -v name="$1" '$1 == name { print $2 }'
}

# remember_counters: before the first connection.
remember_counters() {
    requires nstat
    resets=$(counted TcpOutRsts)
    aborts=$(counted TcpExtTCPAbortOnData)
}

# resets_since N: N RSTs have been sent since, all of them aborts that some process asked for by its linger.
resets_since() {
    assert_equal $(($(counted TcpOutRsts) - resets)) "$1"
    assert_equal $(($(counted TcpExtTCPAbortOnData) - aborts)) "$1"
}

# --- Packets ---

@test "on the wire: close sends one FIN" {
    serve_captured accept write:Hello. close
    peer_sees fin 6
    server_ended exit 0
    sent F.
}

@test "on the wire: exit(0) sends one FIN" {
    serve_captured accept write:Hello. exit:0
    peer_sees fin 6
    server_ended exit 0
    sent F.
}

@test "on the wire: exit(3) sends one RST and no FIN" {
    serve_captured accept write:Hello. exit:3
    peer_sees rst 6
    server_ended exit 3
    sent R.
}

@test "on the wire: exit(3) without truefin sends one FIN" {
    export TRUEFIN_TEST_BARE=1
    serve_captured accept write:Hello. exit:3
    peer_sees fin 6
    server_ended exit 3
    sent F.
}

@test "on the wire: SIGKILL sends one RST and no FIN" {
    serve_captured accept write:Hello. pause
    connect_peer
    server_said ready
    kill_server KILL
    peer_saw rst 6
    server_ended signal KILL
    sent R.
}

@test "on the wire: SIGTERM sends one FIN" {
    serve_captured accept write:Hello. pause
    connect_peer
    server_said ready
    kill_server TERM
    peer_saw fin 6
    server_ended signal TERM
    sent F.
}

@test "on the wire: a crash after shutdown sends one FIN and no RST" {
    serve_captured accept write:Hello. shutdown_wr exit:3
    peer_sees fin 6
    server_ended exit 3
    sent F.
}

@test "on the wire: the end of a forked helper sends nothing, and the parent's close one FIN" {
    serve_captured accept fork{ exit:3 } wait write:Hello. close
    peer_sees fin 6
    server_ended exit 0
    sent F.
}

@test "on the wire: two connections of a failing program send two RSTs" {
    serve_captured accept write:Hello. accept write:Hello. on:USR1:exit:3 pause
    peer=first connect_peer --output first.got
    peer=second connect_peer --output second.got
    # What a peer sends after that is answered by another one.
    wait_until test -s first.got -a -s second.got
    kill_server USR1
    peer=first peer_saw rst 6
    peer=second peer_saw rst 6
    server_ended exit 3
    sent R. R.
}

@test "on the wire: a program that connected and exits 3 sends one RST" {
    listen_peer
    capture "dst port $port"
    perform connect:"$port" write:Hello. exit:3
    peer_saw rst 6
    server_ended exit 3
    sent R.
}

# --- The kernel's counters ---

@test "the kernel counts an abort for SIGKILL, and an RST" {
    remember_counters
    serve accept write:Hello. pause
    connect_peer
    server_said ready
    kill_server KILL
    peer_saw rst 6
    resets_since 1
}

@test "the kernel counts no abort and no RST for twenty connections that end well" {
    remember_counters
    serve accept write:Hello. close again:20
    for ((n = 0; n < 20; n++)); do
        peer=peer-$n peer_sees fin 6
    done
    server_ended exit 0
    resets_since 0
}

@test "the kernel counts no abort and no RST for a stop with five connections" {
    remember_counters
    serve accept write:Hello. accept write:Hello. accept write:Hello. accept write:Hello. accept write:Hello. pause
    for n in 1 2 3 4 5; do
        peer=peer-$n connect_peer
    done
    server_said ready
    kill_server TERM
    for n in 1 2 3 4 5; do
        peer=peer-$n peer_saw fin 6
    done
    resets_since 0
}

@test "the kernel counts five aborts for a crash with five connections" {
    remember_counters
    serve accept write:Hello. accept write:Hello. accept write:Hello. accept write:Hello. accept write:Hello. pause
    for n in 1 2 3 4 5; do
        peer=peer-$n connect_peer
    done
    server_said ready
    kill_server KILL
    for n in 1 2 3 4 5; do
        peer=peer-$n peer_saw rst 6
    done
    resets_since 5
}
