#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2154  # braces are words here, and helpers set variables
# The main job. When these fail, look no further.

load ../helpers

@test "a peer of a program that ends well reads FIN" {
    serve accept write:Hello. exit:0
    peer_sees fin 6
    server_ended exit 0
}

@test "a peer of a program that fails reads ECONNRESET" {
    serve accept write:Hello. exit:3
    peer_sees rst 6
    server_ended exit 3
}

@test "a peer of a SIGKILLed program reads ECONNRESET" {
    serve accept write:Hello. pause
    connect_peer
    server_said ready
    kill_server KILL
    peer_saw rst 6
    server_ended signal KILL
}

@test "a peer of a program that fails without truefin reads FIN, as if all were well" {
    TRUEFIN_TEST_BARE=1 serve accept write:Hello. exit:3
    peer_sees fin 6
    server_ended exit 3
}
