#!/usr/bin/env bats
# shellcheck disable=SC2154  # helpers set variables
# Stock PostgreSQL as Debian starts it, with the recipe of docs/RECIPES.md: the environment comes from a file, and a
# refused login ends with status 1.

load ../daemons

# A cluster is made once in this file.
setup_file() {
    local bin
    bin=$(echo /usr/lib/postgresql/*/bin)
    [[ -x $bin/initdb && $(id -u) == 0 ]] || return 0
    install -d -o postgres "$BATS_FILE_TMPDIR/data"
    chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR"
    (cd / && setpriv --reuid=postgres --regid=postgres --clear-groups \
        "$bin/initdb" --no-sync -A trust -D "$BATS_FILE_TMPDIR/data") >/dev/null 3>&-
}

# Killed outright it would leave its shared memory behind.
teardown() {
    if [[ -s postgresql.status ]]; then
        kill -QUIT "$(pid_of postgresql)" 2>/dev/null || true
        wait_until grep -Eq '^(exit|signal) ' postgresql.status
    fi
    stop_all
}

# postgresql [POLICY]: starts it; without a POLICY it is the recipe's. Sets $port.
postgresql() {
    local version conf=$PWD/conf
    requires pg_ctlcluster psql
    other_users
    without_sanitizer 'its environment names the library alone'
    version=$(basename "$(dirname /usr/lib/postgresql/*/bin)")
    free_port
    a_library_for_all
    cp -a "$BATS_FILE_TMPDIR/data" data
    install -d -o postgres "$conf" "$conf/$version" "$conf/$version/main"
    cd "$conf/$version/main" || return
    cat >postgresql.conf <<CONF
data_directory = '$BATS_TEST_TMPDIR/data'
hba_file = '$PWD/pg_hba.conf'
ident_file = '$PWD/pg_ident.conf'
external_pid_file = '$BATS_TEST_TMPDIR/data/external.pid'
unix_socket_directories = ''
listen_addresses = '127.0.0.1'
port = $port
fsync = off
CONF
    printf 'host all nobody all reject\nhost all all all trust\n' >pg_hba.conf
    : >pg_ident.conf
    cat >environment <<CONF
LD_PRELOAD = '$library'
TRUEFIN_POLICY = 'accepted: ${1:-abort-on-crash}'
CONF
    cd "$BATS_TEST_TMPDIR" || return
    chmod -R go+rX conf
    TRUEFIN_TEST_BARE=1 launch postgresql "PG_CLUSTER_CONF_ROOT=$conf" pg_ctlcluster --foreground "$version" main start
    await_listener
    wait_until grep -q 'ready to accept' postgresql.err || cat postgresql.err
}

# message TYPE TEXT: a message of its protocol, in the peer's notation. TEXT has no escapes but \x00.
message() {
    local bytes
    bytes=$(printf %b "$2" | wc -c)
    printf '%s\\x00\\x00\\x00\\x%02x%s' "$1" $((bytes + 4)) "$2"
}

# login USER [MESSAGE]...: what a client says first. $peer as for connect_peer.
login() {
    local user=$1
    shift
    connect_peer --output "${peer:-peer}.got" \
        --send "$(message '' '\x00\x03\x00\x00user\x00'"$user"'\x00database\x00postgres\x00\x00')$(printf %s "$@")"
}

# A query that sends much, and then waits.
in_mid_answer() {
    login postgres "$(message Q "SELECT repeat('a', 99999); SELECT pg_sleep(30)"'\x00')"
    wait_until grep -q aaaa peer.got
    find_worker
}

# late_reader POLICY fin|rst: a client reads nothing of a finished answer of 2.5 MB before the server has decided to end
# the idle session, and where the process waits for nobody not before that is gone. It must get all of the answer, and
# the reason.
late_reader() {
    postgresql "$1"
    run -0 timeout 60 python3 - "$port" "${TRUEFIN_TEST_SESSIONS:-2}" "$2" <<'END'
import os, socket, struct, sys, time

def message(kind, body):
    return kind + struct.pack("!I", 4 + len(body)) + body

def has_ended(local, number):
    if sys.argv[3] == "rst":
        return open("postgresql.err").read().count("idle-session timeout") > number
    # The server's end of it is no process's any more.
    return "users:" not in os.popen(f"ss -Htnp 'dport = :{local}'").read()

for number in range(int(sys.argv[2])):
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    client.connect(("127.0.0.1", int(sys.argv[1])))
    local = client.getsockname()[1]
    client.sendall(message(b"", struct.pack("!I", 0x30000) + b"user\0postgres\0database\0postgres\0\0"))
    client.sendall(message(b"Q", b"SET idle_session_timeout = '100ms'; SELECT repeat('a', 2500000)\0"))
    end = time.monotonic() + 10
    while not client.recv(1, socket.MSG_PEEK) or (time.monotonic() < end and not has_ended(local, number)):
        time.sleep(0.01)
    data, ending = b"", "fin"
    try:
        while more := client.recv(65536):
            data += more
    except ConnectionResetError:
        ending = "rst"
    print(ending, data.count(b"a" * 1000), b"idle-session timeout" in data)
END
    assert_equal "$(sort <<<"$output" | uniq -c | xargs)" "${TRUEFIN_TEST_SESSIONS:-2} $2 2500 True"
}

@test "PostgreSQL: a client that takes its leave reads FIN" {
    postgresql
    login postgres "$(message Q "SELECT 'Hel'||'lo.'"'\x00')" "$(message X '')"
    peer_ended fin
    run -0 grep -a Hello. peer.got
}

@test "PostgreSQL: a refused login reads why, and FIN" {
    postgresql
    login nobody
    peer_ended fin
    run -0 grep -a 'rejects connection' peer.got
}

@test "PostgreSQL: with session-error=rst a refused login ends in an RST" {
    postgresql "abort-on-crash, session-error=rst"
    login nobody
    peer_ended rst
}

@test "PostgreSQL: a stop in the fast mode says why to a client, and sends FIN" {
    postgresql
    in_mid_answer
    kill -INT "$(pid_of postgresql)"
    peer_ended fin
    run -0 grep -a 'administrator command' peer.got
    ended postgresql exit 0
}

@test "PostgreSQL: SIGKILL of a backend in mid-answer, which has the library, sends RST, and others read why they end, and FIN" {
    postgresql
    in_mid_answer
    peer=other login postgres
    peer_has other.got
    has_library "$worker"
    kill -KILL "$worker"
    peer_ended rst
    peer=other peer_ended fin
    run -0 grep -a 'crash of another server process' other.got
}

@test "PostgreSQL: a client that reads late gets all of an answer, why its session was ended, and FIN" {
    late_reader abort-on-crash fin
}

@test "PostgreSQL: the same with session-error=flush-rst, and an RST behind it" {
    late_reader "abort-on-crash, session-error=flush-rst" rst
}
