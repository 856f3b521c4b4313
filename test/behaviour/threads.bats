#!/usr/bin/env bats
# Threads that accept, dup, close and dup2 over at once, and fork in between: every orderly end stays one.

load ../helpers

@test "16 threads end 5000 connections in seven ways at once: 5000 FIN" {
    run -0 shimmed TRUEFIN_LOG="$PWD/log" timeout 60 "$PROGRAMS/stress" 5000
    assert_output "5000 fin, 0 rst, 0 other"
    run cat log
    assert_output ""
}

@test "the same under always-fin" {
    run -0 shimmed -p always-fin timeout 60 "$PROGRAMS/stress" 2000
    assert_output "2000 fin, 0 rst, 0 other"
}

@test "under abort-unless-shutdown only those with a shutdown end with FIN" {
    run -1 shimmed -p abort-unless-shutdown timeout 60 "$PROGRAMS/stress" 2100
    assert_output "300 fin, 1800 rst, 0 other"
}

@test "a fork server whose parent and child leave at the same moment ends 12000 connections with FIN" {
    local bench=$BUILD_DIR/test/cost/bench/bench count=12000
    # Ten times as slow then, and there for other finds.
    [[ -z $SANITIZER_PRELOAD ]] || count=1000
    launch bench "$bench" serve
    wait_until test -s bench.out
    run -0 timeout 60 "$bench" load fork "$count" "$(cat bench.out)"
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
