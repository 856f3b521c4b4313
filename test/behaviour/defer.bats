#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2154  # braces are words here, and helpers set variables
# defer-close: a close is believed when the program goes on.

load ../helpers

# Longer than any test: on a busy machine, too, only what a program does carries its closes out.
export TRUEFIN_DEFER_TIME=1min

DEFER='abort-on-crash, defer-close'

# deferring [-p POLICY] ARGUMENT...: as serve, with both libraries, and without -p under $DEFER.
deferring() {
    [[ $1 == -p ]] || set -- -p "$DEFER" "$@"
    with_io serve "$@"
}

# ends_as ENDING OPERATION...: after a written answer these end the connection so. The time is never what decides.
ends_as() {
    deferring accept write:Hello. "${@:2}"
    peer_sees "$1" 6
    rows=$((rows + 1))
}

@test "without the word a close before a failing exit is a FIN, with it an RST" {
    serve accept write:Hello. close exit:3
    peer_sees fin 6
    deferring accept write:Hello. close exit:3
    peer_sees rst 6
    server_ended exit 3
}

@test "the end of the process decides, however it ends and whatever closes" {
    local rows=0
    ends_as rst close exit:3
    ends_as rst close _exit:3
    ends_as rst close quick_exit:3
    ends_as rst close syscall_exit_group:3
    ends_as rst close err:3
    ends_as rst close segv
    ends_as rst close abort
    ends_as rst close kill_self:KILL
    ends_as rst fdopen fclose exit:3
    ends_as rst dup close close_range exit:3
    ends_as rst syscall_close exit:3
    ends_as rst dup2_over exit:3
    ends_as fin close exit:0
    ends_as fin close raise:TERM
    ends_as fin on:TERM:exit:3 close raise:TERM
    ends_as fin shutdown_wr close exit:3
    ends_as fin linger:1,5 close exit:3
    ends_as rst linger:1,0 close exit:0
    assert_equal "$rows" 18
}

@test "all that was written arrives before the RST of a close that was not believed" {
    deferring "${FILL[@]}" close exit:3
    slow_peer
    peer_saw rst "$BIG"
}

@test "a wait shows that the program goes on: the close is one" {
    local rows=0
    ends_as fin close system:true exit:3
    ends_as fin block:USR1 close kill_self:USR1 sigwait:USR1 exit:3
    ends_as fin close fork{ exit:0 } wait exit:3
    ends_as fin thread{ close } exit:3
    ends_as fin thread{ close pthread_exit } exit:3
    ends_as fin thread{ close cancel } exit:3
    ends_as fin close "exec:$PROGRAMS/server exit:3"
    ends_as fin close fork{ exit:3 } pause
    ends_as fin close daemon:0 exit:3
    assert_equal "$rows" 9
    deferring accept write:Hello. close accept exit:3
    peer_sees fin 6
    peer=other connect_peer
    server_ended exit 3
}

@test "a wait by syscall(2) shows it too" {
    local rows=0 call
    for call in futex epoll_pwait ppoll pselect6 nanosleep read; do
        ends_as fin close "syscall_wait:$call" exit:3
    done
    ends_as rst close syscall_wait:futex_wake exit:3
    assert_equal "$rows" 7
}

@test "a semaphore that is free is nothing to wait for, nor is a thread's end" {
    local rows=0
    ends_as fin close semaphore:0 exit:3
    ends_as rst close semaphore:1 exit:3
    ends_as rst close thread{ nothing } exit:3
    assert_equal "$rows" 3
}

@test "CPython's and Tcl's own waits as they end show nothing: their status decides" {
    local way language
    for language in 'python3 server.py' 'tclsh server.tcl'; do
        for way in exit-3 exception exit-0; do
            with_io launch interpreter -p "$DEFER" "${language% *}" "$SOURCE_DIR/test/oracle/runtimes/${language#* }" "$way"
            find_port interpreter
            [[ $way == exit-0 ]] && peer_sees fin 6 || peer_sees rst 6
        done
    done
}

# sockets: how many descriptors of the server are sockets.
sockets() {
    find "/proc/$(pid_of server)/fd" -lname 'socket:*' | wc -l
}

has_sockets() {
    assert_equal "$(sockets)" "$1"
}

# loop_ends_as ENDING STEPS: after its close an event loop makes these steps: 1 and 2 wake itself, so often; p and w look
# at its set, at once and for a hundredth of a second.
loop_ends_as() {
    with_io launch loop -p "$DEFER" TRUEFIN_DEFER_TIME=1min python3 -c '
import os, select, socket, sys
listener = socket.create_server(("127.0.0.1", 0))
print("port", listener.getsockname()[1], flush=True)
ends = [os.pipe() for _ in range(2)]
loop = select.epoll()
for end, _ in ends:
    loop.register(end, select.EPOLLIN | select.EPOLLET)
connection, _ = listener.accept()
connection.sendall(b"Hello.")
connection.close()
for step in sys.argv[1]:
    if step in "12":
        for _, end in ends[:int(step)]:
            os.write(end, b"x")
    else:
        loop.poll(0 if step == "p" else 0.01)
os._exit(3)' "$2"
    find_port loop
    peer_sees "$1" 6
}

@test "an event loop goes on when it waits, or has had an event twice, or more than one" {
    loop_ends_as fin w
    loop_ends_as rst 1w
    loop_ends_as fin 1ww
    loop_ends_as fin 1w1w
    loop_ends_as fin 2w
    loop_ends_as rst p
    loop_ends_as rst 1p
    loop_ends_as fin 1p1p
}

@test "what a thread that shows nothing has closed is given back at the next close of any" {
    deferring TRUEFIN_DEFER_TIME=1ms accept swap accept close compute:200 swap close say:closed compute:20000
    peer=one connect_peer
    peer=two connect_peer
    peer=one peer_saw fin 0
    peer=two peer_saw fin 0
    server_said closed
    wait_until has_sockets 2
}

@test "a read from a file shows nothing, one from a pipe does" {
    local way
    cat >reads.py <<'END'
import ctypes, os, socket, sys
libc = ctypes.CDLL(None)
listener = socket.create_server(("127.0.0.1", 0))
print("port", listener.getsockname()[1], flush=True)
connection, _ = listener.accept()
connection.sendall(b"Hello.")
if sys.argv[1] == "file":
    fd = os.open("/etc/passwd", os.O_RDONLY)
else:
    fd, other = os.pipe()
    os.write(other, b"x")
connection.close()
os.read(fd, 1)
os._exit(3)
END
    for way in file pipe; do
        with_io launch reads -p "$DEFER" python3 reads.py "$way"
        find_port reads
        peer=$way connect_peer
    done
    peer="file" peer_saw rst 6
    peer=pipe peer_saw fin 6
}

@test "after TRUEFIN_DEFER_TIME the close is believed, though the program shows nothing" {
    deferring TRUEFIN_DEFER_TIME=50ms accept write:Hello. close compute:20000
    peer_sees fin 6
    kill_server KILL
    deferring TRUEFIN_DEFER_TIME=1min accept write:Hello. close compute:100 exit:3
    peer_sees rst 6
}

@test "the number is free at once, and ours are not there for the program" {
    deferring accept lowest write:Hello. close lowest sweep:100 sweep_from:20 say:swept pause
    connect_peer
    peer_saw fin 6
    server_said swept
    run -0 sort -u <(grep '^lowest' server.out)
    assert_equal "${#lines[@]}" 2
}

@test "what is not armed by a crash of the policy is judged by its exit" {
    deferring -p 'exit-error=rst, defer-close' accept write:Hello. close segv
    peer_sees fin 6
    deferring -p 'exit-error=rst, defer-close' accept write:Hello. close exit:3
    peer_sees rst 6
    deferring -p 'always-fin, defer-close' accept write:Hello. close exit:3
    peer_sees fin 6
}

# few [NAME=VALUE]... OPERATION...: as deferring, with 32 descriptors.
few() {
    local settings=()
    while [[ $1 == *=* ]]; do
        settings+=("$1")
        shift
    done
    with_io launch server -p "$DEFER" "${settings[@]}" prlimit --nofile=32 "$PROGRAMS/server" "$@"
    find_port server
}

@test "where no descriptor is left a close is not deferred" {
    few accept write:Hello. use_up close exit:3
    peer_sees fin 6
}

@test "a call that lacks a number gets that of a deferred close" {
    peer=other listen_peer
    local other=$port
    few TRUEFIN_DEFER_TIME=1min accept write:Hello. close use_up "connect:$other" say:connected compute:20000
    peer_sees fin 6
    server_said connected
}

@test "without libtruefin-io.so the word has no effect, and a record says so" {
    serve -p "$DEFER" TRUEFIN_LOG="$PWD/log" accept write:Hello. close exit:3
    peer_sees fin 6
    run -0 cat log
    assert_output --partial 'note="defer-close has no effect: libtruefin-io.so is not loaded"'
}

@test "truefin run loads both libraries for the word" {
    without_sanitizer 'the wrapper does not preload a sanitizer'
    run -0 env TRUEFIN_POLICY="$DEFER" "$TRUEFIN" run -- printenv LD_PRELOAD
    assert_output "$LIBTRUEFIN:${LIBTRUEFIN%.so}-io.so"
}
