#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2016,SC2030,SC2031,SC2154  # braces are words, the services expand $GATE, helpers set variables
# Several processes give up a connection at the same moment, or one while another takes it over: every peer sees how
# the last of them ended. The oracle (trees.bats) has a total order and cannot see these.

load ../helpers

# The status of a fork child or of a service shows here who decides, so it must not be kept.
export TRUEFIN_POLICY=$SESSIONS_TOO

# endings COUNT [AT_ONCE]: so many peers, eight at once, and how many saw what.
endings() {
    seq "$1" | xargs -P "${2:-8}" -I{} "$PEER" --timeout 20s 127.0.0.1 "$port" | sort | uniq -c | sed 's/^ *//'
}

# superserver HOW COMMAND...: accepts, starts COMMAND with the connection at 0 and 1, and closes its own at once. After
# that the descriptor $GATE of COMMAND reads as at its end.
superserver() {
    requires /usr/bin/python3
    launch superserver /usr/bin/python3 -c '
import os, socket, subprocess, sys
how, command = sys.argv[1], sys.argv[2:]
listener = socket.create_server(("127.0.0.1", 0), backlog=128)
print("port", listener.getsockname()[1], flush=True)
while True:
    connection, _ = listener.accept()
    gate, closed = os.pipe()
    os.set_inheritable(gate, True)
    os.environ["GATE"] = str(gate)
    if how == "vfork":
        subprocess.Popen(command, stdin=connection, stdout=connection, pass_fds=[gate])
    elif how == "spawn":
        fd = connection.fileno()
        os.posix_spawn(command[0], command, os.environ,
                       file_actions=[(os.POSIX_SPAWN_DUP2, fd, n) for n in (0, 1)])
    elif os.fork() == 0:
        os.dup2(connection.fileno(), 0)
        os.dup2(connection.fileno(), 1)
        os.execv(command[0], command)
    connection.close()
    os.close(closed)
    os.close(gate)
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass' "$@"
    find_port superserver
}

@test "200 services by fork and exec that exit 0, while the superserver closes its copy, end with FIN" {
    superserver fork /bin/sh -c 'echo Hello; exit 0'
    run -0 endings 200
    assert_output '200 fin after 6 bytes'
}

@test "200 services by fork and exec that exit 3 once the superserver has closed its copy end with RST" {
    superserver fork /bin/sh -c 'echo Hello; read x <&$GATE; exit 3'
    run -0 endings 200
    assert_output '200 rst after 6 bytes (ECONNRESET)'
}

@test "200 services by vfork and exec that exit 0, while the superserver closes its copy, end with FIN" {
    superserver vfork /bin/sh -c 'echo Hello; exit 0'
    run -0 endings 200
    assert_output '200 fin after 6 bytes'
}

@test "200 services by vfork and exec that exit 3 once the superserver has closed its copy end with RST" {
    superserver vfork /bin/sh -c 'echo Hello; read x <&$GATE; exit 3'
    run -0 endings 200
    assert_output '200 rst after 6 bytes (ECONNRESET)'
}

@test "200 services by posix_spawn that exit 0, while the superserver closes its copy, end with FIN" {
    superserver spawn /bin/sh -c 'echo Hello; exit 0'
    run -0 endings 200
    assert_output '200 fin after 6 bytes'
}

@test "200 services by posix_spawn that exit 3 once the superserver has closed its copy end with RST" {
    superserver spawn /bin/sh -c 'echo Hello; read x <&$GATE; exit 3'
    run -0 endings 200
    assert_output '200 rst after 6 bytes (ECONNRESET)'
}

# early_end HOW COMMAND...: as superserver, but it closes its copy only once COMMAND is dead, and
# waits for COMMAND last. $GATE has an end when the call that started COMMAND has returned.
early_end() {
    requires /usr/bin/python3
    launch superserver /usr/bin/python3 -c '
import os, socket, sys
how, command = sys.argv[1], sys.argv[2:]
listener = socket.create_server(("127.0.0.1", 0))
print("port", listener.getsockname()[1], flush=True)
connection, _ = listener.accept()
fd = connection.fileno()
gate, closed = os.pipe()
os.set_inheritable(gate, True)
os.environ["GATE"] = str(gate)
if how == "spawn":
    child = os.posix_spawn(command[0], command, os.environ,
                           file_actions=[(os.POSIX_SPAWN_DUP2, fd, n) for n in (0, 1)])
else:
    child = os.fork()
    if child == 0:
        os.dup2(fd, 0)
        os.dup2(fd, 1)
        os.execv(command[0], command)
os.close(closed)
os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
connection.close()
os.waitpid(child, 0)' "$@"
    find_port superserver
}

@test "a service that is killed before the superserver has closed its copy sends RST, by fork and by posix_spawn" {
    local how
    for how in fork spawn; do
        early_end "$how" /bin/sh -c 'echo Hello; read x <&$GATE; kill -9 $$'
        peer=$how peer_sees rst 6
    done
}

@test "a service that is stopped, or ends by itself, before the superserver has closed its copy sends FIN" {
    local how end
    for how in fork spawn; do
        for end in 'kill $$' 'exit 0' 'exit 3'; do
            early_end "$how" /bin/sh -c "echo Hello; $end"
            peer="$how ${end%% *}" peer_sees fin 6
        done
    done
}

@test "a helper that is killed, and waited for, resets nothing that its parent ends well afterwards" {
    serve accept write:Hello. fork{ inherit exec:"$PROGRAMS/server":kill_self:KILL } wait close exit:0
    peer_sees fin 6
}

# --- The list of those who may have a connection, and what happens to it ---

# A library behind the shim's whose fork lets the child go first.
slow_fork() {
    local LIBTRUEFIN=$LIBTRUEFIN:$PROGRAMS/slow-fork.so
    "$@"
}

@test "a fork child that forks before its parent's fork has returned: its own child's end is a FIN" {
    slow_fork serve accept fork{ fork{ write:Hello. _exit:0 } _exit:0 } close wait exit:0
    peer_sees fin 6
    slow_fork serve accept fork{ fork{ await_orphaned write:Hello. exit:0 } kill_self:KILL } close exit:0
    peer=second peer_sees fin 6
}

@test "a fork child that forks before its parent's fork has returned: its own child's crash is an RST" {
    slow_fork serve accept fork{ fork{ write:Hello. kill_self:KILL } _exit:0 } close wait exit:0
    peer_sees rst 6
    slow_fork serve accept fork{ fork{ await_orphaned write:Hello. exit:3 } exit:0 } close exit:0
    peer=second peer_sees rst 6
}

@test "where MADV_WIPEONFORK is taken and does nothing, a fork server's child still decides for what it was given" {
    local LIBTRUEFIN=$LIBTRUEFIN:$PROGRAMS/no-wipe.so
    serve accept fork{ await_orphaned write:Hello. exit:3 } close exit:0
    peer_sees rst 6
    serve accept fork{ await_orphaned write:Hello. exit:0 } close exit:0
    peer=second peer_sees fin 6
    serve accept fork{ exit:3 } wait write:Hello. close exit:0
    peer=third peer_sees fin 6
}

# scribbled USER HOW: workers of a fork server answer 20 peers while one that has become USER writes HOW over all memory
# that it shares. Sets $output to how many peers saw what: half of the workers end well, the others crash.
scribbled() {
    rm -f scribble.status
    launch scribble "$PROGRAMS/scribble" "$1" "$2" 20
    find_port scribble
    run -0 endings 20 20
    ended scribble exit 0
}

@test "a worker that has given up root's rights cannot change how the connections of others end" {
    [[ $(id -u) == 0 ]] || skip 'needs root'
    local how rows=0
    for how in zeros ones own parent mark random; do
        echo "written: $how" # seen only if the test fails
        scribbled 65534 "$how"
        assert_output '10 fin after 6 bytes
10 rst after 6 bytes (ECONNRESET)'
        rows=$((rows + 1))
    done
    assert_equal "$rows" 6
}

@test "a worker with its parent's rights that writes zeros over the lists makes no RST of a good end" {
    scribbled 0 zeros
    assert_output --partial '10 fin after 6 bytes'
}
