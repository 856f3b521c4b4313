#!/usr/bin/env bats
# shellcheck disable=SC2154  # helpers set variables
# refuse-write-after-fin: the first write after the peer's FIN fails, instead of being lost.

load ../helpers
WAYS='write writev send sendto send-nosignal sendmsg sendmmsg sendfile splice dprintf fprintf fputs fwrite'

# A server that closes each connection at once, after TEXT. Sets $port.
server_that_leaves() {
    requires /usr/bin/python3
    start leaver /usr/bin/python3 -c '
import socket, sys
listener = socket.create_server(("127.0.0.1", 0), backlog=64)
print("port", listener.getsockname()[1], flush=True)
while True:
    connection, _ = listener.accept()
    connection.sendall(sys.argv[1].encode())
    connection.close()' "${1-}"
    find_port leaver
}

# oneway POLICY HOW [read]: what the mission's client says.
oneway() {
    "$TRUEFIN" run -p "$1" -- "$PROGRAMS/oneway" "$port" "${@:2}"
}

# pipe_of WAY: with the signal, or without.
pipe_of() {
    case $1 in
    sendto | send-nosignal) echo EPIPE ;;
    *) echo 'EPIPE SIGPIPE' ;;
    esac
}

@test "every way to write says EPIPE at the first write after the FIN" {
    without_sanitizer 'truefin run starts programs without it'
    local way
    server_that_leaves
    for way in $WAYS; do
        assert_equal "$way: $(oneway refuse-write-after-fin "$way")" "$way: $(pipe_of "$way")"
    done
}

@test "without the word it succeeds, and is lost" {
    without_sanitizer 'truefin run starts programs without it'
    local way
    server_that_leaves
    for way in $WAYS; do
        assert_equal "$way: $(oneway always-fin "$way")" "$way: 6"
    done
}

@test "while something that came before the FIN is unread, writes go on" {
    without_sanitizer 'truefin run starts programs without it'
    server_that_leaves answer
    assert_equal "$(oneway refuse-write-after-fin write)" 6
    assert_equal "$(oneway refuse-write-after-fin write read)" 'EPIPE SIGPIPE'
}

@test "a write of nothing is none" {
    without_sanitizer 'truefin run starts programs without it'
    server_that_leaves
    assert_equal "$(oneway refuse-write-after-fin nothing)" 0
}

@test "rules limit it to some connections" {
    without_sanitizer 'truefin run starts programs without it'
    server_that_leaves
    assert_equal "$(oneway "port=$port: refuse-write-after-fin" write)" 'EPIPE SIGPIPE'
    assert_equal "$(oneway "!port=$port: refuse-write-after-fin" write)" 6
}

@test "before the FIN everything is written" {
    without_sanitizer 'truefin run starts programs without it'
    listen_peer
    run -0 "$TRUEFIN" run -p refuse-write-after-fin -- socat -u "SYSTEM:printf Hello." "TCP:127.0.0.1:$port"
    peer_saw fin 6
}

# feed POLICY: socat, one way, gets a line for a server that has left. Prints socat's status.
feed() {
    local status=0
    mkfifo line
    start client "$PROGRAMS/outcome" client.status "$TRUEFIN" run -p "$1" -- socat -u PIPE:line,rdonly "TCP:127.0.0.1:$port"
    exec 9>line
    wait_until in_close_wait
    echo 'the line' >&9
    exec 9>&-
    ended client exit "$2"
}

in_close_wait() {
    ss -Htn state close-wait "dport = :$port" | grep -q .
}

@test "socat loses a line without the word, and ends with 0" {
    without_sanitizer 'truefin run starts programs without it'
    requires socat ss
    server_that_leaves
    feed abort-on-crash 0
}

@test "socat learns with the word that its line was not taken" {
    without_sanitizer 'truefin run starts programs without it'
    requires socat ss
    server_that_leaves
    feed refuse-write-after-fin 1
    run cat client.err
    assert_output --partial 'Broken pipe'
}

@test "python learns it by BrokenPipeError, at the first line and not at the second" {
    without_sanitizer 'truefin run starts programs without it'
    local policy
    server_that_leaves
    for policy in abort-on-crash refuse-write-after-fin; do
        "$TRUEFIN" run -p "$policy" -- /usr/bin/python3 -c '
import select, socket, sys
client = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
poll = select.poll()
poll.register(client, select.POLLRDHUP)
poll.poll(10000)
for line in range(1, 4):
    try:
        client.sendall(b"a line\n")
    except (BrokenPipeError, ConnectionResetError):
        print("line", line, "refused")
        break
    poll.register(client, select.POLLHUP)
    poll.poll(10000)' "$port"
    done >said
    run cat said
    assert_output $'line 2 refused\nline 1 refused'
}

@test "a record tells of the first refusal on a connection" {
    without_sanitizer 'truefin run starts programs without it'
    server_that_leaves
    "$TRUEFIN" run -p refuse-write-after-fin --log log -- "$PROGRAMS/oneway" "$port" write
    run cat log
    assert_equal "${#lines[@]}" 1
    assert_output --regexp "^time=[^ ]+ pid=[0-9]+ program=oneway note=\"write refused after the peer's FIN\" local=127\\.0\\.0\\.1:[0-9]+ peer=127\\.0\\.0\\.1:$port\$"
}

@test "a record tells of a refusal once, however much the program goes on to write" {
    without_sanitizer 'truefin run starts programs without it'
    server_that_leaves
    "$TRUEFIN" run -p refuse-write-after-fin --log log -- python3 -c '
import socket, sys
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
while connection.recv(100):
    pass
for _ in range(3):
    try:
        connection.send(b"more")
        sys.exit("it was taken")
    except BrokenPipeError:
        pass' "$port"
    run cat log
    assert_equal "${#lines[@]}" 1
}

@test "a record tells that the library with the hooks is missing" {
    server_that_leaves
    run -0 shimmed -p refuse-write-after-fin TRUEFIN_LOG="$PWD/log" "$PROGRAMS/oneway" "$port" write
    assert_output 6
    run cat log
    assert_equal "${#lines[@]}" 1
    assert_output --partial 'note="refuse-write-after-fin has no effect: libtruefin-io.so is not loaded"'
}

@test "truefin run loads that library only for the word" {
    without_sanitizer 'truefin run starts programs without it'
    run -0 "$TRUEFIN" run -p always-fin -- sh -c "echo \$LD_PRELOAD"
    refute_output --partial libtruefin-io.so
    run -0 "$TRUEFIN" run -p 'connected: refuse-write-after-fin; off' -- sh -c "echo \$LD_PRELOAD"
    assert_output "$LIBTRUEFIN:${LIBTRUEFIN%.so}-io.so"
    run -0 "$TRUEFIN" run -- "$TRUEFIN" run -p refuse-write-after-fin -- sh -c "echo \$LD_PRELOAD"
    assert_output "$LIBTRUEFIN:${LIBTRUEFIN%.so}-io.so"
}

@test "no preset has the word" {
    local preset
    for preset in abort-on-crash abort-on-unread-data abort-unless-shutdown always-fin off; do
        run -0 "$TRUEFIN" policy "$preset"
        refute_output --partial refuse-write
    done
}

@test "a write costs one poll on a connection under the word, and nothing on any other descriptor" {
    requires strace
    without_sanitizer 'it makes calls of its own'
    listen_peer
    local with="-E LD_PRELOAD=$LIBTRUEFIN:${LIBTRUEFIN%.so}-io.so"
    # shellcheck disable=SC2086  # words
    strace -f -o trace -e trace=ppoll,write,ioctl $with -E TRUEFIN_POLICY=refuse-write-after-fin \
        "$PROGRAMS/server" "connect:$port" write:a write:b write:c exit:0 >/dev/null
    peer_saw fin 3
    assert_equal "$(grep -c ' ppoll(' trace) $(grep -c ' ioctl(' trace || true)" '3 0'
}
