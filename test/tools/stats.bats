#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2034,SC2030,SC2031,SC2154  # braces are words here, and helpers set variables
# TRUEFIN_STATS: what processes count, what is left of it when they die, whom `truefin stats` believes, and what it prints.

load ../helpers
load ../watch

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    started=()
    mkdir -m 700 pages
    export TRUEFIN_STATS=$PWD/pages
}

# stats [OPTION...]: what truefin stats prints.
stats() {
    "$BUILD_DIR/libexec/truefin/stats" "$@"
}

# counted PROGRAM PATH [OPTION...]: a number of the program's row, as "endings.close.keep"; 0 if it is not there.
counted() {
    stats --json "${@:3}" >stats.json || return
    python3 -c '
import json, sys
rows = [r for r in json.load(open("stats.json")) if r["program"] == sys.argv[1] and r["by"] == sys.argv[3]]
found = 0
for row in rows:
    for key in sys.argv[2].split("."):
        row = row.get(key, {}) if isinstance(row, dict) else 0
    found += row or 0
print(found)' "$1" "$2" "${by:-library}"
}

# counts PROGRAM PATH NUMBER
counts() {
    assert_equal "$1 $2 $(counted "$1" "$2")" "$1 $2 $3"
}

pages() {
    find pages -name '[0-9]*' | wc -l
}

# good_metrics FILE: promtool, installed or where scripts/unpack has it, finds nothing wrong with it.
good_metrics() {
    local PATH=$PATH:/var/cache/truefin/daemons/prometheus/usr/bin
    requires promtool
    run -0 promtool check metrics <"$1"
    assert_output ''
}

# --- A page ---

@test "a process has a page from its first connection on, which nobody else can read" {
    perform listen:8080 accept say:first accept pause
    find_port server
    assert_equal "$(pages)" 0
    connect_peer
    server_said first
    assert_equal "$(pages)" 1
    local page
    page=$(echo pages/*)
    assert_equal "$(stat -c '%a %s' "$page")" '600 4096'
    assert_regex "${page#pages/}" "^$(pid_of server)-[0-9]+-[0-9]+\$"
    peer=second connect_peer
    server_said ready
    assert_equal "$(pages)" 1
    counts server accepted 2
    counts server open 2
    counts server armed 2
    counts server living 1
    counts server states.on 1
}

@test "without TRUEFIN_STATS there is no page" {
    unset TRUEFIN_STATS
    serve accept write:Hello. close pause
    peer_sees fin 6
    assert_equal "$(pages)" 0
}

@test "endings are counted by event and ending, connections by role" {
    serve -p abort-unless-shutdown,close=keep,unwind=rst accept close accept await_unread:7 close accept write:Hello. exit:3
    peer_sees fin 0
    peer_sees rst 0 --send request
    peer_sees rst 6
    server_ended exit 3
    counts server endings.close.keep 1
    counts server endings.unread.flush-rst 1
    counts server endings.exit-error.flush-rst 1
    counts server accepted 3
    counts server open 0
    counts server lost_open 0
    listen_peer
    perform connect:"$port" close exit:0
    server_ended exit 0
    counts server connected 1
}

@test "what was open and armed is counted as lost when a process dies without running code" {
    serve accept say:first accept write:Hello. pause
    connect_peer
    server_said first
    peer=second connect_peer
    server_said ready
    kill_server KILL
    peer_saw rst 0
    peer=second peer_saw rst 6
    server_ended signal KILL
    counts server lost_open 2
    counts server lost_armed 2
    counts server died_unseen 1
    counts server open 0
    # And again from the sum.
    counts server lost_open 2
    assert_equal "$(pages)" 0
}

@test "a stop that truefin sees is no loss" {
    serve accept write:Hello. pause
    connect_peer
    server_said ready
    kill_server TERM
    server_ended signal TERM
    counts server endings.stop.keep 1
    counts server lost_open 0
}

@test "a fork child counts in a page of its own" {
    serve accept write:Hello. 'fork{' write:Child. exit:3 '}' close wait pause
    connect_peer
    server_said ready
    assert_equal "$(pages)" 2
    counts server processes 2
    counts server accepted 1
    counts server open 0
}

@test "a vfork child counts in no page" {
    requires python3
    not_under address 'it takes for poisoned what the child has left on the stack'
    run -0 shimmed python3 -c '
import socket, subprocess
l = socket.create_server(("127.0.0.1", 0))
c = socket.create_connection(l.getsockname())
d, _ = l.accept()
subprocess.run(["/bin/true"])
c.close()
d.close()'
    counts python3 processes 1
    counts python3 endings.close.keep 2
    counts true processes 0
}

@test "an exec ends a page, and what is passed on is no loss" {
    serve accept onto:0 "exec:$PROGRAMS/server inherit:0 write:Hello. exit:3"
    peer_sees fin 6
    server_ended exit 3
    counts server processes 2
    counts server accepted 2
    counts server lost_open 0
    counts server endings.session-error.keep 1
}

@test "what daemon(3) takes along is counted once" {
    serve accept write:Hello. onto:7 daemon sigwait:USR1 exit:0
    connect_peer
    server_ended exit 0
    is_open() { [[ $(counted server open) == 1 ]]; }
    wait_until is_open
    counts server living 1
    counts server lost_open 0
    counts server accepted 1
    local page
    page=$(basename "$(echo pages/[0-9]*)")
    kill -USR1 "${page%%-*}"
    peer_saw fin 6
    wait_until gone "${page%%-*}"
    counts server endings.exit.keep 1
}

@test "threads that make their first connections at once share one page" {
    requires python3
    run -0 timeout 60 env "${settings[@]}" LD_PRELOAD="${SANITIZER_PRELOAD:+$SANITIZER_PRELOAD:}$LIBTRUEFIN" python3 -c '
import socket, threading
l = socket.create_server(("127.0.0.1", 0), backlog=200)
gate = threading.Barrier(32)
def work():
    gate.wait()
    socket.create_connection(l.getsockname()).close()
threads = [threading.Thread(target=work) for _ in range(32)]
[t.start() for t in threads]
[t.join() for t in threads]'
    assert_equal "$(pages)" 1
    counts python3 connected 32
    counts python3 endings.close.keep 32
}

# --- States ---

@test "the state of a process is in its page: on, observing, watched, blind" {
    local state
    for state in on observing; do
        rm -f pages/*
        perform TRUEFIN_OBSERVE="$([[ $state == on ]] || echo 1)" listen accept pause
        find_port server
        connect_peer
        server_said ready
        counts server "states.$state" 1
        stop_all
    done
    launch unseen "$PROGRAMS/unseen" inline hold
    find_port unseen
    peer=held connect_peer
    peer_sees rst 6
    peer_sees fin 6
    counts unseen states.blind 1
    counts unseen missed_closes 1
    counts unseen armed 0
    with_wrapper
    watched server --watch -- "$PROGRAMS/server" listen accept pause
    find_port server
    connect_peer
    server_said ready
    counts server states.watched 1
    counts server armed 0
}

@test "observed endings are counted as what the policy would have done, and what the kernel does" {
    export TRUEFIN_OBSERVE=1
    serve accept await_unread:7 close accept write:Hello. exit:3
    peer_sees rst 0 --send request
    peer_sees fin 6
    server_ended exit 3
    assert_equal "$(cat server.err)" ''
    counts server would.unread.keep 1
    counts server would.exit-error.flush-rst 1
    counts server kernel.unread 1
    counts server kernel.plain 1
    counts server endings.exit-error.flush-rst 0
}

@test "the side-car counts deaths in a page of its own" {
    with_wrapper
    watch_static -- accept write:Hello. kill_self:KILL
    peer_sees rst 6
    server_ended signal KILL
    by=watch counts server-static endings.crash.flush-rst 1
    watched server --watch -- "$PROGRAMS/server" listen accept write:Hello. kill_self:KILL
    find_port server
    peer_sees rst 6
    server_ended signal KILL
    by=watch counts server endings.crash.flush-rst 1
    counts server accepted 1
    counts server lost_open 0
}

@test "the side-car counts the closes that it sees" {
    with_wrapper
    watch_static -p close=rst -- accept close accept await_unread:7 close exit:0
    peer_sees rst 0
    peer_sees rst 0 --send request
    server_ended exit 0
    by=watch counts server-static endings.close.rst 1
    by=watch counts server-static endings.unread.keep 1
    export TRUEFIN_OBSERVE=1 TRUEFIN_LOG=$PWD/log
    watch_static -p close=rst -- accept close accept await_unread:7 close exit:0
    peer_sees fin 0
    peer_sees rst 0 --send request
    server_ended exit 0
    by=watch counts server-static would.close.rst 1
    by=watch counts server-static kernel.plain 1
    by=watch counts server-static kernel.unread 1
    assert_equal "$(grep -c 'where=watch event=close would=rst kernel=fin why=plain' log)" 1
}

# --- Delivery ---

@test "bytes that an abort waits for are counted, and those that were not taken in time" {
    touch never
    serve -p close=flush-rst TRUEFIN_FLUSH_TIME=300ms "${FILL[@]}" close pause
    slow_peer never
    awaits_limit() { [[ $(counted server kept_limit) == 1 ]]; }
    wait_until awaits_limit
    local begun lost
    begun=$(counted server flush_bytes)
    lost=$(counted server timed_out_bytes)
    ((0 < lost && lost <= begun && begun <= BIG)) || fail "$lost of $begun"
    counts server flushed 0
}

@test "a delivered abort is counted as that" {
    serve -p close=flush-rst "${FILL[@]}" close pause
    slow_peer
    peer_saw rst "$BIG"
    counts server flushed 1
    counts server timed_out_bytes 0
}

# --- Directories ---

@test "a directory that is not safe is refused in one line, and the program runs without counters" {
    local rows=0 make path reason
    while IFS='|' read -r make path reason; do
        rm -rf here
        eval "$make"
        run -0 --separate-stderr shimmed TRUEFIN_STATS="$PWD/$path" "$PROGRAMS/server" say:main
        assert_output main
        assert_equal "$stderr" "truefin: TRUEFIN_STATS: cannot be used ($reason) \"$PWD/$path\" at column 1 (allowed: a directory \
of root's or your own, with the sticky bit if others can write there)"
        without_sanitizer 'truefin run starts programs without it'
        TRUEFIN_STATS=$PWD/$path run -78 "$TRUEFIN" run echo ran
        assert_line --partial "TRUEFIN_STATS: cannot be used ($reason)"
        refute_line ran
        rows=$((rows + 1))
    done <<'ROWS'
:|missing|No such file or directory
: >here|here|no directory
mkdir -m 777 here|here|others can write there, and it is not sticky
mkdir -m 770 here|here|others can write there, and it is not sticky
ROWS
    assert_equal "$rows" 4
}

@test "a directory that another user owns is refused" {
    [[ $(id -u) == 0 ]] || skip 'only root can give files away'
    chown 65534 pages
    run -0 --separate-stderr shimmed "$PROGRAMS/server" say:main
    assert_regex "$stderr" 'it belongs to another user'
}

@test "a child that has lost its rights to the directory runs without a word" {
    [[ $(id -u) == 0 ]] || skip 'only root can give rights up'
    with_wrapper
    chmod 755 .. . 2>/dev/null || true
    run -0 --separate-stderr "$TRUEFIN" run -- setpriv --reuid 65534 --clear-groups sh -c 'exec 2>&1; true; echo ran'
    assert_output ran
    assert_equal "$stderr" ''
}

@test "a full disk does not harm the program" {
    [[ $(id -u) == 0 ]] || skip 'only root can mount'
    # shellcheck disable=SC2016  # expanded by the inner shell
    launch server unshare --mount sh -c 'mount -t tmpfs -o size=4k,mode=700 none pages && echo full >pages/all && exec "$@"' full \
        "$PROGRAMS/server" listen accept write:Hello. exit:3
    find_port server
    peer_sees rst 6
    server_ended exit 3
}

# --- Sums ---

@test "pages of dead processes become one, and nothing is lost by that" {
    local i
    for i in {1..40}; do
        run -0 shimmed python3 -c '
import socket, os
l = socket.create_server(("127.0.0.1", 0))
socket.create_connection(l.getsockname()).close()
os._exit(0)'
    done
    assert_equal "$(pages)" 40
    counts python3 connected 40
    assert_equal "$(pages)" 0
    assert [ "$(stat -c %s "pages/sum-$(id -u)")" -lt 4096 ]
    run find pages -type f -printf '%f\n'
    assert_equal "$(sort <<<"$output" | paste -sd ' ')" "lock-$(id -u) sum-$(id -u)"
    counts python3 connected 40
    counts python3 processes 40
}

@test "two that sum up at once count nothing twice" {
    local i
    for i in {1..20}; do
        shimmed python3 -c '
import socket
l = socket.create_server(("127.0.0.1", 0))
socket.create_connection(l.getsockname()).close()'
    done
    for i in {1..8}; do
        stats --json >"out.$i" 3>&- &
    done
    wait
    for i in {1..8}; do
        grep -q '"connected":20,' "out.$i" || fail "$(cat "out.$i")"
    done
}

@test "pages of a tool that is killed before it has removed them are not counted twice" {
    requires strace
    local round
    for round in 1 2; do
        serve accept close exit:0
        peer_sees fin 0
        server_ended exit 0
        stop_all
        # The first file that it removes is a sum that was begun before; the second is the page.
        [[ $round == 1 ]] || run strace -qq -o calls -e inject=unlinkat:error=EIO:signal=KILL:when=2 "$BUILD_DIR/libexec/truefin/stats"
        assert_equal "$(pages)" 1
        counts server accepted "$round"
        assert_equal "$(pages)" 0
    done
    counts server accepted 2
}

@test "a page that cannot be removed is said, and nothing is printed" {
    requires strace
    serve accept close exit:0
    peer_sees fin 0
    server_ended exit 0
    run -125 strace -qq -o calls -e inject=unlinkat:error=EIO:when=2 "$BUILD_DIR/libexec/truefin/stats"
    assert_output --regexp '^truefin: stats: [-0-9]+: Input/output error$'
    counts server accepted 1
}

@test "a PID shows that process alone" {
    serve accept pause
    connect_peer
    server_said ready
    local first
    first=$(pid_of server)
    run -0 stats "$first"
    assert_line --regexp "^server\\[$first\\] +$(id -u) +1 +1 +1 +1 +0 .* on\$"
    run -1 stats 1
    run -2 stats first
    assert_line "truefin: stats: what is no option has to be a PID"
}

@test "what a container's processes have counted stays when the container is gone, and is summed up then" {
    [[ $(id -u) == 0 ]] || skip 'only root can make a pid namespace'
    [[ $(stat -Lc %i /proc/self/ns/pid) == 4026531836 ]] || skip 'only the first pid namespace sees all processes'
    launch inside unshare --pid --fork --kill-child --mount-proc "$PROGRAMS/server" listen accept write:Hello. pause
    find_port inside
    connect_peer
    said inside ready
    counts server open 1
    counts server living 1
    assert_equal "$(pages)" 1
    kill -KILL "$(pid_of inside)"
    peer_saw rst 6
    # Until it has been waited for it is there.
    is_lost() { [[ $(counted server lost_open) == 1 ]]; }
    wait_until is_lost
    assert_equal "$(pages)" 0
}

# --- Whom to believe ---

@test "another user can neither speak for a process of root's nor take its page away" {
    [[ $(id -u) == 0 ]] || skip 'only root can become somebody else'
    chmod 1777 pages
    chmod 755 .
    serve accept pause
    connect_peer
    server_said ready
    local page
    page=$(echo pages/*)
    as_nobody() {
        setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
    }
    # A page of root's is not to be read, changed or removed.
    run ! as_nobody cat "$page"
    run ! as_nobody rm -f "$page"
    # A copy that says the same as nobody's: the process is not its own.
    cp "$page" copy
    chmod 644 copy
    # shellcheck disable=SC2016  # expanded by the inner shell
    as_nobody sh -c 'umask 077 && cat copy >"$1"9 && ln -s "$PWD/copy" "$1"8' sh "$page"
    counts server accepted 1
    counts server living 1
    stop_all
    # A dead one is told as nobody's, in a row of its own, and root's stays as it is.
    stats >table
    assert_equal "$(grep -cE '^server +0 ' table)" 1
    assert_equal "$(grep -cE '^server +65534 +0 +0 +0 +1 ' table)" 1
}

@test "a page that others can write, or that has two names, is not believed" {
    serve accept pause
    connect_peer
    server_said ready
    local page
    page=$(echo pages/*)
    chmod 660 "$page"
    counts server accepted 0
    chmod 600 "$page"
    counts server accepted 1
    ln "$page" second
    counts server accepted 0
}

@test "files that are no pages are left alone" {
    printf 'short' >pages/1-2-3
    head -c 4096 /dev/zero >pages/4-5-6
    mkfifo pages/7-8-9
    mkdir pages/10-11-12
    run -0 timeout 10 "$BUILD_DIR/libexec/truefin/stats"
    assert_equal "$(find pages -mindepth 1 -name '*-*-*' | wc -l)" 4
}

# --- Formats ---

@test "the text for Prometheus is good for promtool, whatever the program's name" {
    local name
    # shellcheck disable=SC1003  # a backslash
    for name in 'plain' 'two words' 'a"b\c{d}' $'line\nbreak' $'\xff'; do
        shim_settings "$PROGRAMS/server" listen accept exit:0
        # shellcheck disable=SC2016  # expanded by the inner shell
        start server env "${settings[@]}" bash -c 'exec -a "$1" "${@:2}"' bash "$name" "${rest[@]}"
        find_port server
        peer_sees fin 0
        stop_all
    done
    serve accept close accept write:Hello. exit:3
    peer_sees fin 0
    peer_sees rst 6
    serve TRUEFIN_OBSERVE=1 accept pause
    connect_peer
    server_said ready
    stats --prometheus >text
    good_metrics text
    assert_equal "$(grep -c '^truefin_endings_total{program="server",uid="[0-9]*",by="library",event="exit-error",ending="flush-rst"} 1$' text)" 1
    assert_equal "$(grep -c '^truefin_processes{.*state="observing"} 1$' text)" 1
}

@test "a name with quotes and control bytes is escaped in both formats" {
    local name=$'q"\\\x1b\xff'
    shim_settings "$PROGRAMS/server" listen accept exit:0
    # shellcheck disable=SC2016  # expanded by the inner shell
    start server env "${settings[@]}" bash -c 'exec -a "$1" "${@:2}"' bash "$name" "${rest[@]}"
    find_port server
    peer_sees fin 0
    stats --json >out
    assert_equal "$(python3 -c 'import json; print(json.load(open("out"))[0]["program"])')" 'q"\??'
    stats -p >text
    good_metrics text
    assert_equal "$(grep -c '^truefin_processes_total{program="q\\"\\\\??",' text)" 1
}

@test "truefin stats without a directory, or with a bad one, says what to do" {
    unset TRUEFIN_STATS
    run -2 stats
    assert_line 'truefin: stats: no directory: set TRUEFIN_STATS, or give one with -d'
    run -125 stats -d missing
    assert_output 'truefin: stats: missing: No such file or directory'
    run -0 stats -d pages
    assert_output --regexp '^PROGRAM '
    run -2 stats --nonsense
    run -0 stats --help
}
