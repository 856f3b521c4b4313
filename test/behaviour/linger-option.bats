#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2154  # braces are words here, and helpers set variables
# SO_LINGER belongs to the program: it reads back what it set, and its own abort stays one.

load ../helpers

@test "a program that set nothing reads SO_LINGER as off" {
    serve accept write:Hello. getlinger close pause
    peer_sees fin 6
    server_said 'linger 0,0 size 8'
}

@test "SO_LINGER reads back as set" {
    serve accept write:Hello. linger:1,5 getlinger close pause
    peer_sees fin 6
    server_said 'linger 1,5 size 8'
}

@test "SO_LINGER of zero reads back as set" {
    serve accept write:Hello. linger:1,0 getlinger close pause
    peer_sees rst 6
    server_said 'linger 1,0 size 8'
}

@test "SO_LINGER reads back the same through a dup" {
    serve accept linger:1,5 dup swap getlinger exit:0
    peer_sees fin 0
    server_said 'linger 1,5 size 8'
}

@test "a close after the program's own zero linger sends RST: its wish" {
    serve accept write:Hello. linger:1,0 close pause
    peer_sees rst 6
}

@test "exit(0) after the program's own zero linger sends RST: its wish" {
    serve accept write:Hello. linger:1,0 exit:0
    peer_sees rst 6
    server_ended exit 0
}

@test "a zero linger that the program took back leaves FIN" {
    serve accept write:Hello. linger:1,0 linger:0,0 close pause
    peer_sees fin 6
}

@test "close=fin drops the program's zero linger" {
    serve -p close=fin accept write:Hello. linger:1,0 close pause
    peer_sees fin 6
}

@test "always-fin drops the program's zero linger at exit" {
    serve -p always-fin accept write:Hello. linger:1,0 exit:0
    peer_sees fin 6
}

@test "a crash sends RST whatever linger the program set" {
    serve accept write:Hello. linger:0,0 kill_self:KILL
    peer_sees rst 6
}

@test "a crash sends RST although the program set a positive linger" {
    serve accept write:Hello. linger:1,5 kill_self:KILL
    peer_sees rst 6
}

@test "a listener's SO_LINGER is the program's alone" {
    serve listener_linger:1,0 listener_getlinger accept getlinger write:Hello. close pause
    peer_sees rst 6
    server_said 'linger 1,0 size 8'
    assert_equal "$(grep -c '^linger 1,0 size 8$' server.out)" 2
}

@test "a zero linger that a socket has before it listens is its connections': RST" {
    requires /usr/bin/python3
    launch server /usr/bin/python3 -c '
import socket, struct
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
listener.bind(("127.0.0.1", 0))
listener.listen()
print("port", listener.getsockname()[1], flush=True)
connection, _ = listener.accept()
connection.sendall(b"Hello.")
assert struct.unpack("ii", connection.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)) == (1, 0)
connection.close()'
    find_port server
    peer_sees rst 6
    ended server exit 0
}

@test "a zero linger of a listener that was inherited stays the program's" {
    requires /usr/bin/python3
    launch server /usr/bin/python3 -c '
import os, socket, struct, sys
if len(sys.argv) == 1:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    print("port", listener.getsockname()[1], flush=True)
    os.set_inheritable(listener.fileno(), True)
    os.execv(sys.executable, sys.orig_argv + [str(listener.fileno())])
connection, _ = socket.socket(fileno=int(sys.argv[1])).accept()
connection.sendall(b"Hello.")
connection.close()'
    find_port server
    peer_sees rst 6
    ended server exit 0
}

# What the process above sets on the way, see act_release(): its time is the mark.
@test "a service that starts while its connection is being released reads SO_LINGER as off" {
    requires /usr/bin/python3
    listen_peer
    launch service -p abort-on-crash env -u LD_PRELOAD /usr/bin/python3 -c '
import os, socket, struct, sys
if len(sys.argv) == 3:
    connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 21076))
    os.dup2(connection.fileno(), 0)
    os.environ["LD_PRELOAD"] = sys.argv[2]
    os.execv(sys.executable, sys.orig_argv[:3])
service = socket.socket(fileno=0)
print(struct.unpack("ii", service.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)), flush=True)
os.kill(os.getpid(), 9)' "$port" "${SANITIZER_PRELOAD:+$SANITIZER_PRELOAD:}$LIBTRUEFIN"
    peer_saw rst 0
    said service '(0, 0)'
}

@test "a listener that the program left alone reads as off after connections" {
    serve accept write:Hello. listener_getlinger close pause
    peer_sees fin 6
    server_said 'linger 0,0 size 8'
}

@test "SO_LINGER set before connect reads back and holds" {
    requires /usr/bin/python3
    listen_peer
    launch client /usr/bin/python3 -c '
import socket, struct, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
s.connect(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"Hello.")
print(struct.unpack("ii", s.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)), flush=True)
s.close()' "$port"
    peer_saw rst 6
    said client '(1, 0)'
}

# --- The mission's client in C ---

@test "the mission's client, which asks for an abort, sends RST" {
    listen_peer
    launch client "$PROGRAMS/seed_linger" "$port"
    peer_saw rst 7
    ended client exit 0
}

@test "the mission's client without that option sends FIN" {
    listen_peer
    launch client "$PROGRAMS/seed_linger" "$port" plain
    peer_saw fin 7
    ended client exit 0
}

@test "the mission's client under always-fin sends FIN" {
    listen_peer
    launch client -p always-fin "$PROGRAMS/seed_linger" "$port"
    peer_saw fin 7
    ended client exit 0
}

# --- Odd values ---

@test "random calls for SO_LINGER answer as without the library: seeds 1 to 6, 300 operations, every policy" {
    without_sanitizer 'a sanitizer reads what a bad pointer points to'
    local seed policy rows=0
    for seed in {1..6}; do
        run -0 timeout -k 1 10 "$PROGRAMS/options" "$seed" 300
        local bare=$output
        for policy in abort-on-crash abort-on-unread-data abort-unless-shutdown always-fin refuse-write-after-fin \
            close=rst off; do
            echo "seed $seed, policy $policy"
            run -0 shimmed -p "$policy" timeout -k 1 10 "$PROGRAMS/options" "$seed" 300
            diff <(echo "$bare") <(echo "$output")
            rows=$((rows + 1))
        done
    done
    assert_equal "$rows" 42
}
