#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2154  # braces are words here, and helpers set variables
# The process dies against its will: its peers must not take that for an end.

load ../helpers

# crashes_with SIGNAL OPERATION...
crashes_with() {
    serve accept write:Hello. "${@:2}"
    peer_sees rst 6
    server_ended signal "$1"
}

@test "a segmentation fault sends RST" {
    crashes_with SEGV segv
}

@test "a segmentation fault in a thread sends RST" {
    crashes_with SEGV thread{ segv }
}

@test "abort sends RST" {
    crashes_with ABRT abort
}

@test "a failed assertion sends RST" {
    crashes_with ABRT assert
}

@test "a double free sends RST" {
    without_sanitizer 'the allocator is not glibc then'
    crashes_with ABRT double_free
}

@test "an illegal instruction sends RST" {
    crashes_with ILL trap
}

@test "SIGKILL sends RST" {
    crashes_with KILL kill_self:KILL
}

@test "SIGKILL from outside sends RST on every open connection" {
    serve accept write:Hello. again:3 pause
    connect_peer
    peer=second connect_peer
    peer=third connect_peer
    server_said ready
    kill_server KILL
    peer_saw rst 6
    peer=second peer_saw rst 6
    peer=third peer_saw rst 6
}

@test "every fatal signal that asks for no orderly stop sends RST" {
    local name rows=0
    for name in QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM STKFLT VTALRM PROF XCPU XFSZ POLL PWR SYS; do
        crashes_with "$name" "raise:$name"
        rows=$((rows + 1))
    done
    assert_equal "$rows" 20
}

@test "a real-time signal sends RST" {
    serve accept write:Hello. raise:34
    peer_sees rst 6
}

@test "a crash in a signal handler sends RST" {
    serve accept write:Hello. on:USR1:segv raise:USR1
    peer_sees rst 6
    server_ended signal SEGV
}

@test "a program that handles its own fault and fails sends RST" {
    serve accept write:Hello. on:SEGV:_exit:5 segv
    peer_sees rst 6
    server_ended exit 5
}

@test "a program that handles its own fault and ends well sends FIN" {
    serve accept write:Hello. on:SEGV:_exit:0 segv
    peer_sees fin 6
    server_ended exit 0
}

# --- All kinds of connections ---

@test "SIGKILL sends RST on a connection from accept4" {
    serve accept4 write:Hello. kill_self:KILL
    peer_sees rst 6
}

@test "SIGKILL sends RST on a connection that the program made" {
    listen_peer
    perform connect:"$port" write:Hello. kill_self:KILL
    peer_saw rst 6
}

@test "SIGKILL sends RST on a connection made without blocking" {
    listen_peer
    perform connect_nonblock:"$port" write:Hello. kill_self:KILL
    peer_saw rst 6
}

@test "SIGKILL sends RST over IPv6" {
    serve listen_ipv6 accept write:Hello. kill_self:KILL
    host=::1 peer_sees rst 6
}

@test "SIGKILL sends RST to an IPv4 peer of an IPv6 listener" {
    serve listen_ipv6 accept write:Hello. kill_self:KILL
    peer_sees rst 6
}

@test "SIGKILL sends RST to a TCP peer of an MPTCP listener" {
    serve listen_mptcp accept write:Hello. kill_self:KILL
    peer_sees rst 6
}

@test "SIGKILL sends RST to an MPTCP peer, and its close FIN" {
    requires /usr/bin/python3
    local end ending
    for end in kill_self:KILL close; do
        # The peer says that it has connected, and received.
        serve listen_mptcp accept read:1 write:Hello. read:1 "$end" pause
        # shellcheck disable=SC2154  # find_port sets it
        start peer /usr/bin/python3 -c '
import socket, sys
peer = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)  # IPPROTO_MPTCP
peer.connect(("127.0.0.1", int(sys.argv[1])))
peer.send(b"1")
got = peer.recv(100)
peer.send(b"2")
try:
    while part := peer.recv(100):
        got += part
    print("fin", got.decode(), flush=True)
except ConnectionResetError:
    print("rst", got.decode(), flush=True)' "$port"
        [[ $end == close ]] && ending=fin || ending=rst
        said peer "$ending Hello."
    done
}

@test "SIGKILL sends RST on a connection that was accepted in a thread" {
    serve listen thread{ accept write:Hello. } kill_self:KILL
    peer_sees rst 6
}

@test "SIGKILL sends RST on a connection of which only a dup is left" {
    serve accept write:Hello. dup close kill_self:KILL
    peer_sees rst 6
}

@test "SIGKILL after shutdown leaves FIN" {
    serve accept write:Hello. shutdown_wr kill_self:KILL
    peer_sees fin 6
}

# --- Other policies ---

@test "nothing comes behind the FIN of a shutdown when the program is killed" {
    serve accept write:Hello. shutdown_wr pause
    behind_fin KILL
}

@test "nothing comes behind the FIN of a shutdown when the program is killed before the call has returned" {
    local LIBTRUEFIN=$LIBTRUEFIN:$PROGRAMS/long-shutdown.so
    serve accept write:Hello. shutdown_wr
    behind_fin KILL
}

@test "nothing comes behind the FIN of a shutdown when the program closes under abort-unless-shutdown" {
    serve -p abort-unless-shutdown block:USR1 accept write:Hello. shutdown_wr sigwait:USR1 close exit:0
    behind_fin USR1
}

@test "nothing comes behind the FIN of another process's shutdown when the program fails" {
    serve block:USR1 accept write:Hello. fork{ shutdown_wr exit:0 } wait sigwait:USR1 exit:3
    behind_fin USR1
}

@test "under off a crash reads as FIN, as it does without truefin" {
    serve -p off accept write:Hello. segv
    peer_sees fin 6
    server_ended signal SEGV
}

@test "under off SIGKILL reads as FIN, as it does without truefin" {
    serve -p off accept write:Hello. kill_self:KILL
    peer_sees fin 6
}

@test "crash=rst alone sends RST for a crash" {
    serve -p crash=rst accept write:Hello. kill_self:KILL
    peer_sees rst 6
}

@test "crash=rst alone sends FIN for a failing exit" {
    serve -p crash=rst accept write:Hello. exit:3
    peer_sees fin 6
    server_ended exit 3
}

@test "exit-error=rst alone sends RST for a failing exit" {
    serve -p exit-error=rst accept write:Hello. exit:3
    peer_sees rst 6
}
