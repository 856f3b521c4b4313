#!/usr/bin/env bats
# shellcheck disable=SC2154  # helpers set variables
# shellcheck disable=SC1083  # braces belong to the server's operations
# What a program notices of the side-car: nothing. And what is left of the library beside it.

load ../helpers
load ../watch

# --- What the program notices ---

@test "pid, parent, session, group, signals, descriptors and children are those of an unwatched run" {
    with_wrapper
    # shellcheck disable=SC2016  # expanded by the inner shell
    local view='
        echo "pid $$ parent $PPID"; cut -d" " -f5-8 /proc/$$/stat
        grep -E "^(Sig|Shd)[A-Z][a-z]+:|^NoNewPrivs|^Seccomp" /proc/self/status
        ls -l /proc/$$/fd >fds; awk "{ print \$9, \$11 }" fds | grep -v -e /proc/ -e fds; wc -w </proc/$$/task/$$/children; cat /proc/$$/cgroup'
    # The same pid cannot be had twice; that exec keeps it is seen from $$ before and after.
    # shellcheck disable=SC2016
    local both='echo before $$ $PPID; exec "$@"'
    bash -c "$both" x sh -c "$view" >seen
    mv seen plain
    bash -c "$both" x "$TRUEFIN" run --watch -- env -u LD_PRELOAD sh -c "$view" >seen
    mv seen watched
    assert_equal "$(sed -n 's/before \([0-9]*\) .*/\1/p' watched)" "$(sed -n 's/pid \([0-9]*\) .*/\1/p' watched)"
    assert_equal "$(sed -n 's/before [0-9]* \([0-9]*\)/\1/p' watched)" "$(sed -n 's/.*parent \([0-9]*\)/\1/p' watched)"
    assert_equal "$(grep -v -e ^before -e ^pid watched)" "$(grep -v -e ^before -e ^pid plain)"
}

@test "the side-car is no child of the program's and holds no terminal, descriptor or much memory" {
    watch_static -- accept pause
    connect_peer
    server_said ready
    local pid watcher
    pid=$(pid_of server)
    watcher=$(watcher_of "$pid")
    run -0 cat "/proc/$pid/task/$pid/children"
    assert_output ''
    run -0 ps -o comm=,args= "$watcher"
    assert_output 'truefin-watch   truefin-watch'
    run -0 find "/proc/$watcher/fd" -lname '/*' -printf '%l\n'
    assert_output "$(printf '/dev/null\n/dev/null\n/dev/null')"
    run -0 find "/proc/$watcher/fd" -type l
    assert_equal "${#lines[@]}" 3
    assert_equal "$(cut -d' ' -f7 "/proc/$watcher/stat")" 0
    without_sanitizer 'a sanitizer needs memory of its own'
    local memory
    memory=$(awk '$1 == "VmRSS:" { print $2 }' "/proc/$watcher/status")
    assert [ "$memory" -lt 2048 ]
}

@test "the side-car holds nothing of the program's where there is no /dev/null" {
    with_wrapper
    requires unshare
    [[ $(id -u) = 0 ]] || skip 'needs root'
    # shellcheck disable=SC2016  # expanded by the inner shell
    start server unshare --mount sh -c 'mount -t tmpfs none /dev && exec "$@"' x "$BUILD_DIR/libexec/truefin/watch" -- \
        "$PROGRAMS/server-static" listen pause
    server_said ready
    run -0 find "/proc/$(watcher_of "$started_pid")/fd" -type l
    assert_output ''
}

@test "the side-car ignores signals, and ends with the last watched process" {
    watch_static -- accept fork{ pause } pause
    connect_peer
    server_said ready
    local pid watcher name
    pid=$(pid_of server)
    watcher=$(watcher_of "$pid")
    for name in TERM INT HUP QUIT TSTP USR1; do kill "-$name" "$watcher"; done
    local child
    child=$(pgrep -P "$pid")
    kill -KILL "$pid"
    ended server signal KILL
    assert [ -e "/proc/$watcher" ]
    kill -KILL "$child"
    wait_until gone "$watcher"
}

@test "if the side-car is killed, the program goes on as if never watched" {
    watch_static -- accept write:Hello. on:USR1:nothing pause write:more exit:3
    connect_peer
    server_said ready
    local pid
    pid=$(pid_of server)
    kill -KILL "$(watcher_of "$pid")"
    wait_until unwatched "$pid"
    kill -USR1 "$pid"
    peer_saw fin 10
    ended server exit 3
}

@test "a stopped program stays stopped when the side-car is killed, and goes on with SIGCONT" {
    watch_static -- accept pause exit:3
    connect_peer
    server_said ready
    local pid
    pid=$(pid_of server)
    kill -STOP "$pid"
    wait_until grep -q '^State:.t' "/proc/$pid/status"
    kill -KILL "$(watcher_of "$pid")"
    wait_until unwatched "$pid"
    wait_until grep -q '^State:.T' "/proc/$pid/status"
    kill -CONT "$pid"
    wait_until grep -q '^State:.S' "/proc/$pid/status"
    kill -TERM "$pid"
    ended server signal TERM
}

@test "job control: a stopped program stays stopped, its parent is told, and it goes on" {
    with_wrapper
    watched job -- "$PROGRAMS/server-static" accept write:Hello. pause
    find_port job
    connect_peer
    said job ready
    local pid
    pid=$(pid_of job)
    kill -STOP "$pid"
    wait_until grep -Eq '^State:.[tT]' "/proc/$pid/status"
    kill -CONT "$pid"
    wait_until grep -Eq '^State:.S' "/proc/$pid/status"
    kill -KILL "$pid"
    peer_saw rst 6
    ended job signal KILL

    # What a shell does: a job in a process group of its own, stopped from the terminal.
    requires python3
    cat >shell.py <<'END'
import os, signal, sys
pid = os.fork()
if pid == 0:
    os.setpgid(0, 0)
    os.execvp(sys.argv[1], sys.argv[1:])
for name in (signal.SIGTSTP, signal.SIGSTOP):
    assert sys.stdin.readline() == "ready\n"
    os.kill(pid, name)
    assert os.waitpid(pid, os.WUNTRACED) == (pid, name << 8 | 0x7f)
    os.kill(pid, signal.SIGCONT)
    assert os.waitpid(pid, os.WCONTINUED) == (pid, 0xffff)
os.kill(pid, signal.SIGUSR1)
print(os.waitpid(pid, 0)[1] >> 8)
END
    mkfifo ready
    # The shell is told twice that its job is ready.
    timeout 20 python3 shell.py "$TRUEFIN" run --watch -- sh -c 'trap "exit 5" USR1; echo ready; echo ready
        while :; do sleep 0.1; done' <ready >ready.out 3>&- &
    exec 4>ready
    wait_until grep -q ready ready.out
    printf 'ready\nready\n' >&4
    exec 4>&-
    wait_until grep -Fxq 5 ready.out
}

@test "in a pipeline, as a child of process 1, and in the background" {
    with_wrapper
    # shellcheck disable=SC2016  # expanded by the inner shell
    run -0 bash -c 'echo text | "$0" run --watch -- cat | tr a-z A-Z' "$TRUEFIN"
    assert_output TEXT
    requires unshare
    # shellcheck disable=SC2016  # expanded by the inner shells
    run -7 unshare --pid --fork --mount-proc sh -c '"$0" run --watch -- sh -c "exit 7"; exit $?' "$TRUEFIN"
}

@test "a daemon that forks twice and leaves its session is followed" {
    cat >daemon.sh <<'END'
"$PROGRAMS/server-static" accept write:Hello. pause &
echo $! >daemon.pid
END
    watched daemon --watch -- sh -c "setsid sh $PWD/daemon.sh & exit 0"
    ended daemon exit 0
    find_port daemon
    connect_peer
    said daemon ready
    kill -KILL "$(<daemon.pid)"
    peer_saw rst 6
}

@test "a fork server's children end their connections as they die themselves" {
    local rows=0 death ending
    while IFS='|' read -r death ending; do
        # Killed only once the parent has closed its copy.
        # shellcheck disable=SC2086  # words
        watch_static -p "$SESSIONS_TOO" -- accept write:Hello. fork{ on:USR1:nothing pause $death } close say:closed \
            wait accept
        connect_peer
        server_said ready
        server_said closed
        kill -USR1 "$(pgrep -P "$(pid_of server)")"
        peer_saw "$ending" 6
        rows=$((rows + 1))
    done <<'ROWS'
exit:0|fin
exit:3|rst
kill_self:KILL|rst
kill_self:TERM|fin
segv|rst
abort|rst
thread{ exit:3 }|rst
ROWS
    assert_equal "$rows" 7
}

# as_init NAME COMMAND...: starts it as process 1 of a pid namespace.
as_init() {
    rm -f "$1.status"
    start "$1" "$PROGRAMS/outcome" "$1.status" unshare --pid --fork --mount-proc "${@:2}"
}

@test "as process 1 of a pid namespace, which ends as an unwatched one does" {
    with_wrapper
    requires unshare
    local death ending status rows=0
    while IFS='|' read -r death ending status; do
        # shellcheck disable=SC2086  # words
        as_init plain "$PROGRAMS/server-static" listen $death
        # shellcheck disable=SC2086  # words
        ended plain $status
        # shellcheck disable=SC2086  # words
        as_init server "$TRUEFIN" run --watch -- "$PROGRAMS/server-static" accept write:Hello. $death
        find_port server
        connect_peer
        # shellcheck disable=SC2086  # words
        ended server $status
        peer_saw "$ending" 6
        rows=$((rows + 1))
    done <<'ROWS'
exit:0|fin|exit 0
exit:3|rst|exit 3
segv|rst|signal SEGV
thread{ segv }|rst|signal SEGV
abort|rst|signal SEGV
kill_self:SEGV exit:0|fin|exit 0
kill_self:TERM exit:3|rst|exit 3
kill_self:STOP exit:0|fin|exit 0
on:SEGV:exit:0 segv|fin|exit 0
ROWS
    assert_equal "$rows" 9
    as_init server "$TRUEFIN" run --watch -- "$PROGRAMS/server-static" accept write:Hello. pause
    find_port server
    connect_peer
    server_said ready
    kill -KILL "$(pgrep -P "$(pid_of server)")"
    peer_saw rst 6
}

@test "a service that tells its manager that it is ready does so as the process that the manager started" {
    with_wrapper
    requires python3
    cat >service.py <<'END'
import os, socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.sendto(b"READY=1\nMAINPID=%d" % os.getpid(), os.environ["NOTIFY_SOCKET"])
os._exit(7)
END
    # What systemd does for Type=notify: it believes the process that it started, by the credentials of the message.
    cat >manager.py <<'END'
import os, socket, struct, subprocess, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
s.settimeout(10)
s.bind("notify")
p = subprocess.Popen(sys.argv[1:], env=dict(os.environ, NOTIFY_SOCKET=os.path.abspath("notify")))
text, ancillary, flags, address = s.recvmsg(100, 100)
sender = struct.unpack("iii", ancillary[0][2])[0]
print(sender == p.pid, text.decode().split()[1] == f"MAINPID={p.pid}", p.wait())
END
    run -0 timeout 20 python3 manager.py "$TRUEFIN" run --watch -- python3 service.py
    assert_output 'True True 7'
}

# --- With the library too ---

@test "the library does not arm under the side-car, which judges deaths, while it judges closes" {
    watched server --watch -p 'abort-on-crash, unread=rst' -- "$PROGRAMS/server" accept getlinger write:Hello. kill_self:KILL
    find_port server
    peer_sees rst 6
    watched server --watch -p 'abort-on-crash, unread=rst' -- "$PROGRAMS/server" accept write:Hello. await_unread:6 close exit:0
    find_port server
    peer_sees rst 6 --send unread
    watched server --watch -p abort-on-crash -- "$PROGRAMS/server" accept write:Hello. on:TERM:exit:3 pause
    find_port server
    connect_peer
    server_said ready
    kill_server TERM
    peer_saw fin 6
}

@test "with both, programs end their connections as with the library alone" {
    local operations ending name rows=0
    while IFS='|' read -r operations ending name; do
        # shellcheck disable=SC2086  # words
        watched server --watch -p "$SESSIONS_TOO" -- "$PROGRAMS/server" accept write:Hello. $operations
        find_port server
        connect_peer
        if [[ $name ]]; then
            server_said ready
            kill_server "$name"
        fi
        peer_saw "$ending" 6
        rows=$((rows + 1))
    done <<'ROWS'
sigwait:TERM exit:1|fin|TERM
sigwaitinfo:INT _exit:1|fin|INT
on:TERM:exit:3 pause|fin|TERM
ignore:TERM kill_self:TERM exit:3|rst|
atexit_close exit:3|rst|
atexit_close exit:0|fin|
quick_exit:3|rst|
err:3|rst|
segv|rst|
close exit:3|fin|
shutdown_wr exit:3|fin|
linger:1,0 exit:0|rst|
daemon:0 await_orphaned exit:3|rst|
daemon:0 await_orphaned exit:0|fin|
ROWS
    assert_equal "$rows" 14
}

# The signal is raised, for that reaches the thread that then waits for it.
@test "with both, a death is recorded once, by the side-car" {
    local watcher
    watched server --watch --log "$PWD/log" -- "$PROGRAMS/server" accept write:Hello. exit:3
    find_port server
    watcher=$(watcher_of "$(pid_of server)")
    peer_sees rst 6
    wait_until gone "$watcher"
    run -0 cat log
    assert_equal "${#lines[@]}" 1
    assert_output --partial ' where=watch event=exit-error flush-rst=1'
}

@test "with both, a stop that is taken by sigwait is that process's own: not its child's, its parent's or the next program's" {
    local policy operations ending rows=0
    local stops='block:TERM raise:TERM sigwait:TERM'
    while IFS='|' read -r policy operations ending; do
        # shellcheck disable=SC2086  # words
        watched server --watch -p "$policy" -- "$PROGRAMS/server" accept write:Hello. $operations
        find_port server
        peer_sees "$ending" 6
        rows=$((rows + 1))
    done <<ROWS
always-fin, stop=rst|$stops exit:0|rst
always-fin, stop=rst|block:INT thread{ raise:INT sigwaitinfo:INT } _exit:0|rst
always-fin, stop=rst|linger:1,5 $stops exit:0|rst
abort-on-crash|linger:1,5 $stops exit:1|fin
always-fin, stop=rst|$stops fork{ await_orphaned exit:0 } exit:0|fin
always-fin, stop=rst|fork{ $stops exit:0 } wait exit:0|fin
always-fin, stop=rst|$stops fork{ await_orphaned $stops exit:0 } exit:0|rst
always-fin, stop=rst|$stops onto:0 exec:$PROGRAMS/server inherit:0 exit:0|fin
ROWS
    assert_equal "$rows" 8
}

@test "under the side-car nothing is armed" {
    watched server --watch -- "$PROGRAMS/server" accept write:Hello. pause
    find_port server
    connect_peer
    server_said ready
    local pid watcher
    pid=$(pid_of server)
    # Without the side-car the kernel now sends a FIN: nothing was armed.
    kill -KILL "$(watcher_of "$pid")"
    wait_until unwatched "$pid"
    kill_server KILL
    peer_saw fin 6
}

@test "under the side-car a connection costs no system call of the library" {
    without_sanitizer 'a sanitizer makes calls of its own'
    requires strace
    # The library takes strace for its side-car: the tracer has the number that TRUEFIN_WATCH tells.
    # shellcheck disable=SC2016  # expanded by the inner shell
    traced() {
        start server sh -c 'export TRUEFIN_WATCH=$$; exec strace -f -o "$@"' x "$1" -E LD_PRELOAD="$2" \
            "$PROGRAMS/server" listen accept write:Hello. read:6 close accept exit:0
        find_port server
        connect_peer --send Hello. --half-close
        peer_saw fin 6
        connect_peer
        peer_saw fin 0
        wait "$started_pid" || true
        sed -n '/accept(/,$s/^[0-9]* *\([a-z_0-9]*\)(.*/\1/p' "$1"
    }
    traced bare.trace '' >bare
    traced with.trace "$LIBTRUEFIN" >with
    grep -q accept bare
    diff bare with
}

@test "a program that starts when the side-car is gone arms again" {
    # shellcheck disable=SC2016  # expanded by the inner shell
    watched server --watch -- sh -c 'read x <go; exec "$0" accept write:Hello. kill_self:KILL' "$PROGRAMS/server"
    mkfifo go
    local pid
    pid=$(pid_of server)
    wait_until pid_watched "$pid"
    wait_until test -p go
    kill -KILL "$(watcher_of "$pid")"
    wait_until unwatched "$pid"
    echo >go
    find_port server
    peer_sees rst 6
}
