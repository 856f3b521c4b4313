#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2030,SC2031,SC2034,SC2154  # braces are words here, and helpers set variables
# The emergency switch: what `truefin off` says is off is as without truefin from then on.

load ../helpers

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    started=()
    requires setpriv
}

# off PID...: says so of each, and of no other.
off() {
    run -0 --separate-stderr "$TRUEFIN" off "$@"
    assert_equal "$stderr" ''
}

on() {
    run -0 --separate-stderr "$TRUEFIN" on "$@"
    assert_equal "$stderr" ''
}

# state PID: what truefin status says of it.
state() {
    "$TRUEFIN" status --json "$1" | python3 -c 'import json, sys; print(*{row["state"] for row in json.load(sys.stdin)})'
}

# linger_of PID: SO_LINGER of its connections, as the kernel has it, a line each.
linger_of() {
    python3 -c '
import ctypes, os, socket, struct, sys
pid = int(sys.argv[1])
pidfd = os.pidfd_open(pid)
for number in sorted(map(int, os.listdir(f"/proc/{pid}/fd"))):
    fd = ctypes.CDLL(None).syscall(438, pidfd, number, 0)
    if os.readlink(f"/proc/{pid}/fd/{number}").startswith("socket:"):
        s = socket.socket(fileno=fd)
        if s.family == socket.AF_INET and not s.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            print(*struct.unpack("ii", s.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)), sep=",")' "$1"
}

@test "what is armed is disarmed at once, also in a program that is stopped: SIGKILL sends FIN" {
    serve accept write:Hello. pause
    connect_peer
    server_said ready
    kill_server STOP
    off "$(pid_of server)"
    assert_output "$(pid_of server) (server) is off, 1 disarmed"
    kill_server KILL
    peer_saw fin 6
}

@test "in a program that is busy in a thread" {
    serve accept write:Hello. thread{ say:filled compute:1000000 }
    connect_peer
    server_said filled
    off "$(pid_of server)"
    assert_output "$(pid_of server) (server) is off, 1 disarmed"
    kill_server KILL
    peer_saw fin 6
}

@test "what is accepted and made after that is not armed" {
    serve accept write:Hello. on:USR1 pause accept write:Hello. say:again pause
    connect_peer
    server_said ready
    off "$(pid_of server)"
    kill_server USR1
    peer=second connect_peer
    server_said again
    assert_equal "$(state "$(pid_of server)")" off
    kill_server KILL
    peer_saw fin 6
    peer=second peer_saw fin 6
}

@test "every event ends as without truefin: close, exit, crash, stop" {
    local end rows=0
    for end in close exit:3 abort kill_self:TERM kill_self:SEGV; do
        serve -p 'abort-unless-shutdown, stop=rst' TRUEFIN_LOG=stderr accept write:Hello. on:USR1 pause "$end" pause
        connect_peer
        server_said ready
        off "$(pid_of server)"
        kill_server USR1
        peer_saw fin 6
        assert_equal "$(cat server.err)" ''
        stop_all
        rows=$((rows + 1))
    done
    assert_equal "$rows" 5
}

@test "the program's own SO_LINGER is what it set: zero stays an abort, a time comes back" {
    serve accept write:Hello. linger:1,0 pause
    connect_peer
    server_said ready
    off "$(pid_of server)"
    assert_output "$(pid_of server) (server) is off, 0 disarmed"
    kill_server KILL
    peer_saw rst 6
    stop_all
    serve accept write:Hello. linger:1,7 pause
    connect_peer
    server_said ready
    assert_equal "$(linger_of "$(pid_of server)")" 1,0
    off "$(pid_of server)"
    assert_equal "$(linger_of "$(pid_of server)")" 1,7
}

@test "children and what they execute are off, whether they were there or come later" {
    local child count=0
    perform fork{ exec:"$PROGRAMS/server say:earlier pause" } on:USR1 pause \
        fork{ exec:"$PROGRAMS/server say:later pause" } fork{ say:forked pause } system:"$PROGRAMS/server say:shell pause; true"
    server_said earlier
    server_said ready
    off "$(pid_of server)"
    kill_server USR1
    server_said later
    server_said forked
    server_said shell
    while read -r child; do
        assert_equal "$child $(state "$child")" "$child off"
        count=$((count + 1))
    done < <(pgrep -s "$(ps -o sid= "$(pid_of server)" | tr -d ' ')" -x server)
    assert_equal "$count" 5
}

@test "an exec by each call passes it on, and a program that is on again passes that on" {
    local call
    "${CC:-gcc}" -D_GNU_SOURCE -o calls -x c - <<'END'
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
extern char **environ;
static void nothing(int number)
{
    (void)number;
}
int main(int argc, char **argv)
{
    char *shell[] = {"sh", "-c", "echo off=$TRUEFIN_OFF $KEPT", NULL};
    const char *call = argv[1];
    pid_t child = 0;
    signal(SIGUSR1, nothing);
    puts("ready");
    fflush(stdout);
    pause();
    if (strcmp(call, "execve") == 0)
        execve("/bin/sh", shell, environ);
    if (strcmp(call, "execv") == 0)
        execv("/bin/sh", shell);
    if (strcmp(call, "execvp") == 0)
        execvp("sh", shell);
    if (strcmp(call, "execvpe") == 0)
        execvpe("sh", shell, environ);
    if (strcmp(call, "execl") == 0)
        execl("/bin/sh", "sh", "-c", shell[2], NULL);
    if (strcmp(call, "execle") == 0)
        execle("/bin/sh", "sh", "-c", shell[2], NULL, environ);
    if (strcmp(call, "fexecve") == 0)
        fexecve(open("/bin/sh", O_RDONLY), shell, environ);
    if (strcmp(call, "syscall") == 0)
        syscall(SYS_execve, "/bin/sh", shell, environ);
    if (strcmp(call, "spawn") == 0)
        posix_spawn(&child, "/bin/sh", NULL, NULL, shell, environ);
    if (strcmp(call, "spawnp") == 0)
        posix_spawnp(&child, "sh", NULL, NULL, shell, environ);
    if (strcmp(call, "vfork") == 0 && (child = vfork()) == 0) {
        execve("/bin/sh", shell, environ);
        _exit(1);
    }
    if (strcmp(call, "system") == 0)
        system(shell[2]);
    if (strcmp(call, "popen") == 0) {
        FILE *from = popen(shell[2], "r");
        char line[100];
        if (fgets(line, sizeof line, from))
            fputs(line, stdout);
        pclose(from);
    }
    waitpid(child, NULL, 0);
    return argc == 0;
}
END
    for call in execve execv execvp execvpe execl execle fexecve syscall spawn spawnp vfork system popen; do
        launch calls KEPT=kept ./calls "$call"
        said calls ready
        off "$(pid_of calls)"
        kill -USR1 "$(pid_of calls)"
        said calls 'off=1 kept' || fail "$call"
        stop_all
    done
    launch calls KEPT=kept TRUEFIN_OFF=1 ./calls execve
    said calls ready
    assert_equal "$(state "$(pid_of calls)")" off
    on "$(pid_of calls)"
    kill -USR1 "$(pid_of calls)"
    said calls 'off= kept'
}

@test "what the library keeps of closed connections is disarmed too, and delivered" {
    serve -p close=flush-rst "${FILL[@]}" close pause
    slow_peer server.out '^never$'
    server_said ready
    assert_equal "$(linger_of "$(pid_of server)")" 1,0
    off "$(pid_of server)"
    assert_output --partial 'is off, 1 disarmed'
    assert_equal "$(linger_of "$(pid_of server)")" 0,0
    kill_server KILL
    echo never >>server.out
    peer_saw fin "$BIG"
}

@test "what is kept ends in a FIN while it is off, when all is delivered" {
    serve -p close=flush-rst "${FILL[@]}" close pause
    slow_peer server.out '^now$'
    server_said ready
    off "$(pid_of server)"
    echo now >>server.out
    peer_saw fin "$BIG"
}

@test "on again: new connections are armed, and all closes and exits are decided again" {
    serve accept write:Hello. on:USR1 pause accept write:Hello. say:again pause exit:3
    connect_peer
    server_said ready
    off "$(pid_of server)"
    on "$(pid_of server)"
    assert_output "$(pid_of server) (server) is on"
    kill_server USR1
    peer=second connect_peer
    server_said again
    assert_equal "$(linger_of "$(pid_of server)")" $'0,0\n1,0'
    kill_server USR1
    peer_saw rst 6
    peer=second peer_saw rst 6
}

@test "by another user nothing is changed, and one line says who may" {
    [[ $(id -u) = 0 ]] || skip 'needs root'
    serve accept write:Hello. pause
    connect_peer
    server_said ready
    run -1 --separate-stderr setpriv --reuid 65534 --regid 65534 --clear-groups "$TRUEFIN" off "$(pid_of server)"
    assert_output ''
    assert_equal "$stderr" "truefin: off: $(pid_of server) (server) cannot be switched: it belongs to user root: only that user and root may (CAP_SYS_PTRACE); nothing was changed there"
    assert_equal "$(linger_of "$(pid_of server)")" 1,0
    kill_server KILL
    peer_saw rst 6
}

@test "the same user may, without being root" {
    [[ $(id -u) = 0 ]] || skip 'needs root'
    chmod 755 .
    launch server setpriv --reuid 65534 --regid 65534 --clear-groups "$PROGRAMS/server" accept write:Hello. pause
    find_port server
    connect_peer
    server_said ready
    run -0 setpriv --reuid 65534 --regid 65534 --clear-groups "$TRUEFIN" off "$(pid_of server)"
    kill_server KILL
    peer_saw fin 6
}

@test "a library of another version, or another build, is not written to" {
    local LIBTRUEFIN=$PWD/libtruefin.so
    python3 - "$BUILD_DIR/shim/libtruefin.so" <<'END'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
at = data.find(b"truefin\0" + b"0.")
assert at >= 0 and data.find(b"truefin\0" + b"0.", at + 1) < 0
data[at + 8:at + 11] = b"9.9"
open("libtruefin.so", "wb").write(data)
END
    serve accept write:Hello. pause
    connect_peer
    server_said ready
    run -1 --separate-stderr "$TRUEFIN" off "$(pid_of server)"
    assert_equal "$stderr" "truefin: off: $(pid_of server) (server) cannot be switched: its truefin is of another version or build than this command; nothing was changed there"
    kill_server KILL
    peer_saw rst 6
}

@test "a process without truefin, no process at all, no argument" {
    start plain sleep 1000
    run -1 --separate-stderr "$TRUEFIN" off "$started_pid"
    assert_equal "$stderr" 'truefin: off: none of these processes has truefin: nothing is armed there'
    run -1 --separate-stderr "$TRUEFIN" off 4194305
    assert_equal "$stderr" 'truefin: off: no process: 4194305 (give a pid, or a unit, as nginx.service)'
    run -2 --separate-stderr "$TRUEFIN" off
    assert_equal "$stderr" $'truefin: off needs a PID or a UNIT\nTry \'truefin off --help\'.'
    run -2 "$TRUEFIN" on --nonsense
}

@test "what a side-car alone watches is off, and on again" {
    without_sanitizer 'truefin run starts programs without it'
    local server=$PROGRAMS/server-static
    start server "$PROGRAMS/outcome" server.status "$TRUEFIN" run --log "$PWD/log" -- "$server" accept write:Hello. pause
    find_port server
    connect_peer
    server_said ready
    assert_equal "$(state "$(pid_of server)")" watched
    off "$(pid_of server)"
    assert_output --partial '(truefin-watch) is off, for all that it watches'
    assert_equal "$(state "$(pid_of server)")" off
    kill_server KILL
    peer_saw fin 6
    server_ended signal KILL
    assert_equal "$(cat log)" ''
    stop_all
    start server "$PROGRAMS/outcome" server.status "$TRUEFIN" run -- "$server" accept write:Hello. pause
    find_port server
    connect_peer
    server_said ready
    off "$(pid_of server)"
    on "$(pid_of server)"
    kill_server KILL
    peer_saw rst 6
}

@test "a close that a side-car alone sees is as without truefin while it is off, and decided again when it is on" {
    without_sanitizer 'truefin run starts programs without it'
    local command rows=0
    local -A ends=([off]=fin [on]=rst)
    for command in off on; do
        start server "$PROGRAMS/outcome" server.status "$TRUEFIN" run -p abort-unless-shutdown -- "$PROGRAMS/server-static" accept \
            write:Hello. on:USR1 pause close pause
        find_port server
        connect_peer
        server_said ready
        off "$(pid_of server)"
        [[ $command == off ]] || on "$(pid_of server)"
        kill_server USR1
        peer_saw "${ends[$command]}" 6
        stop_all
        rows=$((rows + 1))
    done
    assert_equal "$rows" 2
}

# without_getfd COMMAND...: under a filter as that of a container, which answers EPERM.
without_getfd() {
    python3 -c '
import ctypes, os, struct, sys
code = b"".join(struct.pack("HBBI", *row) for row in [(0x20, 0, 0, 0), (0x15, 0, 1, 438), (6, 0, 0, 0x50001), (6, 0, 0, 0x7fff0000)])
room = ctypes.create_string_buffer(code)
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]
libc = ctypes.CDLL(None)
libc.prctl(38, 1, 0, 0, 0)
assert libc.prctl(22, 2, ctypes.byref(Program(4, ctypes.addressof(room))), 0, 0) == 0
os.execvp(sys.argv[1], sys.argv[1:])' "$@"
}

@test "where pidfd_getfd(2) is forbidden the program disarms at its next accept or close, and the command says so" {
    local end
    for end in 'accept write:Hello.' 'swap close'; do
        # shellcheck disable=SC2086  # words
        serve accept write:Hello. dup accept write:Hello. on:USR1 pause $end pause
        connect_peer
        peer=second connect_peer
        server_said ready
        run -1 --separate-stderr without_getfd "$TRUEFIN" off "$(pid_of server)"
        [[ $stderr == "truefin: off: $(pid_of server) (server) is off, but what it has armed stays so until it next accepts, connects or closes: pidfd_getfd(2) is not permitted here"* ]]
        assert_equal "$(state "$(pid_of server)")" off
        assert_equal "$(linger_of "$(pid_of server)" | sort -u)" 1,0
        kill_server USR1
        [[ $end != accept* ]] || peer=third connect_peer
        wait_until all_disarmed
        kill_server KILL
        peer_saw fin 6
        peer=second peer_saw fin 6
        stop_all
    done
}

all_disarmed() {
    [[ $(linger_of "$(pid_of server)" | sort -u) == 0,0 ]]
}

@test "a program that has the library and the side-car is off in both" {
    without_sanitizer 'truefin run starts programs without it'
    local end
    for end in exit:3 kill_self:KILL close; do
        start server "$PROGRAMS/outcome" server.status "$TRUEFIN" run -p abort-unless-shutdown --watch -- "$PROGRAMS/server" accept \
            write:Hello. on:USR1 pause "$end" pause
        find_port server
        connect_peer
        server_said ready
        off "$(pid_of server)"
        assert_equal "$(state "$(pid_of server)")" off
        kill_server USR1
        peer_saw fin 6
        stop_all
    done
}

# The server's threads accept while it is switched: what one of them arms at that moment must not stay armed.
@test "while threads accept connections, none is left armed" {
    cat >busy.py <<'END'
import socket, threading
listener = socket.create_server(("127.0.0.1", 0), backlog=1000)
print("port", listener.getsockname()[1], flush=True)
kept = []
def serve():
    while True:
        kept.append(listener.accept()[0])
for _ in range(4):
    threading.Thread(target=serve, daemon=True).start()
threading.Event().wait()
END
    cat >clients.py <<'END'
import collections, os, socket, subprocess, sys, threading
port, pid, truefin = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
made = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
def more():
    for _ in range(800):
        made.append(socket.create_connection(("127.0.0.1", port)))
thread = threading.Thread(target=more)
thread.start()
subprocess.run([truefin, "off", str(pid)], check=True, stdout=subprocess.DEVNULL)
thread.join()
# All accepted: each has a descriptor there.
while len(os.listdir(f"/proc/{pid}/fd")) < 1000:
    pass
os.kill(pid, 9)
ends = collections.Counter()
for connection in made:
    try:
        ends["fin" if connection.recv(1) == b"" else "data"] += 1
    except ConnectionResetError:
        ends["rst"] += 1
print(dict(ends))
END
    launch server python3 busy.py
    find_port server
    run -0 timeout 20 python3 clients.py "$port" "$(pid_of server)" "$TRUEFIN"
    assert_output "{'fin': 1000}"
}

# page_state: what the one page with counters says of the process, as a number (connection/page.h).
page_state() {
    cat stats/* | python3 -c 'import sys; print(sys.stdin.buffer.read()[20])'
}

# A process that is killed cannot tell what its connections were.
@test "its page with counters says off, and on again" {
    local on=0 off=6
    mkdir -m 1777 stats
    serve TRUEFIN_STATS="$PWD/stats" accept write:Hello. pause
    connect_peer
    server_said ready
    assert_equal "$(page_state)" "$on"
    off "$(pid_of server)"
    assert_equal "$(page_state)" "$off"
    on "$(pid_of server)"
    assert_equal "$(page_state)" "$on"
}

# Children, orphans and new programs that appear while it looks.
@test "in a storm of forks and execs all that there is afterwards is off" {
    local pid round seen=0
    cat >storm.py <<'END'
import os, random, sys, time
print("ready", flush=True)
end = time.time() + 20
while time.time() < end:
    if os.fork() == 0:
        if random.random() < 0.4:
            time.sleep(random.random() * 0.1)
        elif random.random() < 0.5:
            os.execv("/bin/sleep", ["sleep", "0.2"])
        elif os.fork() == 0:
            os.execv("/bin/sh", ["sh", "-c", "sleep 0.1; sleep 0.1; true"])
        os._exit(0)
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
END
    start storm env LD_PRELOAD="$LIBTRUEFIN" python3 storm.py
    pid=$started_pid
    said storm ready
    run -0 "$TRUEFIN" off "$pid"
    for round in 1 2 3 4 5; do
        # shellcheck disable=SC2046  # words
        "$TRUEFIN" status $(pgrep -s "$pid") >"status.$round" || true
        seen=$((seen + $(grep -c ' off ' "status.$round")))
        run -1 grep ' on ' "status.$round"
    done
    ((seen > 5))
}

# The process of the session of $started_pid that is no child of it, on standard output.
orphan() {
    ps -e -o pid=,ppid=,sid= | awk -v leader="$started_pid" '$3 == leader && $1 != leader && $2 != leader { print $1 }'
}

has_orphan() {
    [[ $(orphan) =~ ^[0-9]+$ ]]
}

@test "an orphan of the process is off, too: it has its session" {
    start server env LD_PRELOAD="$LIBTRUEFIN" "$PROGRAMS/server" listen fork{ fork{ say:orphan pause } } pause
    said server orphan
    wait_until has_orphan
    off "$started_pid"
    assert_equal "$(state "$(orphan)")" off
}
