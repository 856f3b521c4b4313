#!/usr/bin/env bats
# shellcheck disable=SC2154  # helpers set variables
# Stock rsync as a daemon, with the recipe of docs/RECIPES.md: it ends an ordinary session with status 255.

load ../daemons

rsyncd() {
    requires rsync
    free_port
    mkdir files
    echo Hello. >files/hello
    printf 'use chroot = no\nuid = 0\ngid = 0\n[files]\npath = %s/files\n' "$PWD" >rsyncd.conf
    launch rsyncd -p 'accepted: abort-on-crash' \
        rsync --daemon --no-detach --address=127.0.0.1 --port="$port" --config="$PWD/rsyncd.conf"
    await_listener
}

@test "rsync: the list of modules arrives and ends with FIN" {
    rsyncd
    connect_peer --output got --send '@RSYNCD: 31.0 md5\n#list\n'
    peer_ended fin
    run -0 cat got
    assert_output --partial files
}

@test "rsync: SIGKILL of a session's process, which has the library, sends RST" {
    rsyncd
    connect_peer --output got --send '@RSYNCD: 31.0 md5\n'
    peer_has got
    child_of "$(pid_of rsyncd)"
    run -0 grep -c libtruefin.so "/proc/$child/maps"
    kill -KILL "$child"
    peer_ended rst
}
