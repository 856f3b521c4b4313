#!/usr/bin/env bats
# shellcheck disable=SC2054,SC2154  # a comma in a word, and helpers set variables
# Answers that stock programs give before they have read all, and downloads that an old server cuts off: whole under
# always-fin. The long form of the first test is scripts/early-answers, whose table is in docs/PERFORMANCE.md.

load ../daemons

# upload BYTES: a client that first sends all it has, then reads; a millisecond between blocks.
upload() {
    start upload "$PROGRAMS/upload" "$port" "$1" 1
}

# uploaded PATTERN: what it reports.
uploaded() {
    wait_until test -s upload.out || cat upload.err
    run -0 grep -Ex "$1" upload.out
}

not_uploaded() {
    wait_until test -s upload.out || cat upload.err
    run -1 grep -E '^all [1-9][0-9]* fin$' upload.out
}

@test "the 413 of a Python and of a Node server reaches curl, Python and Node, which upload 20 MB, in 10 of 10 tries" {
    requires curl node python3
    without_sanitizer 'it runs interpreters by the hundred'
    run -0 "$SOURCE_DIR/scripts/early-answers" --only 'python node' --count 10 --bytes 20000000 3>&-
    # 2 servers, 6 clients each.
    assert_equal "$(grep -c '| 10 of 10 |$' <<<"$output")" 12
    # Without truefin a client that does not read while it sends gets no answer.
    assert_equal "$(grep -Ec '\| http.client(, slow)? \| [0-4] of 10 ' <<<"$output")" 4
}

@test "the error that redis reports before it has read a bad request reaches a client that goes on sending" {
    requires redis-server
    stands_sanitizer redis-server --version
    export UPLOAD_FIRST=$'*1\r\n$99999999999\r\n'
    free_port
    launch redis -p always-fin redis-server --port "$port" --save '' --bind 127.0.0.1
    await_listener
    upload 20000000
    uploaded 'all [1-9][0-9]* fin'
    stop_all
    TRUEFIN_TEST_BARE=1 launch redis redis-server --port "$port" --save '' --bind 127.0.0.1
    await_listener
    upload 20000000
    not_uploaded
}

# The program sets a zero linger to be spared of TIME_WAIT, as old servers do, and so aborts what is still to be sent.
@test "a download of 4 MB from a server that sets a zero linger arrives whole" {
    local -a download=(accept linger:1,0 fill:4000000 close pause)
    serve -p always-fin "${download[@]}"
    peer_sees fin 4000000
    stop_all
    TRUEFIN_TEST_BARE=1 serve "${download[@]}"
    connect_peer
    wait_until test -s peer.out
    run -1 grep -Fx 'fin after 4000000 bytes' peer.out
    run -0 grep -E '^rst after [0-9]+ bytes' peer.out
}
