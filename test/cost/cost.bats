#!/usr/bin/env bats
# shellcheck disable=SC2154  # helpers set variables
# What truefin costs, counted in system calls, where syscalls.bats does not look: the programs here are those of
# scripts/bench, so that what it prints is what is tested.

load ../helpers

setup_file() {
    BENCH=$BUILD_DIR/test/cost/bench/bench
    export BENCH
}

# traced FILE COMMAND...: in the foreground, under the shim and strace.
traced() {
    requires strace
    without_sanitizer 'a sanitizer makes calls of its own'
    shim_settings "${@:2}"
    strace -f -qq -o "$1" "${settings[@]/#/--env=}" "${rest[@]}"
}

# start_server FILE: the server of the benchmark, traced into FILE. Sets $port.
start_server() {
    requires strace
    without_sanitizer 'a sanitizer makes calls of its own'
    shim_settings "$BENCH" serve
    start server strace -f -qq -o "$1" "${settings[@]/#/--env=}" "${rest[@]}"
    wait_until grep -q . server.out
    port=$(cat server.out)
}

stop_server() {
    "$BENCH" quit "$port"
    wait "$started_pid"
}

# calls FILE: how many system calls it holds.
calls() {
    grep -Ec '^[0-9]+ +[a-z_0-9]+\(' "$1"
}

# names FILE: the system calls in it, as "3 getsockopt" each, sorted by name.
names() {
    sed -En 's/^[0-9]+ +([a-z_0-9]+)\(.*/\1/p' "$1" | sort | uniq -c | sed 's/^ *//'
}

# 1. FILE 2. KIND of load 3. COUNT
serve_load() {
    start_server "$1"
    "$BENCH" load "$2" "$3" "$port"
    stop_server
}

connect_load() {
    local server_trace=unused
    TRUEFIN_TEST_BARE=1 start_server "$server_trace"
    traced "$1" "$BENCH" load "$2" "$3" "$port"
    stop_server
}

# added WHO KIND: sets $added to the calls that truefin adds to 10 units of KIND, done by WHO (one of the two above).
added() {
    "$1" few "$2" 10
    "$1" many "$2" 20
    TRUEFIN_TEST_BARE=1 "$1" few-bare "$2" 10
    TRUEFIN_TEST_BARE=1 "$1" many-bare "$2" 20
    added=$(($(calls many) - $(calls few) - $(calls many-bare) + $(calls few-bare)))
}

@test "a connection that is made, and that the other side closes first, costs two calls more" {
    added connect_load cycle
    assert_equal "$added" 20
}

@test "a poll, a read and a write of an accepted connection cost nothing" {
    added serve_load echo
    assert_equal "$added" 0
}

@test "a write and a read of a made connection cost nothing" {
    added connect_load echo
    assert_equal "$added" 0
}

# The dynamic linker's last call gives back its cache: what follows until the first of main is ours.
@test "a process without sockets makes these calls more at its start, and no others" {
    not_under undefined "what it brings along, as libstdc++, makes calls at start"
    traced whole "$BENCH" mark
    sed '1,/munmap(/d; /"mark\\n"/,$d' whole >start
    TRUEFIN_TEST_BARE=1 traced whole-bare "$BENCH" mark
    sed '1,/munmap(/d; /"mark\\n"/,$d' whole-bare >start-bare
    assert_equal "$(names start-bare)" ''
    # Is it process 1; which stop signals were inherited as ignored, and the others set; are 0, 1, 2 connections.
    assert_equal "$(names start)" "1 getpid
3 getsockopt
6 rt_sigaction"
}

@test "a forked child of a process without connections makes at most two calls more" {
    traced one "$PROGRAMS/server" 'fork{' files:1 '}'
    traced two "$PROGRAMS/server" 'fork{' files:1 '}' 'fork{' files:1 '}'
    TRUEFIN_TEST_BARE=1 traced one-bare "$PROGRAMS/server" 'fork{' files:1 '}'
    TRUEFIN_TEST_BARE=1 traced two-bare "$PROGRAMS/server" 'fork{' files:1 '}' 'fork{' files:1 '}'
    added=$(($(calls two) - $(calls one) - $(calls two-bare) + $(calls one-bare)))
    echo "added: $added"
    ((added <= 2))
}

# page_faults LIBRARY: sets $parent and $child, in hundredths of a page for each connection: the least of three runs.
page_faults() {
    local row
    parent=1000000 child=1000000
    for _ in 1 2 3; do
        row=$(env LD_PRELOAD="$1" "$BUILD_DIR/test/cost/bench/faults" 300)
        [[ $row =~ ^parent\ ([0-9]+)\ child\ ([0-9]+)$ ]] || return
        [[ ${BASH_REMATCH[1]} -ge $parent ]] || parent=${BASH_REMATCH[1]}
        [[ ${BASH_REMATCH[2]} -ge $child ]] || child=${BASH_REMATCH[2]}
    done
}

@test "a connection that a fork gives costs the parent two pages more than with an empty library, the child seven at most" {
    without_sanitizer 'a sanitizer has pages of its own'
    local empty_parent empty_child
    page_faults "$BUILD_DIR/test/cost/bench/libempty.so"
    empty_parent=$parent empty_child=$child
    page_faults "$BUILD_DIR/shim/libtruefin.so"
    echo "parent $empty_parent and $parent, child $empty_child and $child"
    assert [ "$parent" -le $((empty_parent + 250)) ]
    assert [ "$child" -le $((empty_child + 750)) ]
}
