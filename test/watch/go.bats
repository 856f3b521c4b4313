#!/usr/bin/env bats
# shellcheck disable=SC2154  # helpers set variables
# Go programs, which never call libc, under the side-car: both the static ones and those linked with libc (cgo).

load ../helpers
load ../watch

# watch_go LINKING OPERATION...: LINKING is 0 for static, 1 for cgo. The policy is that of $policy. Sets $port.
watch_go() {
    [[ -x $PROGRAMS/server-go-$1 ]] || requires /usr/bin/go
    watched go -p "${policy:-abort-on-crash}" -- "$PROGRAMS/server-go-$1" "${@:2}"
    find_port go
}

@test "the ends of Go programs, as their peers and their parents see them" {
    local rows=0 linking operations ending status
    for linking in 0 1; do
        while IFS='|' read -r operations ending status; do
            # shellcheck disable=SC2086  # words
            watch_go "$linking" accept $operations
            peer_sees "$ending" 6
            # shellcheck disable=SC2086  # words
            ended go $status
            rows=$((rows + 1))
        done <<'ROWS'
exit:0|fin|exit 0
exit:3|rst|exit 3
close|fin|exit 0
panic|rst|exit 2
goroutine|rst|exit 2
map|rst|exit 2
ROWS
    done
    assert_equal "$rows" 12
}

@test "a Go program that is killed while its threads start and end and its collector works" {
    local rows=0 name ending status
    while read -r name ending status; do
        watch_go 0 churn garbage accept wait
        connect_peer
        said go ready
        kill "-$name" "$(pid_of go)"
        peer_saw "$ending" 6
        # shellcheck disable=SC2086  # words
        ended go $status
        rows=$((rows + 1))
    done <<'ROWS'
KILL rst signal KILL
SEGV rst exit 2
QUIT rst exit 2
TERM fin signal TERM
INT fin signal INT
ROWS
    assert_equal "$rows" 5
}

@test "a Go program that handles SIGTERM and exits with any status has stopped" {
    watch_go 0 accept notify:1
    connect_peer
    said go ready
    kill -TERM "$(pid_of go)"
    peer_saw fin 6
    ended go exit 1
}

@test "an idle connection that a Go server closes ends in a FIN, and a later crash does not reach it" {
    watch_go 0 accept idle panic
    peer_sees fin 6
    ended go exit 2
}

@test "a client that only sends reads a FIN from a Go server that has read all, an RST from one that crashes in between" {
    watch_go 0 accept read exit:0
    peer_sees fin 6 --send one-way --half-close
    said go 'read 7 bytes'
    watch_go 0 accept read panic
    peer_sees rst 6 --send one-way --half-close
}

@test "SIGKILLs in a row, under load, without a miss" {
    local i
    for ((i = 1; i <= ${TRUEFIN_TEST_KILLS:-25}; i++)); do
        watch_go 0 garbage accept wait
        connect_peer
        said go ready
        kill -KILL "$(pid_of go)"
        peer_saw rst 6
        stop_all
    done
}

@test "under defer-close what a failing Go program closes is an RST, and what a good one closes a FIN" {
    local rows=0 operations ending status policy='abort-on-crash, defer-close'
    export TRUEFIN_DEFER_TIME=1min
    while IFS='|' read -r operations ending status; do
        # shellcheck disable=SC2086  # words
        watch_go 0 accept $operations
        peer_sees "$ending" 6
        # shellcheck disable=SC2086  # words
        ended go $status
        rows=$((rows + 1))
    done <<'ROWS'
defer panic|rst|exit 2
defer goroutine|rst|exit 2
defer fatal|rst|exit 1
later:1|rst|exit 1
later:1 panic|rst|exit 1
churn garbage defer panic|rst|exit 2
close exit:3|rst|exit 3
later:0|fin|exit 0
defer|fin|exit 0
ROWS
    assert_equal "$rows" 9
}

@test "http.Server recovers the panic of a handler: that is a close, a FIN, with defer-close too" {
    local policy='abort-on-crash, defer-close'
    watch_go 0 handler wait
    connect_peer --send $'GET / HTTP/1.0\r\n\r\n'
    said go ready
    wait_until test -s peer.out
    run -0 grep -x 'fin after [0-9]* bytes' peer.out
}

@test "a Go program under GC and preemption that closes connections: every one as the policy says" {
    local i policy=close=rst
    watch_go 0 churn garbage accept close accept close accept close accept close accept close wait
    for i in 1 2 3 4 5; do
        peer=$i peer_sees rst 6
    done
    said go ready
}
