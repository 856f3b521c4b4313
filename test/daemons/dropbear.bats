#!/usr/bin/env bats
# shellcheck disable=SC2154  # helpers set variables
# Stock dropbear: a fork for each connection, which serves it before and after the login.

load ../daemons

# keys: makes the keys of server and client.
keys() {
    requires /usr/sbin/dropbear dropbearkey ssh ssh-keygen
    dropbearkey -t ed25519 -f host_key >dropbearkey.out 2>&1
    ssh-keygen -q -t ed25519 -N '' -f user_key
}

# dropbear: listens, and lets the key's owner in. Sets $port, and $login to the command that logs in.
dropbear() {
    keys
    free_port
    mkdir -p home/.ssh
    chmod 700 home home/.ssh
    cp user_key.pub home/.ssh/authorized_keys
    # It knows one place for the keys that it lets in, the user's home: that one is the test's, in a mount namespace.
    awk -F: -v OFS=: -v user="$(id -un)" -v home="$PWD/home" '$1 == user { $6 = home } 1' /etc/passwd >passwd
    launch dropbear unshare --mount sh -c 'mount --bind passwd /etc/passwd && exec "$@"' dropbear \
        /usr/sbin/dropbear -F -E -r "$PWD/host_key" -P "$PWD/dropbear.pid" -p "127.0.0.1:$port"
    await_listener
    login=(timeout 10 ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null
        -o LogLevel=ERROR -o IdentitiesOnly=yes -i user_key -p "$port" "$(id -un)@127.0.0.1")
}

# A peer has read the greeting, and says nothing. Sets $child to the process that serves it.
greeted() {
    connect_peer --output got
    peer_has got
    child_of "$(pid_of dropbear)"
}

@test "dropbear: a login runs a command, and its exit status comes back" {
    other_users
    dropbear
    run -0 "${login[@]}" true
    run -5 "${login[@]}" exit 5
}

@test "dropbear: much data comes through a login whole" {
    other_users
    dropbear
    "${login[@]}" 'head -c 3000000 /dev/zero' >whole
    assert_equal "$(stat -c %s whole)" 3000000
}

@test "dropbear: SIGKILL of the child that serves sends RST" {
    dropbear
    greeted
    kill -KILL "$child"
    peer_ended rst
}

@test "without truefin it is a FIN" {
    export TRUEFIN_TEST_BARE=1
    dropbear
    greeted
    kill -KILL "$child"
    peer_ended fin
}

@test "dropbear: SIGTERM to the child that serves sends FIN" {
    not_under thread "it keeps SIGTERM from a program that waits in select(2)"
    dropbear
    greeted
    kill -TERM "$child"
    peer_ended fin
}

@test "dropbear: a peer that closes its side reads the greeting, then FIN" {
    dropbear
    connect_peer --half-close
    peer_ended fin
}

@test "dropbear: SIGKILL of the listener leaves a child's connection alone" {
    dropbear
    greeted
    kill -KILL "$(pid_of dropbear)"
    ended dropbear signal KILL
    kill -KILL "$child"
    peer_ended rst
}

@test "dropbear: SIGTERM to the listener leaves a session alone" {
    not_under thread "it keeps SIGTERM from a program that waits in select(2)"
    other_users
    dropbear
    start session "${login[@]}" "echo begun; for i in \$(seq 1000); do [ -e $PWD/go ] && echo ended && exit; sleep 0.01; done"
    said session begun
    kill -TERM "$(pid_of dropbear)"
    wait_until grep -Eq '^(exit|signal)' dropbear.status
    touch go
    said session ended
}

@test "dropbear: SIGKILL in a session, whose command runs on, is seen by its client as a reset" {
    other_users
    dropbear
    start session "${login[@]}" 'echo begun; exec sleep 30'
    said session begun
    child_of "$(pid_of dropbear)"
    kill -KILL "$child"
    # Its read has failed, and so does what it writes then; after an end of file it says "closed by remote host".
    wait_until grep -q 'Broken pipe' session.err
}

@test "dropbear -i, a service of inetd's: SIGKILL sends RST" {
    requires /usr/sbin/inetd
    keys
    free_port
    echo "127.0.0.1:$port stream tcp nowait $(id -un) /usr/sbin/dropbear dropbear -i -r $PWD/host_key" >inetd.conf
    launch dropbear /usr/sbin/inetd -i -E "$PWD/inetd.conf"
    await_listener
    greeted
    wait_until grep -q dropbear "/proc/$child/cmdline"
    kill -KILL "$child"
    peer_ended rst
}
