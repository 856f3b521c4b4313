#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2154  # braces are words here, and helpers set variables
# The program gives up its last descriptor for a connection: an orderly end, whatever call it uses.

load ../helpers

# A peer of a program that is done with its connection, and lives on, reads FIN.
orderly() {
    serve accept write:Hello. "$@" pause
    peer_sees fin 6
    server_said ready
}

@test "close sends FIN" {
    orderly close
}

@test "fclose sends FIN" {
    orderly fdopen:w fclose
}

@test "fclose sends what stdio still holds, then FIN" {
    serve accept fdopen:w fprintf:Hello. fclose pause
    peer_sees fin 6
}

@test "freopen of the connection's stream sends FIN" {
    orderly fdopen:r freopen
}

@test "dup2 over the connection sends FIN" {
    orderly dup2_over
}

@test "dup3 over the connection sends FIN" {
    orderly dup3_over
}

@test "close_range sends FIN" {
    orderly close_range
}

@test "closefrom sends FIN" {
    orderly closefrom
}

@test "close through syscall(2) sends FIN" {
    orderly syscall_close
}

@test "close_range through syscall(2) sends FIN" {
    orderly syscall_close_range
}

@test "dup3 over the connection through syscall(2) sends FIN" {
    orderly syscall_dup3
}

@test "a close in a thread sends FIN" {
    orderly thread{ close }
}

@test "a close of a non-blocking connection sends FIN" {
    orderly nonblock close
}

@test "shutdown sends FIN, and what follows changes nothing" {
    serve accept write:Hello. shutdown_wr exit:3
    peer_sees fin 6
}

@test "shutdown of both sides sends FIN" {
    orderly shutdown_both close
}

@test "after a shutdown for reading a crash still sends RST" {
    serve accept write:Hello. shutdown_rd kill_self:KILL
    peer_sees rst 6
}

@test "each way to give up the last descriptor is the event close" {
    local way rows=0
    while read -r way; do
        # shellcheck disable=SC2086  # words
        serve -p close=rst accept write:Hello. $way pause
        peer_sees rst 6
        stop_all
        rows=$((rows + 1))
    done < <(ways_to_close && echo 'dup_fcntl close swap close')
    assert_equal "$rows" 13
}

@test "shutdown is no close: under close=rst its peer reads FIN" {
    serve -p close=rst accept write:Hello. shutdown_wr pause
    peer_sees fin 6
}

@test "under abort-unless-shutdown a close sends RST" {
    serve -p abort-unless-shutdown accept write:Hello. close pause
    peer_sees rst 6
}

@test "under abort-unless-shutdown a close after shutdown leaves FIN" {
    serve -p abort-unless-shutdown accept write:Hello. shutdown_wr close pause
    peer_sees fin 6
}

# --- More than one descriptor ---

@test "the close of one of two descriptors ends nothing, a crash still does" {
    serve -p close=rst,crash=rst accept write:Hello. dup close swap write:Again. pause
    connect_peer
    server_said ready
    kill_server KILL
    peer_saw rst 12
}

@test "the close of one of two descriptors does nothing to the other, which ends as the program does: FIN" {
    serve -p close=rst accept write:Hello. dup close swap write:Again. exit:0
    peer_sees fin 12
}

@test "the close of a dup leaves the connection armed" {
    serve accept write:Hello. dup swap close pause
    connect_peer
    server_said ready
    kill_server KILL
    peer_saw rst 6
}

@test "the close of the last of two descriptors sends FIN" {
    orderly dup close swap close
}

@test "the close of the last of two descriptors, the other made by fcntl, sends FIN" {
    orderly dup_fcntl close swap close
}

@test "dup2 of a descriptor onto itself ends nothing" {
    serve -p close=rst,crash=rst accept write:Hello. dup2_self write:Again. close pause
    peer_sees rst 12
    stop_all
    serve accept write:Hello. dup2_self kill_self:KILL
    peer_sees rst 6
}

@test "dup3 with flags that the kernel refuses ends nothing, a crash still does" {
    serve accept write:Hello. dup3_refused kill_self:KILL
    peer_sees rst 6
}

@test "a connection moved to descriptor 0 is still the same connection" {
    serve accept write:Hello. move:0 exit:3
    peer_sees rst 6
}

@test "CLOSE_RANGE_CLOEXEC closes nothing" {
    serve accept write:Hello. close_range_cloexec write:Again. exit:3
    peer_sees rst 12
}

# --- Descriptors are used again ---

@test "of three connections on one descriptor the two that were closed end with FIN, the one that was not with RST" {
    serve accept write:Hello. close again:2 accept write:Hello. exit:3
    peer_sees fin 6
    peer=second peer_sees fin 6
    peer=third peer_sees rst 6
}

@test "a file on a descriptor that was a connection is left alone" {
    serve accept write:Hello. close files:3 close_bad:999 exit:3
    peer_sees fin 6
    server_said 'close -1 EBADF'
    server_ended exit 3
}

@test "six arguments pass through syscall(2) untouched" {
    serve accept syscall_sendto:Hello. close pause
    peer_sees fin 6
}

# --- The program's own connections to others ---

@test "close sends FIN on a connection that the program made" {
    listen_peer
    perform connect:"$port" write:Hello. close pause
    peer_saw fin 6
}

@test "close sends FIN on a connection made without blocking" {
    listen_peer
    perform connect_nonblock:"$port" write:Hello. close pause
    peer_saw fin 6
}

@test "close sends FIN over IPv6" {
    serve listen_ipv6 accept write:Hello. close pause
    host=::1 peer_sees fin 6
}

@test "close sends FIN over MPTCP" {
    serve listen_mptcp accept write:Hello. close pause
    peer_sees fin 6
}
