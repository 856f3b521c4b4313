#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2154  # braces are words here, and helpers set variables
# Other libraries are preloaded besides, before truefin or after it: all of them do their work.

load ../helpers

# libeatmydata makes fsync do nothing; libfaketime hooks the clock's calls.
eatmydata=libeatmydata.so
faketime=faketime/libfaketime.so.1
# mptcpize's library makes MPTCP sockets of TCP's.
mptcpwrap=mptcpize/libmptcpwrap.so.0

# library NAME: the path of a library that Debian keeps in one of the directories of the dynamic linker.
library() {
    local path
    for path in /usr/lib/*/"$1" /usr/lib/"$1"; do
        [[ -e $path ]] && echo "$path" && return
    done
    fail "$1 is not installed"
}

# orders NAME...: calls the function of the test once for each order of truefin and these libraries: $order is the
# value for LD_PRELOAD. A sanitizer's library comes first in all.
orders() {
    local check=$1 others='' name count=0
    shift
    for name; do
        others+=:$(library "$name")
    done
    others=${others#:}
    stands_sanitizer env "LD_PRELOAD=$SANITIZER_PRELOAD:$others" true
    for order in "$LIBTRUEFIN:$others" "$others:$LIBTRUEFIN"; do
        order=${SANITIZER_PRELOAD:+$SANITIZER_PRELOAD:}$order
        "$check"
        stop_all
        count=$((count + 1))
    done
    assert_equal "$count" 2
}

# The endings are the same as with truefin alone.
ends_truthfully() {
    serve LD_PRELOAD="$order" accept write:Hello. exit:3
    peer_sees rst 6
    server_ended exit 3
    stop_all
    serve LD_PRELOAD="$order" accept write:Hello. close pause
    peer_sees fin 6
    stop_all
    serve LD_PRELOAD="$order" accept write:Hello. pause
    connect_peer
    server_said ready
    kill_server KILL
    peer_saw rst 6
    stop_all
    serve LD_PRELOAD="$order" accept write:Hello. exit:0
    peer_sees fin 6
    server_ended exit 0
}

@test "endings are told with libeatmydata before or after truefin" {
    orders ends_truthfully "$eatmydata"
}

@test "endings are told with libfaketime before or after truefin" {
    FAKETIME='@2001-02-03 04:05:06' orders ends_truthfully "$faketime"
}

@test "endings are told with libeatmydata and libfaketime before or after truefin" {
    FAKETIME='@2001-02-03 04:05:06' orders ends_truthfully "$eatmydata" "$faketime"
}

fsync_is_eaten() {
    run -0 strace -f -qq -e trace=fsync,fdatasync -o trace env LD_PRELOAD="$order" sync file
    run cat trace
    assert_output ''
}

@test "libeatmydata does its work before or after truefin" {
    requires strace
    without_sanitizer 'a sanitizer is not for strace'
    touch file
    run -0 strace -f -qq -e trace=fsync,fdatasync -o trace sync file
    assert [ -s trace ]
    orders fsync_is_eaten "$eatmydata"
}

time_is_fake() {
    run -0 env LD_PRELOAD="$order" FAKETIME='@2001-02-03 04:05:06' TZ=UTC date +%Y-%m-%d
    assert_output 2001-02-03
}

@test "libfaketime does its work before or after truefin" {
    orders time_is_fake "$faketime"
}

python_is_well() {
    run -3 env LD_PRELOAD="$order" FAKETIME='@2001-02-03 04:05:06' /usr/bin/python3 -c \
        'import subprocess, sys, time; subprocess.run(["true"], check=True); print(time.gmtime().tm_year); sys.exit(3)'
    assert_output 2001
}

@test "a program with threads and children works with all of them, in any order" {
    requires /usr/bin/python3
    orders python_is_well "$eatmydata" "$faketime"
}

# speaks_mptcp: the listener at $port is one of MPTCP.
speaks_mptcp() {
    wait_until listening "$port"
    run -0 ss -HMltn "sport = :$port"
    assert_output --partial ":$port"
}

ends_over_mptcp() {
    serve LD_PRELOAD="$order" accept write:Hello. pause
    speaks_mptcp
    stop_all
    ends_truthfully
}

@test "endings are told over MPTCP with mptcpize's library before or after truefin" {
    orders ends_over_mptcp "$mptcpwrap"
}

# wrapped WORD... OPERATION...: the server, started by these commands. Sets $port.
wrapped() {
    requires mptcpize
    without_sanitizer 'truefin run starts programs without it'
    start server "$PROGRAMS/outcome" server.status "$@"
    find_port server
    speaks_mptcp
}

@test "mptcpize run truefin run: endings are told over MPTCP" {
    local -a both=(mptcpize run "$TRUEFIN" run -- "$PROGRAMS/server")
    wrapped "${both[@]}" accept write:Hello. exit:3
    peer_sees rst 6
    server_ended exit 3
    stop_all
    wrapped "${both[@]}" accept write:Hello. exit:0
    peer_sees fin 6
    server_ended exit 0
    stop_all
    wrapped "${both[@]}" accept write:Hello. kill_self:KILL
    peer_sees rst 6
    server_ended signal KILL
}

@test "truefin run mptcpize run: mptcpize puts its own library in the place of truefin, and a record says so" {
    wrapped "$TRUEFIN" run --log "$PWD/log" -- mptcpize run "$PROGRAMS/server" accept write:Hello. exit:3
    peer_sees fin 6
    server_ended exit 3
    run -0 grep -c 'not loaded: its LD_PRELOAD does not name truefin' log
    assert_output 1
}

@test "truefin run --watch mptcpize run: a crash is told over MPTCP" {
    wrapped "$TRUEFIN" run --watch -- mptcpize run "$PROGRAMS/server" accept write:Hello. kill_self:KILL
    peer_sees rst 6
    server_ended signal KILL
}
