#!/usr/bin/env bats
# shellcheck disable=SC2154  # helpers set variables
# Debian's sshd, and the real ssh as its client. Before a login sshd puts a child into a seccomp filter that kills for
# calls that it did not list: ours too, if we made any.

load ../daemons

# Sets $port, and $login to the command that logs in.
sshd() {
    requires /usr/sbin/sshd ssh ssh-keygen
    # Its place for the unprivileged child; Debian's unit makes it, and a fresh installation may lack it.
    [[ -d /run/sshd ]] || mkdir -p /run/sshd
    free_port
    ssh-keygen -q -t ed25519 -N '' -f host_key
    ssh-keygen -q -t ed25519 -N '' -f user_key
    cat >sshd_config <<CONF
Port $port
ListenAddress 127.0.0.1
HostKey $PWD/host_key
AuthorizedKeysFile $PWD/user_key.pub
PidFile $PWD/sshd.pid
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
LogLevel DEBUG
CONF
    launch sshd /usr/sbin/sshd -D -e -f "$PWD/sshd_config"
    await_listener
    login=(timeout 10 ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null
        -o LogLevel=ERROR -o IdentitiesOnly=yes -i user_key -p "$port" "$(id -un)@127.0.0.1")
}

# no_sandbox_death: no process of sshd died of a call that it did not list.
no_sandbox_death() {
    run grep -E 'privsep_preauth: (preauth child|.*terminated by signal)|fatal: .*sandbox' sshd.err
    assert_output ''
}

@test "sshd: a login runs a command, and its exit status comes back" {
    sshd
    run -0 "${login[@]}" true
    run -5 "${login[@]}" exit 5
    # shellcheck disable=SC2016  # for the shell over there
    run -0 "${login[@]}" 'echo "$SSH_CONNECTION"'
    assert_output --partial "127.0.0.1 $port"
    run -0 cat sshd.err
    assert_output --partial 'Accepted publickey'
    no_sandbox_death
}

@test "sshd: much data comes through a login whole" {
    sshd
    "${login[@]}" 'head -c 3000000 /dev/zero' >whole
    assert_equal "$(stat -c %s whole)" 3000000
    no_sandbox_death
}

@test "sshd: a refused login is refused" {
    sshd
    rm user_key user_key.pub
    ssh-keygen -q -t ed25519 -N '' -f user_key
    cp host_key.pub user_key.pub
    run -255 "${login[@]}" true
    assert_output --partial 'Permission denied'
    no_sandbox_death
}

# It calls that fatal, and exits 255: the result of a session.
@test "sshd: a peer that says nothing and closes its side reads the greeting, then FIN" {
    sshd
    connect_peer --half-close
    peer_ended fin
    no_sandbox_death
}

@test "sshd: SIGTERM to the listener leaves a session alone" {
    sshd
    start session "${login[@]}" "echo begun; for i in \$(seq 1000); do [ -e $PWD/go ] && echo ended && exit; sleep 0.01; done"
    said session begun
    kill -TERM "$(pid_of sshd)"
    ended sshd exit 0
    touch go
    said session ended
}

@test "ssh under truefin: the exit status is the command's" {
    sshd
    run -0 shimmed "${login[@]}" true
    run -5 shimmed "${login[@]}" exit 5
}

@test "ssh under truefin: SIGKILL in a session is seen by sshd as a reset" {
    sshd
    launch session "${login[@]:2}" 'echo begun; sleep 30'
    said session begun
    kill -KILL "$(pid_of session)"
    wait_until grep -q 'Connection reset by' sshd.err
}
