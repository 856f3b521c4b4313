#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2030,SC2031,SC2154  # braces are words here, and helpers set variables
# TRUEFIN_OBSERVE=1: nothing is changed, and each ending is recorded: what the kernel does, why, and what the policy says.
# TRUEFIN_LOG_ENDINGS=all: the same records while the policy acts.

load ../helpers
load ../watch

# observed [NAME=VALUE...] -- OPERATION...: the server, under a policy that would change every ending.
observed() {
    local -a more=()
    while [[ $1 != -- ]]; do
        more+=("$1")
        shift
    done
    serve -p 'abort-unless-shutdown' TRUEFIN_OBSERVE=1 TRUEFIN_LOG="$PWD/log" "${more[@]}" "${@:2}"
}

# recorded NUMBER REGEX: the log has so many lines, and one like this.
recorded() {
    wait_until log_has "$1"
    run cat log
    assert_equal "${#lines[@]}" "$1"
    assert_line --regexp "$2"
}

log_has() {
    [[ $(grep -c '' log) -ge $1 ]]
}

nobody_connected() {
    [[ -z $(ss -Htn "sport = :$port") ]]
}

# --- What the kernel does ---

@test "an observed close ends as without truefin, and its record says what the kernel does, why, and what the policy says" {
    local rows=0 operations send ending bytes words
    while IFS='|' read -r operations send ending bytes words; do
        rm -f log
        # shellcheck disable=SC2086  # words
        observed -- accept $operations pause
        # shellcheck disable=SC2086
        peer_sees "$ending" "$bytes" $send
        # Behind both FINs the kernel knows no peer any more.
        recorded 1 "event=$words local=127.0.0.1:$port peer=(127.0.0.1:[0-9]+|unknown) unread=[0-9]+ unsent=[0-9]+\$"
        stop_all
        rows=$((rows + 1))
    done <<'ROWS'
write:Hello. close||fin|6|close would=flush-rst kernel=fin why=plain
await_unread:7 read:2 write:Hello. close|--send request|rst|6|unread would=flush-rst kernel=rst why=unread
linger:1,0 close||rst|0|close would=flush-rst kernel=rst why=linger
write:Hello. shutdown_wr close||fin|6|close would=keep kernel=fin why=fin-sent
write:Hello. exit:0||fin|6|exit would=flush-rst kernel=fin why=plain
write:Hello. exit:3||fin|6|exit-error would=flush-rst kernel=fin why=plain
await_unread:7 exit:3|--send request|rst|0|exit-error would=flush-rst kernel=rst why=unread
write:Hello. abort||fin|6|crash would=flush-rst kernel=fin why=plain
ROWS
    assert_equal "$rows" 8
}

@test "the record of an observed close has the number of bytes that were left unread" {
    observed -- accept await_unread:7 read:2 close pause
    peer_sees rst 0 --send request
    recorded 1 'why=unread .* unread=5 unsent=0$'
}

@test "a connection that the peer has reset before is recorded as that" {
    observed -- accept sigwait:USR1 close pause
    start client "$PROGRAMS/server" "connect:$port" linger:1,0 close pause
    server_said ready
    wait_until nobody_connected
    kill_server USR1
    recorded 1 'event=close would=flush-rst kernel=none why=peer-reset local=127.0.0.1:[0-9]+ peer=unknown'
}

# resets: how many RSTs this network namespace has sent.
resets() {
    awk '/^Tcp:/ { if (!column) { for (i = 1; i <= NF; i++) if ($i == "OutRsts") column = i } else print $column }' /proc/net/snmp
}

in_state() {
    ss -Htn state "$1" "sport = :$port" | grep -q .
}

@test "the kernel sends what the record says, with every combination of unread data, own SO_LINGER, and either side's FIN" {
    [[ -n ${TRUEFIN_TEST_OWN_NETWORK:-} ]] || skip 'others would send resets here, too'
    local unread linger shut peer_shut state before sends rows=0
    for unread in '' await_unread:1; do
        for linger in '' linger:1,0; do
            for shut in '' shutdown_wr; do
                for peer_shut in '' shutdown_wr; do
                    rm -f log
                    # shellcheck disable=SC2086  # words
                    observed -- accept $unread $linger $shut sigwait:USR1 close say:closed pause
                    # shellcheck disable=SC2086
                    start client "$PROGRAMS/server" "connect:$port" ${unread:+write:x} $peer_shut pause
                    # With both FINs out and acknowledged no socket of the kernel's is connected any more.
                    state=established
                    [[ -z $shut ]] || state=fin-wait-2
                    [[ -z $peer_shut ]] || state=close-wait
                    if [[ -n $shut && -n $peer_shut ]]; then
                        wait_until nobody_connected
                    else
                        wait_until in_state "$state"
                    fi
                    before=$(resets)
                    kill_server USR1
                    server_said closed
                    wait_until log_has 1
                    sends=$(grep -oE 'kernel=[a-z]+' log)
                    case $sends in
                    kernel=rst) assert_equal "$unread $linger $shut $peer_shut $(($(resets) - before))" "$unread $linger $shut $peer_shut 1" ;;
                    *) assert_equal "$unread $linger $shut $peer_shut $(($(resets) - before))" "$unread $linger $shut $peer_shut 0" ;;
                    esac
                    [[ -z $shut ]] || assert_equal "$sends" "kernel=$([[ -n $unread$linger && -z $peer_shut ]] && echo rst || echo fin)"
                    stop_all
                    rows=$((rows + 1))
                done
            done
        done
    done
    assert_equal "$rows" 16
}

@test "a connection that was refused is recorded as never made" {
    requires python3
    run -0 shimmed TRUEFIN_OBSERVE=1 TRUEFIN_LOG="$PWD/log" python3 -c '
import select, socket
s = socket.socket()
s.setblocking(False)
s.connect_ex(("127.0.0.1", 1))
select.select([], [s], [], 10)
s.close()'
    recorded 1 'kernel=none why=not-connected'
}

@test "an observed death that runs no code is a FIN, and leaves no record" {
    observed -- accept write:Hello. pause
    connect_peer
    server_said ready
    kill_server KILL
    peer_saw fin 6
    server_ended signal KILL
    assert_equal "$(cat log)" ''
}

@test "what a fork server's child ends is recorded once, by the child" {
    observed -- accept 'fork{' write:Hello. exit:3 '}' close wait pause
    peer_sees fin 6
    server_said ready
    recorded 1 "event=session-error would=flush-rst kernel=fin why=plain"
    refute_line --partial " pid=$(pid_of server) "
}

# --- Nothing is changed ---

# changes FILE: the traced calls, without what differs from run to run.
changes() {
    sed -E 's/^[0-9]+ +//; s/0x[0-9a-f]+/P/g; s/si_pid=[0-9]+/P/g; s/\b[0-9]{4,}\b/N/g' "$1" | sort
}

@test "an observed program makes no call that changes a socket, a signal or a descriptor, but those of its own" {
    requires strace
    without_sanitizer 'a sanitizer makes calls of its own'
    local which=setsockopt,shutdown,recvfrom,recvmsg,dup,dup2,dup3,fcntl,rt_sigaction,ppoll,epoll_ctl,clone,clone3,fork,vfork
    local script=(accept on:TERM:nothing write:Hello. close accept dup close swap close accept 'fork{' exit:3 '}' wait close
        accept shutdown_wr close accept atexit_close exit:3)
    local bare
    export TRUEFIN_OBSERVE=1 TRUEFIN_LOG=stderr
    for bare in '' yes; do
        TRUEFIN_TEST_BARE=$bare shim_settings -p 'abort-unless-shutdown, close=linger' "$PROGRAMS/server" "${script[@]}"
        start server strace -f -qq -o "trace$bare" -e trace="$which" "${settings[@]/#/--env=}" "${rest[@]}"
        find_port server
        for peer in one two three four five; do
            connect_peer
            wait_until test -s "$peer.out"
        done
        wait "$started_pid" || true
        assert_equal "$bare$(grep -c 'kernel=' server.err || true)" "${bare:-5}$([[ -z $bare ]] || echo 0)"
        stop_all
    done
    # A record on stderr looks what stands there: nothing else.
    diff -u <(changes traceyes) <(changes trace | grep -vE '^(fcntl\(2, F_GETFL\)|ppoll\(\[\{fd=2, events=POLLOUT\}\])')
    assert [ "$(grep -c . traceyes)" -ge 6 ]
}

@test "a program keeps the SO_LINGER of a connection that it is executed with, while it is observed" {
    observed -- accept linger:1,0 onto:0 "exec:$PROGRAMS/server inherit:0 write:Hello. close pause"
    peer_sees rst 6
    recorded 1 'event=close would=flush-rst kernel=rst why=linger'
}

@test "an observed program keeps its own handlers, and the kernel has these" {
    perform -p 'abort-unless-shutdown' TRUEFIN_OBSERVE=1 on:TERM:nothing pause
    server_said ready
    local caught
    caught=$(awk '$1 == "SigCgt:" { print $2 }' "/proc/$(pid_of server)/status")
    assert_equal $((16#$caught)) $((1 << 14))
}

@test "observing needs no library with hooks on the data path, and says nothing about it" {
    with_wrapper
    TRUEFIN_OBSERVE=1 run -0 --separate-stderr "$TRUEFIN" run -p 'defer-close, refuse-write-after-fin' -- cat /proc/self/maps
    assert_output --partial /libtruefin.so
    refute_output --partial /libtruefin-io.so
    assert_equal "$stderr" ''
}

@test "observing under off records too" {
    serve -p off TRUEFIN_OBSERVE=1 TRUEFIN_LOG="$PWD/log" accept close pause
    peer_sees fin 0
    recorded 1 'event=close would=keep kernel=fin why=plain'
}

@test "run --observe records on stderr where no place is named" {
    with_wrapper
    start server "$TRUEFIN" run --observe -p close=rst "$PROGRAMS/server" accept close pause
    find_port server
    peer_sees fin 0
    server_said ready
    run cat server.err
    assert_output --regexp '^time=[^ ]+ pid=[0-9]+ program=server event=close would=rst kernel=fin why=plain '
    assert_equal "${#lines[@]}" 1
}

# --- The side-car ---

@test "the side-car observes deaths: it changes nothing, and says what the kernel does" {
    with_wrapper
    local rows=0 operations send ending bytes how words
    export TRUEFIN_OBSERVE=1
    while IFS='|' read -r operations send ending bytes how words; do
        rm -f log
        # shellcheck disable=SC2086  # words
        watch_static -p abort-unless-shutdown --log "$PWD/log" -- accept $operations
        # shellcheck disable=SC2086
        peer_sees "$ending" "$bytes" $send
        # shellcheck disable=SC2086
        ended server $how
        recorded 1 "where=watch event=$words local=127.0.0.1:$port peer=127.0.0.1:[0-9]+ unread=[0-9]+ unsent=[0-9]+\$"
        stop_all
        rows=$((rows + 1))
    done <<'ROWS'
write:Hello. kill_self:KILL||fin|6|signal KILL|crash would=flush-rst kernel=fin why=plain
await_unread:7 kill_self:KILL|--send request|rst|0|signal KILL|crash would=flush-rst kernel=rst why=unread
linger:1,0 segv||rst|0|signal SEGV|crash would=flush-rst kernel=rst why=linger
write:Hello. kill_self:TERM||fin|6|signal TERM|stop would=flush-rst kernel=fin why=plain
thread{ write:Hello. kill_self:KILL||fin|6|signal KILL|crash would=flush-rst kernel=fin why=plain
ROWS
    assert_equal "$rows" 5
}

@test "the side-car sees that the FIN was sent before the death" {
    with_wrapper
    export TRUEFIN_OBSERVE=1
    watch_static -p abort-unless-shutdown --log "$PWD/log" -- accept shutdown_wr exit:3
    start client "$PROGRAMS/server" "connect:$port" pause
    recorded 1 'event=exit-error would=keep kernel=fin why=fin-sent'
}

@test "with the library and the side-car a close has one record, and a death another one" {
    with_wrapper
    export TRUEFIN_OBSERVE=1
    watched server --watch -p abort-unless-shutdown --log "$PWD/log" -- "$PROGRAMS/server" \
        accept close accept write:Hello. kill_self:KILL
    find_port server
    peer_sees fin 0
    peer_sees fin 6
    recorded 2 'program=server event=close would=flush-rst kernel=fin'
    assert_line --regexp 'program=server where=watch event=crash would=flush-rst kernel=fin'
}

# --- All endings, while the policy acts ---

@test "TRUEFIN_LOG_ENDINGS=all records what is kept, and what the kernel would have done" {
    local rows=0 operations send ending bytes words
    while IFS='|' read -r operations send ending bytes words; do
        rm -f log
        # shellcheck disable=SC2086  # words
        serve TRUEFIN_LOG_ENDINGS=all TRUEFIN_LOG="$PWD/log" accept $operations pause
        # shellcheck disable=SC2086
        peer_sees "$ending" "$bytes" $send
        wait_until log_has 1
        run head -n 1 log
        assert_output --regexp "event=$words local="
        stop_all
        rows=$((rows + 1))
    done <<'ROWS'
write:Hello. close||fin|6|close ending=keep kernel=fin why=plain
await_unread:7 close|--send request|rst|0|unread ending=keep kernel=rst why=unread
linger:1,0 close||rst|0|close ending=keep kernel=rst why=linger
write:Hello. exit:3||rst|6|exit-error ending=flush-rst kernel=fin why=plain
write:Hello. exit:0||fin|6|exit ending=keep kernel=fin why=plain
ROWS
    assert_equal "$rows" 5
}

@test "the side-car records what is kept, too, under TRUEFIN_LOG_ENDINGS=all" {
    with_wrapper
    export TRUEFIN_LOG_ENDINGS=all
    watch_static --log "$PWD/log" -- accept await_unread:7 exit:0
    peer_sees rst 0 --send request
    recorded 1 'where=watch event=exit ending=keep kernel=rst why=unread '
}

# --- JSON ---

# Prints the members of each line as Python sees them; a line that is no object fails.
members() {
    python3 -c '
import json, sys
for line in open(sys.argv[1], encoding="utf-8"):
    print(sorted(json.loads(line).items()))' "$1"
}

@test "a record in JSON has the keys of logfmt, numbers as numbers, and the rest as strings" {
    requires python3
    serve TRUEFIN_LOG_FORMAT=json TRUEFIN_LOG_ENDINGS=all TRUEFIN_LOG="$PWD/log" listen:8080 accept await_unread:7 \
        close accept write:Hello. exit:3
    peer_sees rst 0 --send request
    peer_sees rst 6
    wait_until log_has 3
    run -0 members log
    assert_equal "${#lines[@]}" 3
    local pid
    pid=$(pid_of server)
    assert_line --index 0 --regexp "^\[\('ending', 'keep'\), \('event', 'unread'\), \('kernel', 'rst'\), \('local', '127.0.0.1:8080'\), \
\('peer', '127.0.0.1:[0-9]+'\), \('pid', $pid\), \('program', 'server'\), \('time', '[-0-9]+T[:0-9.]+Z'\), \
\('unread', 7\), \('unsent', 0\), \('why', 'unread'\)\]\$"
    assert_line --index 1 --regexp "'exit-error'.*'kernel', 'fin'"
    assert_line --index 2 --regexp "^\[\('event', 'exit-error'\), \('flush-rst', 1\), \('pid', $pid\), \('program', 'server'\), "
}

@test "a note in JSON is an object, and its command too, however long" {
    requires python3
    without_sanitizer 'the library is not named alone'
    local long program
    long=$PWD/$(printf 'a"\\%.0s' {1..80})
    mkdir -p "$long"
    program=$long/static
    cp "$PROGRAMS/server-static" "$program"
    shim_settings TRUEFIN_LOG_FORMAT=json TRUEFIN_LOG="$PWD/log"
    env "${settings[@]}" "${rest[@]}" python3 -c 'import os, sys; os.execv(sys.argv[1], [sys.argv[1], "exit:0"])' "$program"
    run -0 members log
    assert_equal "${#lines[@]}" 1
    assert_output --partial "'not loaded: "
    assert_output --partial "/a\"\\\\a\"\\\\"
}

@test "any name of a program makes a record that is JSON" {
    requires python3
    local rows=0 name shown
    while IFS='|' read -r name shown; do
        rm -f log answer
        shim_settings -p close=rst TRUEFIN_LOG_FORMAT=json TRUEFIN_LOG="$PWD/log"
        # shellcheck disable=SC2016  # expanded by the inner shell
        env "${settings[@]}" "${rest[@]}" bash -c 'exec -a "$1" "$2" "${@:3}"' bash "$(printf '%b' "$name")" \
            "$PROGRAMS/second" keep append answer 2>/dev/null </dev/null
        run -0 python3 -c 'import json; print(json.loads(open("log", encoding="utf-8").readline())["program"])'
        assert_equal "$name $output" "$name $shown"
        rows=$((rows + 1))
    done <<'ROWS'
plain|plain
two words|two words
caf\xc3\xa9|café
a\x1b[2Jb|a?[2Jb
a\xffb\xc3|a?b?
a\xed\xa0\x80b|a???b
a\tb\x01|a?b?
a"b\\c|a"b\c
=,{}|=,{}
ROWS
    assert_equal "$rows" 9
}
