#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2154  # braces are words here, and helpers set variables
# TERM, INT and HUP ask a program to stop: an orderly end. Everything else about signals stays as it was.

load ../helpers

# stops_on SIGNAL OPERATION...: a program that is told to stop from outside.
stops_on() {
    serve accept write:Hello. "${@:2}" pause
    connect_peer
    server_said ready
    kill_server "$1"
}

# handled PID: the set of signals that have a handler, in hexadecimal.
handled() {
    sed -n 's/^SigCgt:[[:space:]]*//p' "/proc/$1/status"
}

# --- At their default ---

@test "a program killed by SIGTERM sends FIN" {
    stops_on TERM
    peer_saw fin 6
    server_ended signal TERM
}

@test "a program killed by SIGINT sends FIN" {
    stops_on INT
    peer_saw fin 6
    server_ended signal INT
}

@test "a program killed by SIGHUP sends FIN" {
    stops_on HUP
    peer_saw fin 6
    server_ended signal HUP
}

@test "a program that raises SIGTERM sends FIN" {
    serve accept write:Hello. raise:TERM
    peer_sees fin 6
    server_ended signal TERM
}

@test "a program killed by SIGTERM in a thread sends FIN" {
    stops_on TERM thread{ pause }
    peer_saw fin 6
    server_ended signal TERM
}

@test "a program killed by SIGTERM sends FIN on a connection that it made" {
    listen_peer
    perform connect:"$port" write:Hello. raise:TERM
    peer_saw fin 6
    server_ended signal TERM
}

@test "under stop=rst a program killed by SIGTERM sends RST" {
    serve -p stop=rst accept write:Hello. raise:TERM
    peer_sees rst 6
    server_ended signal TERM
}

# stopped_well POLICY STATUS OPERATION...: SIGTERM, handled, then an exit with STATUS; the record says stop.
stopped_well() {
    serve -p "$1" TRUEFIN_LOG="$PWD/log" accept write:Hello. "${@:3}"
    connect_peer
    server_said ready
    kill_server TERM
    peer_saw rst 6
    server_ended exit "$2"
    grep -q 'event=stop' log
}

@test "a program that handles SIGTERM and exits has stopped, whatever its status, under every policy with stop=rst" {
    local policy status rows=0
    for policy in stop=rst 'abort-on-crash, stop=rst' 'always-fin, stop=rst' 'exit-error=rst, stop=rst' \
        'crash=rst, exit-error=rst, stop=rst' 'exit=rst, stop=rst'; do
        for status in 0 3; do
            echo "policy: $policy, status: $status"
            stopped_well "$policy" "$status" on:TERM:exit:"$status" pause
            stop_all
            stopped_well "$policy" "$status" sigwait:TERM exit:"$status"
            stop_all
            rows=$((rows + 1))
        done
    done
    assert_equal "$rows" 12
}

@test "CPython that exits from its handler for SIGTERM has stopped: what it closes on the way out is reset" {
    local policy rows=0
    cat >stop.py <<'END'
import signal, socket, sys
listener = socket.create_server(("127.0.0.1", 0))
print("port", listener.getsockname()[1], flush=True)
connection, _ = listener.accept()
connection.sendall(b"Hello.")
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("ready", flush=True)
while True:
    signal.pause()
END
    for policy in stop=rst 'abort-on-crash, stop=rst'; do
        launch server -p "$policy" /usr/bin/python3 stop.py
        find_port server
        connect_peer
        server_said ready
        kill_server TERM
        peer_saw rst 6
        server_ended exit 0
        stop_all
        rows=$((rows + 1))
    done
    assert_equal "$rows" 2
}

@test "TRUEFIN_STOP_SIGNALS adds a stop signal" {
    serve TRUEFIN_STOP_SIGNALS=TERM,USR1 accept write:Hello. raise:USR1
    peer_sees fin 6
    server_ended signal USR1
}

@test "TRUEFIN_STOP_SIGNALS takes one away" {
    serve TRUEFIN_STOP_SIGNALS=USR1 accept write:Hello. raise:TERM
    peer_sees rst 6
    server_ended signal TERM
}

# --- With a handler of the program's own ---

@test "a program that exits 1 in its own handler for SIGTERM sends FIN" {
    stops_on TERM on:TERM:exit:1
    peer_saw fin 6
    server_ended exit 1
}

@test "a program that calls _exit(1) in its own handler for SIGINT sends FIN" {
    stops_on INT on:INT:_exit:1
    peer_saw fin 6
    server_ended exit 1
}

@test "a program that exits 1 in a handler set by signal(2) sends FIN" {
    stops_on TERM signal:TERM:exit:1
    peer_saw fin 6
    server_ended exit 1
}

@test "a program that exits 1 after its own handler for SIGTERM has returned sends FIN" {
    serve accept write:Hello. on:TERM raise:TERM exit:1
    peer_sees fin 6
    server_ended exit 1
}

@test "a program that crashes after its own handler for SIGTERM has returned sends RST" {
    serve accept write:Hello. on:TERM raise:TERM segv
    peer_sees rst 6
    server_ended signal SEGV
}

@test "a program that exits 1 in a handler for another signal sends RST" {
    stops_on USR1 on:USR1:exit:1
    peer_saw rst 6
    server_ended exit 1
}

# To most programs that handle it HUP means "reload".
@test "a program that exits 1 in its own handler for SIGHUP sends RST" {
    stops_on HUP on:HUP:exit:1
    peer_saw rst 6
    server_ended exit 1
}

@test "a program whose handler for SIGTERM raises it again at its default sends FIN" {
    serve accept write:Hello. on:TERM raise:TERM default:TERM raise:TERM
    peer_sees fin 6
    server_said 'was handled'
    server_ended signal TERM
}

@test "a program that sets SIGTERM back to its default is killed by it and sends FIN" {
    serve accept write:Hello. on:TERM:exit:1 default:TERM raise:TERM
    peer_sees fin 6
    server_ended signal TERM
}

@test "a request to stop that a process has handled is none to its fork child" {
    serve -p "$SESSIONS_TOO" accept write:Hello. on:TERM raise:TERM fork{ await_orphaned exit:3 } close exit:0
    peer_sees rst 6
}

# --- Ignored, blocked, waited for ---

@test "an ignored SIGTERM stays ignored" {
    serve accept write:Hello. ignore:TERM raise:TERM exit:3
    peer_sees rst 6
    server_ended exit 3
}

@test "a SIGHUP that was ignored from the start, as by nohup, stays ignored" {
    launch server env --ignore-signal=HUP "$PROGRAMS/server" accept write:Hello. print_sigaction:HUP raise:HUP exit:3
    find_port server
    peer_sees rst 6
    server_said 'sigaction HUP ignored'
    server_ended exit 3
}

@test "a blocked SIGTERM stays blocked" {
    serve block:TERM accept write:Hello. raise:TERM exit:3
    peer_sees rst 6
    server_ended exit 3
}

@test "a SIGTERM that was blocked kills when it is unblocked, with FIN" {
    serve block:TERM accept write:Hello. raise:TERM unblock:TERM
    peer_sees fin 6
    server_ended signal TERM
}

# taken_by OPERATION: a program waits for SIGTERM by OPERATION, takes it and exits 1.
taken_by() {
    serve accept write:Hello. "$1:TERM" exit:1
    connect_peer
    server_said ready
    kill_server TERM
    server_said 'got TERM'
    server_ended exit 1
}

@test "a program that takes SIGTERM by sigwait and exits 1 sends FIN" {
    taken_by sigwait
    peer_saw fin 6
}

@test "a program that takes SIGTERM by sigwaitinfo and exits 1 sends FIN" {
    taken_by sigwaitinfo
    peer_saw fin 6
}

@test "a program that takes SIGTERM by sigtimedwait and exits 1 sends FIN" {
    taken_by sigtimedwait
    peer_saw fin 6
}

@test "a program still gets SIGTERM by signalfd" {
    taken_by signalfd
}

@test "a program that gets SIGTERM by signalfd and exits 0 sends FIN" {
    serve accept write:Hello. signalfd:TERM exit:0
    connect_peer
    server_said ready
    kill_server TERM
    peer_saw fin 6
    server_ended exit 0
}

# --- What the program is told ---

@test "sigaction reports the default for each stop signal" {
    perform print_sigaction:TERM print_sigaction:INT print_sigaction:HUP
    server_said 'sigaction TERM default'
    server_said 'sigaction INT default'
    server_said 'sigaction HUP default'
}

@test "signal reports the default, once, and then what the program set" {
    perform default:TERM on:TERM print_sigaction:TERM default:TERM ignore:TERM print_sigaction:TERM
    server_said 'was default'
    server_said 'sigaction TERM own'
    server_said 'was handled'
    server_said 'sigaction TERM ignored'
}

@test "CPython still raises KeyboardInterrupt at SIGINT" {
    launch server /usr/bin/python3 -c '
import signal, sys
try:
    print("ready", flush=True)
    while True:
        signal.pause()
except KeyboardInterrupt:
    print("interrupted", flush=True)
    sys.exit(0)'
    server_said ready
    kill_server INT
    server_said interrupted
    server_ended exit 0
}

@test "no signal but TERM, INT and HUP has a handler" {
    without_sanitizer 'a sanitizer sets handlers of its own'
    serve accept pause
    connect_peer
    server_said ready
    run handled "$(pid_of server)"
    assert_output 0000000000004003
}

@test "under off no signal has a handler" {
    without_sanitizer 'a sanitizer sets handlers of its own'
    serve -p off accept pause
    connect_peer
    server_said ready
    run handled "$(pid_of server)"
    assert_output 0000000000000000
}

# --- Where and when the signal comes ---

@test "a SIGTERM kills a thread that has a small alternate stack, while an heir lives" {
    not_under address "the library that it has instrumented needs more stack"
    launch odd "$PROGRAMS/odd" small-stack
    ended odd signal TERM
}

# Without /proc the library asks about the heir with more calls. If it bound one of them only now, the dynamic linker
# would need much of the stack, and with LD_DEBUG more than there is, on every processor.
@test "a SIGTERM kills a thread that has a small alternate stack, while an heir lives and there is no /proc" {
    without_sanitizer 'a sanitizer does not start without /proc'
    launch odd LD_DEBUG=bindings LD_DEBUG_OUTPUT="$PWD/bound" \
        unshare --mount sh -c 'mount -t tmpfs none /proc && exec "$@"' sh "$PROGRAMS/odd" small-stack
    ended odd signal TERM
}

@test "a SIGTERM that only ppoll lets in kills" {
    launch odd "$PROGRAMS/odd" ppoll-term
    ended odd signal TERM
    run cat odd.out
    assert_output ""
}

@test "a signal that is ignored from the start never kills" {
    # shellcheck disable=SC2016  # expanded by the inner shell
    run -0 shimmed bash -c 'trap "" HUP; for i in {1..40}; do (for j in {1..50}; do kill -HUP $BASHPID; done) & /bin/true || exit 1; done; wait'
}
