#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2154  # braces are words here, and helpers set variables
# The process ends by its own decision, with the connection open: the status tells whether all was well.

load ../helpers

# ends_with fin|rst STATUS OPERATION...
ends_with() {
    serve accept write:Hello. "${@:3}"
    peer_sees "$1" 6
    server_ended exit "$2"
}

@test "exit(0) sends FIN" {
    ends_with fin 0 exit:0
}

@test "exit(3) sends RST" {
    ends_with rst 3 exit:3
}

@test "return 0 from main sends FIN" {
    ends_with fin 0 return:0
}

@test "return 3 from main sends RST" {
    ends_with rst 3 return:3
}

@test "_exit(0) sends FIN" {
    ends_with fin 0 _exit:0
}

@test "_exit(3) sends RST" {
    ends_with rst 3 _exit:3
}

@test "_Exit(0) sends FIN" {
    ends_with fin 0 _Exit:0
}

@test "_Exit(3) sends RST" {
    ends_with rst 3 _Exit:3
}

@test "quick_exit(0) sends FIN" {
    ends_with fin 0 quick_exit:0
}

@test "quick_exit(3) sends RST" {
    ends_with rst 3 quick_exit:3
}

@test "exit_group(0) through syscall(2) sends FIN" {
    ends_with fin 0 syscall_exit_group:0
}

@test "exit_group(3) through syscall(2) sends RST" {
    ends_with rst 3 syscall_exit_group:3
}

@test "err(0) sends FIN" {
    ends_with fin 0 err:0
}

@test "err(3) sends RST" {
    ends_with rst 3 err:3
}

@test "error(3) sends RST" {
    ends_with rst 3 error:3
}

@test "exit(0) in a thread sends FIN" {
    ends_with fin 0 thread{ exit:0 }
}

@test "exit(3) in a thread sends RST" {
    ends_with rst 3 thread{ exit:3 }
}

@test "the end of the last thread sends FIN" {
    ends_with fin 0 pthread_exit
}

# --- Statuses ---

@test "the statuses that shells and JVMs return after a stop signal send FIN" {
    local status rows=0
    for status in 129 130 143; do
        ends_with fin "$status" "exit:$status"
        rows=$((rows + 1))
    done
    assert_equal "$rows" 3
}

@test "the low eight bits of the status count: exit(256) sends FIN" {
    ends_with fin 0 exit:256
}

@test "the low eight bits of the status count: exit(259) sends RST" {
    ends_with rst 3 exit:259
}

@test "TRUEFIN_CLEAN_EXITS says which statuses send FIN" {
    serve TRUEFIN_CLEAN_EXITS=0,3-5 accept write:Hello. exit:4
    peer_sees fin 6
    server_ended exit 4
}

@test "TRUEFIN_CLEAN_EXITS says which statuses do not send FIN" {
    serve TRUEFIN_CLEAN_EXITS=0,3-5 accept write:Hello. exit:143
    peer_sees rst 6
    server_ended exit 143
}

# --- What exit handlers do ---

@test "a close by an exit handler of a failing program is part of the failure" {
    ends_with rst 3 atexit_close exit:3
}

@test "a close by an exit handler after return 3 from main is part of the failure" {
    ends_with rst 3 atexit_close return:3
}

@test "a close by an exit handler of a program that ends well sends FIN" {
    ends_with fin 0 atexit_close exit:0
}

@test "a close by an exit handler is the event exit, not close" {
    serve -p close=rst accept write:Hello. atexit_close exit:0
    peer_sees fin 6
}

@test "a program that handles its own abort ends as its exit says" {
    serve -p always-fin,exit-error=rst accept write:Hello. on:ABRT:exit:3 abort
    peer_sees rst 6
    server_ended exit 3
}

@test "a connection that comes once exit(3) has begun ends as its close says" {
    serve accept write:Hello. atexit_serve exit:3
    # Which of the two is accepted first is open.
    peer=first connect_peer
    peer=second connect_peer
    wait_until test -s first.out -a -s second.out
    run -0 sort first.out second.out
    assert_line -n 0 'fin after 6 bytes'
    assert_line -n 1 'rst after 6 bytes (ECONNRESET)'
    server_ended exit 3
}

@test "what stdio still holds at exit(0) arrives, then FIN" {
    serve accept fdopen:w fprintf:Hello. exit:0
    peer_sees fin 6
}

@test "what stdio still holds at exit(3) arrives, then RST" {
    serve accept fdopen:w fprintf:Hello. exit:3
    peer_sees rst 6
}

# --- Several connections, other policies ---

@test "all connections of a failing program end with RST" {
    serve accept write:Hello. again:3 exit:3
    connect_peer
    peer=second connect_peer
    peer=third connect_peer
    peer_saw rst 6
    peer=second peer_saw rst 6
    peer=third peer_saw rst 6
}

@test "a connection that was closed before exit(3) ended with FIN" {
    ends_with fin 3 close exit:3
}

@test "under exit=rst a clean exit sends RST" {
    serve -p exit=rst accept write:Hello. exit:0
    peer_sees rst 6
    server_ended exit 0
}

@test "under off a failing program's peer reads FIN" {
    serve -p off accept write:Hello. exit:3
    peer_sees fin 6
    server_ended exit 3
}

@test "exit(3) sends RST on a connection that the program made" {
    listen_peer
    perform connect:"$port" write:Hello. exit:3
    peer_saw rst 6
}

@test "exit(0) sends FIN on a connection that the program made" {
    listen_peer
    perform connect:"$port" write:Hello. exit:0
    peer_saw fin 6
}

@test "exit(3) sends RST on a connection made without blocking" {
    listen_peer
    perform connect_nonblock:"$port" write:Hello. exit:3
    peer_saw rst 6
}

@test "exit(3) sends RST over IPv6" {
    serve listen_ipv6 accept write:Hello. exit:3
    host=::1 peer_sees rst 6
}
