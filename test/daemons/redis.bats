#!/usr/bin/env bats
# shellcheck disable=SC2154  # helpers set variables
# Stock redis-server: its clients read ECONNRESET when it dies, and FIN however it stops.

load ../daemons

# Sets $port.
redis() {
    requires redis-server redis-cli
    free_port
    launch redis /usr/bin/redis-server --port "$port" --bind 127.0.0.1 --save '' --enable-debug-command yes "$@"
    await_listener
}

# One client has subscribed and waits for what comes: its answer of 33 bytes has arrived.
subscriber() {
    connect_peer --output got --send 'SUBSCRIBE news\r\n'
    peer_has got
}

ask() {
    timeout 10 redis-cli -p "$port" "$@"
}

@test "redis: SIGKILL sends RST to a subscriber" {
    redis
    subscriber
    kill -KILL "$(pid_of redis)"
    peer_saw rst 33
    ended redis signal KILL
}

@test "redis: SIGKILL in mid-reply sends RST" {
    redis
    ask SETRANGE big 20000000 x
    connect_peer --output got --read-bytes 1000 --send 'GET big\r\n'
    peer_has got
    kill -KILL "$(pid_of redis)"
    peer_saw rst 1000
}

@test "redis: SIGKILL sends RST to a client that has sent half a command" {
    redis
    connect_peer --send 'PIN'
    nothing_unread
    kill -KILL "$(pid_of redis)"
    peer_saw rst 0
}

@test "redis: a segmentation fault, which it handles and reports, sends RST" {
    without_sanitizer "a sanitizer reports the fault itself"
    redis
    subscriber
    ask DEBUG SEGFAULT || true
    peer_saw rst 33
    ended redis signal SEGV
}

@test "redis: a crash sends RST on the connection of a replica to its master" {
    listen_peer
    master=$port
    redis --replicaof 127.0.0.1 "$master"
    wait_until connected_to "$master"
    kill -KILL "$(pid_of redis)"
    peer_ended rst
}

@test "redis: QUIT sends FIN after the answer" {
    redis
    peer_sees fin 5 --send 'QUIT\r\n'
}

@test "redis: a client that has closed its side reads all answers, then FIN" {
    redis
    peer_sees fin 14 --half-close --send 'PING\r\nPING\r\n'
}

@test "redis: SHUTDOWN sends FIN" {
    redis
    subscriber
    ask SHUTDOWN NOSAVE
    peer_saw fin 33
    ended redis exit 0
}

@test "redis: SIGTERM sends FIN" {
    redis
    subscriber
    kill -TERM "$(pid_of redis)"
    peer_saw fin 33
    ended redis exit 0
}

@test "redis: SIGINT sends FIN" {
    redis
    subscriber
    kill -INT "$(pid_of redis)"
    peer_saw fin 33
    ended redis exit 0
}

@test "redis: CLIENT KILL sends FIN to the client, and not to others" {
    redis
    subscriber
    ask CLIENT KILL TYPE pubsub
    peer_saw fin 33
    run -0 ask PING
    assert_output PONG
}

# --- Forked helpers that hold copies of all connections ---

saved() {
    ask INFO persistence | grep -q 'rdb_bgsave_in_progress:0'
}

@test "redis: the end of a background save changes nothing for a subscriber" {
    redis
    subscriber
    ask BGSAVE
    wait_until saved
    kill -KILL "$(pid_of redis)"
    peer_saw rst 33
}

@test "redis: after a background save SHUTDOWN sends FIN" {
    redis
    subscriber
    ask BGSAVE
    wait_until saved
    ask SHUTDOWN NOSAVE
    peer_saw fin 33
}

@test "redis: a background save that is killed changes nothing for a subscriber" {
    redis --rdb-key-save-delay 10000000
    ask MSET a 1 b 2 c 3
    subscriber
    ask BGSAVE
    child_of "$(pid_of redis)"
    kill -KILL "$child"
    wait_until saved
    ask SHUTDOWN NOSAVE
    peer_saw fin 33
}

# --- As a daemon ---

@test "redis as a daemon: SIGKILL sends RST" {
    escapes "$PWD/redis.pid"
    redis --daemonize yes --pidfile "$PWD/redis.pid" --dir "$PWD"
    ended redis exit 0
    subscriber
    kill -KILL "$(<redis.pid)"
    peer_saw rst 33
}

@test "redis as a daemon: SIGTERM sends FIN" {
    escapes "$PWD/redis.pid"
    redis --daemonize yes --pidfile "$PWD/redis.pid" --dir "$PWD"
    ended redis exit 0
    subscriber
    kill -TERM "$(<redis.pid)"
    peer_saw fin 33
}
