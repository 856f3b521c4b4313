#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2154  # braces are words here, and helpers set variables
# flush-rst at its limits: peers that do not read, that vanish, that half-close, that send; other families; and what the
# program has set for the connection. In a living process, at its exit, and by the side-car.

load ../helpers.bash
load ../watch.bash

WAYS='close exit killed'

# For a server: one more connection, and its queue is full.
MORE=("${FILL[@]:0:3}")

# full WAY OPERATION...: a server that has made these connections and ends them by WAY at SIGUSR1. Only the limit for
# this way is $limit, where that is set.
full() {
    local way=$1
    local -a full=("${@:2}" say:filled sigwait:USR1)
    stop_all
    echo "way: $way"
    case $way in
    close)
        serve -p close=flush-rst TRUEFIN_FLUSH_TIME="${limit:-1min}" TRUEFIN_FLUSH_AT_EXIT=1min \
            "${full[@]}" close_range_all say:closed pause
        ;;
    exit)
        serve -p exit-error=flush-rst TRUEFIN_FLUSH_TIME=1min TRUEFIN_FLUSH_AT_EXIT="${limit:-1min}" \
            TRUEFIN_LOG="$PWD/log" "${full[@]}" exit:3
        ;;
    killed)
        export TRUEFIN_FLUSH_TIME=${limit:-1min} TRUEFIN_FLUSH_AT_EXIT=1min
        watch_static -p abort-on-crash -- "${full[@]}" kill_self:KILL
        unset TRUEFIN_FLUSH_TIME TRUEFIN_FLUSH_AT_EXIT
        watcher=$(watcher_of "$(pid_of server)")
        ;;
    esac
}

# at_peers WHAT[,HOST[,N]]...: peers with a small buffer, one for each connection in their order, each at the server's
# Nth port. When all queues are full each does WHAT:
#     nothing             reads nothing
#     shrinks             reads a little, then makes its window smaller, and reads no more
#     half-closes         reads nothing, and its FIN is out
#     reads, mptcp        reads all, once the server ends
#     half-closes-reads   its FIN is out, and it reads all
#     sends-reads         sends 100,000 bytes once the server ends, and reads all
# "ready" says that the server may end. Who does not read waits for the end, and takes then what is there. In the end there
# is a line for each.
at_peers() {
    cat >peers.py <<'END_OF_PEERS'
import select, socket, sys, threading, time

def wait_for(text, count=1):
    end = time.monotonic() + 20
    while (said := open("server.out").read()).count(text) < count and time.monotonic() < end:
        time.sleep(0.005)
    return said

peers = []
for what, host, number in ((word + ",127.0.0.1,1").split(",")[:3] for word in sys.argv[1:]):
    port = wait_for("port ", int(number)).split("port ")[int(number)].split("\n")[0]
    peer = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM,
                         262 if what == "mptcp" else 0)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    peer.connect((host, int(port)))
    peers.append((what, peer))
wait_for("filled\n")
early = 0
for what, peer in peers:
    if what == "shrinks":
        early = sum(len(peer.recv(2000)) for _ in range(4))
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_WINDOW_CLAMP, 100)
    if what.startswith("half-closes"):
        peer.shutdown(socket.SHUT_WR)
print("ready", flush=True)
wait_for("got USR1\n")

def end(what, peer):
    read = early if what == "shrinks" else 0
    try:
        if what.startswith("sends"):
            peer.sendall(b"x" * 100000)
        if what in ("nothing", "shrinks", "half-closes"):
            poll = select.poll()
            poll.register(peer, 0)
            poll.poll(20000)
        while data := peer.recv(65536):
            read += len(data)
        print(f"{what} fin after {read} bytes\n", end="", flush=True)
    except ConnectionResetError:
        print(f"{what} rst after {read} bytes (ECONNRESET)\n", end="", flush=True)

for what, peer in peers:
    threading.Thread(target=end, args=(what, peer)).start()
END_OF_PEERS
    start peers timeout 30 python3 peers.py "$@"
    WAIT_LIMIT=20 said peers ready
    # From here on the signal finds the server in its sigwait.
    server_said ready
}

# ends WAY: the server ends them, and what is left of it has ended: the kept connections, the process, the side-car.
ends() {
    kill_server USR1
    case $1 in
    close)
        server_said closed
        wait_until keeps_none
        ;;
    exit) server_ended exit 3 ;;
    killed)
        server_ended signal KILL
        wait_until gone "$watcher"
        ;;
    esac
}

keeps_none() {
    [[ -z $(find "/proc/$(pid_of server)/fd" -lname 'socket:*') ]]
}

# peers_told COUNT PATTERN: the lines of COUNT peers match it, and there is no other.
peers_told() {
    wait_until all_told "$1"
    assert_equal "$(grep -Evx "ready|$2" peers.out)" ''
}

all_told() {
    [[ $(grep -Ec ' (rst|fin) after ' peers.out) == "$1" ]]
}

# own_network: for tests that stop all traffic.
own_network() {
    requires ip
    [[ -n ${TRUEFIN_TEST_OWN_NETWORK:-} ]] || skip 'no network namespace to be had'
}

@test "a peer that never reads is given up at the limit and not before, and so is one that shrinks its window, or half-closes" {
    local way before limit=200ms rows=0
    for way in $WAYS; do
        full "$way" "${MORE[@]}" "${MORE[@]}" "${MORE[@]}"
        at_peers nothing shrinks half-closes
        before=${EPOCHREALTIME/./}
        ends "$way"
        assert [ $((${EPOCHREALTIME/./} - before)) -ge 200000 ]
        peers_told 3 '[a-z-]+ rst after [0-9]{1,5} bytes \(ECONNRESET\)'
        rows=$((rows + 1))
    done
    assert_equal "$rows" 3
    run -0 grep -E 'event=exit-error flush-rst=3 limit=3$' log
}

@test "a peer that vanishes is given up at the limit" {
    local way limit=200ms rows=0
    own_network
    for way in $WAYS; do
        full "$way" "${MORE[@]}"
        at_peers nothing
        ip link set lo down
        ends "$way" || rows=-10
        ip link set lo up
        rows=$((rows + 1))
    done
    assert_equal "$rows" 3
}

@test "IPv4, IPv6 and MPTCP, a peer that half-closes, and one that sends meanwhile: all that was written arrives, then RST" {
    local way rows=0
    for way in $WAYS; do
        full "$way" "${MORE[@]}" "${MORE[@]}" "${MORE[@]}" listen_ipv6 "${MORE[@]}" listen_mptcp "${MORE[@]}"
        at_peers reads half-closes-reads sends-reads reads,::1,2 mptcp,127.0.0.1,3
        ends "$way"
        peers_told 5 "[a-z-]+ rst after $BIG bytes \(ECONNRESET\)"
        rows=$((rows + 1))
    done
    assert_equal "$rows" 3
}

@test "the program's TCP_USER_TIMEOUT holds: the kernel ends the connection, and nothing waits any longer" {
    local way rows=0
    for way in $WAYS; do
        full "$way" "${MORE[@]}" user_timeout:300 listen_mptcp "${MORE[@]}" user_timeout:300
        at_peers nothing nothing,127.0.0.1,2
        ends "$way"
        rows=$((rows + 1))
    done
    assert_equal "$rows" 3
}

# many_peers COUNT: so many that read nothing before the server has closed all. Prints how many have got every byte, and how
# many of them the reset.
many_peers() {
    run -0 timeout 60 python3 -c '
import socket, sys, time
peers = []
for _ in range(int(sys.argv[2])):
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    peer.connect(("127.0.0.1", int(sys.argv[1])))
    peers.append(peer)
end = time.monotonic() + 20
while "ready" not in open("server.out").read() and time.monotonic() < end:
    time.sleep(0.005)
whole = resets = 0
for peer in peers:
    read = 0
    try:
        while data := peer.recv(65536):
            read += len(data)
    except ConnectionResetError:
        resets += 1
    whole += read == int(sys.argv[3])
print("whole", whole, "resets", resets)' "$port" "$1" "$BIG"
}

@test "near RLIMIT_NOFILE the one that has been kept longest gives way, and what was written arrives all the same" {
    launch server -p close=flush-rst TRUEFIN_FLUSH_TIME=1min prlimit --nofile=256 "$PROGRAMS/server" \
        "${FILL[@]}" close again:20 pause
    find_port server
    many_peers 20
    assert_output 'whole 20 resets 16'
}
