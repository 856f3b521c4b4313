#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2154  # braces are words here, and helpers set variables
# always-fin: the answer arrives whole although the program has not read the request. Without it the kernel sends
# an RST, which takes with it what the peer has not read.

load ../helpers

# answers OPERATION...: a program that answers a request of 7 bytes with a million, without reading it.
answers() {
    serve -p always-fin accept await_unread:7 fill:1000000 "$@"
    connect_peer --send request
}

@test "without truefin the answer is lost" {
    export TRUEFIN_TEST_BARE=1
    serve accept await_unread:7 write:Hello. close pause
    peer_sees rst 6 --send request
}

@test "always-fin: close" {
    answers close pause
    peer_saw fin 1000000
}

@test "always-fin: close of a non-blocking connection" {
    answers nonblock close pause
    peer_saw fin 1000000
}

@test "always-fin: exit(0)" {
    answers exit:0
    peer_saw fin 1000000
    server_ended exit 0
}

@test "always-fin: _exit(3)" {
    answers _exit:3
    peer_saw fin 1000000
    server_ended exit 3
}

@test "always-fin: return 3 from main" {
    answers return:3
    peer_saw fin 1000000
    server_ended exit 3
}

@test "always-fin: SIGTERM" {
    answers raise:TERM
    peer_saw fin 1000000
    server_ended signal TERM
}

@test "always-fin: abort" {
    answers abort
    peer_saw fin 1000000
    server_ended signal ABRT
}

@test "always-fin: a failed assertion" {
    answers assert
    peer_saw fin 1000000
    server_ended signal ABRT
}

@test "always-fin: a segmentation fault" {
    answers segv
    peer_saw fin 1000000
    server_ended signal SEGV
}

@test "always-fin: a segmentation fault in a thread" {
    answers thread{ segv }
    peer_saw fin 1000000
    server_ended signal SEGV
}

@test "always-fin: each other fatal signal that can be caught" {
    local name rows=0
    for name in ILL TRAP BUS FPE SYS; do
        answers "raise:$name"
        peer_saw fin 1000000
        server_ended signal "$name"
        rows=$((rows + 1))
    done
    assert_equal "$rows" 5
}

@test "always-fin: a program's own handler for its fault still runs" {
    answers on:SEGV:_exit:5 segv
    peer_saw fin 1000000
    server_ended exit 5
}

@test "always-fin: sigaction reports the default for fatal signals" {
    perform -p always-fin print_sigaction:SEGV print_sigaction:ABRT
    server_said 'sigaction SEGV default'
    server_said 'sigaction ABRT default'
}

@test "always-fin: SIGKILL cannot be helped" {
    serve -p always-fin accept await_unread:7 write:Hello. kill_self:KILL
    peer_sees rst 6 --send request
    server_ended signal KILL
}

@test "always-fin: SIGKILL with nothing unread is a FIN" {
    serve -p always-fin accept write:Hello. kill_self:KILL
    peer_sees fin 6
}

@test "always-fin: a crash with nothing unread is a FIN" {
    serve -p always-fin accept write:Hello. segv
    peer_sees fin 6
    server_ended signal SEGV
}
