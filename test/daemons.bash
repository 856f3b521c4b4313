# shellcheck shell=bash disable=SC2034,SC2154  # helpers set variables, and so do these
# What the tests of real daemons load besides helpers: stock programs of the distribution, under the default policy,
# seen from the peer.

load ../helpers

teardown() {
    kill_escaped
    stop_all
}

# A daemon that leaves its session is out of stop_all's reach: its pid file, from this moment on, is
# how teardown finds it.
escapes() {
    pid_file=$1
}

kill_escaped() {
    local pid
    [[ -n ${pid_file:-} && -s $pid_file ]] || return 0
    read -r pid _ <"$pid_file"
    # A daemon leads a session of its own, in which its workers are.
    kill -KILL -- "-$pid" 2>/dev/null || kill -KILL "$pid" 2>/dev/null || true
}

# free_port: sets $port to one where nobody listens.
free_port() {
    port=$((10000 + RANDOM % 20000))
    while listening "$port"; do
        port=$((port + 1))
    done
}

# await_listener: waits until the daemon listens at $port.
await_listener() {
    wait_until listening "$port" || cat -- *.err *.log 2>/dev/null
}

# connected_to PORT: somebody has a connection to PORT.
connected_to() {
    ss -Htn state established "dport = :$1" | grep -q .
}

# peer_has FILE: waits until a peer with --output FILE has received something.
peer_has() {
    wait_until test -s "$1"
}

# nothing_unread: waits until the program at $port has read all that its peers have sent.
nothing_unread() {
    wait_until all_read
}

all_read() {
    ss -Htn state established "sport = :$port" | awk '{ n++; unread += $1 } END { exit !(n > 0 && unread == 0) }'
}

# peer_ended fin|rst: as peer_saw, for an answer whose length is not the test's business. There must be one.
peer_ended() {
    local name=${peer:-peer}
    wait_until test -s "$name.out" || cat "$name.err"
    case $1 in
    fin) run -0 grep -Ex 'fin after [1-9][0-9]* bytes' "$name.out" ;;
    rst) run -0 grep -Ex 'rst after [1-9][0-9]* bytes \(ECONNRESET\)' "$name.out" ;;
    esac || {
        cat "$name.out"
        return 1
    }
}

# children PID: its children's pids, on one line.
children() {
    cat "/proc/$1/task/$1/children"
}

has_child() {
    children "$1" | grep -q .
}

# child_of PID: sets $child to the first child of PID, and waits for it.
child_of() {
    wait_until has_child "$1"
    read -r child _ <<<"$(children "$1")"
}

# other_users: skips where a daemon cannot become another user, as it must before it serves.
other_users() {
    awk '$3 > 1000 { found = 1 } END { exit !found }' /proc/self/uid_map ||
        skip 'it does not serve as root, and this namespace has no other user'
}

# others_may_read DIRECTORY...: and that other user must find the files of the test.
others_may_read() {
    chmod 755 "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test" "$BATS_TEST_TMPDIR" "$@"
}

# a_library_for_all: sets $library to a copy of the library that other users, too, find.
a_library_for_all() {
    library=$PWD/libtruefin.so
    install -m 644 "$LIBTRUEFIN" "$library"
    others_may_read "$PWD"
}

# has_library PID: the library is in that process.
has_library() {
    run -0 grep -c libtruefin.so "/proc/$1/maps"
}

# find_worker: sets $worker to the process that holds the other end of a peer's connection.
find_worker() {
    worker=$(ss -Htnp state established "sport = :$port" | sed -n 's/.*pid=\([0-9]*\).*/\1/p' | head -n 1)
    assert [ -n "$worker" ]
}
