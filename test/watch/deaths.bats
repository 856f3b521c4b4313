#!/usr/bin/env bats
# shellcheck disable=SC2154  # helpers set variables
# shellcheck disable=SC1083  # braces belong to the server's operations
# The side-car: how the connections of a program that cannot be preloaded end, and what is recorded.

load ../helpers
load ../watch

# --- Endings ---

@test "the ends of a static program, as its peer and its parent see them" {
    local rows=0 operations ending status
    while IFS='|' read -r operations ending status; do
        # shellcheck disable=SC2086  # words
        watch_static -- accept write:Hello. $operations
        peer_sees "$ending" 6
        # shellcheck disable=SC2086  # words
        ended server $status
        rows=$((rows + 1))
    done <<'ROWS'
exit:0|fin|exit 0
nothing|fin|exit 0
exit:143|fin|exit 143
exit:3|rst|exit 3
_exit:1|rst|exit 1
syscall_exit_group:2|rst|exit 2
abort|rst|signal ABRT
segv|rst|signal SEGV
kill_self:KILL|rst|signal KILL
kill_self:TERM|fin|signal TERM
kill_self:QUIT|rst|signal QUIT
on:TERM:exit:7 kill_self:TERM|fin|exit 7
ignore:TERM kill_self:TERM exit:7|rst|exit 7
thread{ kill_self:KILL|rst|signal KILL
thread{ exit:3|rst|exit 3
thread{ pthread_exit } exit:0|fin|exit 0
thread{ die_alone } exit:0|fin|exit 0
fork{ exit:3 } wait exit:0|fin|exit 0
fork{ kill_self:KILL } wait exit:0|fin|exit 0
ROWS
    assert_equal "$rows" 19
}

@test "always-fin holds for SIGKILL with data unread" {
    watch_static -p always-fin -- accept write:Hello. await_unread:6 pause
    connect_peer --send unread
    server_said ready
    kill_server KILL
    peer_saw fin 6
}

@test "keep leaves a death to the kernel" {
    watch_static -p 'stop=rst' -- accept write:Hello. pause
    connect_peer
    server_said ready
    kill_server KILL
    peer_saw fin 6
}

@test "rules see role, port and peer" {
    local rows=0 policy ending
    while IFS='|' read -r policy ending; do
        watch_static -p "$policy" -- accept write:Hello. exit:3
        peer_sees "$ending" 6
        rows=$((rows + 1))
    done <<'ROWS'
accepted: abort-on-crash|rst
connected: abort-on-crash|fin
peer=127.0.0.0/8: abort-on-crash|rst
peer=10.0.0.0/8: abort-on-crash|fin
port=1: abort-on-crash|fin
!port=1: abort-on-crash|rst
ROWS
    assert_equal "$rows" 6
}

@test "a connection that a static program made counts as connected, with the peer's port" {
    listen_peer
    watched client -p "connected port=$port: exit-error=rst" -- "$PROGRAMS/server-static" "connect:$port" write:Hello. exit:3
    peer_saw rst 6
}

@test "a child's crash leaves alone what the parent holds, and resets what it serves alone" {
    watch_static -- accept write:Hello. fork{ kill_self:KILL } wait say:waited pause
    connect_peer
    server_said waited
    kill_server TERM
    peer_saw fin 6

    watch_static -- accept write:Hello. fork{ pause kill_self:KILL } close wait exit:0
    connect_peer
    server_said ready
    # The child, which now has it alone.
    kill -USR1 "$(pgrep -P "$(pid_of server)")"
    peer_saw rst 6
    ended server exit 0
}

@test "an MPTCP and an IPv6 connection are reset too" {
    watch_static -- listen_ipv6 accept write:Hello. kill_self:KILL
    host=::1 peer_sees rst 6
}

@test "a static Rust program that panics resets, one that ends well does not" {
    [[ -x $PROGRAMS/seed-static ]] || requires /usr/bin/rustc
    watched seed -- "$PROGRAMS/seed-static" panic
    find_port seed
    peer_sees rst 7
    watched seed -- "$PROGRAMS/seed-static" ok
    find_port seed
    peer_sees fin 7
}

@test "a static busybox httpd is watched, and its children's ends are theirs" {
    requires busybox
    local httpd=$PWD/busybox
    cp "$(command -v busybox)" "$httpd"
    mkdir www && echo hello >www/index.html
    watched httpd -- "$httpd" httpd -f -p 127.0.0.1:8099 -h www
    wait_until listening 8099
    port=8099
    connect_peer --send 'GET / HTTP/1.0\r\n\r\n'
    wait_until grep -q '^fin' peer.out
    # A child that is killed in mid-request.
    connect_peer --send 'GET '
    wait_until pgrep -P "$(pid_of httpd)"
    pkill -KILL -P "$(pid_of httpd)"
    peer_saw rst 0
}

@test "a parent that crashes right after a fork leaves the connection to its child" {
    local i
    for i in {1..20}; do
        watch_static -p 'exit-error=rst, crash=rst' -- accept write:Hello. fork{ pause exit:0 } _exit:3
        connect_peer
        server_said ready
        ended server exit 3
        kill -TERM -- "-${started[0]}"
        peer_saw fin 6
        stop_all
    done
    assert_equal "$i" 20
}

@test "nothing comes behind the FIN of a shutdown when a watched program is killed" {
    watch_static -- accept write:Hello. shutdown_wr pause
    behind_fin KILL
}

@test "an exec by one of several threads is no death: nothing is reset, and nothing that waits to be read is lost" {
    local policy rows=0
    for policy in always-fin abort-unless-shutdown 'exit=rst'; do
        watch_static -p "$policy" -- accept onto:8 await_unread:6 \
            "thread{" "exec:$PROGRAMS/server-static inherit:8 read:6 write:Hello. pause" "}"
        connect_peer --send unread
        server_said ready
        kill_server KILL
        peer_saw fin 6
        rows=$((rows + 1))
    done
    assert_equal "$rows" 3
}

@test "what a process holds whose first thread has ended is left alone" {
    watch_static -- accept write:Hello. fork{ on:USR1:nothing pause kill_self:KILL } \
        on:USR2:pthread_exit thread{ block:USR2 say:threaded pause }
    connect_peer
    server_said ready
    server_said threaded
    local pid child
    pid=$(pid_of server)
    child=$(pgrep -P "$pid")
    kill -USR2 "$pid"
    wait_until grep -q '^State:.Z' "/proc/$pid/status"
    kill -USR1 "$child"
    wait_until grep -q '^State:.Z' "/proc/$child/status"
    kill -TERM "$pid"
    peer_saw fin 6
}

@test "a connection passed as LISTEN_FDS is the new program's own; another one above 2 is not" {
    watch_static -p "$SESSIONS_TOO" -- accept write:Hello. as_listen_fd "exec:$PROGRAMS/server-static inherit:3 exit:3"
    peer_sees rst 6
    watch_static -p "$SESSIONS_TOO" -- accept write:Hello. onto:7 "exec:$PROGRAMS/server-static inherit:7 exit:3"
    peer_sees fin 6
    watch_static -p "$SESSIONS_TOO" -- accept write:Hello. onto:0 "exec:$PROGRAMS/server-static inherit:0 exit:3"
    peer_sees rst 6
}

@test "what an exec left to a program is not its fork's own either" {
    watch_static -- accept write:Hello. onto:7 "exec:$PROGRAMS/server-static inherit:7 fork{ await_orphaned exit:3 } exit:0"
    peer_sees fin 6
}

@test "what a program has that another tracer watches is left alone" {
    cp "$PROGRAMS/server-static" strace
    watch_static -- accept write:Hello. onto:7 fork{ "exec:./strace inherit:7 on:USR1:nothing say:traced pause exit:0" } \
        say:untraced pause
    connect_peer
    server_said traced
    server_said untraced
    local pid child
    pid=$(pid_of server)
    child=$(pgrep -P "$pid")
    kill -KILL "$pid"
    ended server signal KILL
    kill -USR1 "$child"
    peer_saw fin 6
}

# Root's rights but for the one to look at everybody.
without_ptrace_right() {
    with_wrapper
    requires setpriv
    [[ $(id -u) = 0 ]] || skip 'needs root'
    rightless=(setpriv --bounding-set=-sys_ptrace --inh-caps=-sys_ptrace)
}

@test "what a process may have that cannot be looked at is left alone, and that is said" {
    local -a rightless
    without_ptrace_right
    start server "$PROGRAMS/outcome" server.status "${rightless[@]}" "$TRUEFIN" run --log "$PWD/log" -- "$PROGRAMS/server-static" \
        accept write:Hello. fork{ hide await_orphaned write:Bye. close exit:0 } pause
    find_port server
    connect_peer
    server_said ready
    local child
    child=$(pgrep -P "$(pid_of server)")
    wait_until hidden "$child"
    kill_server KILL
    peer_saw fin 10
    run -0 cat log
    assert_output --partial 'note="another process, whose descriptors the side-car may not see, may have them too: nothing was changed"'
}

# PID is not to be looked at: its directory is root's.
hidden() {
    ! "${rightless[@]}" readlink "/proc/$1/fd/1"
}

@test "what a program was born with is left alone if its parent, which is not watched, cannot be looked at" {
    local -a rightless
    without_ptrace_right
    start server "$PROGRAMS/outcome" server.status "$PROGRAMS/server-static" accept write:Hello. hide \
        fork{ onto:0 "exec:${rightless[*]} $TRUEFIN run -- $PROGRAMS/server-static inherit:0 exit:3" } wait write:Bye. close exit:0
    find_port server
    connect_peer
    peer_saw fin 10
}

@test "what a program was sent by its parent, which is not watched, stays the parent's" {
    with_wrapper
    start server python3 -c '
import socket, subprocess, sys
s = socket.create_server(("127.0.0.1", 0))
print("port", s.getsockname()[1], flush=True)
c, _ = s.accept()
c.sendall(b"Hello.")
here, there = socket.socketpair()
program = """
import os, signal, socket, sys
socket.recv_fds(socket.socket(fileno=int(sys.argv[1])), 1, 1)
os.kill(os.getpid(), signal.SIGKILL)
"""
child = subprocess.Popen([*sys.argv[1:], sys.executable, "-c", program, str(there.fileno())], pass_fds=[there.fileno()])
socket.send_fds(here, [b"x"], [c.fileno()])
assert child.wait() == -9
c.sendall(b"Bye.")
c.close()' "$TRUEFIN" run --watch --
    find_port server
    connect_peer
    peer_saw fin 10
}

@test "a process above the parent that has the connection keeps it" {
    with_wrapper
    start server "$PROGRAMS/outcome" server.status "$PROGRAMS/server-static" accept write:Hello. \
        fork{ onto:0 fork{ "exec:$TRUEFIN run -- $PROGRAMS/server-static inherit:0 exit:3" } close wait } wait write:Bye. close exit:0
    find_port server
    connect_peer
    peer_saw fin 10
}

@test "a program that was asked to stop and then to abort has not stopped" {
    watch_static -- accept write:Hello. on:TERM:nothing on:ABRT:exit:2 pause pause
    connect_peer
    server_said ready
    kill_server TERM
    wait_until handled_once
    kill_server ABRT
    peer_saw rst 6
    ended server exit 2
}

handled_once() {
    [[ $(grep -c ready server.out) == 2 ]]
}

# --- Records ---

@test "a death is recorded, with the program's own pid and name, in a file and on the program's stderr" {
    watch_static --log "$PWD/log" -- accept write:Hello. kill_self:KILL
    peer_sees rst 6
    wait_until grep -q event= log
    assert_regex "$(grep event= log)" "^time=[^ ]* pid=$(pid_of server) program=server-static where=watch event=crash flush-rst=1$"
    watch_static --log stderr -- accept write:Hello. exit:3
    peer_sees rst 6
    wait_until grep -q 'where=watch event=exit-error flush-rst=1$' server.err
}
