#!/usr/bin/env bats
# shellcheck disable=SC2154  # helpers set variables
# Stock dovecot, with the recipe of docs/RECIPES.md: its master starts services with the environment that it was told to
# import, and the service that logs clients in passes each connection on to a process of its own.

load daemons

dovecot() {
    requires dovecot
    other_users
    without_sanitizer 'its services limit their address space, of which a sanitizer needs terabytes'
    free_port
    a_library_for_all
    install -d -o mail -g mail mail
    cat >dovecot.conf <<CONF
base_dir = $PWD/base
state_dir = $PWD/state
log_path = /dev/stderr
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
first_valid_uid = 1
mail_location = mbox:$PWD/mail
passdb {
  driver = static
  args = password=secret
}
userdb {
  driver = static
  args = uid=mail gid=mail home=$PWD/mail
}
service imap-login {
  inet_listener imap {
    port = $port
  }
  inet_listener imaps {
    port = 0
  }
}
import_environment = ${import-$(doveconf -d -h import_environment) LD_PRELOAD TRUEFIN_POLICY TRUEFIN_LOG}
CONF
    TRUEFIN_TEST_BARE=1 launch dovecot -p 'accepted: abort-on-crash' "LD_PRELOAD=$library" \
        /usr/sbin/dovecot -F -c "$PWD/dovecot.conf"
    await_listener
}

# A client has logged in.
session() {
    connect_peer --output got --send "a LOGIN joe secret\r\n"
    wait_until grep -q '^a OK' got || cat dovecot.err
    find_worker
}

@test "dovecot: a client that logs out reads FIN" {
    dovecot
    connect_peer --output got --send 'a LOGIN joe secret\r\nb LOGOUT\r\n'
    peer_ended fin
    run -0 grep '^b OK' got
}

@test "dovecot: a client that logs out before the login reads FIN" {
    dovecot
    connect_peer --output got --send 'b LOGOUT\r\n'
    peer_ended fin
    run -0 grep '^b OK' got
}

@test "dovecot: SIGTERM to a session's process tells the client, and sends FIN" {
    dovecot
    session
    kill -TERM "$worker"
    peer_ended fin
    run -0 grep BYE got
}

@test "dovecot: SIGKILL of a session's process, which has the library, sends RST" {
    dovecot
    session
    assert_equal "$(<"/proc/$worker/comm")" imap
    has_library "$worker"
    kill -KILL "$worker"
    peer_ended rst
}

@test "dovecot: SIGKILL of a process that logs clients in, which has the library, sends RST" {
    dovecot
    connect_peer --output got
    wait_until grep -q 'ready' got
    find_worker
    assert_equal "$(<"/proc/$worker/comm")" imap-login
    has_library "$worker"
    kill -KILL "$worker"
    peer_ended rst
}

@test "dovecot: without import_environment no service has the library, and SIGKILL of one sends FIN" {
    import=TZ dovecot
    session
    run -1 grep libtruefin.so "/proc/$worker/maps"
    kill -KILL "$worker"
    peer_ended fin
}
