#!/usr/bin/env bats
# shellcheck disable=SC2154  # helpers set variables
# Stock lighttpd: one process with an event loop, alone or below a watcher.

load ../daemons

# lighttpd [LINE]...: starts it with these lines in its configuration. Sets $port.
lighttpd() {
    requires lighttpd
    free_port
    mkdir -p www
    echo Hello. >www/hello
    truncate -s 20M www/big
    cat >lighttpd.conf <<CONF
server.port = $port
server.bind = "127.0.0.1"
server.document-root = "$PWD/www"
server.upload-dirs = ( "$PWD" )
server.errorlog = "$PWD/lighttpd.log"
$*
CONF
    launch lighttpd /usr/sbin/lighttpd -D -f lighttpd.conf
    await_listener
}

keep_alive() {
    connect_peer --output got --send 'GET /hello HTTP/1.1\r\nHost: a\r\n\r\n'
    wait_until grep -q '^Hello\.$' got
}

mid_response() {
    connect_peer --output got --read-bytes 1000 --send 'GET /big HTTP/1.1\r\nHost: a\r\n\r\n'
    peer_has got
}

@test "lighttpd: SIGKILL in mid-response sends RST" {
    lighttpd
    mid_response
    kill -KILL "$(pid_of lighttpd)"
    peer_saw rst 1000
    ended lighttpd signal KILL
}

@test "lighttpd: SIGKILL sends RST on a connection kept alive" {
    lighttpd
    keep_alive
    kill -KILL "$(pid_of lighttpd)"
    peer_ended rst
}

@test "lighttpd: SIGSEGV sends RST" {
    lighttpd
    mid_response
    kill -SEGV "$(pid_of lighttpd)"
    peer_saw rst 1000
}

@test "lighttpd: SIGTERM sends FIN" {
    lighttpd
    keep_alive
    kill -TERM "$(pid_of lighttpd)"
    peer_ended fin
}

@test "lighttpd: SIGINT, the graceful stop, sends FIN" {
    lighttpd
    keep_alive
    kill -INT "$(pid_of lighttpd)"
    peer_ended fin
    ended lighttpd exit 0
}

@test "lighttpd: an answer with Connection: close ends with FIN" {
    lighttpd
    connect_peer --send 'GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
    peer_ended fin
}

@test "lighttpd: a whole large file arrives, then FIN" {
    lighttpd
    connect_peer --output got --send 'GET /big HTTP/1.0\r\n\r\n'
    peer_ended fin
    assert [ "$(stat -c %s got)" -gt 20971520 ]
}

@test "lighttpd with workers: SIGKILL of all workers sends RST" {
    lighttpd 'server.max-worker = 2'
    keep_alive
    child_of "$(pid_of lighttpd)"
    # shellcheck disable=SC2046  # words
    kill -KILL $(children "$(pid_of lighttpd)")
    peer_ended rst
}

@test "lighttpd with workers: SIGTERM sends FIN" {
    lighttpd 'server.max-worker = 2'
    keep_alive
    kill -TERM "$(pid_of lighttpd)"
    peer_ended fin
}
