#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154  # the services expand $GATE, and helpers set variables
# Several processes give up a connection at the same moment, or one while another takes it over: every peer sees how the last
# of them ended. The oracle (trees.bats) has a total order and cannot see these.

load helpers

# endings COUNT: so many peers, eight at once, and how many saw what.
endings() {
    seq "$1" | xargs -P 8 -I{} "$PEER" --timeout 20s 127.0.0.1 "$port" | sort | uniq -c | sed 's/^ *//'
}

# superserver HOW COMMAND...: accepts, starts COMMAND with the connection at 0 and 1, and closes its own at once. After that
# the descriptor $GATE of COMMAND reads as at its end.
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
