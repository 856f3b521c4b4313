#!/usr/bin/env bats
# A signal that the program ignores does not end its system calls, although the kernel ends them for a traced thread.

load ../helpers

# interrupted OPERATION [SIGNAL]: what a program in a rain of ignored signals has of its call, watched or not.
interrupted() {
    timeout 10 "$BUILD_DIR/libexec/truefin/watch" -- "$PROGRAMS/interrupted" "$@"
}

unwatched_interrupted() {
    timeout 10 "$PROGRAMS/interrupted" "$@"
}

# both EXPECTED OPERATION [SIGNAL]
both() {
    local runner
    for runner in unwatched_interrupted interrupted; do
        run -0 "$runner" "${@:2}"
        assert_output "$1"
    done
}

for_x86_64() {
    [[ $(uname -m) = x86_64 ]] || skip 'the registers of x86-64 only'
}

@test "a blocking transfer is as long as it was asked to be, and its bytes are in order" {
    for_x86_64
    local operation number
    for operation in write send sendfile pipe terminal trickle; do
        both 'sent: 8388608' "$operation"
    done
    both $'received: 100\nas sent' receive
    both 'random: 8388608' random
    for number in "$(kill -l HUP)" "$(kill -l CHLD)" "$(kill -l CONT)" "$(kill -l URG)"; do
        both 'sent: 8388608' write "$number"
    done
}

@test "so is that of each of several threads" {
    for_x86_64
    both "$(printf 'sent: 8388608\n%.0s' {1..8})" threads
}

@test "a system call leaves the registers alone" {
    for_x86_64
    both $'sent: 8388608\nregisters kept' registers
}

@test "a signal with a handler ends the transfer, with the count of what was sent" {
    for_x86_64
    local number
    for number in HUP WINCH; do
        both 'a part' handled "$(kill -l "$number")"
    done
}

@test "a peer that goes away meanwhile gives no signal, and its reset is told" {
    for_x86_64
    both 'then: 0' broken
    both 'told: -1 ECONNRESET' reset
    both 'a part, SIGPIPE not pending' blocked-sigpipe
}

@test "what else ends a call early still does: urgent data, a fault, job control" {
    for_x86_64
    both 'received: 50' urgent
    both 'a part' fault
    both 'ready: -1 EINTR' stopped
}

@test "an action that changes meanwhile does not confuse a call with a handler" {
    for_x86_64
    both 'wrong: 0' toggle
}

@test "what only looks like an interrupted call, or like a stop, is none" {
    for_x86_64
    both 'interrupted: all' filtered
    both 'queued: 0' forged
}

@test "a call that waits goes on waiting" {
    for_x86_64
    both 'ready: 1' epoll
}

@test "and its time passes" {
    for_x86_64
    both $'ready: 0\nin time' epoll-time
    both $'ready: 0\nin time' epoll2-time
    both $'received: -1 EAGAIN\nin time' receive-time
    both $'sent a part: 1\nin time' send-time
    both $'accepted: -1 EAGAIN\nin time' accept-time
    both $'connected: -1 EINPROGRESS\nin time' connect-time
    both $'waited: -1 EAGAIN\nin time' sigwait-time
    both $'taken: -1 EAGAIN\nin time' semaphore-time
    both $'events: 0\nin time' aio-time
}

@test "process 1 of a pid namespace, which no signal without a handler reaches, has its calls whole" {
    for_x86_64
    requires unshare
    [[ $(id -u) = 0 ]] || skip 'needs root'
    run -0 timeout 10 unshare --pid --fork --mount-proc "$BUILD_DIR/libexec/truefin/watch" -- \
        "$PROGRAMS/interrupted" write "$(kill -l TERM)"
    assert_output 'sent: 8388608'
}
