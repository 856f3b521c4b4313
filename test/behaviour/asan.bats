#!/usr/bin/env bats
# shellcheck disable=SC2034,SC2086,SC2154  # helpers and tests share variables, and words are meant
# Programs that were built with a sanitizer, which truefin was not: their run-time libraries want to be the first, and
# the leak check traces the program.

load ../helpers

setup() {
    without_sanitizer 'truefin itself is built with one'
    requires gcc clang
    unset ASAN_OPTIONS
    cd "$BATS_TEST_TMPDIR" || return
    started=()
}

# The run-time library of clang's is found by a path in the program.
clang_shared() {
    clang -shared-libasan "-Wl,-rpath,$(dirname "$(clang -print-file-name=libclang_rt.asan-x86_64.so)")" "$@"
}

# with_each FUNCTION: calls it for each way to build: its first argument is the compiler, with its options.
with_each() {
    local count=0 compiler
    for compiler in 'gcc -fsanitize=address' 'gcc -fsanitize=address -static-libasan' 'clang -fsanitize=address' \
        'clang_shared -fsanitize=address' 'gcc -fsanitize=leak'; do
        $compiler -g -w -D_GNU_SOURCE -o "program-$count" "$1"
        "${@:2}" "./program-$count"
        count=$((count + 1))
    done
    assert_equal "$count" 5
}

# A program that executes the command that is its argument, or does what the letter says.
small() {
    cat >small.c <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static char *volatile kept;
static void lose(void)
{
    for (int i = 0; i < 100; i++)
        kept = strdup("lost");
    kept = 0;
}
int main(int argc, char **argv)
{
    puts("ran");
    fflush(stdout);
    if (argc > 1 && strcmp(argv[1], "lose") == 0)
        lose();
    else if (argc > 1)
        execv(argv[1], argv + 1);
    return 0;
}
END
}

runs() {
    local word
    for word in '' "$1"; do
        run -0 --separate-stderr "$TRUEFIN" run -- "$1" $word
        assert_equal "${lines[-1]}" ran
        assert_equal "$stderr" ''
    done
    run ! --separate-stderr "$TRUEFIN" run -- "$1" lose
    assert_regex "$stderr" 'detected memory leaks'
}

@test "a program with AddressSanitizer runs, and so does one below it" {
    small
    with_each small.c runs
}

runs_watched() {
    run -0 --separate-stderr "$TRUEFIN" run --watch --log "$PWD/log" -- "$1"
    assert_output ran
    assert_equal "$stderr" \
        "truefin: $1: LeakSanitizer does not work while the program is watched: leaks go unseen"
    run -0 --separate-stderr "$TRUEFIN" run --watch -- sh -c "$1 lose; exit \$?"
    assert_output ran
    assert_equal "$stderr" ''
}

@test "a watched program with AddressSanitizer runs without its leak check, and truefin says so" {
    small
    with_each small.c runs_watched
    run -0 grep -c 'note=.*LeakSanitizer' log
    assert_output 5
}

ends_truthfully() {
    local way
    for way in '' --watch; do
        start server "$PROGRAMS/outcome" server.status "$TRUEFIN" run $way -- "$1" accept write:Hello. close exit:0
        find_port server
        peer_sees fin 6
        server_ended exit 0
        rm server.status
        stop_all
        start server "$PROGRAMS/outcome" server.status "$TRUEFIN" run $way -- "$1" accept write:Hello. segv
        find_port server
        peer_sees rst 6
        rm server.status
        stop_all
    done
}

@test "peers of a program with AddressSanitizer see how it ends" {
    with_each "$SOURCE_DIR/test/programs/server.c" ends_truthfully
}

@test "AddressSanitizer's library may be in LD_PRELOAD before truefin is run, and with it" {
    local asan
    asan=$(gcc -print-file-name=libasan.so)
    run -0 env LD_PRELOAD="$asan" ASAN_OPTIONS=detect_leaks=0 "$TRUEFIN" run -- echo ran
    assert_output ran
    run -0 env LD_PRELOAD="$asan:$LIBTRUEFIN" ASAN_OPTIONS=detect_leaks=0 echo ran
    assert_output ran
    run -0 env LD_PRELOAD="$LIBTRUEFIN:$asan" ASAN_OPTIONS=detect_leaks=0 echo ran
    assert_output ran
}

@test "a program's own options for AddressSanitizer hold, wherever it defines them" {
    cat >options.c <<'END'
const char *__asan_default_options(void) { return "detect_leaks=0"; }
END
    small
    gcc -shared -fPIC -o liboptions.so options.c
    gcc -fsanitize=address -w -D_GNU_SOURCE -o inside small.c options.c
    run -0 "$TRUEFIN" run -- ./inside lose
    assert_output ran
    gcc -fsanitize=address -w -D_GNU_SOURCE -o program small.c
    run -0 env LD_PRELOAD="$PWD/liboptions.so" "$TRUEFIN" run -- ./program lose
    assert_output ran
}
