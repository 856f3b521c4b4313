#!/usr/bin/env bats
# What a program does must be the same with the shim and without it, also when it is unusual.

load ../helpers

# The same output and status, without and with the shim: like NAME STATUS OUTPUT [SETTING...]
like() {
    local name=$1 status_wanted=$2 output_wanted=$3
    shift 3
    run -"$status_wanted" env "$@" timeout 10 "$PROGRAMS/odd" "$name"
    assert_output "$output_wanted"
    run -"$status_wanted" shimmed "$@" timeout 10 "$PROGRAMS/odd" "$name"
    assert_output "$output_wanted"
}

@test "a SIGTERM kills a thread that has a small alternate stack, while an heir lives" {
    launch odd "$PROGRAMS/odd" small-stack
    ended odd signal TERM
}

@test "clone3 may be asked for with a null pointer" {
    like clone3-probe 0 "-1 EINVAL"
}

@test "a SIGTERM that only ppoll lets in kills" {
    launch odd "$PROGRAMS/odd" ppoll-term
    ended odd signal TERM
    run cat odd.out
    assert_output ""
}

@test "close through syscall(2) is no cancellation point" {
    like cancelled-close 0 "went on"
}

@test "a record that RLIMIT_FSIZE forbids does not kill the program" {
    like no-file-size 0 alive TRUEFIN_POLICY=close=rst TRUEFIN_LOG="$PWD/log"
}

@test "a vfork in a vfork child comes back to both" {
    without_sanitizer "a sanitizer has a vfork of its own"
    like nested-vfork 0 8
}

@test "the question whether seccomp is there ends no protection" {
    like seccomp-probe 0 "-1 EFAULT"
}

@test "a signal that is ignored from the start never kills" {
    # shellcheck disable=SC2016  # expanded by the inner shell
    run -0 shimmed bash -c 'trap "" HUP; for i in {1..40}; do (for j in {1..50}; do kill -HUP $BASHPID; done) & /bin/true || exit 1; done; wait'
}

@test "a socket in a thread that a library's constructor waits for does not hang" {
    requires gcc
    cat >library.c <<'END'
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>
static void *run(void *unused) { close(socket(AF_INET, SOCK_STREAM, 0)); return unused; }
__attribute__((constructor)) static void start(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, run, NULL);
    pthread_join(thread, NULL);
}
END
    cat >program.c <<'END'
#include <dlfcn.h>
#include <stdio.h>
int main(void) { puts(dlopen("./library.so", RTLD_NOW) ? "opened" : dlerror()); return 0; }
END
    gcc -shared -fPIC -o library.so library.c && gcc -o program program.c
    run -0 shimmed timeout 10 ./program
    assert_output opened
}

@test "the message about a bad policy does not go to an inetd service's client" {
    launch socat -p abort-on-crsh socat TCP-LISTEN:8080,reuseaddr EXEC:"echo Hello.",nofork,stderr
    wait_until listening 8080
    port=8080 peer_sees fin 7
}
