#!/usr/bin/env bats
# shellcheck disable=SC2154  # helpers set variables
# Stock socat and netcat: small servers for one connection, or that fork for each.

load ../daemons

# socat OPTIONS ADDRESS: listens with these options for what is at ADDRESS. Sets $port.
socat() {
    requires socat
    free_port
    launch socat /usr/bin/socat "TCP-LISTEN:$port,bind=127.0.0.1,reuseaddr$1" "$2"
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

# answering COMMAND: a script that answers, and goes on with COMMAND.
answering() {
    script answer <<<"printf Hello.; $1"
}

# --- socat that forks, with a program behind pipes ---

@test "socat,fork: the end of its program sends FIN" {
    answering 'exit 0'
    socat ,fork EXEC:./answer
    peer_sees fin 6
    peer=second peer_sees fin 6
}

@test "socat,fork: SIGKILL of the child that serves sends RST" {
    answering 'exec sleep 30'
    socat ,fork EXEC:./answer
    connect_peer --output got
    peer_has got
    child_of "$(pid_of socat)"
    kill -KILL "$child"
    peer_saw rst 6
}

@test "socat,fork: SIGTERM to the child that serves sends FIN" {
    answering 'exec sleep 30'
    socat ,fork EXEC:./answer
    connect_peer --output got
    peer_has got
    child_of "$(pid_of socat)"
    kill -TERM "$child"
    peer_saw fin 6
}

@test "socat,fork: SIGKILL of the parent leaves the child's connection alone" {
    answering 'exec sleep 30'
    socat ,fork EXEC:./answer
    connect_peer --output got
    peer_has got
    child_of "$(pid_of socat)"
    kill -KILL "$(pid_of socat)"
    ended socat signal KILL
    kill -TERM "$child"
    peer_saw fin 6
}

# It exits 1, but its exit handler calls shutdown first: that FIN is out before the status counts.
@test "socat,fork: SIGKILL of the program behind it is followed by a shutdown, and reads as FIN" {
    # shellcheck disable=SC2016  # the script's own
    answering 'kill -KILL $$'
    socat ,fork EXEC:./answer
    connect_peer
    wait_until test -s peer.out
    # Whether it still passes on the answer is a race within socat.
    run -0 cat peer.out
    assert_output --regexp '^fin after [06] bytes$'
}

# --- socat that becomes its program, with the connection at 0 and 1 ---

@test "socat,nofork: a program that it becomes ends its connection with FIN" {
    answering 'exit 0'
    socat '' EXEC:./answer,nofork
    peer_sees fin 6
    ended socat exit 0
}

@test "socat,nofork: a program that it becomes and that fails ends a session: FIN, or as session-error says" {
    answering 'exit 3'
    socat '' EXEC:./answer,nofork
    peer_sees fin 6
    ended socat exit 3
    export TRUEFIN_POLICY=$SESSIONS_TOO
    socat '' EXEC:./answer,nofork
    peer=second peer_sees rst 6
    ended socat exit 3
}

@test "socat,nofork: SIGKILL of a program that it becomes sends RST" {
    # shellcheck disable=SC2016  # the script's own
    answering 'kill -KILL $$'
    socat '' EXEC:./answer,nofork
    peer_sees rst 6
    ended socat signal KILL
}

# --- socat for one connection ---

@test "socat: the end of its input sends FIN" {
    echo Hello. >hello
    socat '' OPEN:hello,rdonly
    peer_sees fin 7
    ended socat exit 0
}

# A connection, through socat, to a peer behind it.
relay() {
    mkfifo pipe
    socat '' PIPE:pipe
    connect_peer --output got --send Hello.
    peer_has got
}

@test "socat: SIGKILL sends RST" {
    relay
    kill -KILL "$(pid_of socat)"
    peer_saw rst 6
}

@test "socat: SIGTERM, which it handles and exits 143 for, sends FIN" {
    relay
    kill -TERM "$(pid_of socat)"
    peer_saw fin 6
    ended socat exit 143
}

@test "socat: SIGINT, which it handles and exits 130 for, sends FIN" {
    relay
    kill -INT "$(pid_of socat)"
    peer_saw fin 6
    ended socat exit 130
}

@test "socat as a client: SIGKILL sends RST" {
    requires socat
    listen_peer --output got
    mkfifo pipe
    launch socat /usr/bin/socat "TCP:127.0.0.1:$port" PIPE:pipe
    wait_until connected_to "$port"
    printf Hello. >pipe
    peer_has got
    kill -KILL "$(pid_of socat)"
    peer_saw rst 6
}

# --- nc ---

# netcat: listens, and sends what is written to descriptor 7. Sets $port.
netcat() {
    requires nc
    free_port
    mkfifo input
    script with-input <<<'exec nc "$@" <input'
    launch nc ./with-input -l 127.0.0.1 "$port"
    exec 7<>input
    await_listener
}

# The peer has what was sent, and nc its answer.
talk() {
    printf Hello. >&7
    connect_peer --output got
    peer_has got
}

@test "nc: SIGKILL sends RST" {
    netcat
    talk
    kill -KILL "$(pid_of nc)"
    peer_saw rst 6
}

@test "nc: SIGTERM sends FIN" {
    netcat
    talk
    kill -TERM "$(pid_of nc)"
    peer_saw fin 6
    ended nc signal TERM
}

@test "nc: SIGINT sends FIN" {
    netcat
    talk
    kill -INT "$(pid_of nc)"
    peer_saw fin 6
    ended nc signal INT
}

@test "nc -N: the end of its input sends FIN" {
    requires nc
    free_port
    echo Hello. >hello
    script with-input <<<'exec nc "$@" <hello'
    launch nc ./with-input -N -l 127.0.0.1 "$port"
    await_listener
    peer_sees fin 7
    ended nc exit 0
}

@test "nc as a client: SIGKILL sends RST" {
    requires nc
    listen_peer --output got
    mkfifo input
    script with-input <<<'exec nc "$@" <input'
    launch nc ./with-input 127.0.0.1 "$port"
    exec 7<>input
    printf Hello. >&7
    peer_has got
    kill -KILL "$(pid_of nc)"
    peer_saw rst 6
}

@test "nc as a client: it tells a port where nobody listens from one where somebody does" {
    requires nc
    free_port
    run -1 shimmed nc -z 127.0.0.1 "$port"
    listen_peer
    run -0 shimmed nc -z 127.0.0.1 "$port"
    peer_saw fin 0
}
