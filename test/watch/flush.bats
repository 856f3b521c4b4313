#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2154  # braces are words here, and helpers set variables
# flush-rst and session-error from outside, and what outlives its process there.

load ../helpers.bash
load ../watch.bash

@test "every death of a watched program delivers all that was written, then RST" {
    local way rows=0
    for way in kill_self:KILL segv abort exit:3 _exit:3; do
        watch_static -p abort-on-crash -- "${FILL[@]}" "$way"
        slow_peer
        peer_saw rst "$BIG"
        rows=$((rows + 1))
    done
    assert_equal "$rows" 5
}

@test "the parent of a watched program does not wait for what is delivered, and the side-car ends after it" {
    local watcher
    watch_static --log "$PWD/log" -- "${FILL[@]}" kill_self:KILL
    watcher=$(watcher_of "$(pid_of server)")
    connect_peer --read-bytes 1
    local peer_pid=$started_pid
    server_ended signal KILL
    run -0 kill -0 "$watcher"
    kill -KILL "$peer_pid"
    wait_until gone "$watcher"
}

@test "the side-car looks at most 20 times a second at a connection that is not taken, and ever less often" {
    local watcher looks
    requires strace
    TRUEFIN_FLUSH_TIME=2s watch_static -- "${FILL[@]}" sigwait:USR1 kill_self:KILL
    watcher=$(watcher_of "$(pid_of server)")
    connect_peer --read-bytes 1
    server_said ready
    start looks strace -e trace=ppoll -o looks -p "$watcher"
    wait_until grep -q attached looks.err
    kill_server USR1
    server_ended signal KILL
    wait_until gone "$watcher"
    looks=$(grep -c '^ppoll' looks)
    echo "$looks looks in two seconds"
    ((looks > 3 && looks <= 30))
}

@test "messages that the kernel left for the program do not keep the side-car busy" {
    local watcher work
    TRUEFIN_FLUSH_TIME=1s watch_static -- accept send_zerocopy:10000 "${FILL[@]:1}" sigwait:USR1 kill_self:KILL
    watcher=$(watcher_of "$(pid_of server)")
    connect_peer --read-bytes 1
    server_said ready
    kill_server USR1
    server_ended signal KILL
    work=$(work_of "$watcher")
    echo "$work hundredths"
    ((work < 30))
}

@test "the side-car waits for no linger time of the program's: a peer that takes nothing is given up" {
    local watcher
    TRUEFIN_LINGER_TIME=200ms watch_static -p always-fin -- "${FILL[@]}" linger:1,60 sigwait:USR1 kill_self:KILL
    watcher=$(watcher_of "$(pid_of server)")
    connect_peer --read-bytes 1
    server_said ready
    kill_server USR1
    server_ended signal KILL
    wait_until gone "$watcher"
}

@test "under always-fin a byte that comes after the death makes no RST" {
    watch_static -p always-fin -- accept write:Hello. kill_self:KILL
    run -0 python3 -c '
import socket, sys
peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
while peer.recv(100):
    pass
for _ in range(50):
    peer.send(b"late")
peer.shutdown(socket.SHUT_WR)
print(peer.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))' "$port"
    assert_output 0
}

@test "a session is told from outside, too: what a fork child had, and what an exec left at 0" {
    watch_static -p 'exit-error=rst, session-error=keep' -- accept write:Hello. fork{ await_orphaned exit:3 } close exit:0
    peer_sees fin 6
    watch_static -p 'exit-error=keep, session-error=rst' -- accept write:Hello. fork{ await_orphaned exit:3 } close exit:0
    peer_sees rst 6
    watch_static -p 'exit-error=keep, session-error=rst' -- accept write:Hello. onto:0 \
        "exec:$PROGRAMS/server-static inherit:0 exit:3"
    peer_sees rst 6
    watch_static -p 'exit-error=keep, session-error=rst' -- accept write:Hello. exit:3
    peer_sees fin 6
}
