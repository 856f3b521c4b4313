#!/usr/bin/env bats
# shellcheck disable=SC2154  # helpers set variables
# Stock nginx: master and workers, one process, and as a daemon.

load ../daemons

# nginx [-m LINE]... [LINE]...: starts it with these lines in its configuration, outside of everything with -m, else in
# the server's part. Sets $port.
nginx() {
    local main
    requires nginx
    main="user $(id -un) $(id -gn);"
    while [[ ${1:-} == -m ]]; do
        main+=$'\n'$2
        shift 2
    done
    free_port
    [[ $main == *daemon\ * ]] || main+=$'\ndaemon off;'
    mkdir -p tmp www
    truncate -s 20M www/big
    cat >nginx.conf <<CONF
$main
worker_processes 2;
pid $PWD/nginx.pid;
error_log $PWD/nginx.log;
events {}
http {
    access_log off;
    client_body_temp_path $PWD/tmp;
    proxy_temp_path $PWD/tmp;
    fastcgi_temp_path $PWD/tmp;
    uwsgi_temp_path $PWD/tmp;
    scgi_temp_path $PWD/tmp;
    server {
        listen 127.0.0.1:$port;
        root $PWD/www;
        location = /hello { return 200 "Hello."; }
        $*
    }
}
CONF
    launch nginx /usr/sbin/nginx -p "$PWD" -c "$PWD/nginx.conf" -e "$PWD/nginx.log"
    await_listener
    wait_until test -s nginx.pid
}

# A peer has its whole answer, and keeps the connection for another one.
keep_alive() {
    connect_peer --output "${peer:-peer}.got" --send 'GET /hello HTTP/1.1\r\nHost: a\r\n\r\n'
    wait_until grep -q '^Hello\.$' "${peer:-peer}.got"
}

# A peer has the first part of its answer, and reads no more.
mid_response() {
    connect_peer --output got --read-bytes 1000 --send 'GET /big HTTP/1.1\r\nHost: a\r\n\r\n'
    peer_has got
}

# --- Crashes ---

@test "nginx: SIGKILL of a worker in mid-response sends RST" {
    nginx
    mid_response
    find_worker
    kill -KILL "$worker"
    peer_saw rst 1000
}

@test "nginx: SIGKILL of a worker sends RST on a connection kept alive" {
    nginx
    keep_alive
    find_worker
    kill -KILL "$worker"
    peer_ended rst
}

@test "nginx: SIGSEGV of a worker in mid-response sends RST" {
    nginx
    mid_response
    find_worker
    kill -SEGV "$worker"
    peer_saw rst 1000
}

@test "nginx: a worker's crash leaves the other worker's connection alone" {
    nginx
    peer=first keep_alive
    find_worker
    # The kernel chooses the worker: connections are made until one is the other's.
    for number in {1..50}; do
        other=other-$number
        peer=$other keep_alive
        is_shared && break
    done
    kill -KILL "$worker"
    peer=first peer_ended rst
    assert [ ! -s "$other.out" ]
    kill -QUIT "$(pid_of nginx)"
    peer=$other peer_ended fin
}

# Some connection is not $worker's.
is_shared() {
    ss -Htnp state established "sport = :$port" | grep pid= | grep -qv "pid=$worker,"
}

@test "nginx: SIGKILL of the master leaves a worker's connection alone" {
    nginx
    keep_alive
    find_worker
    kill -KILL "$(pid_of nginx)"
    ended nginx signal KILL
    kill -QUIT "$worker"
    peer_ended fin
}

@test "nginx as one process: SIGKILL sends RST" {
    nginx -m 'master_process off;'
    mid_response
    kill -KILL "$(pid_of nginx)"
    peer_saw rst 1000
}

@test "nginx as a daemon: SIGKILL of a worker sends RST" {
    escapes "$PWD/nginx.pid"
    nginx -m 'daemon on;'
    ended nginx exit 0
    mid_response
    find_worker
    kill -KILL "$worker"
    peer_saw rst 1000
}

# --- Orderly ends ---

@test "nginx: an answer with Connection: close ends with FIN" {
    nginx
    connect_peer --send 'GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
    peer_ended fin
}

@test "nginx: an answer that takes many writes ends with FIN" {
    nginx
    connect_peer --output got --send 'GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
    peer_ended fin
    assert [ "$(stat -c %s got)" -gt 20971520 ]
}

@test "nginx: the end of the time to keep alive sends FIN" {
    nginx 'keepalive_timeout 50ms;'
    keep_alive
    peer_ended fin
}

@test "nginx: a bad request's answer ends with FIN" {
    nginx
    connect_peer --send 'NONSENSE\r\n\r\n'
    peer_ended fin
}

@test "nginx: SIGTERM sends FIN" {
    nginx
    keep_alive
    kill -TERM "$(pid_of nginx)"
    peer_ended fin
    ended nginx exit 0
}

@test "nginx: SIGINT sends FIN" {
    nginx
    keep_alive
    kill -INT "$(pid_of nginx)"
    peer_ended fin
    ended nginx exit 0
}

@test "nginx: SIGQUIT, the graceful stop, sends FIN" {
    nginx
    keep_alive
    kill -QUIT "$(pid_of nginx)"
    peer_ended fin
    ended nginx exit 0
}

@test "nginx: a reload sends FIN on connections of the old workers" {
    nginx
    keep_alive
    kill -HUP "$(pid_of nginx)"
    peer_ended fin
}

@test "nginx: SIGTERM to one worker sends FIN" {
    nginx
    keep_alive
    find_worker
    kill -TERM "$worker"
    peer_ended fin
}

@test "nginx as one process: SIGTERM sends FIN" {
    nginx -m 'master_process off;'
    keep_alive
    kill -TERM "$(pid_of nginx)"
    peer_ended fin
    ended nginx exit 0
}

@test "nginx as a daemon: SIGTERM sends FIN" {
    escapes "$PWD/nginx.pid"
    nginx -m 'daemon on;'
    ended nginx exit 0
    keep_alive
    kill -TERM "$(<nginx.pid)"
    peer_ended fin
}

@test "nginx: reset_timedout_connection, its own abort, stays an RST" {
    nginx 'reset_timedout_connection on; send_timeout 50ms;'
    mid_response
    peer_saw rst 1000
}

# --- The connection to an upstream ---

# A request has gone through nginx to the peer that is its upstream.
proxied() {
    peer=upstream listen_peer --output upstream.got
    nginx "location = /up { proxy_pass http://127.0.0.1:$port; }"
    connect_peer --send 'GET /up HTTP/1.1\r\nHost: a\r\n\r\n'
    peer_has upstream.got
}

@test "nginx: SIGKILL of a worker sends RST to its upstream" {
    proxied
    find_worker
    kill -KILL "$worker"
    peer=upstream peer_ended rst
    peer_saw rst 0
}

@test "nginx: SIGTERM sends FIN to its upstream" {
    proxied
    kill -TERM "$(pid_of nginx)"
    peer=upstream peer_ended fin
}

# --- Operating it ---

# counted NAME: the sum of a metric of nginx's, as Prometheus gets it; NAME has its labels, too.
counted() {
    "$BUILD_DIR/libexec/truefin/stats" -d "$PWD/pages" --prometheus |
        awk -v name="$1" 'index($0, "program=\"nginx\"") && $0 ~ name { sum += $NF } END { print sum + 0 }'
}

@test "nginx: counters tell what a killed worker had, and go on with the next one" {
    mkdir -m 1777 pages
    export TRUEFIN_STATS=$PWD/pages
    nginx
    keep_alive
    find_worker
    assert_equal "$(counted '^truefin_connections_total.*accepted')" 1
    assert_equal "$(counted '^truefin_open_connections')" 1
    kill -KILL "$worker"
    peer_ended rst
    wait_until gone_process "$worker"
    assert_equal "$(counted '^truefin_open_connections')" 0
    assert_equal "$(counted '^truefin_lost_connections_total')" 1
    assert_equal "$(counted '^truefin_lost_armed_connections_total')" 1
    peer=second connect_peer --send 'GET /hello HTTP/1.0\r\n\r\n'
    peer=second peer_ended fin
    assert_equal "$(counted '^truefin_connections_total.*accepted')" 2
    assert_equal "$(counted '^truefin_endings_total.*event="close",ending="keep"')" 1
    assert_equal "$(counted '^truefin_lost_connections_total')" 1
}

gone_process() {
    [[ ! -e /proc/$1 ]]
}

@test "nginx: observed, a killed worker ends as without truefin, and a reset of its own is told" {
    export TRUEFIN_OBSERVE=1 TRUEFIN_LOG=$PWD/records
    # 444 closes without an answer, and leaves unread what came behind the request.
    nginx 'location = /drop { return 444; }'
    connect_peer --send "PUT /drop HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 9000\\r\\n\\r\\n$(printf '%9000s' '')"
    peer_saw rst 0
    wait_until grep -q 'program=nginx event=unread would=keep kernel=rst why=unread' records
    peer=second keep_alive
    find_worker
    kill -KILL "$worker"
    peer=second peer_ended fin
    assert_equal "$(grep -c 'would=flush-rst' records || true)" 0
}
