#!/usr/bin/env bats
# shellcheck disable=SC2154  # helpers set variables
# Stock pure-ftpd, with the recipe of docs/RECIPES.md: each session has a helper that keeps root's rights. It is forked
# with the control connection open, and ends with status 255 once the session is over. scripts/unpack has the daemon,
# because its package and vsftpd's exclude each other.

load ../daemons

# The password "secret", as crypt(3) has it.
# shellcheck disable=SC2016  # no variables
secret='$6$truefin$LH9T1wGgqBB8OV.LhgkORzOeQBHmJHL06GEbGqzLjW2ibElJsmeTwKfejyXrCi.wZF9f.IFF344lDnqZZuPk5/'

# ftpd [POLICY]: starts it, with one user, "joe", whose password is "secret". Sets $port, and $data to the port of data
# connections.
ftpd() {
    local root=/var/cache/truefin/daemons/pure-ftpd/usr
    requires "$root/sbin/pure-ftpd"
    other_users
    [[ -n ${TRUEFIN_TEST_BARE:-} ]] ||
        without_sanitizer 'it limits its address space, of which a sanitizer needs terabytes'
    free_port
    data=$((port + 1))
    mkdir files
    others_may_read files
    echo Hello. >files/hello
    truncate -s 20M files/big
    printf 'joe:%s:8:8::%s/files/./::::::::::::\n' "$secret" "$PWD" >users
    "$root/bin/pure-pw" mkdb users.pdb -f users
    launch ftpd -p "${1:-accepted: abort-on-crash}" \
        "$root/sbin/pure-ftpd" -S "127.0.0.1,$port" -p "$data:$data" -l "puredb:$PWD/users.pdb" -u 1 -E -A -H \
        -g "$PWD/pid"
    await_listener
}

# A client has logged in, and says LINE...
session() {
    connect_peer --output got --send "USER joe\r\nPASS secret\r\n$(printf '%s\\r\\n' "$@")"
    wait_until grep -q '^230 ' got
}

# A client has asked for FILE, and OPTIONs are those of the data connection's peer, "data".
transfer() {
    session PASV "RETR $1"
    shift
    wait_until grep -q '^227 ' got
    port=$data peer=data connect_peer --output data.got "$@"
    peer=data peer_has data.got
}

@test "pure-ftpd: a real client gets a file whole" {
    ftpd
    requires curl
    run -0 curl -sS --max-time 10 "ftp://joe:secret@127.0.0.1:$port/hello"
    assert_output Hello.
    run -0 curl -sS --max-time 10 -o big "ftp://joe:secret@127.0.0.1:$port/big"
    assert_equal "$(stat -c %s big)" 20971520
}

@test "pure-ftpd: QUIT sends FIN after the answer" {
    ftpd
    session QUIT
    peer_ended fin
    run -0 tail -n 1 got
    assert_output --partial '221 Logout.'
}

@test "pure-ftpd: with session-error=flush-rst QUIT sends RST after the answer, for the helper fails last" {
    ftpd "accepted: $SESSIONS_TOO"
    session QUIT
    peer_ended rst
}

@test "pure-ftpd: the data connection of a whole file ends with FIN" {
    ftpd
    transfer big
    peer=data peer_saw fin 20971520
}

@test "pure-ftpd: SIGKILL of a session, which has the library, in mid-transfer sends RST on the data connection" {
    ftpd
    transfer big --read-bytes 1000
    child_of "$(pid_of ftpd)"
    has_library "$child"
    kill -KILL "$child"
    peer=data peer_saw rst 1000
}

# The helper has a copy, and ends as it always does.
@test "pure-ftpd: SIGKILL of a session sends FIN on the control connection" {
    ftpd
    session
    child_of "$(pid_of ftpd)"
    kill -KILL "$child"
    peer_ended fin
}
