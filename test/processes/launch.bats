#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2154  # braces are words here, and helpers set variables
# The ways in which real programs start others, and move to another place in the tree of processes: popen and system,
# daemon(3) and the double fork, exec of what truefin is not loaded into, systemd's LISTEN_FDS. And one way to get a
# connection that nobody sees.

load ../daemons

# The status of a fork child or of a service shows here who decides, so it must not be kept.
export TRUEFIN_POLICY=$SESSIONS_TOO

# --- popen(3), system(3): helpers that have a copy by accident ---

@test "popen and system change nothing for an orderly close" {
    local helper
    # shellcheck disable=SC2016  # the helper's own
    for helper in true false 'kill -KILL $$'; do
        serve accept write:Hello. popen:"$helper" close pause
        peer_sees fin 6
        stop_all
        serve accept write:Hello. system:"$helper" exit:0
        peer_sees fin 6
        stop_all
    done
}

@test "popen and system do not unprotect a connection" {
    serve accept write:Hello. popen:true exit:3
    peer_sees rst 6
    stop_all
    serve accept write:Hello. system:true kill_self:KILL
    peer_sees rst 6
}

# The kernel sends nothing before the last copy is gone.
@test "a helper of popen's that outlives its server's good end with a copy: FIN when it is killed" {
    serve accept write:Hello. popen_left:'echo; exec sleep 30' say:left pause
    connect_peer --output got
    server_said left
    child_of "$(pid_of server)"
    kill_server TERM
    server_ended signal TERM
    kill -KILL "$child"
    peer_saw fin 6
}

@test "a helper of popen's that outlives its server's crash with a copy: RST when it ends well" {
    serve accept write:Hello. popen_left:'echo; exec sleep 30' say:left pause
    connect_peer --output got
    server_said left
    child_of "$(pid_of server)"
    kill_server KILL
    server_ended signal KILL
    kill -TERM "$child"
    peer_saw rst 6
}

# --- daemon(3), setsid(2), the double fork ---

# ends FIN|RST OPERATION...: the operations, with each of these ends behind them.
ends_well() {
    serve "${@/END/exit:0}"
    peer_sees fin 6
    stop_all
}

ends_badly() {
    local end
    for end in exit:3 abort kill_self:KILL; do
        serve "${@/END/$end}"
        peer_sees rst 6
        stop_all
    done
}

both_ends() {
    ends_well "$@"
    ends_badly "$@"
}

@test "a connection that was there before daemon(3) ends as the daemon does" {
    both_ends accept daemon write:Hello. END
}

@test "a connection that came after daemon(3) ends as the daemon does" {
    both_ends listen daemon accept write:Hello. END
}

@test "daemon(3) gives up a connection at 0: FIN" {
    serve accept write:Hello. onto:0 daemon pause
    peer_sees fin 6
}

@test "a connection that was there before a double fork ends as the grandchild does" {
    both_ends watch_others accept fork{ setsid fork{ await_others write:Hello. END } exit:0 } wait close exit:0
    both_ends watch_others accept fork{ setsid fork{ await_others write:Hello. END } _exit:0 } _exit:0
}

@test "a connection that came after a double fork ends as the grandchild does" {
    both_ends listen fork{ setsid fork{ await_orphaned accept write:Hello. END } exit:0 } wait exit:0
}

@test "setsid changes nothing" {
    both_ends accept fork{ setsid await_orphaned write:Hello. END } close exit:0
}

@test "both of two connections that were there before daemon(3) end as the daemon does" {
    local end
    for end in 0 3; do
        serve accept write:Hello. accept write:Hello. daemon "exit:$end"
        peer=first connect_peer
        peer=second connect_peer
        peer=first peer_saw "$([[ $end == 0 ]] && echo fin || echo rst)" 6
        peer=second peer_saw "$([[ $end == 0 ]] && echo fin || echo rst)" 6
        stop_all
    done
}

# --- fork: what a child is given ---

@test "a fork child decides for the connection at 0 besides the one that came last" {
    serve accept write:Hello. onto:0 accept write:Hello. fork{ await_orphaned exit:3 } exit:0
    peer=first connect_peer
    peer=second connect_peer
    peer=first peer_saw rst 6
    peer=second peer_saw rst 6
}

# --- A superserver without truefin ---

@test "a service that fails while its superserver, without truefin, still holds the connection leaves it to that" {
    start superserver python3 -c '
import os, socket, subprocess, sys
s = socket.create_server(("127.0.0.1", 0))
print("port", s.getsockname()[1], flush=True)
c, _ = s.accept()
c.sendall(b"Hello.")
status = subprocess.run(sys.argv[2:], stdin=c, env=dict(os.environ, LD_PRELOAD=sys.argv[1])).returncode
assert status == 3, status
c.close()' "${SANITIZER_PRELOAD:+$SANITIZER_PRELOAD:}$LIBTRUEFIN" "$PROGRAMS/server" exit:3
    find_port superserver
    peer_sees fin 6
}

# sleeps_with_handler PID: it handles SIGUSR1, and has nothing else to do.
sleeps_with_handler() {
    grep -q '^SigCgt:.*[2367abef]..$' "/proc/$1/status" && grep -q '^State:.S' "/proc/$1/status"
}

# --- exec: setuid ---

# A copy of the server that becomes another user when it is executed: the dynamic linker then loads nothing into it.
setuid_server() {
    other_users
    others_may_read
    cp "$PROGRAMS/server" setuid-server
    chown nobody setuid-server
    chmod "$1" setuid-server
}

@test "exec of a setuid program with the connection at 0: nobody knows of it any more, and all ends are FIN" {
    local end
    setuid_server 4755
    for end in exit:0 exit:3 kill_self:KILL close; do
        serve accept onto:0 "exec:$PWD/setuid-server inherit:0 write:Hello. $end"
        peer_sees fin 6
        stop_all
    done
}

@test "exec of the same program without the bit: its crash is an RST" {
    setuid_server 755
    serve accept onto:0 "exec:$PWD/setuid-server inherit:0 write:Hello. exit:0"
    peer_sees fin 6
    stop_all
    serve accept onto:0 "exec:$PWD/setuid-server inherit:0 write:Hello. kill_self:KILL"
    peer_sees rst 6
}

@test "exec of a setuid program in a forked child, with the parent's copy closed or not" {
    setuid_server 4755
    serve accept fork{ await_orphaned onto:0 "exec:$PWD/setuid-server inherit:0 write:Hello. exit:0" } close exit:0
    peer_sees fin 6
    stop_all
    serve accept write:Hello. fork{ onto:0 "exec:$PWD/setuid-server kill_self:KILL" } wait exit:0
    peer_sees fin 6
    stop_all
    serve accept write:Hello. fork{ "exec:$PWD/setuid-server kill_self:KILL" } wait kill_self:KILL
    peer_sees rst 6
}

@test "a connection at 0 is armed again when the exec has failed: SIGKILL sends RST" {
    launch server python3 -c '
import os, signal, socket
s = socket.create_server(("127.0.0.1", 0))
print("port", s.getsockname()[1], flush=True)
c, _ = s.accept()
c.sendall(b"Hello.")
os.dup2(c.fileno(), 0)
c.close()
try:
    os.execv("missing/program", ["program"])
except OSError:
    os.kill(os.getpid(), signal.SIGKILL)'
    find_port server
    peer_sees rst 6
    server_ended signal KILL
}

@test "exec with the connection at 0 too: what closes with the exec is one of two, and the new program ends well: FIN" {
    serve -p close=rst accept4 swap inherit:0 close swap dup \
        "exec:$PROGRAMS/server-static inherit:0 write:Hello. exit:0"
    peer_sees fin 6
}

@test "a fork child that execs with its parent's connection at 0 may end it well after the parent's crash: FIN" {
    serve accept say:one swap accept swap \
        fork{ onto:0 "exec:$PROGRAMS/server-static inherit:0 on:USR1:nothing pause write:Hello. exit:0" } pause
    peer=first connect_peer
    wait_until grep -q '^one$' server.out
    peer=second connect_peer
    wait_until grep -q ready server.out
    local parent child
    parent=$(pid_of server)
    wait_until pgrep -P "$parent" server-static
    child=$(pgrep -P "$parent" server-static)
    wait_until sleeps_with_handler "$child"
    kill_server KILL
    server_ended signal KILL
    kill -USR1 "$child"
    peer=first peer_saw fin 6
}

# --- exec: LISTEN_FDS ---

@test "a connection passed on as LISTEN_FDS ends as the new program does" {
    both_ends accept as_listen_fd "exec:$PROGRAMS/server inherit:3 write:Hello. END"
}

@test "a connection at 3 that LISTEN_PID means for another process is not taken: FIN" {
    serve accept as_listen_fd "exec:env LISTEN_PID=1 $PROGRAMS/server inherit:3 write:Hello. kill_self:KILL"
    peer_sees fin 6
}

# activated OPERATION...: a service of systemd's that gets its connection as LISTEN_FDS.
activated() {
    requires systemd-socket-activate
    free_port
    # It hands its environment on as far as it is told to.
    launch activate systemd-socket-activate --accept -l "127.0.0.1:$port" -E LD_PRELOAD -E TRUEFIN_POLICY \
        -E ASAN_OPTIONS -E TSAN_OPTIONS "$PROGRAMS/server" inherit:3 "$@"
    await_listener
}

@test "systemd-socket-activate: its service's end decides" {
    activated write:Hello. exit:0
    peer_sees fin 6
    stop_all
    activated write:Hello. exit:3
    peer=second peer_sees rst 6
    stop_all
    activated write:Hello. kill_self:KILL
    peer=third peer_sees rst 6
}

@test "systemd-socket-activate without truefin: it is a FIN" {
    export TRUEFIN_TEST_BARE=1
    activated write:Hello. kill_self:KILL
    peer_sees fin 6
}

# --- sendmsg(2): a descriptor is sent away ---

# sends_away good|bad killed|well: a program under the shim accepts, writes "Hello.", tries to send the connection to
# this one, which is without truefin, and ends so. With bad nobody is at the other end. What arrives is closed.
sends_away() {
    start receiver python3 -c '
import os, socket, subprocess, sys
here, there = socket.socketpair()
closed, gone = socket.socketpair()
gone.close()
sender = """
import os, signal, socket, sys
by = socket.socket(fileno=int(sys.argv[1]))
s = socket.create_server(("127.0.0.1", 0))
print("port", s.getsockname()[1], flush=True)
c, _ = s.accept()
c.sendall(b"Hello.")
try:
    socket.send_fds(by, [b"x"], [c.fileno()])
except BrokenPipeError:
    pass
if sys.argv[2] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
"""
by = there if sys.argv[2] == "good" else closed
subprocess.run([sys.executable, "-c", sender, str(by.fileno()), sys.argv[3]], pass_fds=[by.fileno()],
               env=dict(os.environ, LD_PRELOAD=sys.argv[1]))
there.close()
_, fds, _, _ = socket.recv_fds(here, 1, 1)
assert len(fds) == (sys.argv[2] == "good"), fds' "${SANITIZER_PRELOAD:+$SANITIZER_PRELOAD:}$LIBTRUEFIN" "$1" "$2"
    find_port receiver
}

@test "a connection that was sent to a process without truefin ends as that one closes it: FIN" {
    sends_away good killed
    peer_sees fin 6
}

@test "a connection that could not be sent is still the program's: its crash is an RST, its good end a FIN" {
    sends_away bad killed
    peer_sees rst 6
    stop_all
    sends_away bad well
    peer_sees fin 6
}

# --- pidfd_getfd(2): someone else takes a copy ---

# Takes descriptor FD of PID, says so, and holds it until its standard input ends; then it ends well.
cat_taken='
import ctypes, os, sys
process = os.pidfd_open(int(sys.argv[1]))
taken = ctypes.CDLL(None).syscall(438, process, int(sys.argv[2]), 0)
assert taken >= 0
print("taken", flush=True)
sys.stdin.read()
os.close(taken)
'

# The server has a copy taken from it. Sets $taker.
taken() {
    serve accept onto:700 write:Hello. pause
    connect_peer --output got
    server_said ready
    mkfifo hold
    # shellcheck disable=SC2016  # expanded by the inner shell
    start taker sh -c 'exec /usr/bin/python3 -c "$@" <hold' sh "$cat_taken" "$(pid_of server)" 700
    exec 7>hold
    said taker taken
}

@test "a copy taken by pidfd_getfd delays the server's FIN until it is closed" {
    taken
    kill_server TERM
    server_ended signal TERM
    assert [ ! -s peer.out ]
    exec 7>&-
    peer_saw fin 6
}

@test "a copy taken by pidfd_getfd delays the RST of the server's crash until it is closed" {
    taken
    kill_server KILL
    server_ended signal KILL
    assert [ ! -s peer.out ]
    exec 7>&-
    peer_saw rst 6
}

# --- Rare ways to make a child ---

@test "clone3 may be asked for with a null pointer" {
    as_without clone3-probe 0 "-1 EINVAL"
}

@test "a vfork in a vfork child comes back to both" {
    without_sanitizer "a sanitizer has a vfork of its own"
    as_without nested-vfork 0 8
}

@test "what a vfork child sets for a signal is not its parent's" {
    without_sanitizer "a sanitizer has a vfork of its own"
    as_without vfork-signal 0 own
}
