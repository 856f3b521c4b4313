#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2086  # helpers set variables; $BEGIN is a list
# The policy word relay, in cases that are made certain: test/programs/relay.c does what it is told, between a client and
# backends of relay-ends.py.

load ../helpers

BEGIN='accept connect:b read:c write:b'

# relays CLIENT BACKEND... -- OPERATION...: what both ends have seen, a line each, is $output; records are in "log". With
# $policy, and what $before sets.
relays() {
    local -a ends=()
    while [[ $1 != -- ]]; do
        ends+=("$1")
        shift
    done
    shift
    rm -f log
    run -0 env TRUEFIN_POLICY="${policy:-relay}" TRUEFIN_LOG="$PWD/log" $before timeout 20 python3 \
        "$SOURCE_DIR/test/behaviour/relay-ends.py" "${ends[@]}" -- env \
        LD_PRELOAD="${SANITIZER_PRELOAD:+$SANITIZER_PRELOAD:}$LIBTRUEFIN:${LIBTRUEFIN%.so}-io.so" "$PROGRAMS/relay" @ "$@"
}

# client_sees rst|fin BYTES OPERATION...: behind a backend that is reset after its answer.
client_sees() {
    relays read reset -- $BEGIN "${@:3}"
    assert_line "client $1 after $2"
}

# --- The failure is known in every way ---

@test "a read tells of the reset: whichever side is closed first, and at a shutdown" {
    client_sees rst 6 read:b write:c read:b close:b close:c
    assert_line 'b Connection reset by peer'
    client_sees rst 6 read:b write:c read:b close:c close:b
    client_sees rst 6 read:b write:c read:b shutdown:c sleep:100 close:c
    client_sees rst 6 read:b write:c read:b rdwr:c close:c
    # The abort comes though the relay keeps its descriptor, which tells it then.
    client_sees rst 6 read:b write:c read:b:1 shutdown:c read:c:2
    assert_line --regexp '^c (Connection reset by peer|Broken pipe)$'
    client_sees rst 6 read:b write:c read:b close:b shutdown:c sleep:100
    policy=abort-on-crash client_sees fin 6 read:b write:c read:b close:b close:c
}

@test "SO_ERROR tells of it, or nothing does" {
    client_sees rst 6 read:b write:c over:b error:b close:b close:c
    assert_line 'error Connection reset by peer'
    client_sees rst 6 read:b write:c over:b close:b close:c
    client_sees rst 6 read:b write:c over:b close:c close:b
    client_sees rst 6 read:b write:c over:b shutdown:c
}

@test "an exit with it open is an end, whatever the status; a stop signal is what it is" {
    client_sees rst 6 read:b write:c read:b exit:0
    client_sees rst 6 read:b write:c read:b exit:3
    client_sees fin 6 read:b write:c read:b kill:TERM
}

@test "a FIN is no failure, nor is a relay's own end" {
    local end
    for end in 'read:b close:b close:c' 'read:b close:c close:b' 'read:b shutdown:c close:c' 'read:b exit:0'; do
        relays read fin -- $BEGIN read:b write:c $end
        assert_line 'client fin after 6'
    done
    relays read hold -- $BEGIN read:b write:c close:b close:c
    assert_line 'client fin after 6'
    relays read hold -- $BEGIN read:b write:c close:c close:b
    assert_line 'client fin after 6'
}

@test "after the source's FIN was read, an RST for what is still written to it is no failure" {
    local end
    for end in 'write:b close:b close:c' 'close:b close:c' 'close:c close:b'; do
        relays read fin -- $BEGIN read:b write:c read:b:1 own:b sleep:50 $end
        assert_line 'client fin after 6'
    done
}

# --- Pairs ---

@test "all calls that read and write pair" {
    local -a reads=(read readv recv recvfrom recvmsg recvmmsg syscall fread fgets getline)
    local -a writes=(write writev send sendto sendmsg sendmmsg syscall fwrite fputs write)
    local way
    for way in "${!reads[@]}"; do
        client_sees rst 6 "read:b:0:${reads[way]}" "write:c:0:${writes[way]}" "read:b:1:${reads[way]}" close:b close:c
    done
}

@test "splice and tee pair through a pipe" {
    client_sees rst 6 splice:b:c splice:b:c close:b close:c
    client_sees rst 6 tee:b:c splice:b:c close:b close:c
}

@test "what another thread has read pairs too" {
    client_sees rst 6 read:b thread write:c read:b close:b close:c
}

@test "what comes from elsewhere ends a pair: own bytes, a file, the same memory with other bytes" {
    client_sees fin 12 read:b write:c own:c read:b:1 close:b close:c
    client_sees fin 12 read:b write:c file:c read:b:1 close:b close:c
    client_sees fin 6 read:b zero:0 write:c read:b:1 close:b close:c
    client_sees fin 6 read:b fill:0 write:c read:b:1 close:b close:c
}

@test "a copy pairs by what it ends in; but not if something else was written since" {
    client_sees rst 6 read:b copy:0:1 write:c:1 read:b:2 close:b close:c
    client_sees fin 12 read:b copy:0:1 write:c:1 own:c read:b:2 close:b close:c
}

@test "a write that ends in the middle, and the rest, pair" {
    client_sees rst 5 read:b part:c read:b:1 close:b close:c
    client_sees rst 6 read:b part:c rest:c read:b:1 close:b close:c
}

@test "the most recent reader of a memory counts" {
    # d, which has ended well, has filled the buffer after b; then b fails.
    relays read hold fin:World. -- $BEGIN read:b connect:d own:d read:d write:c read:d:1 close:d close:b close:c
    assert_line 'client fin after 6'
    relays read fin reset:World. -- $BEGIN read:b connect:d own:d read:d write:c read:d:1 close:d close:b close:c
    assert_line 'client rst after 6'
}

@test "a number that is used again is another connection" {
    # What is c's source has ended well; who has its number fails, and nothing of it was written to c.
    relays read fin reset:World. -- $BEGIN read:b write:c read:b:1 close:b connect:d own:d read:d:2 read:d:3 close:d close:c
    assert_line 'client fin after 6'
    assert_equal "$(grep -c ' has number 5$' <<<"$output")" 2
    # And the other way: the source has failed, is closed, and its number is that of one that ends well.
    relays read reset fin:World. -- $BEGIN read:b write:c read:b:1 close:b connect:d own:d read:d:2 read:d:3 close:d close:c
    assert_line 'client rst after 6'
    assert_equal "$(grep -c ' has number 5$' <<<"$output")" 2
}

@test "a source that was given to another client is not this one's any more" {
    # A pool: b serves c, then other bytes, of d's, go to b, and then it fails.
    relays read again hold -- $BEGIN read:b write:c connect:d own:d read:d:1 write:b:1 read:b:2 close:b close:c
    assert_line 'client fin after 6'
}

@test "without a byte of the backend's the pair of the other direction counts; without any byte nothing" {
    relays read none -- $BEGIN read:b:1 close:b close:c
    assert_line 'client rst after 0'
    relays read early -- accept connect:b read:c over:b close:b close:c
    assert_line 'client fin after 0'
}

@test "a client's reset reaches the backend" {
    relays reset watch -- $BEGIN read:c:1 close:c close:b
    assert_line 'backend rst after 0'
    relays reset watch -- $BEGIN over:c close:c shutdown:b close:b
    assert_line 'backend rst after 0'
    relays fin watch -- $BEGIN read:c:1 close:c close:b
    assert_line 'backend fin after 0'
}

# --- When ---

@test "an end long after the failure is not its doing: a client of a pool that is idle" {
    client_sees fin 6 read:b write:c read:b:1 close:b sleep:1200 close:c
}

@test "an end after the client's own FIN is not its doing" {
    relays fin reset -- $BEGIN read:b write:c read:b:1 close:b sleep:100 read:c:1 close:c
    assert_line 'client fin after 6'
}

@test "all that the source has delivered reaches a slow client first" {
    local -a all=(read:b write:c)
    for _ in {1..7}; do
        all+=(read:b write:c)
    done
    relays slow reset:100000 -- $BEGIN "${all[@]}" close:b close:c sleep:300
    assert_line 'client rst after 100000'
    relays slow reset:100000 -- $BEGIN "${all[@]}" close:b shutdown:c sleep:300
    assert_line 'client rst after 100000'
}

# --- What is said, and what is needed ---

@test "the record names the source, and how it has failed" {
    client_sees rst 6 read:b write:c read:b close:b close:c
    run -0 cat log
    assert_output --regexp ' event=source-failed ending=flush-rst local=127\.0\.0\.1:[0-9]+ peer=127\.0\.0\.1:[0-9]+ unread=0 unsent=[0-9]+ source=127\.0\.0\.1:[0-9]+ how=reset$'
    client_sees rst 6 read:b write:c read:b shutdown:c close:c
    assert_equal "$(grep -c 'event=source-failed' log)" 1
}

@test "source-failed=rst aborts at once, keep and fin leave a FIN" {
    policy=source-failed=rst client_sees rst 6 read:b write:c sleep:50 read:b:1 close:b close:c
    policy='relay, source-failed=keep' client_sees fin 6 read:b write:c read:b:1 close:b close:c
    policy='abort-on-crash, source-failed=fin' client_sees fin 6 read:b write:c read:b:1 shutdown:c close:c
}

@test "the preset goes with the others: a crash is still a crash" {
    policy='abort-on-crash, relay' client_sees rst 6 read:b write:c read:b:1 close:b close:c
    policy='abort-on-crash, relay' client_sees rst 6 read:b write:c sleep:50 exit:3
}

@test "without the library on the data path the preset does nothing, and says so" {
    run -0 shimmed -p relay TRUEFIN_LOG=stderr /bin/true
    assert_output --partial 'note="source-failed has no effect: libtruefin-io.so is not loaded"'
    # shellcheck disable=SC2016  # expanded by the shell that is run
    run -0 "$TRUEFIN" run -p relay sh -c 'echo "$LD_PRELOAD"'
    assert_output "$LIBTRUEFIN:${LIBTRUEFIN%.so}-io.so"
}

# --- A child process as the source ---

# child_gave fin|rst: how the connection ended; socat may not read all that a killed child has written.
child_gave() {
    wait_until test -s peer.out
    assert_equal "$(cut -d ' ' -f 1 peer.out)" "$1"
}

# child_of_socat KIND SCRIPT: what a client sees of socat's EXEC of that script, behind "pipes", "pty" or, "", a pair of sockets.
child_of_socat() {
    requires socat
    printf '#!/bin/sh\n%s\n' "$2" >child
    chmod +x child
    port=$((10000 + RANDOM % 20000))
    launch socat TRUEFIN_POLICY=relay TRUEFIN_LOG="$PWD/log" \
        LD_PRELOAD="${SANITIZER_PRELOAD:+$SANITIZER_PRELOAD:}$LIBTRUEFIN:${LIBTRUEFIN%.so}-io.so" \
        /usr/bin/socat "TCP-LISTEN:$port,bind=127.0.0.1,reuseaddr" "EXEC:./child${1:+,$1}"
    wait_until listening "$port"
    connect_peer --send 'Hi\n'
}

@test "a child that dies badly is a source that has failed; one that ends well, or is asked to stop, is none" {
    local kind
    for kind in '' pipes; do
        child_of_socat "$kind" 'read -r line; printf Hello.; exit 0'
        child_gave fin
        stop_all
        child_of_socat "$kind" 'read -r line; printf Hello.; exit 3'
        child_gave rst
        run -0 grep -Eo 'event=source-failed ending.* source=pid:[0-9]+ how=.*' log
        assert_output --regexp ' how=status:3$'
        stop_all
        child_of_socat "$kind" 'read -r line; printf Hello.; kill -KILL $$'
        child_gave rst
        stop_all
        child_of_socat "$kind" 'read -r line; printf Hello.; kill -TERM $$'
        child_gave fin
        stop_all
        rm log
    done
    child_of_socat pty,raw,echo=0 'printf Hello.; sleep 0.3; exit 3'
    child_gave rst
    stop_all
    child_of_socat '' 'read -r line; exit 3'
    child_gave rst
}
