#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2154  # braces are words here, and helpers set variables
# flush-rst: all that the program has written arrives, then the abort. session-error: whose status is it?

load ../helpers.bash

@test "without truefin a crash delivers all that was written, then FIN; rst destroys it" {
    TRUEFIN_TEST_BARE=1 serve "${FILL[@]}" raise:KILL
    slow_peer
    peer_saw fin "$BIG"
    serve -p crash=rst "${FILL[@]}" raise:KILL
    slow_peer server.status '^signal'
    wait_until test -s peer.out
    run -0 grep -E '^rst after [0-9]{1,5} bytes' peer.out
}

@test "a close in a living process delivers all that was written, then RST" {
    serve -p close=flush-rst "${FILL[@]}" close say:closed pause
    slow_peer
    server_said closed
    peer_saw rst "$BIG"
}

@test "an exit delivers all that was written, then RST" {
    serve -p exit-error=flush-rst "${FILL[@]}" exit:3
    slow_peer
    peer_saw rst "$BIG"
    server_ended exit 3
}

@test "each other way to end that runs code delivers all that was written, then RST" {
    local way rows=0
    for way in abort raise:TERM _exit:3 quick_exit:3 err:3 syscall_exit_group:3; do
        serve -p abort-unless-shutdown "${FILL[@]}" "$way"
        slow_peer
        peer_saw rst "$BIG"
        rows=$((rows + 1))
    done
    assert_equal "$rows" 6
}

@test "a C++ exception delivers all that was written, then RST: nobody catches it, or it loses the connection on its way" {
    local case rows=0
    for case in uncaught caught-above; do
        launch server -p abort-on-crash,exception=flush-rst "$PROGRAMS/unwind" "$case" "$BIG"
        find_port server
        slow_peer
        peer_saw rst $((BIG + 6))
        stop_all
        rows=$((rows + 1))
    done
    assert_equal "$rows" 2
}

@test "a Rust panic delivers all that was written, then RST: it ends the process, or loses the connection on its way" {
    local build case rows=0
    find_rust_builds
    for build in $RUST_BUILDS; do
        for case in panic-in-main caught; do
            launch server "$PROGRAMS/$build/unwind-unwind" "$case" "$BIG"
            find_port server
            slow_peer
            peer_saw rst $((BIG + 6))
            [[ $case == caught ]] || server_ended exit 101
            stop_all
            rows=$((rows + 1))
        done
    done
    assert [ "$rows" -ge 2 ]
}

@test "an exit waits no longer than TRUEFIN_FLUSH_AT_EXIT for a peer that does not read" {
    serve -p exit-error=flush-rst TRUEFIN_FLUSH_AT_EXIT=100ms "${FILL[@]}" exit:3
    connect_peer --read-bytes 1
    server_ended exit 3
    wait_until test -s peer.out
    run -0 grep '^rst' peer.out
}

@test "a close is aborted after TRUEFIN_FLUSH_TIME if the peer does not read" {
    serve -p close=flush-rst TRUEFIN_FLUSH_TIME=100ms "${FILL[@]}" close say:closed pause
    connect_peer --read-bytes 1
    wait_until test -s peer.out
    run -0 grep '^rst' peer.out
}

@test "a process that was given the connection ends it as session-error says" {
    serve -p 'exit-error=rst, session-error=keep' accept write:Hello. fork{ await_orphaned exit:3 } close exit:0
    peer_sees fin 6
    serve -p 'exit-error=keep, session-error=rst' accept write:Hello. fork{ await_orphaned exit:3 } close exit:0
    peer_sees rst 6
    serve -p 'exit-error=keep, session-error=rst' accept write:Hello. exit:3
    peer_sees fin 6
}
