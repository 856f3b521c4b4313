#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2154  # braces are words here, and helpers set variables
# Valgrind looks at every access to memory and at the arguments of every system call: those of truefin are in order.

load ../helpers

# examined [POLICY]: what valgrind says of a server that does a bit of everything; without POLICY, without truefin.
examined() {
    local -a truefin=(env -u LD_PRELOAD)
    [[ -z ${1:-} ]] || truefin=("$TRUEFIN" run -p "$1" --log log --)
    rm -f said.*
    start server "$PROGRAMS/outcome" server.status "${truefin[@]}" \
        valgrind -q --error-exitcode=77 --log-file=said.%p "$PROGRAMS/server" \
        accept read:1 say:served write:Hello. linger:1,5 getlinger linger:0,0 dup fork{ write:child files:3 exit:0 } wait \
        accept write:more close connect:"$listener" write:out exit:0
    WAIT_LIMIT=60 find_port server
    # Valgrind is slow on a busy machine, and a peer that has given up is another test.
    peer=first connect_peer --timeout 5min --send ping
    # Else the second one may be accepted first, and it sends nothing.
    WAIT_LIMIT=60 wait_until grep -q '^served$' server.out
    peer=second connect_peer --timeout 5min
    WAIT_LIMIT=60 ended server exit 0
    run cat said.*
    assert_output ''
}

@test "valgrind has no complaint under any policy" {
    requires valgrind
    without_sanitizer 'valgrind and a sanitizer want the same memory'
    local policy rows=0
    peer=third listen_peer --timeout 5min
    listener=$port
    examined
    for policy in abort-on-crash abort-on-unread-data abort-unless-shutdown always-fin refuse-write-after-fin; do
        echo "policy $policy"
        stop_all
        peer=third listen_peer --timeout 5min
        listener=$port
        examined "$policy"
        rows=$((rows + 1))
    done
    assert_equal "$rows" 5
}
