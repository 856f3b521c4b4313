#!/usr/bin/env bats
# shellcheck disable=SC2154  # helpers set variables
# Stock Apache, the old kind: a master that forks, and a process for each connection (mpm_prefork).

load ../daemons

# apache [LINE]...: starts it with these lines in its configuration. Sets $port.
apache() {
    local modules=/usr/lib/apache2/modules
    requires /usr/sbin/apache2
    other_users
    free_port
    mkdir -p www/cgi
    echo Hello. >www/hello
    truncate -s 20M www/big
    cat >apache.conf <<CONF
ServerRoot $PWD
ServerName localhost
Listen 127.0.0.1:$port
PidFile $PWD/apache.pid
ErrorLog $PWD/apache.log
DefaultRuntimeDir $PWD
Mutex file:$PWD
User www-data
Group www-data
LoadModule mpm_prefork_module $modules/mod_mpm_prefork.so
LoadModule authz_core_module $modules/mod_authz_core.so
LoadModule cgi_module $modules/mod_cgi.so
LoadModule alias_module $modules/mod_alias.so
StartServers 2
MinSpareServers 1
MaxSpareServers 2
DocumentRoot $PWD/www
ScriptAlias /cgi/ $PWD/www/cgi/
$(printf '%s\n' "$@")
CONF
    others_may_read www www/cgi
    # It stops its whole process group, which would be the tests'.
    escapes "$PWD/apache.pid"
    launch apache setsid /usr/sbin/apache2 -f "$PWD/apache.conf" -D FOREGROUND
    await_listener
    wait_until test -s apache.pid
}

keep_alive() {
    connect_peer --output got --send 'GET /hello HTTP/1.1\r\nHost: a\r\n\r\n'
    wait_until grep -q '^Hello\.$' got
}

mid_response() {
    connect_peer --output got --read-bytes 1000 --send 'GET /big HTTP/1.1\r\nHost: a\r\n\r\n'
    peer_has got
}

# Sets $child to the process that serves the peer's connection.
find_child() {
    child=$(ss -Htnp state established "sport = :$port" | sed -n 's/.*pid=\([0-9]*\).*/\1/p' | head -n 1)
    assert [ -n "$child" ]
}

@test "apache: SIGKILL of a child in mid-response sends RST" {
    apache
    mid_response
    find_child
    kill -KILL "$child"
    peer_saw rst 1000
}

@test "without truefin it is a FIN" {
    export TRUEFIN_TEST_BARE=1
    apache
    keep_alive
    find_child
    kill -KILL "$child"
    peer_ended fin
}

@test "apache: SIGKILL of a child sends RST on a connection kept alive" {
    apache
    keep_alive
    find_child
    kill -KILL "$child"
    peer_ended rst
}

@test "apache: SIGSEGV of a child sends RST" {
    apache
    mid_response
    find_child
    kill -SEGV "$child"
    peer_saw rst 1000
}

@test "apache: a child's crash leaves another child's connection alone" {
    apache
    peer=first keep_alive
    find_child
    first=$child
    peer=second connect_peer --output got2 --send 'GET /hello HTTP/1.1\r\nHost: a\r\n\r\n'
    wait_until grep -q '^Hello\.$' got2
    kill -KILL "$first"
    peer=first peer_ended rst
    kill -TERM "$(pid_of apache)"
    peer=second peer_ended fin
}

@test "apache: SIGKILL of the master leaves a child's connection alone" {
    apache 'KeepAliveTimeout 300ms'
    mid_response
    kill -KILL "$(pid_of apache)"
    ended apache signal KILL
    find_child
    kill -KILL "$child"
    peer_saw rst 1000
}

@test "apache: an answer with Connection: close ends with FIN" {
    apache
    connect_peer --send 'GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
    peer_ended fin
}

@test "apache: a whole large file arrives, then FIN" {
    apache
    connect_peer --output got --send 'GET /big HTTP/1.0\r\n\r\n'
    peer_ended fin
    assert [ "$(stat -c %s got)" -gt 20971520 ]
}

@test "apache: the end of the time to keep alive sends FIN" {
    apache 'KeepAliveTimeout 50ms'
    keep_alive
    peer_ended fin
}

@test "apache: a bad request's answer ends with FIN" {
    apache
    connect_peer --send 'NONSENSE\r\n\r\n'
    peer_ended fin
}

@test "apache: SIGTERM sends FIN" {
    apache
    keep_alive
    kill -TERM "$(pid_of apache)"
    peer_ended fin
    ended apache exit 0
}

@test "apache: SIGWINCH, the graceful stop, sends FIN after the answer" {
    apache 'KeepAliveTimeout 50ms'
    connect_peer --output got --send 'GET /big HTTP/1.1\r\nHost: a\r\n\r\n'
    peer_has got
    kill -WINCH "$(pid_of apache)"
    peer_ended fin
    assert [ "$(stat -c %s got)" -gt 20971520 ]
    ended apache exit 0
}

@test "apache: a reload sends FIN on connections of the old children" {
    apache
    keep_alive
    kill -HUP "$(pid_of apache)"
    peer_ended fin
}

@test "apache: SIGTERM to one child sends FIN" {
    apache
    keep_alive
    find_child
    kill -TERM "$child"
    peer_ended fin
}

# cgi NAME: makes a CGI program of standard input.
cgi() {
    cat >"www/cgi/$1"
    chmod 755 "www/cgi/$1"
}

@test "apache: a CGI program's end, good or bad, ends its client's connection with FIN" {
    apache
    cgi good <<<$'#!/bin/sh\nprintf "Content-Type: text/plain\\n\\nHello."'
    # shellcheck disable=SC2016  # the script's own
    cgi bad <<<$'#!/bin/sh\nprintf "Content-Type: text/plain\\n\\nHello."\nkill -KILL $$'
    for name in good bad; do
        peer=$name connect_peer --output "$name.got" --send "GET /cgi/$name HTTP/1.0\r\n\r\n"
        peer=$name peer_ended fin
        run -0 tail -c 6 "$name.got"
        assert_output Hello.
    done
}

@test "apache: SIGKILL of a child whose CGI program still runs sends RST" {
    apache
    cgi slow <<<$'#!/bin/sh\nprintf "Content-Type: text/plain\\n\\n"\nhead -c 100000 /dev/zero\nexec sleep 30'
    connect_peer --output got --send 'GET /cgi/slow HTTP/1.0\r\n\r\n'
    peer_has got
    find_child
    kill -KILL "$child"
    peer_ended rst
}
