#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154  # PHP expands its own, and helpers set variables
# Stock PHP of Debian 12 opens its extensions with RTLD_DEEPBIND, so that no hook sees what they close: what they send arrives
# whole, and their own SO_LINGER stays. That of Debian 13 does not, and hooks see it: the same, but for
# abort-unless-shutdown, which resets what PHP closes without shutdown(2), and always-fin, under which {1,0} ends with FIN.

load ../daemons

presets=(abort-on-crash abort-on-unread-data abort-unless-shutdown always-fin refuse-write-after-fin)

# resets POLICY: does POLICY reset what an extension closes in good order? $hooked is set by find_hooked.
resets() {
    [[ $1 == abort-unless-shutdown && -n $hooked ]]
}

# Sets $hooked, if the library's hooks stand before libc's functions for an extension of this PHP.
find_hooked() {
    hooked=
    shimmed LD_DEBUG=bindings php -r 'socket_create(AF_INET, SOCK_STREAM, SOL_TCP);' >bindings 2>&1
    if grep -q "/sockets\.so .* to .*/libtruefin\.so .*\`socket'" bindings; then
        hooked=yes
    else
        grep -q "/sockets\.so .* to .*/libc\.so.* .*\`socket'" bindings
    fi
}

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
    local times=${TRUEFIN_TEST_UPLOADS:-3} policy rows=0 size i sent
    requires php
    without_sanitizer 'a sanitizer does not stand RTLD_DEEPBIND'
    find_hooked
    vsftpd
    cat >put.php <<'END_OF_PHP'
<?php
[, $port, $name, $times] = $argv;
foreach ([100, 50000, 3000000] as $size) {
    file_put_contents("data.$size", random_bytes($size));
    for ($i = 0; $i < $times; $i++) {
        $session = ftp_connect('127.0.0.1', (int)$port, 10);
        ftp_login($session, 'anonymous', 'a@b');
        ftp_pasv($session, true);
        echo ftp_put($session, "in/$name.$size.$i", "data.$size") ? 'sent ' : 'failed ';
    }
}
END_OF_PHP
    for policy in "${presets[@]}"; do
        run -0 shimmed -p "$policy" timeout -k 1 "${RUN_LIMIT:-30}" php put.php "$port" "$policy" "$times"
        sent=$((3 * times))
        ! resets "$policy" || sent=0
        assert_equal "$(grep -o 'sent ' <<<"$output" | wc -l)" "$sent"
        assert_equal "$(grep -o 'failed ' <<<"$output" | wc -l)" $((3 * times - sent))
        for size in 100 50000 3000000; do
            for ((i = 0; i < times; i++)); do
                ((sent == 0)) || cmp "data.$size" "files/in/$policy.$size.$i"
                rows=$((rows + 1))
            done
        done
    done
    assert_equal "$rows" $((15 * times))
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

@test "PHP: SO_LINGER of ext/sockets reads back as set, and {1,0} sends RST, {1,5} FIN, unless a policy that sees PHP says otherwise" {
    local policy rows=0 ending
    requires php
    find_hooked
    for policy in off "${presets[@]}"; do
        echo "policy $policy"
        connects 1 0 -p "$policy"
        ending=rst
        [[ $policy != always-fin || -z $hooked ]] || ending=fin
        peer_saw "$ending" 6
        said client 1,0
        ended client exit 0
        stop_all
        connects 1 5 -p "$policy"
        ending=fin
        ! resets "$policy" || ending=rst
        peer_saw "$ending" 6
        said client 1,5
        ended client exit 0
        stop_all
        rows=$((rows + 1))
    done
    assert_equal "$rows" 6
}
