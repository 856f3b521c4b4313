#!/usr/bin/env bats
# shellcheck disable=SC2154  # helpers set variables
# Debian's openbsd-inetd: it accepts, forks, and the child becomes the service, with the connection at 0, 1 and 2. That
# is how each of these services gets it: a program that truefin is loaded into, a script, a static program, one that
# loads nothing of truefin's.

load ../daemons

# inetd [OPTION...] -- COMMAND [ARGUMENT]...: serves each connection with COMMAND, an absolute path. Sets $port.
inetd() {
    local options=()
    requires /usr/sbin/inetd
    while [[ $1 != -- ]]; do
        options+=("$1")
        shift
    done
    free_port
    echo "127.0.0.1:$port stream tcp nowait $(id -un) $2 ${*:2}" >inetd.conf
    launch inetd "${policy[@]}" /usr/sbin/inetd -i -E "${options[@]}" "$PWD/inetd.conf"
    await_listener
}

# script NAME: makes an executable shell script of standard input.
script() {
    {
        echo '#!/bin/sh'
        cat
    } >"$1"
    chmod +x "$1"
}

# answering COMMAND: a service that answers, and goes on with COMMAND.
answering() {
    script service <<<"printf Hello.; $1"
    inetd -- "$PWD/service"
}

# The service has answered, and waits. Sets $child to it.
serving() {
    answering 'exec sleep 30'
    connect_peer --output got
    peer_has got
    child_of "$(pid_of inetd)"
    wait_until grep -q sleep "/proc/$child/cmdline"
}

@test "inetd: a service that ends well sends FIN, twice" {
    answering 'exit 0'
    peer_sees fin 6
    peer=second peer_sees fin 6
}

@test "inetd: a service that fails ends its session: FIN, or as session-error says" {
    answering 'exit 3'
    peer_sees fin 6
    stop_all
    export TRUEFIN_POLICY=$SESSIONS_TOO
    answering 'exit 3'
    peer=second peer_sees rst 6
}

@test "inetd: SIGKILL of the service sends RST" {
    serving
    kill -KILL "$child"
    peer_saw rst 6
}

@test "without truefin it is a FIN" {
    export TRUEFIN_TEST_BARE=1
    serving
    kill -KILL "$child"
    peer_saw fin 6
}

@test "inetd: SIGTERM to the service sends FIN" {
    serving
    kill -TERM "$child"
    peer_saw fin 6
}

@test "inetd: SIGKILL of inetd itself leaves the service's connection alone" {
    serving
    kill -KILL "$(pid_of inetd)"
    ended inetd signal KILL
    kill -TERM "$child"
    peer_saw fin 6
}

@test "inetd: after SIGKILL of inetd, SIGKILL of the service sends RST" {
    serving
    kill -KILL "$(pid_of inetd)"
    ended inetd signal KILL
    kill -KILL "$child"
    peer_saw rst 6
}

@test "inetd: SIGTERM to inetd leaves the service alone" {
    serving
    kill -TERM "$(pid_of inetd)"
    wait_until grep -Eq '^(exit|signal)' inetd.status
    kill -TERM "$child"
    peer_saw fin 6
}

@test "inetd: a service's helper that is killed changes nothing" {
    # shellcheck disable=SC2016  # the script's own
    answering 'sleep 30 & kill -KILL $!; wait; exit 0'
    peer_sees fin 6
}

childless() {
    ! has_child "$1"
}

# A service that ends well and leaves a program behind, which has the connection at 1 and 2 and ends by SIGNAL.
left_behind() {
    [[ -p stay ]] || mkfifo stay
    # shellcheck disable=SC2016  # the script's own
    answering "sh -c 'echo \$\$ >helper; read x <stay' & exit 0"
    connect_peer --output got
    # It runs, and the service is gone.
    wait_until test -s helper
    wait_until childless "$(pid_of inetd)"
    kill "-$1" "$(<helper)"
}

@test "inetd: a service that leaves a program behind: the last one's end counts" {
    not_under thread "it makes a fork of every vfork"
    left_behind TERM
    peer_saw fin 6
    stop_all
    rm helper
    peer=second left_behind KILL
    peer=second peer_saw rst 6
}

@test "inetd: a Python service that dies of SIGKILL sends RST, and one that returns FIN" {
    requires /usr/bin/python3
    echo 'import sys; sys.stdout.write(sys.stdin.readline())' >echo.py
    inetd -- /usr/bin/python3 "$PWD/echo.py"
    peer_sees fin 7 --send 'Hello.\n'
    peer=second connect_peer
    child_of "$(pid_of inetd)"
    kill -KILL "$child"
    peer=second peer_saw rst 0
}

# Nobody is left who could tell a good end from a bad one: the kernel's FIN is for all.
@test "inetd: a static service, into which nothing can be loaded, ends with FIN" {
    requires busybox
    inetd -- "$(command -v busybox)" echo Hello.
    peer_sees fin 7
    script service <<<"printf Hello.; exec $(command -v busybox) sleep 30"
    stop_all
    inetd -- "$PWD/service"
    peer=second connect_peer --output got
    peer_has got
    child_of "$(pid_of inetd)"
    wait_until grep -q busybox "/proc/$child/cmdline"
    kill -KILL "$child"
    peer=second peer_saw fin 6
}

@test "inetd: a service whose environment was scrubbed ends with FIN" {
    answering 'exec env -i sleep 30'
    connect_peer --output got
    peer_has got
    child_of "$(pid_of inetd)"
    wait_until grep -q sleep "/proc/$child/cmdline"
    kill -KILL "$child"
    peer_saw fin 6
}

@test "inetd under abort-unless-shutdown: a service that returns sends RST, one that shuts down FIN" {
    requires /usr/bin/python3
    policy=(-p abort-unless-shutdown)
    cat >serve.py <<'END'
import socket, sys
connection = socket.socket(fileno=0)
connection.send(b"Hello.")
if sys.argv[1] == "shutdown":
    connection.shutdown(socket.SHUT_WR)
END
    inetd -- /usr/bin/python3 "$PWD/serve.py" return
    peer_sees rst 6
    stop_all
    inetd -- /usr/bin/python3 "$PWD/serve.py" shutdown
    peer=second peer_sees fin 6
}

# inetd's own echo, discard and the like: a fork that serves by itself.
builtin() {
    requires /usr/sbin/inetd
    free_port
    # It names them by their port's name: without one for a free port, the well-known one does.
    port=7
    echo "127.0.0.1:echo stream tcp nowait $(id -un) internal" >inetd.conf
    launch inetd /usr/sbin/inetd -i -E "$PWD/inetd.conf"
    await_listener
    connect_peer --output got --send Hello. "$@"
    peer_has got
}

@test "inetd's own echo: its client's half-close is answered with FIN" {
    builtin --half-close
    peer_saw fin 6
}

@test "inetd's own echo: SIGKILL of the child that serves sends RST" {
    builtin
    child_of "$(pid_of inetd)"
    kill -KILL "$child"
    peer_saw rst 6
}
