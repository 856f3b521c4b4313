#!/usr/bin/env bats
# shellcheck disable=SC2154  # helpers set variables
# Stock dovecot, with the recipe of docs/RECIPES.md: its master starts services with the environment that it was told to
# import, and the service that logs clients in passes each connection on to a process of its own.

load ../daemons

# $import=no leaves the environment as dovecot has it.
settings_of_23() {
    cat <<CONF
protocols = imap
disable_plaintext_auth = no
mail_location = mbox:$PWD/mail
passdb {
  driver = static
  args = password=secret
}
userdb {
  driver = static
  args = uid=mail gid=mail home=$PWD/mail
}
CONF
    [[ ${import-} == no ]] ||
        echo "import_environment = $(doveconf -d -h import_environment) LD_PRELOAD TRUEFIN_POLICY TRUEFIN_LOG"
}

settings_of_24() {
    cat <<CONF
dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
protocols {
  imap = yes
}
auth_allow_cleartext = yes
mail_driver = mbox
mail_path = $PWD/mail
passdb static {
  password = secret
}
userdb static {
  fields {
    uid = mail
    gid = mail
    home = $PWD/mail
  }
}
CONF
    [[ ${import-} == no ]] || cat <<'CONF'
import_environment {
  LD_PRELOAD = %{env:LD_PRELOAD}
  TRUEFIN_POLICY = %{env:TRUEFIN_POLICY}
  TRUEFIN_LOG = %{env:TRUEFIN_LOG}
}
CONF
}

dovecot() {
    requires dovecot
    other_users
    without_sanitizer 'its services limit their address space, of which a sanitizer needs terabytes'
    free_port
    a_library_for_all
    install -d -o mail -g mail mail
    # Version 2.4 has another language.
    if [[ $(/usr/sbin/dovecot --version) == 2.3.* ]]; then settings_of_23; else settings_of_24; fi >dovecot.conf
    cat >>dovecot.conf <<CONF
base_dir = $PWD/base
state_dir = $PWD/state
log_path = /dev/stderr
listen = 127.0.0.1
ssl = no
first_valid_uid = 1
service imap-login {
  inet_listener imap {
    port = $port
  }
  inet_listener imaps {
    port = 0
  }
}
CONF
    TRUEFIN_TEST_BARE=1 launch dovecot -p accepted:abort-on-crash "LD_PRELOAD=$library" \
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
    import=no dovecot
    session
    run -1 grep libtruefin.so "/proc/$worker/maps"
    kill -KILL "$worker"
    peer_ended fin
}
