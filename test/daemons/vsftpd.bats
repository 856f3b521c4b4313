#!/usr/bin/env bats
# shellcheck disable=SC2154  # helpers set variables
# Stock vsftpd: a process for each session forks by a raw clone, keeps root's rights, and forks another one that has
# dropped them and serves. That one asks it for the data connections, which come over a Unix socket.

load ../daemons

# vsftpd [LINE]...: starts it with these lines in its configuration. Sets $port, and $data to the
# port of data connections.
vsftpd() {
    requires /usr/sbin/vsftpd
    other_users
    [[ -n ${TRUEFIN_TEST_BARE:-} ]] || without_sanitizer 'it limits its address space, of which a sanitizer needs terabytes'
    free_port
    data=$((port + 1))
    mkdir -p empty files
    others_may_read empty files
    echo Hello. >files/hello
    truncate -s 20M files/big
    cat >vsftpd.conf <<CONF
listen=YES
listen_ipv6=NO
listen_address=127.0.0.1
listen_port=$port
background=NO
anonymous_enable=YES
anon_root=$PWD/files
secure_chroot_dir=$PWD/empty
pasv_min_port=$data
pasv_max_port=$data
$(printf '%s\n' "$@")
CONF
    launch vsftpd "${policy[@]}" /usr/sbin/vsftpd "$PWD/vsftpd.conf"
    await_listener
}

# A client has logged in, and says LINE...
session() {
    connect_peer --output got --send "USER anonymous\r\nPASS a@b\r\n$(printf '%s\\r\\n' "$@")"
    wait_until grep -q '^230 ' got
}

# Sets $session to the process that kept its rights, and $child to the one that serves: it has logged in, so the first
# one of its kind is gone.
find_session() {
    child_of "$(pid_of vsftpd)"
    session=$child
    child_of "$session"
}

# A client has asked for FILE, and OPTIONs are those of the data connection's peer, "data".
transfer() {
    session PASV "RETR $1"
    shift
    wait_until grep -q '^227 ' got
    port=$data peer=data connect_peer --output data.got "$@"
    peer=data peer_has data.got
    find_session
}

@test "vsftpd: a real client gets a file whole" {
    vsftpd
    requires curl
    run -0 curl -sS --max-time 10 "ftp://127.0.0.1:$port/hello"
    assert_output Hello.
    run -0 curl -sS --max-time 10 -o big "ftp://127.0.0.1:$port/big"
    assert_equal "$(stat -c %s big)" 20971520
}

@test "vsftpd: QUIT sends FIN after the answer" {
    vsftpd
    session QUIT
    peer_ended fin
    run -0 tail -n 1 got
    assert_output --partial '221 Goodbye.'
}

@test "vsftpd: the data connection of a whole file ends with FIN" {
    vsftpd
    transfer big
    peer=data peer_saw fin 20971520
}

@test "vsftpd: SIGKILL of the serving child in mid-transfer sends RST on the data connection" {
    vsftpd
    transfer big --read-bytes 1000
    kill -KILL "$child"
    peer=data peer_saw rst 1000
}

# The other holder of the control connection then ends it, well; that is how the client learns of
# it without truefin too.
@test "without truefin it is a FIN" {
    export TRUEFIN_TEST_BARE=1
    vsftpd
    session
    find_session
    kill -KILL "$child"
    peer_ended fin
}

# The other holder has the control connection by a fork, and exits 1 when its child has died: a session's status. Under
# the default policy the ending depends on who closes last, for the child may still be armed and dying then.
@test "vsftpd: SIGKILL of the serving child sends RST on the control connection under session-error=flush-rst" {
    local -a policy=(-p "$SESSIONS_TOO")
    vsftpd
    session
    find_session
    kill -KILL "$child"
    peer_ended rst
}

@test "vsftpd: SIGTERM to the daemon leaves a session alone" {
    local -a policy=(-p "$SESSIONS_TOO")
    vsftpd
    transfer big --read-bytes 1000
    kill -TERM "$(pid_of vsftpd)"
    ended vsftpd signal TERM
    kill -KILL "$child"
    peer=data peer_saw rst 1000
    peer_ended rst
}

@test "vsftpd: SIGKILL of the daemon leaves a session alone" {
    local -a policy=(-p "$SESSIONS_TOO")
    vsftpd
    transfer big
    kill -KILL "$(pid_of vsftpd)"
    ended vsftpd signal KILL
    peer=data peer_saw fin 20971520
    kill -KILL "$child"
    peer_ended rst
}

@test "vsftpd: SIGKILL of the process that kept its rights leaves a session to the serving child" {
    vsftpd idle_session_timeout=1
    session
    find_session
    kill -KILL "$session"
    peer_ended fin
    run -0 tail -n 1 got
    assert_output --partial '421 Timeout.'
}

@test "vsftpd: the end of an idle session sends FIN after the answer" {
    vsftpd idle_session_timeout=1
    session
    peer_ended fin
    run -0 tail -n 1 got
    assert_output --partial '421 Timeout.'
}

@test "vsftpd as one process for a session: SIGKILL in mid-transfer sends RST on both connections" {
    vsftpd one_process_model=YES
    session PASV 'RETR big'
    wait_until grep -q '^227 ' got
    port=$data peer=data connect_peer --output data.got --read-bytes 1000
    peer=data peer_has data.got
    child_of "$(pid_of vsftpd)"
    kill -KILL "$child"
    peer=data peer_saw rst 1000
    peer_ended rst
}
