#!/usr/bin/env bats
# Received data that the program has not read when it gives up the connection.

load ../helpers

# leaves POLICY OPERATION...: the peer sends "request", 7 bytes, which have arrived before the operations begin.
leaves() {
    serve -p "$1" accept await_unread:7 "${@:2}" pause
    connect_peer --send request
}

# --- In the socket ---

@test "abort-on-unread-data: a close with unread data sends RST" {
    leaves abort-on-unread-data write:Hello. close
    peer_saw rst 6
}

@test "abort-on-unread-data: a close with all data read sends FIN" {
    leaves abort-on-unread-data read:7 write:Hello. close
    peer_saw fin 6
}

@test "abort-on-unread-data: a close with some data read sends RST" {
    leaves abort-on-unread-data read:3 write:Hello. close
    peer_saw rst 6
}

@test "unread=fin: a close with unread data sends FIN" {
    leaves unread=fin write:Hello. close
    peer_saw fin 6
}

@test "unread=fin covers each way to give up the last descriptor" {
    local way rows=0
    while read -r way; do
        # shellcheck disable=SC2086  # words
        leaves unread=fin write:Hello. $way
        peer_saw fin 6
        stop_all
        rows=$((rows + 1))
    done < <(ways_to_close && echo 'nonblock close')
    assert_equal "$rows" 13
}

@test "the default leaves unread data to the kernel, which sends RST" {
    leaves abort-on-crash write:Hello. close
    peer_saw rst 6
}

@test "unread data is not the event close: close=fin changes nothing" {
    leaves close=fin write:Hello. close
    peer_saw rst 6
}

@test "abort-on-unread-data alone leaves a failing exit alone" {
    serve -p abort-on-unread-data accept write:Hello. exit:3
    peer_sees fin 6
}

@test "a close of one of two descriptors discards nothing" {
    leaves unread=fin dup close swap read:7 write:Hello. close
    peer_saw fin 6
}

# --- In stdio's buffer: the kernel knows nothing of it ---

# The peer sends two lines in one piece; fgets hands out the first.
leaves_in_stdio() {
    serve -p "$1" accept await_unread:8 write:Hello. fdopen:r "${@:2}" pause
    connect_peer --send 'one\ntwo\n'
}

@test "abort-on-unread-data: fclose with data in its buffer sends RST" {
    leaves_in_stdio abort-on-unread-data fgets fclose
    peer_saw rst 6
}

@test "abort-on-unread-data: freopen with data in its buffer sends RST" {
    leaves_in_stdio abort-on-unread-data fgets freopen
    peer_saw rst 6
}

@test "abort-on-unread-data: fclose with an empty buffer sends FIN" {
    leaves_in_stdio abort-on-unread-data fgets fgets fclose
    peer_saw fin 6
}

@test "the default ignores data in a stdio buffer" {
    leaves_in_stdio abort-on-crash fgets fclose
    peer_saw fin 6
}
