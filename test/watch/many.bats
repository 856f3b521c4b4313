#!/usr/bin/env bats
# shellcheck disable=SC2154  # helpers set variables
# shellcheck disable=SC1083  # braces belong to the server's operations
# Many threads, processes, connections and execs under the side-car. Their long forms: scripts/stress-watch.

load ../helpers
load ../watch

# resident PID: its memory in KiB.
resident() {
    awk '$1 == "VmRSS:" { print $2 }' "/proc/$1/status"
}

@test "threads that start and end while the program is killed" {
    local i
    for i in {1..10}; do
        watched many -- "$PROGRAMS/crowd" threads 50
        find_port many
        connect_peer
        said many ready
        kill -KILL "$(pid_of many)"
        peer_saw rst 0
    done
    assert_equal "$i" 10
}

@test "a process of many threads, and one of many children, that is killed" {
    local kind watcher rows=0
    for kind in idle processes; do
        watched many -- "$PROGRAMS/crowd" "$kind" "${TRUEFIN_TEST_CROWD:-500}"
        find_port many
        connect_peer --timeout 120s
        WAIT_LIMIT=120 said many ready
        watcher=$(watcher_of "$(pid_of many)")
        if [[ -z $SANITIZER_PRELOAD ]]; then assert [ "$(resident "$watcher")" -lt 2048 ]; fi
        kill -KILL "$(pid_of many)"
        WAIT_LIMIT=60 ended many signal KILL
        WAIT_LIMIT=120 peer_saw rst 0
        WAIT_LIMIT=60 wait_until gone "$watcher"
        rows=$((rows + 1))
    done
    assert_equal "$rows" 2
}

@test "a fork server that is killed with all its children: every peer reads an RST" {
    requires python3
    local count=${TRUEFIN_TEST_SERVERS:-100}
    watched many -- "$PROGRAMS/crowd" servers "$count"
    find_port many
    cat >peers.py <<'END'
import collections, socket, sys
peers = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for i in range(int(sys.argv[2]))]
print("connected", flush=True)
seen = collections.Counter()
for peer in peers:
    peer.settimeout(20)
    try:
        seen["fin" if peer.recv(1) == b"" else "data"] += 1
    except OSError as error:
        seen[type(error).__name__] += 1
print(*seen.items())
END
    start peers timeout 60 python3 peers.py "$port" "$count"
    said many ready
    said peers connected
    # The children follow at once.
    kill -KILL "$(pid_of many)"
    WAIT_LIMIT=30 said peers "('ConnectionResetError', $count)"
}

@test "a storm of execs by threads beside others is no death" {
    watched many -p abort-unless-shutdown -- "$PROGRAMS/crowd" execs "${TRUEFIN_TEST_EXECS:-50}"
    find_port many
    connect_peer
    WAIT_LIMIT=60 said many ready
    kill -KILL "$(pid_of many)"
    peer_saw rst 0
}

@test "a death with many open connections is decided in a moment" {
    local count=${TRUEFIN_TEST_CONNECTIONS:-2000} watcher before
    ulimit -n $((2 * count + 100)) || skip 'the limit of descriptors cannot be raised'
    watched many --log "$PWD/log" -- "$PROGRAMS/crowd" connections "$count"
    WAIT_LIMIT=60 said many ready
    watcher=$(watcher_of "$(pid_of many)")
    before=$EPOCHREALTIME
    kill -KILL "$(pid_of many)"
    WAIT_LIMIT=30 ended many signal KILL
    echo "# a death with $((2 * count)) ends took $(((${EPOCHREALTIME/./} - ${before/./}) / 1000)) ms" >&3
    assert_regex "$(cat log)" "event=crash flush-rst=$((2 * count))$"
}

# late_peers PORT COUNT: so many that read nothing before the file "go" is there, and then all. "connected"; then how many have
# got every byte and the reset.
late_peers() {
    cat >late.py <<'END'
import os, select, socket, sys, time
port, count = int(sys.argv[1]), int(sys.argv[2])
peers = {}
for _ in range(count):
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    peer.connect(("127.0.0.1", port))
    peers[peer.fileno()] = [peer, 0]
print("connected", flush=True)
end = time.monotonic() + 60
while not os.path.exists("go") and time.monotonic() < end:
    time.sleep(0.01)
poll = select.epoll()
for fd in peers:
    poll.register(fd, select.EPOLLIN)
right = 0
left = count
wrong = []
while left and time.monotonic() < end:
    for fd, _ in poll.poll(1):
        try:
            data = peers[fd][0].recv(65536)
            peers[fd][1] += len(data)
            over = not data
            if over:
                wrong.append(("fin", peers[fd][1]))
        except ConnectionResetError:
            right += peers[fd][1] == 4000
            over = True
            if peers[fd][1] != 4000:
                wrong.append(("rst", peers[fd][1]))
        if over:
            poll.unregister(fd)
            left -= 1
print("right", right, *wrong[:3], flush=True)
END
    start late timeout 120 python3 late.py "$1" "$2"
}

# used PID: hundredths of a second of a processor.
used() {
    awk '{ print $14 + $15 }' "/proc/$1/stat"
}

# past MICROSECONDS SINCE
past() {
    ((${EPOCHREALTIME/./} - $2 >= $1))
}

@test "a death with many full queues: its parent waits for none, the side-car rests meanwhile, delivers all, and ends" {
    local count=${TRUEFIN_TEST_QUEUES:-1000} watcher before waited work
    ulimit -n $((count + 100)) || skip 'the limit of descriptors cannot be raised'
    export TRUEFIN_FLUSH_TIME=1min
    watched many -- "$PROGRAMS/crowd" queues "$count"
    find_port many
    late_peers "$port" "$count"
    WAIT_LIMIT=60 said many ready
    WAIT_LIMIT=60 said late connected
    watcher=$(watcher_of "$(pid_of many)")
    before=${EPOCHREALTIME/./}
    kill -KILL "$(pid_of many)"
    WAIT_LIMIT=30 ended many signal KILL
    waited=$(((${EPOCHREALTIME/./} - before) / 1000))
    # What it does for the death is not counted.
    work=$(used "$watcher")
    before=${EPOCHREALTIME/./}
    wait_until past 2000000 "$before"
    work=$(($(used "$watcher") - work))
    echo "# parent: $waited ms for $count queues; side-car in two seconds: $work hundredths of a processor" >&3
    assert [ "$work" -lt "${TRUEFIN_TEST_WORK:-40}" ]
    touch go
    WAIT_LIMIT=60 said late "right $count"
    WAIT_LIMIT=30 wait_until gone "$watcher"
}
