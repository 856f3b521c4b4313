#!/usr/bin/env bats
# shellcheck disable=SC2154  # helpers set variables
# Where records go, and where they never may: into what is the program's own.

load ../helpers
load ../watch

# --- Standard error ---

# gives_up HOW WHAT [NAME=VALUE]...: a program whose standard error goes to second.err has WHAT there instead, see
# programs/second.c; $answer is then what came to it.
gives_up() {
    local how=$1 to=$2
    shift 2
    rm -f answer data second.err
    shim_settings -p close=rst TRUEFIN_LOG=stderr "$@"
    env "${settings[@]}" "${rest[@]}" "$PROGRAMS/second" "$how" "$to" answer </dev/null 2>>second.err 3>&-
    wait_until grep -qx end answer
    answer=$(sed '$d' answer)
}

@test "what the program puts at descriptor 2 gets no record, in whichever way it gave the old one up" {
    local how to rows=0
    for how in close syscall unseen fclose fcloseall close_range closefrom dup2 dup3 daemon fork; do
        for to in append plain pipe fifo terminal socket; do
            gives_up "$how" "$to"
            assert_equal "$how $to: ${answer//$'\r'/}" "$how $to: mine"
            assert_equal "$how $to: $(cat second.err)" "$how $to: "
            rows=$((rows + 1))
        done
    done
    assert_equal "$rows" 66
}

@test "a freopen of stderr to another file leads no record there" {
    gives_up freopen append
    assert_equal "$answer" mine
    assert_equal "$(cat second.err)" ''
}

@test "the same file, but opened in another way, is the program's own business" {
    local how
    for how in close fclose dup2; do
        echo before >>second.err
        gives_up "$how" same
        assert_equal "$how: $(cat second.err)" "$how: mine"
    done
}

@test "a new file with the inode number of the old one gets no record" {
    gives_up unseen unlinked
    assert_equal "$answer" mine
}

@test "the standard error of the start gets the records, and again when the program puts it back" {
    local how
    for how in keep back; do
        gives_up "$how" append
        assert_equal "$how $(grep -c 'event=close ending=rst' second.err)" "$how 2"
        assert_equal "$(grep -c '' data 2>/dev/null || true)" "$([[ $how == keep ]] || echo 0)"
    done
}

@test "a program with another standard error than the one that is watched gives no record there" {
    with_wrapper
    # shellcheck disable=SC2016  # expanded by the inner shell
    watched server --watch --log stderr -- sh -c 'exec "$0" "$@" 2>>data' "$PROGRAMS/server-static" accept write:Hello. exit:3
    find_port server
    local watcher
    watcher=$(watcher_of "$(pid_of server)")
    peer_sees rst 6
    server_ended exit 3
    wait_until gone "$watcher"
    assert_equal "$(cat data)" ''
    assert_equal "$(grep -c event= server.err || true)" 0
}

@test "the log holds no copy of stderr" {
    perform TRUEFIN_LOG=stderr pause
    server_said ready
    run readlink "/proc/$(pid_of server)/fd/"*
    assert_equal "$(grep -c server.err <<<"$output")" 1
}

# --- A log that cannot be opened ---

@test "a log that cannot be opened is said once, with its name and the reason, and truefin works" {
    serve TRUEFIN_LOG="$PWD/missing/log" accept write:Hello. exit:3
    peer_sees rst 6
    server_ended exit 3
    assert_equal "$(cat server.err)" "truefin: TRUEFIN_LOG: cannot open (No such file or directory) \
\"$PWD/missing/log\" at column 1 (allowed: a file that can be written, stderr, or syslog)"
}

@test "a log that cannot be opened is not said to a client" {
    requires socat python3
    # The service's 0, 1 and 2 are the connection; then 2 alone is.
    local redirections rows=0
    for redirections in '' '<&- </dev/null'; do
        start service "$PROGRAMS/outcome" service.status python3 -c '
import os, socket, sys
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen()
print("port", s.getsockname()[1], flush=True)
c, _ = s.accept()
for fd in (0, 1, 2): os.dup2(c.fileno(), fd)
c.close(); s.close()
os.environ["LD_PRELOAD"] = sys.argv[1]
os.environ["TRUEFIN_LOG"] = "/missing/log"
os.execvp("sh", ["sh", "-c", "exec env true " + sys.argv[2]])' \
            "${SANITIZER_PRELOAD:+$SANITIZER_PRELOAD:}$LIBTRUEFIN" "$redirections"
        find_port service
        connect_peer --output got
        wait_until test -s peer.out
        assert_equal "$(cat got)" ''
        stop_all
        rows=$((rows + 1))
    done
    assert_equal "$rows" 2
}

@test "a log that cannot be opened under TRUEFIN_STRICT=1 exits 78 before main" {
    local value
    run -78 --separate-stderr shimmed TRUEFIN_STRICT=1 TRUEFIN_LOG="$PWD" "$PROGRAMS/server" say:main
    assert_output ''
    assert_regex "$stderr" '^truefin: TRUEFIN_LOG: cannot open \(Is a directory\) '
    for value in 0 2 11 yes ''; do
        run -0 --separate-stderr shimmed TRUEFIN_STRICT="$value" TRUEFIN_LOG="$PWD" "$PROGRAMS/server" say:main
        assert_output main
    done
}

@test "run refuses a log that cannot be opened, with the option that names it" {
    local rows=0 where reason
    touch file
    while IFS='|' read -r where reason; do
        run -78 --separate-stderr "$TRUEFIN" run --log "$where" -- echo ran
        assert_output ''
        assert_equal "${stderr_lines[0]}" "truefin: --log: cannot open ($reason) \"$where\" at column 1 \
(allowed: a file that can be written, stderr, or syslog)"
        rows=$((rows + 1))
    done <<ROWS
$PWD|Is a directory
$PWD/missing/log|No such file or directory
$PWD/file/log|Not a directory
ROWS
    assert_equal "$rows" 3
    TRUEFIN_LOG=$PWD run -78 --separate-stderr "$TRUEFIN" run -- echo ran
    assert_regex "${stderr_lines[0]}" '^truefin: TRUEFIN_LOG: cannot open '
}

@test "a FIFO that nobody reads yet is a log" {
    mkfifo pipe
    run -0 --separate-stderr shimmed TRUEFIN_LOG="$PWD/pipe" TRUEFIN_STRICT=1 true
    assert_equal "$stderr" ''
    with_wrapper
    run -0 --separate-stderr "$TRUEFIN" run --log pipe -- true
    assert_equal "$stderr" ''
}

@test "what a program of run executes with fewer rights is neither ended for the log nor told of it" {
    with_wrapper
    [[ $(id -u) == 0 ]] || skip 'only root can give rights up'
    chmod 755 .
    mkdir -m 700 logs
    # shellcheck disable=SC2016  # expanded by the inner shell
    run -0 --separate-stderr "$TRUEFIN" run --log logs/log -- setpriv --reuid 65534 --clear-groups \
        sh -c 'echo ran; exec 2>&1; ls logs >/dev/null || true'
    assert_line ran
    refute_line --partial truefin
    assert_equal "$stderr" ''
    # But another log is another question.
    # shellcheck disable=SC2016
    run -78 --separate-stderr "$TRUEFIN" run --log logs/log -- env TRUEFIN_LOG="$PWD/logs/other" \
        setpriv --reuid 65534 --clear-groups true
    assert_regex "$stderr" 'TRUEFIN_LOG: cannot open .Permission denied.'
}

# --- A log in trouble ---

ready_twice() {
    [[ $(grep -c ready server.out) == 2 ]]
}

log_has_bytes() {
    [[ $(stat -c %s log) == "$1" ]]
}

log_has_lines() {
    [[ $(grep -c '' log) == "$1" ]]
}

# Bytes that are not a record from its begin to its end.
torn_lines() {
    grep -vcE '^time=[^ ]+ pid=[0-9]+ program=[^ ]+ event=close ending=rst local=[^ ]+ peer=[^ ]+ unread=[0-9]+ unsent=[0-9]+( lost=[0-9]+)?$' "$1" || true
}

@test "a log that the program closes and that cannot be opened again is counted as lost" {
    mkdir logs
    # What the program sweeps from 400 on is the log.
    serve -p close=rst TRUEFIN_LOG="$PWD/logs/log" accept close sweep_from:400 accept sigwait:USR1 close accept sigwait:USR2 \
        close pause
    peer_sees rst 0
    connect_peer
    server_said ready
    mv logs moved
    kill_server USR1
    peer_saw rst 0
    peer=second connect_peer
    wait_until ready_twice
    mkdir logs
    kill_server USR2
    peer=second peer_saw rst 0
    wait_until test -s logs/log
    assert_equal "$(grep -c '' moved/log)" 1
    run -0 cat logs/log
    assert_output --regexp ' lost=1$'
    assert_equal "${#lines[@]}" 1
}

@test "a line that the disk had no room for is ended before the next record" {
    without_sanitizer 'its libraries write files too'
    # The first record fits; of the second a part.
    serve -p close=rst TRUEFIN_LOG="$PWD/log" accept close accept sigwait:USR1 close accept sigwait:USR2 close pause
    peer_sees rst 0
    wait_until test -s log
    local size
    size=$(stat -c %s log)
    connect_peer
    server_said ready
    prlimit --fsize="$((size + 20)):" --pid "$(pid_of server)"
    kill_server USR1
    peer_saw rst 0
    wait_until log_has_bytes "$((size + 20))"
    peer=second connect_peer
    wait_until ready_twice
    prlimit --fsize=unlimited: --pid "$(pid_of server)"
    kill_server USR2
    peer=second peer_saw rst 0
    wait_until log_has_lines 3
    assert_equal "$(torn_lines log)" 1
    assert_regex "$(tail -n 1 log)" '^time=.* lost=1$'
}

@test "a line that another process has left without an end is ended first" {
    printf 'time=2026-11-27T13:00:00.000Z pid=1 prog' >log
    serve -p close=rst TRUEFIN_LOG="$PWD/log" accept close pause
    peer_sees rst 0
    server_said ready
    assert_equal "$(grep -c '' log)" 2
    assert_equal "$(torn_lines log)" 1
}

@test "a log that this process may write and not read is a log" {
    [[ $(id -u) == 0 ]] || skip 'only root can give rights up'
    touch log
    chmod 222 log
    shim_settings -p close=rst TRUEFIN_LOG="$PWD/log"
    # shellcheck disable=SC2016  # expanded by the inner shell
    run -0 setpriv --bounding-set -dac_override,-dac_read_search env "${settings[@]}" "${rest[@]}" sh -c \
        '! cat log && exec "$0" keep append answer' "$PROGRAMS/second"
    assert_equal "$(grep -c 'event=close ending=rst' log)" 2
}

# --- Numbers of descriptors ---

@test "a log takes no low number from the program, however few it may have" {
    without_sanitizer 'it wants descriptors of its own'
    local limit rows=0 own
    for limit in 16 32 64 256 511 512 513 1024; do
        launch server -p close=rst prlimit --nofile="$limit" "$PROGRAMS/server" lowest pause
        server_said ready
        own=$(grep lowest server.out)
        stop_all
        launch server -p close=rst TRUEFIN_LOG="$PWD/log" prlimit --nofile="$limit" "$PROGRAMS/server" lowest pause
        server_said ready
        assert_equal "$limit $(grep lowest server.out)" "$limit $own"
        run -0 find "/proc/$(pid_of server)/fd" -lname "$PWD/log" -printf '%f\n'
        assert_equal "$limit $output" "$limit $((limit > 512 ? 512 : limit - 1))"
        stop_all
        rows=$((rows + 1))
    done
    assert_equal "$rows" 8
}

@test "without any number that the program would not miss, the log is not opened, and that is said" {
    without_sanitizer 'it wants descriptors of its own'
    launch server TRUEFIN_LOG="$PWD/log" prlimit --nofile=8 "$PROGRAMS/server" lowest accept write:Hello. exit:3
    find_port server
    peer_sees rst 6
    run -0 cat server.err
    assert_output --partial 'truefin: TRUEFIN_LOG: cannot open (Too many open files)'
    assert_equal "${#lines[@]}" 1
    assert_equal "$(grep lowest server.out)" 'lowest 3'
}

# --- Names ---

# program_of NAME: what a record says of a program by that name.
program_of() {
    rm -f log answer
    shim_settings -p close=rst TRUEFIN_LOG="$PWD/log"
    # shellcheck disable=SC2016  # expanded by the inner shell
    env "${settings[@]}" "${rest[@]}" bash -c 'exec -a "$1" "$2" "${@:3}"' bash "$1" "$PROGRAMS/second" \
        "${2:-keep}" append answer 2>/dev/null </dev/null
    sed -n '1s/.* program=\(.*\) event=close ending=rst local=.* peer=.* unread=0 unsent=[0-9]*$/\1/p' log
}

@test "a record shows a name without what a terminal would obey" {
    local rows=0 name shown
    while IFS='|' read -r name shown; do
        run program_of "$(printf '%b' "$name")"
        assert_equal "$name $output" "$name $shown"
        rows=$((rows + 1))
    done <<'ROWS'
plain|plain
two words|"two words"
caf\xc3\xa9|"café"
\xe2\x82\xac\xf0\x9f\x98\x80|"€😀"
a\x1b[2Jb|"a?[2Jb"
a\x9b2Jb|"a?2Jb"
a\xc2\x9b2Jb|"a?2Jb"
a\xc2\x80\xc2\x9fb|"a??b"
a\x7fb|"a?b"
a\xffb\xc3|"a?b?"
a\xc0\x9bb|"a??b"
a\xed\xa0\x80b|"a???b"
a\xe2\x80\xaeb|"a?b"
a\xe2\x80\xa8b|"a?b"
a"b\\c|"a\"b\\c"
ROWS
    assert_equal "$rows" 15
}

@test "a long name does not hide the rest of the record" {
    local long
    long=$(printf 'x%.0s' {1..3000})
    run program_of "$long"
    assert_output "${long:0:96}..."
    run program_of "${long:0:96}"
    assert_output "${long:0:96}"
    # In quotes, and cut between characters.
    long=$(printf '"%.0s' {1..3000})
    run program_of "$long"
    assert_equal "${#output}" $((2 + 2 * 96 + 3))
    long=x$(printf 'é%.0s' {1..3000})
    run program_of "$long"
    assert_output "\"${long:0:49}...\""
}

@test "a record has the name of the program's start, whatever it writes over its arguments" {
    run program_of a-fine-name retitle
    assert_output a-fine-name
}

# --- Time ---

@test "a record has the time of its ending, in UTC" {
    local before after is
    before=$(date +%s)
    serve -p close=rst TRUEFIN_LOG="$PWD/log" accept close pause
    peer_sees rst 0
    wait_until test -s log
    after=$(date +%s)
    is=$(date -d "$(sed -n 's/^time=\([^ ]*Z\) .*/\1/p' log)" +%s)
    ((before <= is && is <= after)) || fail "$before $is $after"
}

# --- Addresses ---

nobody_connected() {
    [[ -z $(ss -Htn "sport = :$port") ]]
}

@test "a record of a connection that the peer has reset says that its address is not known any more" {
    serve -p close=rst TRUEFIN_LOG="$PWD/log" accept sigwait:USR1 close pause
    start client "$PROGRAMS/server" "connect:$port" linger:1,0 close pause
    server_said ready
    wait_until nobody_connected
    kill_server USR1
    wait_until test -s log
    run -0 cat log
    assert_output --regexp " local=127\.0\.0\.1:$port peer=unknown unread=0 unsent=0$"
}

@test "a record that RLIMIT_FSIZE forbids does not kill the program" {
    as_without no-file-size 0 alive TRUEFIN_POLICY=close=rst TRUEFIN_LOG="$PWD/log"
}
