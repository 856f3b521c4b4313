#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2154  # braces are words here, and helpers set variables
# What is not a TCP connection is none of truefin's business, and a program cannot tell that it is there.

load ../helpers

# The policy that does most: every event has an ending.
busy=always-fin,crash=rst,exit-error=rst

# socket_calls PROGRAM...: traces the system calls that may change or ask a socket, by a program under the shim.
socket_calls() {
    shim_settings -p "$busy" "$@"
    strace -f -qq -o trace -e trace=setsockopt,getsockopt,ioctl,kcmp,shutdown,recvfrom,recvmsg \
        "${settings[@]/#/--env=}" "${rest[@]}"
}

# stands_by KIND: a bystander works, fails with its own status, and no socket was asked or changed.
stands_by() {
    requires strace
    without_sanitizer 'a sanitizer makes calls of its own'
    run -3 socket_calls "$PROGRAMS/bystander" "$1"
    assert_output ok
    # stdio asks whether standard output is a terminal, and truefin at its start whether 0, 1 and 2 are connections.
    run grep -Ev 'TCGETS|getsockopt\([012], SOL_SOCKET, SO_PROTOCOL' trace
    assert_output ''
}

@test "UDP sockets are left alone" {
    stands_by udp
}

@test "a UDP socket at 0 that a program is started with is left alone" {
    requires strace
    without_sanitizer 'a sanitizer makes calls of its own'
    shim_settings -p "$busy" /bin/true
    strace -qq -o trace -e trace=setsockopt "${settings[@]/#/--env=}" "${rest[@]}" <>/dev/udp/127.0.0.1/9
    run cat trace
    assert_output ''
}

@test "AF_UNIX connections are left alone" {
    stands_by unix
}

@test "socket pairs are left alone" {
    stands_by pair
}

@test "files and pipes are left alone" {
    stands_by files
}

@test "a listener is left alone" {
    stands_by listener
}

@test "a listener is left alone also when it has given connections" {
    requires strace
    shim_settings -p "$busy" "$PROGRAMS/server" listen:8080 accept write:Hello. close close_listener exit:0
    start server strace -qq -o trace -e trace=setsockopt "${settings[@]/#/--env=}" "${rest[@]}"
    find_port server
    peer_sees fin 6
    listener=$(sed -n 's/^setsockopt(\([0-9]*\), SOL_SOCKET, SO_REUSEADDR.*/\1/p' trace)
    assert [ -n "$listener" ]
    run grep -c "^setsockopt($listener, SOL_SOCKET, SO_LINGER" trace
    assert_output 0
}

@test "a bystander's SIGKILL, stop and crash keep their wait status" {
    local name rows=0
    for name in KILL TERM INT HUP SEGV ABRT; do
        perform -p "$busy" "raise:$name"
        server_ended signal "$name"
        rows=$((rows + 1))
    done
    assert_equal "$rows" 6
}

@test "every exit status comes through" {
    local status rows=0
    for status in 0 1 2 78 127 143 255; do
        run -"$status" shimmed -p "$busy" "$PROGRAMS/server" exit:"$status"
        rows=$((rows + 1))
    done
    assert_equal "$rows" 7
}

@test "a failed close still says EBADF" {
    run -0 shimmed -p "$busy" "$PROGRAMS/server" close_bad:999
    assert_output 'close -1 EBADF'
}

@test "a program's output is its own" {
    run --separate-stderr shimmed -p "$busy" /bin/echo Hello.
    assert_output Hello.
    assert_equal "$stderr" ''
}

@test "a program that closes all descriptors at its start, as daemons do, works" {
    serve closefrom accept write:Hello. exit:3
    peer_sees rst 6
}

# --- Other shims besides ---

# besides LIBRARY...: an exit 3 under the shim and another one, in both orders.
besides() {
    local rows=0 order other=$1
    for order in "$LIBTRUEFIN:$other" "$other:$LIBTRUEFIN"; do
        serve LD_PRELOAD="${SANITIZER_PRELOAD:+$SANITIZER_PRELOAD:}$order" accept write:Hello. fdopen:w close again:2 accept write:Hello. exit:3
        peer_sees fin 6
        peer=second peer_sees fin 6
        peer=third peer_sees rst 6
        server_ended exit 3
        run grep ERROR server.err
        assert_output ''
        rows=$((rows + 1))
    done
    assert_equal "$rows" 2
}

# library NAME: where Debian keeps it.
library() {
    local found
    found=$(find /usr/lib -name "$1" 2>/dev/null | head -n 1)
    [[ -n $found ]] || requires "$1"
    echo "$found"
}

@test "truefin works beside libeatmydata" {
    without_sanitizer 'libeatmydata and ThreadSanitizer do not start together'
    besides "$(library libeatmydata.so)"
}

@test "truefin works beside libfaketime" {
    without_sanitizer 'libfaketime and a sanitizer do not start together'
    besides "$(library libfaketime.so.1)"
}

# libc stands before truefin then: no hook is called, and behind truefin there are no real functions.
@test "libc as a program prints what it prints, under every policy" {
    without_sanitizer 'a sanitizer needs a libc behind it'
    local libc linker wanted policy rows=0
    libc=$(ldd "$PROGRAMS/server" | sed -n 's/.* => \(.*\/libc\.so\.6\) .*/\1/p')
    linker=$(ldd "$PROGRAMS/server" | sed -n 's/^[[:space:]]*\(\/[^ ]*\/ld-linux[^ ]*\) .*/\1/p')
    wanted=$("$libc")
    for policy in abort-on-crash abort-on-unread-data abort-unless-shutdown always-fin refuse-write-after-fin off; do
        run -0 shimmed -p "$policy" "TRUEFIN_LOG=$PWD/log" "$libc"
        assert_output "$wanted"
        run -0 env "TRUEFIN_POLICY=$policy" "$linker" --preload "$LIBTRUEFIN" "$libc"
        assert_output "$wanted"
        rows=$((rows + 1))
    done
    assert_equal "$rows" 6
    # It is loaded.
    run -0 shimmed LD_DEBUG=files LD_DEBUG_OUTPUT=debug "$libc"
    run -0 grep -h 'calling init: .*libtruefin.so' debug.*
}

@test "libc as a program that is started with a connection sends FIN" {
    requires socat
    without_sanitizer 'a sanitizer needs a libc behind it'
    local libc
    libc=$(ldd "$PROGRAMS/server" | sed -n 's/.* => \(.*\/libc\.so\.6\) .*/\1/p')
    launch socat socat TCP-LISTEN:8080,reuseaddr EXEC:"$libc",nofork
    wait_until listening 8080
    port=8080 peer_sees fin "$("$libc" | wc -c)"
    ended socat exit 0
}
