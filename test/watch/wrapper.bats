#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2034  # helpers set and use variables
# shellcheck disable=SC1083  # braces belong to the server's operations
# truefin run --watch: when the side-car is started, and when that is refused.

load ../daemons
load ../watch

setup() {
    with_wrapper
    cd "$BATS_TEST_TMPDIR" || return
    started=()
}

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
    assert_equal "$stderr" 'truefin: cannot watch strace: it traces programs itself, and a thread can have one tracer only (--force runs it all the same)'
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
without-debug|the side-car was killed at once, as by a seccomp filter against ptrace(2)
without-inspection|pidfd_getfd(2) is not permitted here
ROWS
    assert_equal "$rows" 4
}

# As in a container: no program can have CAP_SYS_PTRACE.
contained='setpriv --bounding-set -sys_ptrace'

@test "in a container that lacks the right to watch, the line says how to give it" {
    requires setpriv
    local rows=0 call message
    # shellcheck disable=SC2086  # words
    while IFS='|' read -r call message; do
        run -125 --separate-stderr $contained "$PROGRAMS/sandbox" "$call" "$TRUEFIN" run --watch -- true
        assert_equal "$stderr" \
            "truefin: cannot watch true: $message; a container needs --cap-add SYS_PTRACE (--force runs it all the same)"
        run -0 --separate-stderr $contained "$PROGRAMS/sandbox" "$call" "$TRUEFIN" run --watch --force -- echo ran
        assert_output ran
        assert_equal "${#stderr_lines[@]}" 1
        run -125 --separate-stderr $contained "$PROGRAMS/sandbox" "$call" "$TRUEFIN" run -- /sbin/ldconfig
        assert_regex "${stderr_lines[1]}" '--cap-add SYS_PTRACE'
        rows=$((rows + 1))
    done <<'ROWS'
without-inspection|pidfd_getfd(2) is not permitted here
without-pidfd_getfd|pidfd_getfd(2) is missing, which Linux has from 5.6 on
without-ptrace|ptrace(2) is not permitted here
without-debug|the side-car was killed at once, as by a seccomp filter against ptrace(2)
ROWS
    assert_equal "$rows" 4
}

@test "in a container where only the capability is missing, or process_vm_readv(2), SIGKILL sends RST" {
    requires setpriv
    local how rows=0
    for how in "$contained" "$PROGRAMS/sandbox without-vm"; do
        # shellcheck disable=SC2086  # words
        start server $how "$TRUEFIN" run --watch -- "$PROGRAMS/server-static" accept write:Hello. pause
        find_port server
        connect_peer
        nothing_unread
        find_worker
        assert pid_watched "$worker"
        kill -KILL "$worker"
        peer_saw rst 6
        stop_all
        rows=$((rows + 1))
    done
    assert_equal "$rows" 2
}

@test "a tracer that cannot be preloaded either runs, unwatched, if nobody asked for a side-car" {
    cp "$PROGRAMS/server-static" strace
    run -0 --separate-stderr "$TRUEFIN" run -- ./strace say:ran exit:0
    assert_output ran
    assert_equal "${stderr_lines[1]}" 'truefin: cannot watch ./strace: it traces programs itself, and a thread can have one tracer only'
    run -125 --separate-stderr "$TRUEFIN" run --watch -- ./strace exit:0
    assert_regex "$stderr" 'it traces programs itself'
}

@test "where Yama forbids to trace, that is said" {
    requires unshare
    [[ $(id -u) = 0 ]] || skip 'needs root'
    local scope in how message rows=0
    # What Yama says is put in its place, what it does is a filter's.
    while IFS='|' read -r scope in message; do
        how=${in:+$contained}
        # shellcheck disable=SC2016,SC2086  # expanded by the inner shell; words
        run -125 --separate-stderr $how unshare --mount sh -c 'mount -t tmpfs none /proc/sys/kernel &&
            mkdir /proc/sys/kernel/yama && echo "$1" >/proc/sys/kernel/yama/ptrace_scope && shift && exec "$@"' x "$scope" \
            "$PROGRAMS/sandbox" without-ptrace "$TRUEFIN" run --watch -- true
        assert_equal "$stderr" "truefin: cannot watch true: $message (--force runs it all the same)"
        rows=$((rows + 1))
    done <<'ROWS'
1||ptrace(2) is not permitted here
2||kernel.yama.ptrace_scope=2 needs CAP_SYS_PTRACE
2|container|kernel.yama.ptrace_scope=2 needs CAP_SYS_PTRACE; a container needs --cap-add SYS_PTRACE
3||kernel.yama.ptrace_scope=3 forbids it
3|container|kernel.yama.ptrace_scope=3 forbids it
ROWS
    assert_equal "$rows" 5
}

@test "where no process can be started, or /proc is not its own, watching is refused" {
    requires unshare
    run -125 --separate-stderr unshare --pid --fork "$TRUEFIN" run --watch -- true
    assert_equal "$stderr" 'truefin: cannot watch true: /proc is not mounted, or is that of another pid namespace (--force runs it all the same)'
    # The wrapper needs processes too, so the tool alone, where that user may run it: nobody has one already, and may
    # have no other.
    cp "$BUILD_DIR/libexec/truefin/watch" .
    others_may_read
    run -125 --separate-stderr setpriv --reuid 65533 --clear-groups prlimit --nproc=1 ./watch -- true
    assert_equal "$stderr" 'truefin: cannot watch true: no process can be started for it (--force runs it all the same)'
}

@test "the side-car is no child of a program that takes in orphans" {
    requires python3
    cat >reaper.py <<'END'
import ctypes, os, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
os.execvp(sys.argv[1], sys.argv[1:])
END
    cat >after.py <<'END'
import ctypes, os
on = ctypes.c_int()
ctypes.CDLL(None).prctl(37, ctypes.byref(on), 0, 0, 0)
print(on.value, open(f"/proc/self/task/{os.getpid()}/children").read())
END
    run -0 python3 reaper.py "$TRUEFIN" run --watch -- python3 after.py
    assert_output '1 '
}

@test "no signal is lost when the side-car is killed between hearing of it and delivering it" {
    local rounds=0
    requires python3
    cat >count.py <<'END'
import os, signal, subprocess, sys, time
got = 0
def count(number, frame):
    global got
    got += 1
signal.signal(signal.SIGUSR1, count)
watcher = int([line.split()[1] for line in open("/proc/self/status") if line.startswith("TracerPid")][0])
assert watcher
for i in range(400):
    if i == 200:
        os.kill(watcher, signal.SIGKILL)
    before = got
    os.kill(os.getpid(), signal.SIGUSR1)
    end = time.monotonic() + 5
    while got == before and time.monotonic() < end:
        pass
    assert got == before + 1, i
END
    for _ in {1..5}; do
        run -0 timeout 60 "$TRUEFIN" run --watch -- python3 count.py
        rounds=$((rounds + 1))
    done
    assert_equal "$rounds" 5
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
