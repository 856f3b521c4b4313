#!/usr/bin/env bats
# What the program is told of its signals, and on which stack it dies of them: as without the library.

load ../helpers

@test "random calls of sigaction and its kin answer as without the library: seeds 1 to 12, 300 calls each" {
    without_sanitizer 'a sanitizer has its own sigaction'
    local seed policy rows=0
    for seed in {1..12}; do
        run timeout -k 1 10 "$PROGRAMS/dispositions" "$seed" 300
        local bare_status=$status bare=$output
        ((${#lines[@]} > 100))
        for policy in abort-on-crash always-fin; do
            run shimmed -p "$policy" timeout -k 1 10 "$PROGRAMS/dispositions" "$seed" 300
            echo "seed $seed, policy $policy"
            diff <(echo "$bare") <(echo "$output")
            assert_equal "$status" "$bare_status"
            rows=$((rows + 1))
        done
    done
    assert_equal "$rows" 24
}

# stops_on_coroutine ARGUMENT...: a program is told to stop while it is on a stack of its own.
stops_on_coroutine() {
    launch server "$PROGRAMS/coroutine" "$@"
    find_port server
    connect_peer
    server_said ready
    kill_server TERM
    peer_saw fin 6
    server_ended signal TERM
}

@test "a program dies of SIGTERM on a coroutine's stack without room, where it has an alternate stack" {
    without_sanitizer 'it needs more of the stack'
    stops_on_coroutine 0 alternate
}

@test "a program dies of SIGTERM on a coroutine's stack with 1,000 bytes above the kernel's frame" {
    without_sanitizer 'it needs more of the stack'
    stops_on_coroutine 1000
}
