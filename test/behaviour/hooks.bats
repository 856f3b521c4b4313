#!/usr/bin/env bats
# shellcheck disable=SC2154  # helpers set variables
# Calls that fail, and libraries that make theirs by syscall(2): the program sees what it sees without the shim.

load ../helpers

# like CASE [SETTING...]: the same output and status, without and with the shim.
like() {
    local wanted
    run -0 timeout 10 "$PROGRAMS/hooks" "$1"
    wanted=$output
    run -0 shimmed "${@:2}" timeout 10 "$PROGRAMS/hooks" "$1"
    assert_output "$wanted"
}

@test "a bad pointer is EFAULT for every hook that gets one, or the fault that it is for libc" {
    without_sanitizer 'a sanitizer reads what a bad pointer points to'
    local policy rows=0
    for policy in abort-on-crash always-fin close=rst off; do
        like bad-pointers "TRUEFIN_POLICY=$policy"
        like bad-pointers "TRUEFIN_POLICY=$policy" "TRUEFIN_LOG=$PWD/log"
        rows=$((rows + 1))
    done
    assert_equal "$rows" 4
    ((${#lines[@]} > 150))
}

@test "a connection reads the linger that its listener had at the handshake" {
    like backlog-linger
}

@test "fclose tells the error of what it could not write, also where the connection lingers" {
    like fclose-error -p always-fin
}

@test "a connection whose listen failed is reset when its process is killed" {
    run -0 shimmed timeout 10 "$PROGRAMS/hooks" failed-listen
    assert_output 'read -1 ECONNRESET'
}

@test "a library that makes its calls by syscall(2) works before truefin and behind it" {
    requires gcc
    cat >wrappers.c <<'END'
#define _GNU_SOURCE
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
int socket(int d, int t, int p) { return syscall(SYS_socket, d, t, p); }
int accept(int f, struct sockaddr *a, socklen_t *z) { return syscall(SYS_accept, f, a, z); }
int listen(int f, int b) { return syscall(SYS_listen, f, b); }
int setsockopt(int f, int l, int o, const void *v, socklen_t z) { return syscall(SYS_setsockopt, f, l, o, v, z); }
int getsockopt(int f, int l, int o, void *v, socklen_t *z) { return syscall(SYS_getsockopt, f, l, o, v, z); }
int close(int f) { return syscall(SYS_close, f); }
END
    gcc -shared -fPIC -o wrappers.so wrappers.c
    for order in "$PWD/wrappers.so:$LIBTRUEFIN" "$LIBTRUEFIN:$PWD/wrappers.so"; do
        run -0 env "LD_PRELOAD=${SANITIZER_PRELOAD:+$SANITIZER_PRELOAD:}$order" timeout 10 "$PROGRAMS/hooks" failed-listen
        assert_output 'read -1 ECONNRESET'
    done
}

@test "what is connected is not reset when a plug-in with RTLD_DEEPBIND or a namespace of its own closes it" {
    requires gcc
    local how hows=(deep namespace)
    # A sanitizer ends a program that asks for RTLD_DEEPBIND, also without truefin.
    [[ -z $SANITIZER_PRELOAD ]] || hows=(namespace)
    cat >closes.c <<'END'
#include <unistd.h>
int ends(int fd) { return close(fd); }
END
    cat >opens.c <<'END'
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    to.sin_port = htons(atoi(argv[2]));
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0 || write(fd, "Hello.", 6) != 6)
        return 1;
    void *plugin = argv[1][0] == 'd' ? dlopen("./closes.so", RTLD_NOW | RTLD_DEEPBIND)
                                     : dlmopen(LM_ID_NEWLM, "./closes.so", RTLD_NOW);
    int (*ends)(int) = plugin ? dlsym(plugin, "ends") : abort;
    return ends(fd);
}
END
    gcc -shared -fPIC -o closes.so closes.c
    gcc -w -o opens opens.c
    for how in "${hows[@]}"; do
        listen_peer
        run -0 shimmed ./opens "$how" "$port"
        peer_saw fin 6
    done
}

@test "close through syscall(2) is no cancellation point" {
    as_without cancelled-close 0 "went on"
}
