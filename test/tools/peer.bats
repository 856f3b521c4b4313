#!/usr/bin/env bats
# shellcheck disable=SC2154  # run sets stderr and stderr_lines
# The observer tells the truth about endings made by hand: no truefin in sight here.

load ../helpers
export TRUEFIN_TEST_BARE=1

observe() {
    run -"$1" --separate-stderr "$PEER" --timeout 10s "${@:2}" 127.0.0.1 "$port"
}

# listen_peer OPTION...: an observer that listens, in the background. Sets $port.
listen_peer() {
    start listener "$PEER" --listen --timeout 10s "$@" 127.0.0.1 0
    wait_until grep -q '^listening on 127.0.0.1 port ' listener.err
    port=$(sed -n 's/^listening on .* port //p' listener.err)
}

listener_saw() {
    wait_until test -s listener.out
    assert_equal "$(cat listener.out)" "$1"
}

# --- Endings ---

@test "a close reads as fin, with the bytes before it, and exit status 0" {
    serve accept write:Hello.. close pause
    observe 0
    assert_output 'fin after 7 bytes'
    assert_equal "$stderr" ''
}

@test "a close with linger zero reads as rst, with the bytes before it, and exit status 1" {
    serve accept write:Hello.. linger:1,0 close pause
    observe 1
    assert_output 'rst after 7 bytes (ECONNRESET)'
    assert_equal "$stderr" ''
}

@test "a connection that was reset before anything was read reads as rst after 0 bytes" {
    serve accept linger:1,0 close pause
    observe 1
    assert_output 'rst after 0 bytes (ECONNRESET)'
}

@test "a hundred connections that are reset at once all read as rst, with what they brought" {
    # Some are over before connect is: then it is connect that gets the error, and no read will.
    serve accept write:Hello. linger:1,0 close again:100
    local i
    for ((i = 0; i < 100; i++)); do
        "$PEER" 127.0.0.1 "$port" >>endings || true
    done
    run -0 sort -u endings
    assert_output 'rst after 6 bytes (ECONNRESET)'
    assert_equal "$(wc -l <endings)" 100
}

@test "one byte is one byte" {
    serve accept write:H close pause
    observe 0
    assert_output 'fin after 1 byte'
}

@test "a shutdown for writing reads as fin, though the connection still stands" {
    serve accept write:Hello. shutdown_wr pause
    observe 0
    assert_output 'fin after 6 bytes'
}

@test "a megabyte before a fin is counted to the last byte" {
    serve accept fill:1000000 close pause
    observe 0
    assert_output 'fin after 1000000 bytes'
}

@test "a peer that does not end it in time reads as time-out, with exit status 4" {
    serve accept write:Hello. pause
    observe 4 --timeout 200ms
    assert_output 'time-out after 6 bytes'
}

@test "an endless stream ends in the time-out too" {
    serve accept fill:1000000000 pause
    observe 4 --timeout 200ms
    assert_output --regexp '^time-out after [1-9][0-9]* bytes$'
}

# --- Connecting ---

@test "a refused connection is exit status 3, and says where" {
    run -3 --separate-stderr "$PEER" 127.0.0.1 1
    assert_output ''
    assert_equal "$stderr" 'truefin peer: could not connect to 127.0.0.1 port 1: Connection refused'
}

@test "a name that does not exist is exit status 3" {
    run -3 --separate-stderr "$PEER" --timeout 5s no-such-host.invalid 80
    assert_output ''
    assert_regex "$stderr" '^truefin peer: cannot look up "no-such-host.invalid" port "80": '
}

@test "a connection that nobody answers is exit status 4" {
    # A listener with a full queue drops what comes: this is the only silence to be had on loopback.
    start silent python3 -c '
import socket, time
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(0)
port = s.getsockname()[1]
first = [socket.create_connection(("127.0.0.1", port))]
print("port", port, flush=True)
time.sleep(60)'
    find_port silent
    observe 4 --timeout 300ms
    assert_output 'time-out after 0 bytes'
}

@test "IPv6 works, also by -6 and a name" {
    serve listen_ipv6 accept write:Hello. close pause
    run -0 "$PEER" -6 ::1 "$port"
    assert_output 'fin after 6 bytes'
}

@test "-4 refuses an IPv6 address" {
    run -3 "$PEER" -4 ::1 80
    assert_output --partial 'cannot look up "::1"'
}

# --- Sending ---

@test "--send with --half-close sends the text, then a fin, and still reads the answer" {
    # The second read ends by our fin, and by nothing else.
    serve accept read:18 read:1 write:Hello. close pause
    observe 0 --send 'GET / HTTP/1.0\r\n\r\n' --half-close
    assert_output 'fin after 6 bytes'
}

@test "--half-close without --send sends a fin at once" {
    # Two observers wait for each other for ever, unless one begins.
    listen_peer
    observe 0 --half-close
    listener_saw 'fin after 0 bytes'
}

@test "--send understands backslash escapes, a NUL among them" {
    listen_peer --output received
    run -0 "$PEER" --send 'a\r\n\t\\\x00\xfF.' --half-close 127.0.0.1 "$port"
    listener_saw 'fin after 8 bytes'
    run -0 od -An -tx1 received
    assert_output ' 61 0d 0a 09 5c 00 ff 2e'
}

@test "an unknown escape is a usage error" {
    run -2 "$PEER" --send 'a\q' 127.0.0.1 1
    assert_line --index 0 'truefin peer: --send: unknown escape "\q" (allowed: \r \n \t \\ \xHH)'
}

@test "a text that the other side will not take does not hide how it ended" {
    # The close with our text unread is an RST by the kernel's own rule.
    serve accept await_unread:4 write:Hello. close pause
    observe 1 --send text
    assert_output --regexp '^rst after [06] bytes \(ECONNRESET\)$'
}

# --- Not reading ---

@test "--read-bytes sees a fin behind bytes that it leaves unread" {
    serve accept write:Hello.. close pause
    observe 0 --read-bytes 3 --json
    assert_output --partial '"ending":"fin","bytes":3,"unread":4,'
}

@test "--read-bytes sees an rst behind bytes that it leaves unread" {
    serve accept write:Hello.. linger:1,0 close pause
    observe 1 --read-bytes 3
    assert_output 'rst after 3 bytes (ECONNRESET)'
}

@test "--read-bytes waits for the ending" {
    serve accept write:Hello.. read:1 linger:1,0 close pause
    observe 4 --read-bytes 7 --timeout 200ms
    assert_output 'time-out after 7 bytes'
}

@test "--read-bytes 0 reads nothing" {
    serve accept write:Hello.. close pause
    observe 0 --read-bytes 0
    assert_output 'fin after 0 bytes'
}

# --- Listening ---

@test "--listen tells how a client that closes ended" {
    listen_peer
    start client "$PROGRAMS/server" "connect:$port" write:Hello. close pause
    listener_saw 'fin after 6 bytes'
}

@test "--listen tells how a client that aborts ended" {
    listen_peer
    start client "$PROGRAMS/server" "connect:$port" write:Hello. linger:1,0 close pause
    listener_saw 'rst after 6 bytes (ECONNRESET)'
}

@test "--listen without a client is exit status 4" {
    run -4 --separate-stderr "$PEER" --listen --timeout 100ms ::1 0
    assert_output 'time-out after 0 bytes'
    assert_regex "${stderr_lines[0]}" '^listening on ::1 port [1-9][0-9]*$'
}

@test "--listen on a port in use is exit status 3" {
    serve accept pause
    run -3 --separate-stderr "$PEER" --listen 127.0.0.1 "$port"
    assert_equal "$stderr" \
        "truefin peer: could not accept a connection on 127.0.0.1 port $port: Address already in use"
}

# --- Reports ---

@test "--json reports everything as one object" {
    serve accept write:Hello.. linger:1,0 close pause
    observe 1 --json
    run -0 python3 -c '
import json, sys
r = json.loads(sys.argv[1])
assert isinstance(r.pop("milliseconds"), float)
assert r.pop("local").startswith("127.0.0.1:")
assert r.pop("peer") == "127.0.0.1:" + sys.argv[2]
print(r)' "$output" "$port"
    assert_output "{'ending': 'rst', 'bytes': 7, 'unread': 0, 'sent': 0, 'error': 'ECONNRESET', 'send_error': None, \
'tcp_state': 'close'}"
}

@test "--json reports a refused connection too" {
    run -3 --separate-stderr "$PEER" --json ::1 1
    assert_output --partial '{"ending":"unconnected","bytes":0,"unread":0,"sent":0,"error":"ECONNREFUSED",'
}

@test "--verbose adds the time and the TCP state" {
    serve accept write:Hello.. close pause
    observe 0 --verbose
    assert_output --regexp '^fin after 7 bytes, [0-9]+\.[0-9] ms, tcp state close-wait$'
}

@test "--output writes what was received to a file" {
    serve accept write:Hello. close pause
    observe 0 --output received
    assert_output 'fin after 6 bytes'
    assert_equal "$(cat received)" 'Hello.'
}

@test "--output - writes it to stdout, and the report to stderr" {
    serve accept write:Hello. close pause
    observe 0 --output -
    assert_output 'Hello.'
    assert_equal "$stderr" 'fin after 6 bytes'
}

@test "a pipe that nobody reads from does not hold it beyond the time-out" {
    serve accept fill:1000000 close pause
    mkfifo pipe
    exec 5<>pipe
    run -4 "$PEER" --output pipe --timeout 200ms 127.0.0.1 "$port"
    assert_output 'truefin peer: time-out in a name lookup or a write'
    exec 5>&-
}

# --- Usage ---

@test "wrong usage is exit status 2, with a line that says what is wrong" {
    local rows=0
    while IFS='|' read -r arguments message; do
        # shellcheck disable=SC2086  # split on purpose
        run -2 --separate-stderr "$PEER" $arguments
        assert_output ''
        assert_equal "${stderr_lines[0]}" "truefin peer: $message"
        rows=$((rows + 1))
    done <<'ROWS'
|needs a HOST and a PORT
localhost|needs a HOST and a PORT
localhost 80 90|needs a HOST and a PORT
--read-bytes -1 localhost 80|--read-bytes: "-1" is not a number of bytes
--read-bytes 1k localhost 80|--read-bytes: "1k" is not a number of bytes
--read-bytes 99999999999999999999 localhost 80|--read-bytes: "99999999999999999999" is not a number of bytes
--timeout 0 localhost 80|--timeout: "0" leaves no time
--output /nonexistent/x localhost 80|cannot write "/nonexistent/x": No such file or directory
--unknown localhost 80|unrecognized option '--unknown'
--send|option '--send' requires an argument
ROWS
    assert_equal "$rows" 10
}

@test "what is no port is refused, and nothing is connected to" {
    local rows=0 text
    for text in 0 65536 65537 131072 99999999999999999999 -1 -65535 +80 ' 80' '80 ' 80x 0x50 8e1 no-such-service ''; do
        run -2 --separate-stderr "$PEER" --timeout 5s -- 127.0.0.1 "$text"
        assert_output ''
        assert_equal "${stderr_lines[0]}" \
            "truefin peer: PORT: \"$text\" is no port (allowed: 1 to 65535, or the name of a service)"
        rows=$((rows + 1))
    done
    assert_equal "$rows" 15
    run -2 --separate-stderr "$PEER" --listen 127.0.0.1 65536
    assert_equal "${stderr_lines[0]}" \
        'truefin peer: PORT: "65536" is no port (allowed: 0 to 65535, or the name of a service)'
}

@test "the highest port, and leading zeros, are ports" {
    serve listen:65535 accept write:Hello. close accept write:Hello. close pause
    run -0 "$PEER" 127.0.0.1 65535
    run -0 "$PEER" 127.0.0.1 0065535
    assert_output 'fin after 6 bytes'
}

@test "--timeout wants a unit" {
    run -2 "$PEER" --timeout 10 localhost 80
    assert_line --index 0 --partial '--timeout: '
}

@test "--help names the exit codes" {
    run -0 --separate-stderr "$PEER" --help
    assert_line --partial 'Exit status: 0 FIN, 1 RST'
    assert_equal "$stderr" ''
}
