#!/usr/bin/env bats
# shellcheck disable=SC2154  # helpers set variables
# Stock curl as a client under truefin: to its user nothing is different, and its server sees how it ended.

load ../daemons

# same STATUS ARGUMENT...: curl ends with this status, and the same output, with and without truefin.
same() {
    local status=$1 bare
    requires curl
    stands_sanitizer curl --version
    shift
    TRUEFIN_TEST_BARE=1 run "-$status" shimmed curl -sS --max-time 5 "$@"
    bare=$(without_times)
    run "-$status" shimmed curl -sS --max-time 5 "$@"
    assert_equal "$(without_times)" "$bare"
}

# "Failed to connect to 127.0.0.1 port 80 after 1 ms": it may be 0.
without_times() {
    # shellcheck disable=SC2001  # no pattern of bash's says "digits"
    sed 's/ after [0-9]* ms/ after some ms/' <<<"$output"
}

# Sets $port.
http_server() {
    requires /usr/bin/python3
    free_port
    echo Hello. >hello
    truncate -s 20M big
    TRUEFIN_TEST_BARE=1 launch http /usr/bin/python3 -m http.server --bind 127.0.0.1 "$port"
    await_listener
}

@test "curl: exit statuses and output are the same with truefin" {
    http_server
    same 0 "http://127.0.0.1:$port/hello"
    assert_output Hello.
    same 0 -o got "http://127.0.0.1:$port/big"
    assert_equal "$(stat -c %s got)" 20971520
    same 22 -f "http://127.0.0.1:$port/none"
    same 3 'http://[nonsense'
    same 1 "nonsense://127.0.0.1:$port/"
    kill -KILL "$(pid_of http)"
    ended http signal KILL
    same 7 "http://127.0.0.1:$port/hello"
}

@test "curl: the ways in which a server can end are told apart as without truefin" {
    local rows=0 status operations url
    requires curl
    stands_sanitizer curl --version
    while read -r status operations; do
        for bare in 1 ''; do
            # shellcheck disable=SC2086  # words
            TRUEFIN_TEST_BARE=1 serve accept read:18 $operations
            url=http://127.0.0.1:$port/
            TRUEFIN_TEST_BARE=$bare run "-$status" shimmed curl -sS --max-time 5 -A '' -H Accept: -H Host: "$url"
            stop_all
        done
        rows=$((rows + 1))
    done <<'ROWS'
52 close
52 exit:3
1 write:Hello. close
ROWS
    assert_equal "$rows" 3
}

@test "curl: a server that crashes under truefin is told from one that only ends early" {
    requires curl
    stands_sanitizer curl --version
    serve accept read:18 exit:3
    TRUEFIN_TEST_BARE=1 run -56 shimmed curl -sS --max-time 5 -A '' -H Accept: -H Host: "http://127.0.0.1:$port/"
    assert_output --partial 'Connection reset by peer'
}

# An upload is on its way to a server that reads.
upload() {
    requires curl
    stands_sanitizer curl --version
    listen_peer --output got
    head -c 100000 /dev/zero >file
    launch curl curl -sS --limit-rate 1000 -T file "http://127.0.0.1:$port/file"
    peer_has got
}

@test "curl: SIGKILL in mid-upload sends RST" {
    upload
    kill -KILL "$(pid_of curl)"
    peer_ended rst
    ended curl signal KILL
}

@test "curl: SIGTERM in mid-upload sends FIN" {
    upload
    kill -TERM "$(pid_of curl)"
    peer_ended fin
    ended curl signal TERM
}

@test "curl: Ctrl-C in mid-upload sends FIN" {
    upload
    kill -INT "$(pid_of curl)"
    peer_ended fin
    ended curl signal INT
}

@test "curl: a SIGKILL in mid-upload without truefin reads as FIN, as if all had been sent" {
    TRUEFIN_TEST_BARE=1 upload
    kill -KILL "$(pid_of curl)"
    peer_ended fin
}

@test "curl: the end of a download sends FIN" {
    requires curl
    stands_sanitizer curl --version
    listen_peer
    launch curl curl -sS --http0.9 --max-time 1 "http://127.0.0.1:$port/"
    peer_ended fin
    ended curl exit 28
}
