# shellcheck shell=bash disable=SC2034  # variables set here are for the tests
# What every bats file loads. A test has three parts, a line each:
#
#     serve accept write:Hello. exit:3      a program under the shim, in the background
#     peer_sees rst 6                       what its peer reads
#     server_ended exit 3                   what its parent sees
#
# All waiting is bounded polling for a condition (wait_until). All processes end in teardown.

bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert

# The default policy, but what a session's bad status ends is aborted too: for tests that show by a fork child's status
# who decides.
SESSIONS_TOO='abort-on-crash, session-error=flush-rst'

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    started=()
}

teardown() {
    stop_all
}

# requires COMMAND...: the test needs these. A missing one is a failure, unless TRUEFIN_TEST_ALLOW_SKIP is set:
# nothing is skipped behind a CI's back.
requires() {
    local tool
    for tool in "$@"; do
        command -v "$tool" >/dev/null && continue
        [[ -z ${TRUEFIN_TEST_ALLOW_SKIP:-} ]] || skip "$tool is not installed"
        fail "$tool is not installed (TRUEFIN_TEST_ALLOW_SKIP=1 skips such tests)"
    done
}

# For tests that count system calls or look at signal handlers: a sanitizer has its own.
without_sanitizer() {
    [[ -z $SANITIZER_PRELOAD ]] || skip "$1"
}

# not_under SANITIZER REASON: for what that one makes of programs, with truefin or without it.
not_under() {
    [[ ${SANITIZE:-} != "$1" ]] || skip "$2"
}

# stands_sanitizer COMMAND...: skips the tests of a program that hangs or fails with a sanitizer's library alone,
# without truefin. COMMAND is one that ends well at once. Asked once in a file.
stands_sanitizer() {
    [[ -n $SANITIZER_PRELOAD ]] || return 0
    local answer
    answer=$BATS_FILE_TMPDIR/$(cksum <<<"$*" | tr ' ' -)
    if [[ ! -e $answer ]]; then
        echo no >"$answer"
        timeout 10 env LD_PRELOAD="$SANITIZER_PRELOAD" "$@" >/dev/null 2>&1 </dev/null 3>&- && echo yes >"$answer"
    fi
    [[ $(<"$answer") == yes ]] || skip "without truefin, the sanitizer's library breaks it: $*"
}

# find_rust_builds: for setup_file. Exports RUST_BUILDS: in which folders of $PROGRAMS is what the Rust compilers have
# built? Debian's own is one. If it is older than 1.84, in which Rust changed the class of its exceptions, a current
# one beside it (scripts/rust-web) has to be the other.
find_rust_builds() {
    local version
    version=$(/usr/bin/rustc --version | cut -d' ' -f2)
    RUST_BUILDS=.
    printf '1.84\n%s\n' "$version" | sort -VC || RUST_BUILDS='. web'
    export RUST_BUILDS
}

# --- Waiting ---

# wait_until COMMAND...: polls until COMMAND succeeds, for at most WAIT_LIMIT (default 10) seconds.
wait_until() {
    local deadline=$((SECONDS + ${WAIT_LIMIT:-10}))
    until "$@" >/dev/null 2>&1; do
        if ((SECONDS > deadline)); then
            echo "waited in vain for: $*"
            return 1
        fi
        sleep 0.01
    done
}

# listening PORT: somebody listens at TCP PORT in this namespace.
listening() {
    ss -Hltn "sport = :$1" | grep -q .
}

# --- Running things ---

# shim_settings [-p POLICY] ARGUMENT...: sets the array $settings to the environment of a shimmed program, and the array
# $rest to the other arguments. The sanitizer's library, where there is one, comes before the shim.
# Without -p the policy is truefin's default.
shim_settings() {
    settings=()
    if [[ $1 == -p ]]; then
        settings+=("TRUEFIN_POLICY=$2")
        shift 2
    fi
    rest=("$@")
    if [[ -z ${TRUEFIN_TEST_BARE:-} ]]; then
        settings+=("LD_PRELOAD=${SANITIZER_PRELOAD:+$SANITIZER_PRELOAD:}$LIBTRUEFIN")
    fi
}

# shimmed [-p POLICY] [NAME=VALUE]... COMMAND...: runs COMMAND under the shim and waits for it.
shimmed() {
    shim_settings "$@"
    env "${settings[@]}" "${rest[@]}"
}

# as_without NAME STATUS OUTPUT [SETTING...]: what test/programs/odd.c does under NAME has this status and output, without
# the shim and with it.
as_without() {
    local name=$1 status_wanted=$2 output_wanted=$3
    shift 3
    run -"$status_wanted" env "$@" timeout 10 "$PROGRAMS/odd" "$name"
    assert_output "$output_wanted"
    run -"$status_wanted" shimmed "$@" timeout 10 "$PROGRAMS/odd" "$name"
    assert_output "$output_wanted"
}

# start NAME PROGRAM ARGUMENT...: in the background, as leader of a session of its own; output in NAME.out and NAME.err.
# Sets $started_pid.
start() {
    local name=$1
    shift
    # Made anew before the fork, or a test could read what an earlier program of this name wrote.
    : >"$name.out"
    : >"$name.err"
    rm -f "$name.status"
    setsid "$@" >"$name.out" 2>"$name.err" </dev/null 3>&- &
    started_pid=$!
    started+=("$started_pid")
}

# Ends whatever start has started, and what that has started.
stop_all() {
    local leader
    for leader in "${started[@]}"; do
        # By its own number it may not lead a session yet.
        kill -KILL -- "-$leader" 2>/dev/null || kill -KILL "$leader" 2>/dev/null || true
        wait "$leader" 2>/dev/null || true
    done
    started=()
}

# launch NAME [-p POLICY] [NAME=VALUE]... PROGRAM ARGUMENT...: starts PROGRAM under the shim. Its pid and its end are
# kept for pid_of, kill_it and ended.
launch() {
    local name=$1
    shift
    rm -f "$name.status"
    shim_settings "$@"
    start "$name" "$PROGRAMS/outcome" "$name.status" env "${settings[@]}" "${rest[@]}"
}

# pid_of NAME: the pid of a launched program, on standard output.
pid_of() {
    wait_until grep -q '^pid ' "$1.status" || return
    sed -n 's/^pid //p' "$1.status"
}

# ended NAME exit STATUS, ended NAME signal TERM: waits for the program's end and compares it.
ended() {
    wait_until grep -Eq '^(exit|signal) ' "$1.status" || return
    assert_equal "$(tail -n 1 "$1.status")" "$2 $3"
}

# said NAME LINE: waits for a line of a program's standard output.
said() {
    if ! wait_until grep -Fxq -- "$2" "$1.out"; then
        printf '%s wrote:\n%s\n' "$1" "$(cat "$1.out" "$1.err")"
        return 1
    fi
}

# --- The server of test/programs, and its peer ---

# perform [-p POLICY] [NAME=VALUE]... OPERATION...: launches `server` with these operations.
perform() {
    local -a before=()
    while [[ $1 == -p || $1 =~ ^[A-Z_]+= ]]; do
        if [[ $1 == -p ]]; then
            before+=("$1")
            shift
        fi
        before+=("$1")
        shift
    done
    launch server "${before[@]}" "$PROGRAMS/server" "$@"
}

# ways_to_close: the ways to give up the last descriptor for a connection, a line of operations each.
ways_to_close() {
    cat <<'END'
close
fdopen:w fclose
fdopen:r freopen
dup2_over
dup3_over
close_range
closefrom
syscall_close
syscall_close_range
syscall_dup3
thread{ close }
dup close swap close
END
}

# serve ...: performs operations that begin with accept. Sets $port.
serve() {
    perform "$@"
    find_port server
}

# find_port NAME: sets $port to what a program announced as "port N".
find_port() {
    if ! wait_until grep -Eq '^port [0-9]+$' "$1.out"; then
        printf '%s wrote:\n%s\n' "$1" "$(cat "$1.out" "$1.err")"
        return 1
    fi
    port=$(sed -n 's/^port //p' "$1.out")
}

server_said() {
    said server "$@"
}

server_ended() {
    ended server "$@"
}

# kill_server SIGNAL
kill_server() {
    kill "-$1" "$(pid_of server)"
}

# connect_peer [OPTION...]: starts the observer in the background; peer_saw waits for what it reports.
# $host (default 127.0.0.1) and $port say where. Several at once: set $peer to a name for each.
connect_peer() {
    start "${peer:-peer}" "$PEER" --timeout 10s "$@" "${host:-127.0.0.1}" "$port"
}

# listen_peer [OPTION...]: the same for a program that connects. Sets $port.
listen_peer() {
    local name=${peer:-peer}
    start "$name" "$PEER" --timeout 10s --listen "$@" "${host:-127.0.0.1}" 0
    wait_until grep -q '^listening on' "$name.err"
    port=$(sed -n 's/^listening on .* port //p' "$name.err")
}

# peer_saw fin|rst BYTES
peer_saw() {
    local name=${peer:-peer} line
    wait_until test -s "$name.out" || cat "$name.err"
    line=$(cat "$name.out")
    case $1 in
    rst) assert_equal "$line" "rst after $2 bytes (ECONNRESET)" ;;
    *) assert_equal "$line" "$1 after $2 bytes" ;;
    esac
}

# peer_sees fin|rst BYTES [OPTION...]
peer_sees() {
    connect_peer "${@:3}"
    peer_saw "$1" "$2"
}

# For a queue that is full when the program ends: it writes $BIG bytes, which the kernel takes at once, and says so; the peer
# has a small buffer, and reads nothing before that.
BIG=200000
FILL=(accept "sndbuf:$BIG" "fill:$BIG" say:filled)

# with_io COMMAND...: with both libraries.
with_io() {
    local LIBTRUEFIN=$LIBTRUEFIN:${LIBTRUEFIN%.so}-io.so
    "$@"
}

# slow_peer [FILE REGEX]: a peer with a small buffer that reads nothing before the server has written all, or before a
# line of FILE begins as REGEX says, and then everything.
slow_peer() {
    start peer python3 -c '
import re, socket, sys, time
peer = socket.socket()
peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
peer.connect(("127.0.0.1", int(sys.argv[1])))
end = time.monotonic() + 20
while not re.search(sys.argv[3], open(sys.argv[2]).read(), re.M) and time.monotonic() < end:
    time.sleep(0.001)
read = 0
try:
    while data := peer.recv(65536):
        read += len(data)
    print("fin after", read, "bytes")
except ConnectionResetError:
    print("rst after", read, "bytes (ECONNRESET)")' "$port" "${1:-server.out}" "${2:-^filled\$}"
}

# behind_fin SIGNAL: nothing comes to a peer after the FIN, when the server has been sent SIGNAL and has ended. The
# peer's own side stays open, so that an RST would still be sent, and be told by the socket as EPIPE.
behind_fin() {
    run -0 python3 -c '
import os, signal, socket, sys, time
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
while connection.recv(100):
    pass
pid = int(sys.argv[2])
os.kill(pid, signal.Signals["SIG" + sys.argv[3]])
for _ in range(1000):
    if not os.path.exists(f"/proc/{pid}"):
        break
    time.sleep(0.01)
else:
    sys.exit("it has not ended")
print("error", connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))' "$port" "$(pid_of server)" "$1"
    assert_output 'error 0'
}
