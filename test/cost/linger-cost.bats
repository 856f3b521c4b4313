#!/usr/bin/env bats
# What lingering costs a server, as scripts/bench-linger measures it, with fewer connections.

load ../helpers

# figure NAME: what the program reported, in whole microseconds.
figure() {
    sed -n "s/^$1 \([0-9]*\).*/\1/p" out
}

# measure_flushes LOAD COUNT: the same under flush-rst, with 4,000 bytes queued in each for peers that read none.
measure_flushes() {
    without_sanitizer 'it is as slow as its sanitizer'
    shimmed -p 'accepted: close=flush-rst' TRUEFIN_FLUSH_TIME=1min TRUEFIN_FLUSH_AT_EXIT=0 timeout 30 \
        "$BUILD_DIR/test/cost/bench/bench-linger" "$@" 4000 >out
    cat out
}

# measure LOAD COUNT
measure() {
    without_sanitizer 'it is as slow as its sanitizer'
    shimmed -p 'accepted: always-fin' TRUEFIN_LINGER_TIME=1min timeout 30 "$BUILD_DIR/test/cost/bench/bench-linger" "$@" >out
    cat out
}

# The machine may be busy with other things: one good round of three tells what is possible.
@test "close takes at most a millisecond at the 99th percentile with 1,000 connections lingering" {
    for _ in 1 2 3; do
        measure close 1000
        (($(figure close_p99) > 1000)) || return 0
    done
    fail 'close is too slow'
}

@test "an event loop that closes 1,000 connections in one turn goes on as before, and gets no event for them" {
    for _ in 1 2 3; do
        # It fails at an event of a closed connection.
        measure loop 1000
        (($(figure after_median) > 3 * $(figure before_median))) || return 0
    done
    fail 'the loop is too slow'
}

@test "a lingering connection takes less than 100 bytes of the process" {
    measure loop 4000
    # Once there are 64 KiB for the thread, and a page here and there.
    (($(figure process_after) - $(figure process_before) < 400 + 64))
}

@test "close takes at most a millisecond at the 99th percentile with 500 and more full queues to be delivered" {
    for _ in 1 2 3; do
        measure_flushes close 500
        # All of them are kept.
        assert [ "$(figure close_descriptors)" -ge 1000 ]
        (($(figure close_p99) > 1000)) || return 0
    done
    fail 'close is too slow'
}

@test "a connection that is kept to be delivered takes less than 64 bytes of the process" {
    local few
    # What the thread and the libraries take once is in both.
    measure_flushes loop 200
    few=$(($(figure process_after) - $(figure process_before)))
    measure_flushes loop 1000
    assert [ "$(figure descriptors)" -ge 1000 ]
    # KiB, of 800 connections; a page here and there.
    (($(figure process_after) - $(figure process_before) - few < 800 * 64 / 1024 + 12))
}
