#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2154  # braces are words here, and helpers set variables
# A program that puts itself into a seccomp filter dies of any call that it did not list, so truefin makes none from
# then on: the program lives, and its connections end as they do without truefin.

load ../helpers

# boxed MODE ENTRY END STATUS: all peers read FIN, and the program ends with its own status.
boxed() {
    launch server "$PROGRAMS/sandbox" "${@:1:3}"
    find_port server
    peer=first connect_peer
    peer=second connect_peer
    peer=first peer_saw fin 6
    peer=second peer_saw fin 6
    server_ended exit "$4"
    stop_all
}

@test "the program lives in its sandbox without truefin" {
    TRUEFIN_TEST_BARE=1 boxed prctl between close 0
    TRUEFIN_TEST_BARE=1 boxed prctl before fail 3
}

@test "a program that shuts itself in lives, whichever way it does so and ends" {
    local mode entry end status rows=0
    without_sanitizer 'a sanitizer makes calls of its own'
    for mode in prctl syscall syscall_prctl; do
        for entry in before between; do
            while read -r end status; do
                boxed "$mode" "$entry" "$end" "$status"
                rows=$((rows + 1))
            done <<'END'
close 0
open 0
fail 3
END
        done
    done
    assert_equal "$rows" 18
}

@test "a program that shuts itself in lives under a policy that asks for much" {
    without_sanitizer 'a sanitizer makes calls of its own'
    export TRUEFIN_POLICY=always-fin,crash=rst,unread=rst TRUEFIN_LOG=$PWD/log
    boxed prctl between close 0
    boxed syscall before fail 3
}

# --- A filter that was there before: what a container or a unit may have left of the system calls ---

# inherited OPERATION...: the server's operations under a filter that kills for kcmp.
inherited() {
    launch server "$PROGRAMS/sandbox" without-kcmp "$PROGRAMS/server" "$@"
    find_port server
}

@test "under an inherited filter a close sends FIN" {
    inherited accept write:Hello. close pause
    peer_sees fin 6
}

@test "under an inherited filter a failing exit sends RST" {
    inherited accept write:Hello. exit:3
    peer_sees rst 6
    server_ended exit 3
}

@test "under an inherited filter a fork server lives, and its child's end sends FIN" {
    inherited accept fork{ write:Hello. exit:0 } close pause
    peer_sees fin 6
    kill_server TERM
    server_ended signal TERM
}

@test "under an inherited filter a program with a forked helper lives, and its end sends FIN" {
    inherited accept fork{ exit:0 } write:Hello. wait exit:0
    peer_sees fin 6
    server_ended exit 0
}

@test "the question whether seccomp is there ends no protection" {
    as_without seccomp-probe 0 "-1 EFAULT"
    serve accept write:Hello. ask_seccomp kill_self:KILL
    peer_sees rst 6
}
