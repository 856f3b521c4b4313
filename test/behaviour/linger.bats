#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2034,SC2154  # braces are words here, and helpers use and set variables
# linger: an answer that is given early arrives whole, although the peer goes on sending after the close.

load ../helpers

# What the clients here send: more than any buffer holds.
size=20000000

# upload [DELAY [hold]]: a client that sends all it has before it reads, in the background.
upload() {
    start "${peer:-upload}" "$PROGRAMS/upload" "$port" "$size" "$@"
}

# uploaded LINE: what it reports.
uploaded() {
    local name=${peer:-upload}
    wait_until test -s "$name.out" || cat "$name.err"
    assert_equal "$(head -n 1 "$name.out")" "$1"
}

# answers OPERATION...: a program that answers early, under always-fin.
answers() {
    serve -p always-fin accept await_unread:1 write:Hello. "$@"
}

# kept NAME: how many connections a launched program keeps besides its own.
kept() {
    find "/proc/$(pid_of "$1")/fd" -lname 'socket:*' -printf '%f\n' | awk '$1 > 200 { n++ } END { print n + 0 }'
}

keeps() {
    [[ $(kept "$1") == "$2" ]]
}

# its_thread NAME: the directory of the shim's own thread in /proc, if there is one.
its_thread() {
    local task
    for task in "/proc/$(pid_of "$1")/task/"*; do
        [[ $(cat "$task/comm") == truefin ]] || continue
        echo "$task"
        return
    done
    return 1
}

# The server listens a second time: $port is that one.
sees_other_port() {
    [[ $(grep -c '^port' server.out) == 2 ]] || return 1
    port=$(sed -n 's/^port //p' server.out | tail -n 1)
}

has_no_thread() {
    ! its_thread "$1"
}

@test "without truefin the answer is lost" {
    export TRUEFIN_TEST_BARE=1
    answers close pause
    upload 1
    wait_until test -s upload.out
    run -1 grep -x 'all 6 fin' upload.out
}

@test "fin does not help a peer that goes on sending" {
    serve -p close=fin,unread=fin accept await_unread:1 write:Hello. close pause
    upload 1
    wait_until test -s upload.out
    run -1 grep -x 'all 6 fin' upload.out
}

@test "each way to give up the last descriptor lingers" {
    local way rows=0
    while read -r way; do
        # shellcheck disable=SC2086  # words
        answers $way pause
        upload
        echo "way: $way"
        uploaded 'all 6 fin'
        stop_all
        rows=$((rows + 1))
    done < <(ways_to_close && cat <<'WAYS'
nonblock close
shutdown_wr close
linger:1,0 close
linger:1,30 close
on:USR1:close raise:USR1
WAYS
    )
    assert_equal "$rows" 17
}

@test "a slow peer gets the answer, too" {
    size=3000000
    answers close pause
    upload 5
    uploaded 'all 6 fin'
}

@test "what stdio still holds is sent before the FIN" {
    serve -p always-fin accept await_unread:1 fdopen:w fprintf:Hello. fclose pause
    upload
    uploaded 'all 6 fin'
}

@test "IPv6 and MPTCP linger as well" {
    local family rows=0
    for family in listen_ipv6 listen_mptcp; do
        serve -p always-fin "$family" accept await_unread:7 write:Hello. close pause
        host=$([[ $family == listen_ipv6 ]] && echo ::1 || echo 127.0.0.1)
        peer_sees fin 6 --send request
        stop_all
        rows=$((rows + 1))
    done
    assert_equal "$rows" 2
}

@test "a connection that the program made lingers" {
    listen_peer --send request
    perform -p always-fin connect:"$port" await_unread:7 write:Hello. close pause
    peer_saw fin 6
}

# --- What the program sees ---

@test "close returns at once, blocking or not, whatever linger the program has set" {
    local way rows=0
    export TRUEFIN_LINGER_TIME=1min
    while read -r way; do
        # shellcheck disable=SC2086  # words
        answers $way close say:closed pause
        upload 0 hold
        server_said closed
        wait_until keeps server 1
        stop_all
        rows=$((rows + 1))
    done <<'WAYS'
nothing
nonblock
linger:1,30
WAYS
    assert_equal "$rows" 3
}

@test "the number is free as soon as close has returned" {
    TRUEFIN_LINGER_TIME=1min serve -p always-fin sweep:100 listen lowest accept write:Hello. lowest close lowest pause
    upload 0 hold
    server_said ready
    assert_equal "$(grep lowest server.out)" "lowest 4
lowest 5
lowest 4"
}

@test "close of a kept descriptor fails as for any that is not open" {
    TRUEFIN_LINGER_TIME=1min serve -p always-fin sweep:20000 accept await_unread:1 write:Hello. close sweep:20000 pause
    upload 0 hold
    # Only the listener was left.
    server_said 'swept 1'
    uploaded 'all 6 fin'
    keeps server 1
}

@test "closefrom and close_range over everything leave out what is kept" {
    local sweep rows=0
    for sweep in closefrom close_range_all; do
        TRUEFIN_LINGER_TIME=1min answers close "$sweep" say:swept pause
        upload 0 hold
        server_said swept
        uploaded 'all 6 fin'
        keeps server 1
        stop_all
        rows=$((rows + 1))
    done
    assert_equal "$rows" 2
}

@test "a thread that takes leave of the others' descriptors closes its own: what lingers ends, and nothing else stays open" {
    TRUEFIN_LINGER_TIME=1min answers close close_range_unshare say:closed pause
    size=1 upload 0 hold
    server_said closed
    uploaded 'all 6 fin'
    has_no_thread server
    # The listener is gone.
    run -1 listening "$port"
}

@test "kept descriptors are not inherited by a new program" {
    TRUEFIN_LINGER_TIME=1min answers close "system:ls -l /proc/self/fd | grep -c socket >count" pause
    upload 0 hold
    server_said ready
    # The listener, which is the program's own business.
    assert_equal "$(<count)" 1
}

@test "a connection with nothing more to come is simply closed" {
    answers close pause
    connect_peer --send request --half-close
    peer_saw fin 6
    keeps server 0
    has_no_thread server
}

@test "an event loop gets no event for a connection that it has closed, and the answer arrives" {
    local way rows=0
    for way in level edge exclusive oneshot two removed forked poll select; do
        launch looper -p always-fin "$PROGRAMS/looper" 3 "$way"
        find_port looper
        for peer in 1 2 3; do
            upload
            echo "way: $way"
            uploaded 'all 6 fin'
        done
        said looper 'done 3'
        kill -TERM "$(pid_of looper)"
        said looper end
        assert_equal "$(grep -c -e stale -e failed looper.out)" 0
        stop_all
        rows=$((rows + 1))
    done
    assert_equal "$rows" 9
}

@test "all ways to register in one program" {
    launch looper -p always-fin "$PROGRAMS/looper" 16 level edge exclusive oneshot two removed poll select
    find_port looper
    for peer in {1..16}; do
        upload
        uploaded 'all 6 fin'
    done
    said looper 'done 16'
    kill -TERM "$(pid_of looper)"
    said looper end
    assert_equal "$(grep -c -e stale -e failed looper.out)" 0
}

@test "a registration that cannot be taken back gives no event: such a connection does not linger" {
    launch looper -p always-fin "$PROGRAMS/looper" 1 duplicate
    find_port looper
    size=1 upload
    uploaded 'all 6 fin'
    said looper 'done 1'
    keeps looper 0
    kill -TERM "$(pid_of looper)"
    said looper end
    assert_equal "$(grep -c -e stale -e failed looper.out)" 0
}

# --- The thread ---

@test "the thread is named truefin, blocks all signals, and is gone when nothing lingers" {
    TRUEFIN_LINGER_TIME=1min answers close pause
    upload 0 hold
    wait_until its_thread server
    run -0 cat "$(its_thread server)/status"
    assert_line --regexp '^SigBlk:[[:space:]]fffffffffffffeff|^SigBlk:[[:space:]]fffffffffffbfeff'
    # The peer ends, and with it the last connection that lingers.
    kill "$started_pid"
    wait_until has_no_thread server
    keeps server 0
}

@test "one thread serves all, and another one comes when it is needed again" {
    local i
    answers close again:6 pause
    for i in {1..6}; do
        peer=$i upload
        peer=$i uploaded 'all 6 fin'
        wait_until has_no_thread server
    done
}

@test "a process without lingering connections has no thread" {
    serve -p always-fin accept write:Hello. pause
    connect_peer
    server_said ready
    has_no_thread server
}

@test "it survives fork: parent and child each let their own linger" {
    answers close accept fork{ await_unread:1 write:Hello. close pause } close accept await_unread:1 write:Hello. close pause
    local i
    for i in 1 2 3; do
        peer=$i upload
        peer=$i uploaded 'all 6 fin'
    done
}

@test "a fork child does not hold what lingers in its parent" {
    TRUEFIN_LINGER_TIME=1min answers close fork{ say:child pause } say:parent pause
    upload 0 hold
    server_said child
    server_said parent
    local child
    child=$(cat "/proc/$(pid_of server)/task/$(pid_of server)/children")
    child=${child% }
    # The listener alone.
    assert_equal "$(find "/proc/$child/fd" -lname 'socket:*' | wc -l)" 1
    keeps server 1
}

@test "what another process holds does not linger: it is not this one's to end" {
    TRUEFIN_LINGER_TIME=1min serve -p always-fin accept dup close accept fork{ say:child pause } swap write:Hello. close say:closed pause
    connect_peer
    peer=second connect_peer
    server_said closed
    keeps server 0
    # The child has a copy: the FIN comes with its end, as without truefin.
    run -1 test -s peer.out
}

@test "a child that is gone, or has execed, does not count" {
    answers fork{ exit:0 } wait system:true close pause
    upload
    uploaded 'all 6 fin'
}

@test "a call that wants no thread finds none although one has only just ended: eight programs, 200 times each" {
    requires /usr/bin/python3
    local program
    cat >loop.py <<'END'
import ctypes, socket
CLONE_VM, libc = 0x100, ctypes.CDLL(None)
listener = socket.create_server(("127.0.0.1", 0))
refused = 0
for _ in range(200):
    peer = socket.create_connection(listener.getsockname())
    listener.accept()[0].close()
    refused += libc.unshare(CLONE_VM) != 0
    peer.close()
print(refused)
END
    for program in 1 2 3 4 5 6 7 8; do
        start "loop$program" env TRUEFIN_POLICY=always-fin LD_PRELOAD="${SANITIZER_PRELOAD:+$SANITIZER_PRELOAD:}$LIBTRUEFIN" \
            timeout 60 /usr/bin/python3 loop.py
    done
    for program in 1 2 3 4 5 6 7 8; do WAIT_LIMIT=60 said "loop$program" 0; done
}

@test "a call that wants no thread finds none, and what lingers is ended for it" {
    TRUEFIN_LINGER_TIME=1min answers close unshare_memory pause
    size=1 upload 0 hold
    server_said 'unshare good'
    uploaded 'all 6 fin'
    has_no_thread server
    keeps server 0
}

@test "no thread keeps rights that the program gives up" {
    [[ $(id -u) == 0 ]] || skip 'not root'
    TRUEFIN_LINGER_TIME=1min answers close drop_root pause
    size=1 upload 0 hold
    uploaded 'all 6 fin'
    server_said ready
    run -0 grep -hs '^Uid' "/proc/$(pid_of server)/task/"*/status
    assert_output $'Uid:\t65534\t65534\t65534\t65534'
}

@test "messages that the kernel left for the program do not keep the thread busy" {
    TRUEFIN_LINGER_TIME=1s answers send_zerocopy:10000 close pause
    size=1 upload 0 hold
    uploaded 'all 10006 fin'
    wait_until has_no_thread server
    # Hundredths of a second that the process has had a processor, of a hundred that it lingered.
    # shellcheck disable=SC2016  # awk's
    run -0 awk '{ print $14 + $15 }' "/proc/$(pid_of server)/stat"
    echo "$output hundredths"
    ((output < 30))
}

@test "a sweep that no hook sees leaves no thread behind, and the next connection lingers again" {
    TRUEFIN_LINGER_TIME=1min answers close sweep_unseen:20000 listen \
        accept await_unread:1 write:Again! close pause
    size=1 upload 0 hold
    wait_until sees_other_port
    wait_until has_no_thread server
    size=20000000
    peer=second upload 1
    peer=second uploaded 'all 6 fin'
}

# --- Limits ---

@test "after TRUEFIN_LINGER_TIME the connection is given up" {
    TRUEFIN_LINGER_TIME=300ms answers close pause
    upload 0 hold
    uploaded 'all 6 fin'
    wait_until keeps server 0
    wait_until has_no_thread server
    assert_equal "$(cat upload.out)" 'all 6 fin'
}

@test "a linger time of the program's own does not hold up the others: a peer that takes nothing is given up, too" {
    TRUEFIN_LINGER_TIME=300ms serve -p always-fin accept linger:1,30 fill:1000000 close pause
    connect_peer --read-bytes 1
    server_said ready
    wait_until has_no_thread server
}

@test "TRUEFIN_LINGER_END=rst resets a peer that does not end" {
    TRUEFIN_LINGER_TIME=300ms TRUEFIN_LINGER_END=rst answers close pause
    upload 0 hold
    uploaded 'all 6 fin'
    wait_until grep -x rst upload.out
}

@test "after TRUEFIN_LINGER_BYTES it is given up while the peer sends" {
    TRUEFIN_LINGER_BYTES=1M answers close pause
    upload 1
    wait_until test -s upload.out
    run -1 grep -x 'all 6 fin' upload.out
    wait_until keeps server 0
}

@test "a limit of zero is fin" {
    TRUEFIN_LINGER_TIME=0 answers close pause
    connect_peer --send request
    server_said ready
    has_no_thread server
    peer_saw fin 6
}

@test "near RLIMIT_NOFILE nothing lingers, all still ends with FIN, and a record says so once" {
    launch server -p always-fin TRUEFIN_LOG="$PWD/log" prlimit --nofile=15 "$PROGRAMS/server" \
        accept await_unread:7 write:Hello. close again:2 pause
    find_port server
    peer_sees fin 6 --send request
    peer=second peer_sees fin 6 --send request
    server_said ready
    assert_equal "$(grep -c RLIMIT_NOFILE log)" 1
}

@test "a program that has no number left for a connection gets one that was kept" {
    TRUEFIN_LINGER_TIME=1min
    export TRUEFIN_LINGER_TIME
    launch server -p always-fin prlimit --nofile=64 "$PROGRAMS/server" sweep:64 \
        accept await_unread:1 write:Hello. close use_up accept say:accepted pause
    find_port server
    size=1 upload 0 hold
    uploaded 'all 6 fin'
    server_said 'no more'
    peer=second connect_peer
    server_said accepted
}

@test "a program that has no number left for a socket gets one that was kept" {
    TRUEFIN_LINGER_TIME=1min
    export TRUEFIN_LINGER_TIME
    peer=second listen_peer
    local other=$port
    launch server -p always-fin prlimit --nofile=64 "$PROGRAMS/server" sweep:64 \
        accept await_unread:1 write:Hello. close use_up connect:"$other" say:connected pause
    find_port server
    size=1 upload 0 hold
    uploaded 'all 6 fin'
    server_said 'no more'
    server_said connected
}

@test "what lingers takes at most a sixteenth of the numbers: the one that has lingered longest ends for the next" {
    TRUEFIN_LINGER_TIME=1min
    export TRUEFIN_LINGER_TIME
    launch server -p always-fin prlimit --nofile=1024 "$PROGRAMS/server" \
        accept await_unread:1 write:Hello. close again:70 pause
    find_port server
    local i
    for i in {1..70}; do
        peer=$i
        size=1 upload 0 hold
        uploaded 'all 6 fin'
    done
    wait_until keeps server 64
}

@test "what ends before its limit, because the program wants it so, is never reset" {
    TRUEFIN_LINGER_TIME=1min TRUEFIN_LINGER_END=rst answers close unshare_memory pause
    size=1 upload 0 hold
    server_said 'unshare good'
    keeps server 0
    TRUEFIN_LINGER_TIME=1min TRUEFIN_LINGER_END=rst answers close exit:0
    peer=second
    size=1 upload 0 hold
    server_ended exit 0
    assert_equal "$(cat upload.out)" 'all 6 fin'
    assert_equal "$(cat second.out)" 'all 6 fin'
}

@test "the next record says how many have reached a limit" {
    TRUEFIN_LINGER_TIME=100ms TRUEFIN_LOG="$PWD/log" answers close again:2 pause
    upload 0 hold
    uploaded 'all 6 fin'
    wait_until has_no_thread server
    peer=second upload
    wait_until grep 'ending=linger.* limit=1$' log
}

# --- The end of the process ---

@test "what lingers never keeps the process" {
    local way rows=0
    while read -r way status; do
        TRUEFIN_LINGER_TIME=1min answers close "$way"
        size=1 upload 0 hold
        uploaded 'all 6 fin'
        # shellcheck disable=SC2086  # words
        server_ended $status
        stop_all
        rows=$((rows + 1))
    done <<'WAYS'
exit:0 exit 0
_exit:0 exit 0
return:0 exit 0
raise:TERM signal TERM
pthread_exit exit 0
WAYS
    assert_equal "$rows" 5
}

@test "with TRUEFIN_LINGER_AT_EXIT='wait' an exit waits until the peer has ended" {
    local way rows=0
    for way in exit:0 _exit:0 return:0 raise:TERM; do
        TRUEFIN_LINGER_AT_EXIT='wait' answers close "$way"
        upload
        uploaded 'all 6 fin'
        stop_all
        rows=$((rows + 1))
    done
    assert_equal "$rows" 4
}

@test "with it, exit=linger lets what is open at exit linger, and what stdio holds goes first" {
    TRUEFIN_LINGER_AT_EXIT='wait' serve -p exit=linger accept await_unread:1 fdopen:w fprintf:Hello. exit:0
    upload
    uploaded 'all 6 fin'
    server_ended exit 0
}

@test "with it, an exit waits no longer than the limit" {
    TRUEFIN_LINGER_AT_EXIT='wait' TRUEFIN_LINGER_TIME=300ms answers close exit:0
    upload 0 hold
    uploaded 'all 6 fin'
    server_ended exit 0
}
