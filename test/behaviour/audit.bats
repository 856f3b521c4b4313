#!/usr/bin/env bats
# shellcheck disable=SC2154  # helpers set variables
# The audit: a program that closes where no hook sees it must not have its good connections reset.

load ../helpers

unseen() {
    launch unseen TRUEFIN_LOG="$PWD/log" "$PROGRAMS/unseen" "$@"
    find_port unseen
}

established() {
    ss -Htn state established "sport = :$port" | grep -q .
}

# What one missed close costs, and what it does not cost any more after it was noticed.
only_the_first_is_lost() {
    unseen "$1"
    peer_sees rst 6
    for _ in 1 2 3; do
        peer_sees fin 6
    done
}

@test "after one close by an inline system call the next connections end with FIN" {
    only_the_first_is_lost inline
}

@test "after one close by io_uring the next connections end with FIN" {
    [[ $(cat /proc/sys/kernel/io_uring_disabled 2>/dev/null || echo 0) == 0 ]] || skip "the kernel has io_uring switched off"
    only_the_first_is_lost ring
}

@test "it says so once, and names what it means" {
    only_the_first_is_lost inline
    run grep -c 'note="this program closes descriptors where no hook sees it' log
    assert_output 1
}

@test "what was armed before is disarmed: its crash is a FIN again" {
    unseen inline hold
    peer=held connect_peer
    wait_until established
    peer_sees rst 6
    peer_sees fin 6
    kill -KILL "$(pid_of unseen)"
    peer=held peer_saw fin 6
}
