#!/usr/bin/env bats
# shellcheck disable=SC2154  # helpers set variables
# The side-car: what the peer of a program that cannot be preloaded sees, and what the program notices of it: nothing.
# shellcheck disable=SC1083  # braces belong to the server's operations

load helpers
load watch

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
fork{ exit:3 } wait exit:0|fin|exit 0
fork{ kill_self:KILL } wait exit:0|fin|exit 0
ROWS
    assert_equal "$rows" 18
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

# --- What the program notices ---

@test "pid, parent, session, group, signals, descriptors and children are those of an unwatched run" {
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

@test "job control: a stopped program stays stopped, its parent is told, and it goes on" {
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

# --- Records ---

@test "a death is recorded, with the program's own pid and name, in a file and on the program's stderr" {
    watch_static --log "$PWD/log" -- accept write:Hello. kill_self:KILL
    peer_sees rst 6
    wait_until test -s log
    assert_regex "$(cat log)" "^time=[^ ]* pid=$(pid_of server) program=server-static where=watch event=crash rst=1$"
    watch_static --log stderr -- accept write:Hello. exit:3
    peer_sees rst 6
    wait_until grep -q 'where=watch event=exit-error rst=1$' server.err
}

# --- The wrapper ---

@test "what cannot be preloaded is watched, and that is said on one line" {
    run -0 --separate-stderr "$TRUEFIN" run -- /sbin/ldconfig --version
    assert_output --partial ldconfig
    assert_equal "${#stderr_lines[@]}" 1
    assert_regex "$stderr" '^truefin: /sbin/ldconfig: static: .*: it is watched from outside instead$'
}

@test "run --watch ends as the command ends, and says 126 and 127" {
    run -7 "$TRUEFIN" run --watch -- sh -c 'exit 7'
    run -143 "$TRUEFIN" run --watch -- sh -c 'kill -TERM $$'
    run -127 "$TRUEFIN" run --watch -- no-such-command
    run -2 "$BUILD_DIR/libexec/truefin/watch" --nonsense
}

@test "what cannot be watched is refused in so many words, and runs with --force" {
    requires strace
    run -125 --separate-stderr "$TRUEFIN" run --watch -- strace true
    assert_equal "$stderr" 'truefin: cannot watch strace: it is a tracer itself, and a thread has one only (--force runs it all the same)'
    run -0 "$TRUEFIN" run --watch --force -- strace -o trace true
    run -125 --separate-stderr strace -f -o trace "$TRUEFIN" run --watch -- true
    assert_equal "$stderr" 'truefin: cannot watch true: it is traced already (--force runs it all the same)'
    local rows=0 call message
    while IFS='|' read -r call message; do
        run -125 --separate-stderr "$PROGRAMS/sandbox" "$call" "$TRUEFIN" run --watch -- true
        assert_equal "$stderr" "truefin: cannot watch true: $message (--force runs it all the same)"
        run -0 "$PROGRAMS/sandbox" "$call" "$TRUEFIN" run --watch --force -- true
        rows=$((rows + 1))
    done <<'ROWS'
without-ptrace|ptrace(2) is not permitted here
without-pidfd_getfd|pidfd_getfd(2) is missing, which Linux has from 5.6 on
ROWS
    assert_equal "$rows" 2
}

@test "a setuid program is not watched, for it would not get its rights" {
    [[ $(id -u) = 0 ]] || skip 'needs root'
    cp "$PROGRAMS/server-static" setuid
    chown 1 setuid && chmod u+s setuid
    run -125 --separate-stderr "$TRUEFIN" run -- ./setuid exit:0
    assert_regex "$stderr" 'force runs it all the same'
}

@test "a tracer that a watched program starts can trace" {
    requires strace
    run -0 "$TRUEFIN" run --watch -- sh -c 'strace -f -o trace sh -c "exit 0"; exit $?'
    assert [ -s trace ]
}

@test "a truefin in a watched truefin goes on under the first one" {
    run -0 --separate-stderr "$TRUEFIN" run --watch -- "$TRUEFIN" run --watch -- echo ran
    assert_output ran
}

# --- With the library too ---

@test "the library does not arm under the side-car, which judges deaths, while it judges closes" {
    without_sanitizer 'the library must be loadable by the wrapper alone'
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

@test "under the side-car a connection costs no system call" {
    without_sanitizer 'the library must be loadable by the wrapper alone'
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

@test "a program that starts when the side-car is gone arms again" {
    without_sanitizer 'the library must be loadable by the wrapper alone'
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

# --- Many ---

@test "threads that start and end while the program is killed" {
    local i
    for i in {1..10}; do
        watched many -- "$PROGRAMS/crowd" threads 50
        find_port many
        connect_peer
        said many ready
        kill -KILL "$(pid_of many)"
        peer_saw rst 0
    done
    assert_equal "$i" 10
}

@test "a death with 2,000 open connections is decided in a moment" {
    ulimit -n 4096
    watched many --log "$PWD/log" -- "$PROGRAMS/crowd" connections 2000
    said many ready
    kill -KILL "$(pid_of many)"
    ended many signal KILL
    assert_regex "$(cat log)" 'event=crash rst=4000$'
}
