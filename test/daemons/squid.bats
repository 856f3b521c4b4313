#!/usr/bin/env bats
# shellcheck disable=SC2154  # helpers set variables
# Stock squid, with the recipe of docs/RECIPES.md: its worker is executed with another real user than the effective
# one, so the dynamic linker drops LD_PRELOAD, and the side-car watches.

load ../daemons
load ../watch

squid() {
    requires squid
    other_users
    with_wrapper
    free_port
    others_may_read "$PWD"
    install -d -o proxy -g proxy run
    cat >squid.conf <<CONF
http_port 127.0.0.1:$port
http_access allow all
pid_filename $PWD/run/squid.pid
cache_log $PWD/run/cache.log
access_log none
coredump_dir $PWD/run
pinger_enable off
visible_hostname localhost
shutdown_lifetime 1 second
CONF
    watched squid -p 'accepted: abort-on-crash' --watch -- /usr/sbin/squid --foreground -sYC -f "$PWD/squid.conf"
    await_listener
}

# A client is in mid-answer of a server, "origin", that goes on.
in_mid_answer() {
    local proxy=$port origin
    peer=origin listen_peer --send 'HTTP/1.0 200 OK\r\n\r\nHello.\n'
    origin=$port
    port=$proxy
    connect_peer --output got --send "GET http://127.0.0.1:$origin/ HTTP/1.0\r\n\r\n"
    wait_until grep -q Hello. got
    find_worker
}

@test "squid: an answer ends with FIN" {
    squid
    connect_peer --output got --send 'GET http://127.0.0.1:1/ HTTP/1.0\r\n\r\n'
    peer_ended fin
}

@test "squid: SIGKILL of the worker in mid-answer, which is watched and lacks the library, sends RST" {
    squid
    in_mid_answer
    assert pid_watched "$worker"
    run -1 grep libtruefin.so "/proc/$worker/maps"
    kill -KILL "$worker"
    peer_ended rst
}
