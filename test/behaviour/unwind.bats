#!/usr/bin/env bats
# shellcheck disable=SC2154  # helpers set variables
# A connection is closed because the thread that has it unwinds, from a Rust panic or a C++ exception.
#
# The programs stay after they have lost their connection: what the peer sees is the close.

load ../helpers

setup_file() {
    find_rust_builds
}

# rust [-p POLICY] [NAME=VALUE] CASE: programs/unwind.rs of $build.
rust() {
    local program=$PROGRAMS/$build/unwind-unwind
    stop_all
    requires "$program"
    echo "$program:"
    launch rust "${@:1:$#-1}" "$program" "${!#}"
    find_port rust
}

# rust_peers ENDING [-p POLICY] CASE: what the peers of all builds see.
rust_peers() {
    for build in $RUST_BUILDS; do
        rust "${@:2}"
        peer_sees "$1" 6
    done
}

# cxx CASE, cxx VARIANT/CASE: programs/unwind.cc, under a policy that aborts at all that is thrown.
cxx() {
    local variant=
    [[ $1 != */* ]] || variant=-${1%/*}
    requires "$PROGRAMS/unwind$variant"
    launch cxx -p abort-on-crash,exception=rst "$PROGRAMS/unwind$variant" "${1#*/}"
    find_port cxx
}

# two_tasks CASE: the peer `first` has the first one's connection.
two_tasks() {
    rm -f got
    rust "$1"
    peer=first connect_peer --output got
    wait_until test -s got
    peer=second connect_peer
}

# all_cases START ENDING CASE...: each of them.
all_cases() {
    local case
    for case in "${@:3}"; do
        "$1" "$case"
        peer_sees "$2" 6 || fail "$case"
        stop_all
    done
}

# has_unread BYTES: so many wait at the server's side of a connection.
has_unread() {
    [[ $(ss -Htn state established "sport = :$port" | awk '{ print $1 }') == "$1" ]]
}

# --- The seed ---

# seed HOW [thread]: programs/seed.rs of $build.
seed() {
    local program=$PROGRAMS/$build/seed-unwind
    stop_all
    requires "$program"
    echo "$program:"
    launch seed "$program" "$@"
    find_port seed
}

@test "Rust: a handler that panics after Hello, and whose connection is dropped on the way, sends RST" {
    for build in $RUST_BUILDS; do
        seed panic
        peer_sees rst 7
        ended seed exit 101
    done
}

@test "Rust: a handler that panics in a thread sends RST, and the process goes on" {
    for build in $RUST_BUILDS; do
        seed panic thread
        peer_sees rst 7
        said seed joined
        ended seed exit 0
    done
}

# --- What the discussion about Rust's TcpStream came to, as policies ---

@test "variant 1, a panic aborts: RST" {
    rust_peers rst caught
}

@test "variant 1, a drop closes: FIN" {
    rust_peers fin drop
}

@test "abort on drop: RST at a drop" {
    rust_peers rst -p abort-on-crash,close=rst drop
}

@test "abort on drop: RST at a panic" {
    rust_peers rst -p abort-on-crash,close=rst caught
}

@test "variant 2, abort unless shutdown: RST at a drop" {
    rust_peers rst -p abort-unless-shutdown drop
}

@test "variant 2, abort unless shutdown: FIN at a drop after a shutdown" {
    rust_peers fin -p abort-unless-shutdown shutdown-then-drop
}

@test "variant 2, abort unless shutdown: a panic after a shutdown leaves the FIN" {
    rust_peers fin -p abort-unless-shutdown shutdown-then-panic
}

@test "variant 3, the program sets SO_LINGER itself: RST at a drop" {
    rust_peers rst zero-linger-then-drop
}

@test "variant 3, without the option: FIN at a drop" {
    rust_peers fin drop
}

# --- Where a panic begins and ends ---

@test "Rust: what a panic drops sends RST, wherever it is caught" {
    for build in $RUST_BUILDS; do
        all_cases rust rst caught thread scoped-thread panic-in-main
    done
}

@test "Rust: what is dropped after a panic was caught sends FIN" {
    for build in $RUST_BUILDS; do
        all_cases rust fin after-the-catch after-the-thread
    done
}

@test "Rust: what the very function drops that catches the panic sends RST" {
    without_sanitizer "it has an allocator of its own, of which nobody knows what it frees: then the panic is over"
    for build in $RUST_BUILDS; do
        all_cases rust rst caught-here caught-here-of-many
    done
}

# Also with an allocator that leaves as it was what is freed.
@test "Rust: what the very function closes that has caught a panic before sends FIN" {
    for build in $RUST_BUILDS; do
        all_cases rust fin after-the-catch-here after-the-catch-here-not-freed
    done
}

@test "Rust: a panic that is resumed goes on: RST" {
    rust_peers rst resumed
}

@test "Rust: a panic that a destructor catches does not end the one that unwinds: RST" {
    rust_peers rst caught-in-drop
}

# The second panic ends the process.
@test "Rust: a panic in a destructor while another one unwinds sends RST" {
    for build in $RUST_BUILDS; do
        rust panic-in-drop
        peer_sees rst 6
        ended rust signal ABRT
    done
}

@test "Rust: and so it does for what is not dropped yet" {
    for build in $RUST_BUILDS; do
        rust panic-in-drop-first
        peer_sees rst 6
        ended rust signal ABRT
    done
}

@test "Rust: of two tasks on one thread only that which panics sends RST" {
    for build in $RUST_BUILDS; do
        two_tasks executor
        peer=first peer_saw rst 6
        peer=second peer_saw fin 6
        said rust served
    done
}

@test "Rust: and in the other order" {
    for build in $RUST_BUILDS; do
        two_tasks executor-other-order
        peer=first peer_saw fin 6
        peer=second peer_saw rst 6
        said rust served
    done
}

@test "Rust: under unwind=keep a panic sends FIN" {
    rust_peers fin -p abort-on-crash,unwind=keep caught
}

@test "Rust: a record says unwind" {
    for build in $RUST_BUILDS; do
        rust TRUEFIN_LOG=stderr caught
        peer_sees rst 6
        wait_until grep -q 'event=unwind ending=flush-rst' rust.err
    done
}

# --- C++ ---

@test "C++: what an exception destroys sends RST under exception=rst" {
    all_cases cxx rst caught-above same-function in-a-thread exception-ptr
}

# Stopped meanwhile, so that the data is there before the connection is accepted.
@test "C++: what an exception destroys is the event exception also with data unread" {
    requires "$PROGRAMS/unwind"
    launch cxx -p exception=rst,unread=fin "$PROGRAMS/unwind" caught-above
    find_port cxx
    kill -STOP "$(pid_of cxx)"
    connect_peer --send request
    wait_until has_unread 7
    kill -CONT "$(pid_of cxx)"
    peer_saw rst 6
}

@test "C++: the default policy leaves exceptions alone: FIN" {
    requires "$PROGRAMS/unwind"
    launch cxx "$PROGRAMS/unwind" caught-above
    find_port cxx
    peer_sees fin 6
}

@test "C++: what the handler closes, or what comes after it, sends FIN" {
    all_cases cxx fin in-the-handler after-the-handler caught-in-the-middle
}

@test "C++: an exception in a destructor does not end the one that unwinds: RST" {
    all_cases cxx rst nested nested-in-the-same-function nested-twenty-deep
}

@test "C++: both are over when both are caught: FIN" {
    all_cases cxx fin nested-then-caught many-then-close
}

@test "C++: a rethrown exception goes on: RST" {
    all_cases cxx rst rethrown caught-in-the-middle-then-another
}

@test "C++: a rethrown exception ends where it is caught: FIN" {
    cxx rethrown-and-caught
    peer_sees fin 6
}

@test "C++: unwinding is the thread's own: what another thread closes meanwhile sends FIN" {
    cxx another-thread
    peer_sees fin 6
}

@test "C++: cancellation and pthread_exit are no exceptions: FIN" {
    all_cases cxx fin cancelled thread-exits forced
}

@test "C++: a longjmp out of a destructor ends it: FIN" {
    all_cases cxx fin jumped-out jumped-out-by-siglongjmp
}

@test "C++: unwinding is the stack's own: what a thread closes while its coroutine unwinds sends FIN" {
    all_cases cxx fin coroutine-unwinds
}

@test "C++: an exception that nobody catches is a crash: RST" {
    all_cases cxx rst uncaught through-noexcept
}

# --- Across languages ---

@test "a Rust panic through C++ frames sends RST" {
    all_cases cxx rst rust-panic old-rust-panic
}

@test "a Rust panic ends where C++ catches it: FIN" {
    all_cases cxx fin rust-panic-caught rust-panic-then-after old-rust-panic-caught
}

@test "an exception of another language is no event: FIN" {
    cxx unknown-language
    peer_sees fin 6
}

# --- Where the C++ run-time comes from ---

@test "libgcc linked statically, libstdc++ not: as with both in libraries" {
    all_cases cxx rst static-libgcc/caught-above static-libgcc/same-function static-libgcc/nested static-libgcc/rethrown
    all_cases cxx fin static-libgcc/after-the-handler static-libgcc/in-the-handler static-libgcc/jumped-out
}

# Where it ends cannot be seen, so it ends a little early: at its handler's landing pad.
@test "libstdc++ linked statically, libgcc not: RST, but FIN for what the catching function owns itself" {
    all_cases cxx rst static-libstdc++/caught-above static-libstdc++/nested static-libstdc++/rethrown
    all_cases cxx fin static-libstdc++/same-function static-libstdc++/after-the-handler static-libstdc++/in-the-handler
}

@test "both linked statically: nothing is seen, an exception is a close: FIN" {
    all_cases cxx fin static-both/caught-above static-both/same-function static-both/after-the-handler
}

@test "LLVM's libunwind as a library, with libc++ and with libstdc++: as libgcc's" {
    local variant
    for variant in llvm llvm-libstdc++; do
        all_cases cxx rst "$variant"/{caught-above,same-function,nested,rethrown}
        all_cases cxx fin "$variant"/{after-the-handler,in-the-handler,jumped-out,nested-then-caught}
    done
}

# --- Loaded later ---

plugins_throw() {
    requires "$PROGRAMS/unwind-plugin.so"
    without_sanitizer "AddressSanitizer stops a program that throws with a C++ library it has not seen at start"
}

# plugin CASE: in a plug-in that a C program opens with RTLD_LOCAL.
plugin() {
    launch plugin -p abort-on-crash,exception=rst "$PROGRAMS/plugin" "$PROGRAMS/unwind-plugin.so" "$1"
    find_port plugin
}

@test "a C++ plug-in that nobody else sees: what an exception destroys sends RST" {
    plugins_throw
    all_cases plugin rst caught-above same-function nested nested-in-the-same-function rethrown in-a-thread rust-panic
}

@test "a C++ plug-in that nobody else sees: what comes after the handler sends FIN" {
    plugins_throw
    all_cases plugin fin after-the-handler in-the-handler nested-then-caught rust-panic-caught many-then-close cancelled
}

# The dynamic linker's lock is held meanwhile: who asks it anything in that thread waits for ever.
@test "a plug-in that waits, while it is loaded, for a thread that throws, is loaded" {
    plugins_throw
    requires "$PROGRAMS/waiting-plugin.so"
    run -0 timeout 10 env LD_PRELOAD="${LIBTRUEFIN}:libstdc++.so.6" "$PROGRAMS/plugin" "$PROGRAMS/waiting-plugin.so" none
}
