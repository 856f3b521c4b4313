#!/usr/bin/env bats
# shellcheck disable=SC2154  # helpers set variables
# The mission's programs: a Rust server whose handler fails after "Hello.", and a C client that wants its connection
# aborted.

load ../helpers

setup_file() {
    find_rust_builds
}

# seed PANIC HOW [thread]: the Rust server of $build, with -C panic=PANIC, under $seed_policy or the default.
seed() {
    local program=$PROGRAMS/$build/seed-$1
    stop_all
    requires "$program"
    echo "$program:"
    launch seed -p "${seed_policy:-abort-on-crash}" "$program" "${@:2}"
    find_port seed
}

# --- Rust ---

@test "Rust: a handler that returns Ok sends FIN" {
    for build in $RUST_BUILDS; do
        seed unwind ok
        peer_sees fin 7
        ended seed exit 0
    done
}

@test "Rust: a handler that returns Ok in a thread sends FIN" {
    for build in $RUST_BUILDS; do
        seed unwind ok thread
        peer_sees fin 7
        said seed joined
        ended seed exit 0
    done
}

@test "Rust: process::exit(0) in a handler sends FIN" {
    for build in $RUST_BUILDS; do
        seed unwind exit
        peer_sees fin 7
        ended seed exit 0
    done
}

@test "Rust: process::exit(0) in a handler in a thread sends FIN" {
    for build in $RUST_BUILDS; do
        seed unwind exit thread
        peer_sees fin 7
        ended seed exit 0
    done
}

# The handler's return drops the connection: a close, before main returns the error and the process exits 1.
@test "Rust: a handler that returns Err has closed its connection, with FIN, before the process fails" {
    for build in $RUST_BUILDS; do
        seed unwind err
        peer_sees fin 7
        ended seed exit 1
    done
}

@test "Rust: a panic under panic=abort sends RST" {
    for build in $RUST_BUILDS; do
        seed abort panic
        peer_sees rst 7
        ended seed signal ABRT
    done
}

@test "Rust: a panic under panic=abort in a thread sends RST" {
    for build in $RUST_BUILDS; do
        seed abort panic thread
        peer_sees rst 7
        ended seed signal ABRT
    done
}

# Rust says so, and aborts, in a handler that has 8 KB of stack.
@test "Rust: a stack overflow sends RST, and under always-fin FIN, and ends in SIGABRT" {
    local word
    for build in $RUST_BUILDS; do
        for word in abort-on-crash:rst always-fin:fin; do
            seed_policy=${word%:*} seed unwind overflow
            peer_sees "${word#*:}" 7
            ended seed signal ABRT
            run -0 grep 'has overflowed its stack' seed.err
        done
    done
}

@test "Rust: the status of a panic in the main thread stays 101" {
    for build in $RUST_BUILDS; do
        seed unwind panic
        connect_peer
        ended seed exit 101
    done
}

# --- C ---

@test "C: a client that set SO_LINGER to zero aborts its connection by its return from main" {
    listen_peer
    launch seed "$PROGRAMS/seed_linger" "$port"
    peer_saw rst 7
    ended seed exit 0
}

@test "C: under off it aborts it, too" {
    listen_peer
    launch seed -p off "$PROGRAMS/seed_linger" "$port"
    peer_saw rst 7
}

@test "C: without truefin it aborts it, too" {
    listen_peer
    TRUEFIN_TEST_BARE=1 launch seed "$PROGRAMS/seed_linger" "$port"
    peer_saw rst 7
}

@test "C: always-fin overrides it" {
    listen_peer
    launch seed -p always-fin "$PROGRAMS/seed_linger" "$port"
    peer_saw fin 7
}

@test "C: the same client without the option sends FIN" {
    listen_peer
    launch seed "$PROGRAMS/seed_linger" "$port" plain
    peer_saw fin 7
    ended seed exit 0
}
