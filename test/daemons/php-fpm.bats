#!/usr/bin/env bats
# shellcheck disable=SC2154  # helpers set variables
# Stock PHP-FPM, with the recipe of docs/RECIPES.md: PHP 8.2 opens its extensions with RTLD_DEEPBIND, so the library arms
# nothing, and the side-car watches.

load ../daemons
load ../watch

# fpm HOW COMMAND...: starts it by HOW, with what that needs before its own command. Sets $port. Its peer, as a web
# server would, says `request`. $timeout is how long the master waits for its workers when it is told to stop; PHP's
# default is not at all.
fpm() {
    local server
    server=$(echo /usr/sbin/php-fpm[0-9]*)
    requires "$server"
    other_users
    with_wrapper
    free_port
    cat >fpm.conf <<CONF
[global]
pid = $PWD/fpm.pid
daemonize = no
log_level = debug
process_control_timeout = ${timeout:-0}
error_log = /dev/stderr
[www]
user = www-data
group = www-data
listen = 127.0.0.1:$port
pm = static
pm.max_children = 2
CONF
    # shellcheck disable=SC2016  # PHP's
    printf %s '<?php echo "Hello.\n"; @ob_end_flush(); flush(); if ($_SERVER["QUERY_STRING"]) sleep(30);' >hello.php
    chmod 644 hello.php
    others_may_read "$PWD"
    # It leads a session of its own in the foreground, too.
    escapes "$PWD/fpm.pid"
    "$@" "$server" --nodaemonize --fpm-config "$PWD/fpm.conf"
    await_listener
    wait_until test -s fpm.pid
}

preloaded() {
    launch fpm -p 'accepted: abort-on-crash' TRUEFIN_LOG=stderr "$@"
}

by_recipe() {
    watched fpm -p 'accepted: abort-on-crash' --watch -- "$@"
}

# FastCGI, in the peer's notation: a record of TYPE with TEXT.
record() {
    local bytes
    bytes=$(printf %b "$2" | wc -c)
    printf '\\x01\\x%02x\\x00\\x01\\x%02x\\x%02x\\x00\\x00%s' "$1" $((bytes / 256)) $((bytes % 256)) "$2"
}

parameter() {
    printf '\\x%02x\\x%02x%s%s' ${#1} ${#2} "$1" "$2"
}

# request QUERY: hello.php, which waits in mid-answer if there is a QUERY. The end of its
# input is not sent then: it would stay unread, and the kernel would send an RST for that.
request() {
    local text
    text=$(parameter SCRIPT_FILENAME "$PWD/hello.php" && parameter DOCUMENT_ROOT "$PWD" &&
        parameter REQUEST_METHOD GET && parameter QUERY_STRING "$1")
    connect_peer --output got --send "$(record 1 '\x00\x01\x00\x00\x00\x00\x00\x00' && record 4 "$text" &&
        record 4 '' && { [[ $1 ]] || record 5 ''; })"
    wait_until grep -aq Hello. got
}

@test "PHP-FPM: a whole answer ends with FIN" {
    fpm by_recipe
    request ''
    peer_ended fin
}

@test "PHP-FPM: SIGKILL of a worker in mid-answer, which is watched, sends RST" {
    fpm by_recipe
    request wait
    find_worker
    assert pid_watched "$worker"
    kill -KILL "$worker"
    peer_ended rst
}

# stop_in_mid_answer: tells the master to stop. Sets $signal to what the worker then died of, as the master saw it.
stop_in_mid_answer() {
    fpm by_recipe
    request wait
    find_worker
    kill -TERM "$(<fpm.pid)"
    wait_until grep -q "child $worker exited" fpm.err
    signal=$(sed -En "s/.* child $worker exited on signal [0-9]+ \((SIG[A-Z]+)\).*/\1/p" fpm.err)
}

@test "PHP-FPM: SIGTERM of the master, which waits for its workers to stop, sends FIN in mid-answer" {
    timeout=10
    stop_in_mid_answer
    assert_equal "$signal" SIGTERM
    peer_ended fin
}

# Also without truefin: the master sends SIGKILL some 200 microseconds after SIGTERM, while the
# worker still handles that.
@test "PHP-FPM: SIGTERM of the master, which by default kills its workers at once, sends what their death says: RST" {
    stop_in_mid_answer
    case $signal in
    SIGKILL) peer_ended rst ;;
    SIGTERM) peer_ended fin ;;
    *) fail "the worker died of '$signal'" ;;
    esac
}

# Sets $deep to yes or no: does this PHP open its extensions with RTLD_DEEPBIND? 8.2 does, Debian 13's 8.4 does not.
look_how_it_binds() {
    cat >spy.c <<'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
void *dlopen(const char *file, int flags)
{
    fprintf(stderr, "dlopen %s%s\n", file ? file : "", flags & RTLD_DEEPBIND ? " deep" : "");
    return ((__typeof__(dlopen) *)dlsym(RTLD_NEXT, "dlopen"))(file, flags);
}
END
    requires gcc
    gcc -shared -fPIC -o spy.so spy.c -ldl
    env LD_PRELOAD="$PWD/spy.so" /usr/sbin/php-fpm[0-9]* -m >opened 2>&1
    grep -q '^dlopen .*\.so' opened
    deep=no
    ! grep -q '^dlopen .* deep' opened || deep=yes
}

@test "PHP-FPM: with the library alone SIGKILL of a worker sends RST, or, with RTLD_DEEPBIND, a record says why not" {
    look_how_it_binds
    fpm preloaded
    request wait
    find_worker
    has_library "$worker"
    kill -KILL "$worker"
    if [[ $deep = yes ]]; then
        peer_ended fin
        run -0 grep -c 'RTLD_DEEPBIND.*nothing is armed' fpm.err
    else
        peer_ended rst
        run -1 grep -c 'RTLD_DEEPBIND' fpm.err
    fi
}
