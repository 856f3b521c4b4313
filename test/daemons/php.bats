#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154  # PHP expands its own, and helpers set variables
# Stock PHP opens its extensions with RTLD_DEEPBIND, so that no hook sees what they close: what they send arrives whole, and
# their own SO_LINGER stays.

load ../daemons

presets=(abort-on-crash abort-on-unread-data abort-unless-shutdown always-fin refuse-write-after-fin)

# vsftpd: the daemon itself is not the test's business. Sets $port.
vsftpd() {
    requires /usr/sbin/vsftpd
    other_users
    free_port
    mkdir -p empty files/in
    others_may_read empty files
    chmod 777 files/in
    cat >vsftpd.conf <<CONF
listen=YES
listen_ipv6=NO
listen_address=127.0.0.1
listen_port=$port
background=NO
anonymous_enable=YES
anon_root=$PWD/files
secure_chroot_dir=$PWD/empty
write_enable=YES
anon_upload_enable=YES
anon_umask=022
CONF
    start vsftpd /usr/sbin/vsftpd "$PWD/vsftpd.conf"
    await_listener
}

@test "PHP: files of 100 bytes, 50 KB and 3 MB that ftp_put has sent arrive whole, three times each, under every policy" {
    requires php
    without_sanitizer 'a sanitizer does not stand RTLD_DEEPBIND'
    vsftpd
    cat >put.php <<'END_OF_PHP'
<?php
[, $port, $name] = $argv;
foreach ([100, 50000, 3000000] as $size) {
    file_put_contents("data.$size", random_bytes($size));
    for ($i = 0; $i < 3; $i++) {
        $session = ftp_connect('127.0.0.1', (int)$port, 10);
        ftp_login($session, 'anonymous', 'a@b');
        ftp_pasv($session, true);
        echo ftp_put($session, "in/$name.$size.$i", "data.$size") ? 'sent ' : 'failed ';
    }
}
END_OF_PHP
    local policy rows=0 size i
    for policy in "${presets[@]}"; do
        run -0 shimmed -p "$policy" timeout -k 1 30 php put.php "$port" "$policy"
        assert_output 'sent sent sent sent sent sent sent sent sent '
        for size in 100 50000 3000000; do
            for i in 0 1 2; do
                cmp "data.$size" "files/in/$policy.$size.$i"
                rows=$((rows + 1))
            done
        done
    done
    assert_equal "$rows" 45
}

# connects ON SECONDS [-p POLICY]: ext/sockets connects, sets SO_LINGER, sends, reads SO_LINGER back, and exits.
connects() {
    requires php
    without_sanitizer 'a sanitizer does not stand RTLD_DEEPBIND'
    listen_peer
    launch client "${@:3}" php -r '
        $socket = socket_create(AF_INET, SOCK_STREAM, SOL_TCP);
        socket_connect($socket, "127.0.0.1", (int)$argv[1]);
        socket_set_option($socket, SOL_SOCKET, SO_LINGER, ["l_onoff" => (int)$argv[2], "l_linger" => (int)$argv[3]]);
        socket_write($socket, "Hello.");
        echo implode(",", socket_get_option($socket, SOL_SOCKET, SO_LINGER)), "\n";' "$port" "$1" "$2"
}

@test "PHP: SO_LINGER of ext/sockets reads back as set, and {1,0} sends RST, {1,5} FIN, under every policy as without" {
    local policy rows=0
    for policy in off "${presets[@]}"; do
        echo "policy $policy"
        connects 1 0 -p "$policy"
        peer_saw rst 6
        said client 1,0
        ended client exit 0
        stop_all
        connects 1 5 -p "$policy"
        peer_saw fin 6
        said client 1,5
        ended client exit 0
        stop_all
        rows=$((rows + 1))
    done
    assert_equal "$rows" 6
}
