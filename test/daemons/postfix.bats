#!/usr/bin/env bats
# shellcheck disable=SC2154  # helpers set variables
# Stock postfix, with the recipe of docs/RECIPES.md: it takes over the environment that it was told to import, and gives
# other programs that it runs what it was told to export. scripts/unpack has it, because its package and those of other
# mail servers exclude each other.

load ../daemons

root=/var/cache/truefin/daemons/postfix/usr

# As in the recipe; and one word more, by which it finds its own libraries, for they are not installed.
imports='import_environment = MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ XAUTHORITY DISPLAY LANG=C POSTLOG_SERVICE
    POSTLOG_HOSTNAME LD_PRELOAD TRUEFIN_POLICY TRUEFIN_LOG LD_LIBRARY_PATH'
exports='export_environment = TZ MAIL_CONFIG LANG LD_PRELOAD TRUEFIN_POLICY TRUEFIN_LOG'

# postfix LINE...: starts an instance of its own, with these lines at the end of main.cf. Sets $port, and $program to
# the port of a service that runs cat.
postfix() {
    requires "$root/sbin/postfix"
    other_users
    free_port
    program=$((port + 1))
    others_may_read
    mkdir -p etc data queue/{active,bounce,corrupt,defer,deferred,flush,hold,incoming,maildrop,pid,private,public,saved}
    mkdir queue/trace
    chown mail data queue/*
    chmod 700 queue/*
    chown root queue/pid
    chgrp news queue/{maildrop,public}
    chmod 710 queue/public
    chmod 730 queue/maildrop
    touch etc/{dynamicmaps.cf,postfix-files}
    # The script that the command runs would look through the whole installation first, which takes seconds.
    mkdir daemons
    ln -s "$root"/lib/postfix/sbin/* daemons
    # shellcheck disable=SC2016  # the command has set it
    printf '#!/bin/sh\nexec "$daemon_directory/master" -s\n' | install -m 755 /dev/stdin daemons/postfix-script
    # As Debian's, whose services are shut into the queue's directory.
    cat >etc/master.cf <<CONF
127.0.0.1:$port inet n - y - - smtpd
127.0.0.1:$program inet n n n - - spawn user=www-data argv=/bin/cat
anvil unix - - y - 1 anvil
rewrite unix - - y - - trivial-rewrite
cleanup unix n - y - 0 cleanup
postlog unix-dgram n - n - 1 postlogd
CONF
    # The observer does not wait for answers.
    cat >etc/main.cf <<CONF
compatibility_level = 3.6
queue_directory = $PWD/queue
data_directory = $PWD/data
command_directory = $root/sbin
daemon_directory = $PWD/daemons
shlib_directory = $root/lib/postfix
meta_directory = $PWD/etc
mail_owner = mail
setgid_group = news
maillog_file = /dev/stdout
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
mydestination =
alias_maps =
local_recipient_maps =
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_forbid_unauth_pipelining = no
$(printf '%s\n' "$@")
CONF
    escapes "$PWD/queue/pid/master.pid"
    launch postfix -p 'accepted: abort-on-crash' "LD_LIBRARY_PATH=$root/lib/postfix" \
        "$root/sbin/postfix" -c "$PWD/etc" start-fg
    await_listener
}

# A client is in mid-mail, of which postfix has read what there is.
mid_mail() {
    connect_peer --output got \
        --send 'EHLO a.test\r\nMAIL FROM:<a@a.test>\r\nRCPT TO:<b@b.test>\r\nDATA\r\nHello.\r\n'
    wait_until grep -q '^354 ' got || cat got
    nothing_unread
    find_worker
    assert_equal "$(<"/proc/$worker/comm")" smtpd
}

@test "postfix: a real client's mail is queued whole" {
    postfix "$imports" "$exports"
    requires curl
    # With the ends of lines that mail has: newer curl and postfix do not agree on the end of any other.
    seq 100000 | sed 's/$/\r/' >mail
    run -0 curl -sS --max-time 10 --mail-from a@a.test --mail-rcpt b@b.test -T mail "smtp://127.0.0.1:$port"
    run -0 find queue/incoming -type f -size +500k
    assert_equal "${#lines[@]}" 1
}

@test "postfix: QUIT sends FIN after the answer" {
    postfix "$imports" "$exports"
    connect_peer --output got --send 'EHLO a.test\r\nQUIT\r\n'
    peer_ended fin
    run -0 tail -n 1 got
    assert_output --partial '221 2.0.0 Bye'
}

@test "postfix: SIGKILL of the process that serves a client in mid-mail, which has the library, sends RST" {
    postfix "$imports" "$exports"
    mid_mail
    has_library "$worker"
    kill -KILL "$worker"
    peer_ended rst
}

@test "postfix: a stop in mid-mail sends FIN" {
    postfix "$imports" "$exports"
    mid_mail
    kill -TERM "$(tr -d ' ' <queue/pid/master.pid)"
    peer_ended fin
}

@test "postfix: without import_environment no service has the library, and SIGKILL of one sends FIN" {
    postfix 'import_environment = MAIL_CONFIG LANG=C LD_LIBRARY_PATH' "$exports"
    mid_mail
    run -1 grep libtruefin.so "/proc/$worker/maps"
    kill -KILL "$worker"
    peer_ended fin
}

# A client is connected to cat, which spawn(8) runs. Sets $cat.
in_mid_cat() {
    port=$program
    connect_peer --output got --send 'Hello.\n'
    peer_has got
    cat=$(ss -Htnp state established "sport = :$port" | sed -n 's/.*"cat",pid=\([0-9]*\).*/\1/p')
    assert [ -n "$cat" ]
}

# spawn(8) waits for its program, and only then closes its own copy of the connection. So SIGKILL of it ends in a FIN.
@test "postfix: a program that spawn(8) runs has the library, and SIGKILL of it sends FIN" {
    postfix "$imports" "$exports"
    in_mid_cat
    has_library "$cat"
    kill -KILL "$cat"
    peer_ended fin
}

@test "postfix: without export_environment it lacks the library" {
    postfix "$imports"
    in_mid_cat
    run -1 grep libtruefin.so "/proc/$cat/maps"
}
