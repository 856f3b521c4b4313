#!/usr/bin/env bats
# shellcheck disable=SC2034,SC2154  # helpers and tests share variables
# Children of a preloaded program that cannot take the library: they run as without it.

load ../helpers
load ../readme

setup() {
    without_sanitizer 'LD_PRELOAD must name the sanitizer first'
    cd "$BATS_TEST_TMPDIR" || return
    started=()
}

# --- musl, whose dynamic linker does load it ---

# musl_program: makes ./program of the C on standard input.
musl_program() {
    requires musl-gcc
    musl-gcc -x c -o program -
}

greeting='#include <stdio.h>
int main(void) { puts("from musl"); return 7; }'

# runs_untouched STATUS OUTPUT COMMAND...: with nothing on stderr.
runs_untouched() {
    run "-$1" --separate-stderr "${@:3}"
    assert_output "$2"
    assert_equal "$stderr" ''
}

@test "a musl child of a preloaded program runs as without truefin" {
    musl_program <<<"$greeting"
    runs_untouched 7 'from musl' "$TRUEFIN" run -- sh -c './program; exit $?'
    runs_untouched 7 'from musl' "$TRUEFIN" run -p 'always-fin, refuse-write-after-fin' -- sh -c './program; exit $?'
    runs_untouched 7 'from musl' env LD_PRELOAD="$LIBTRUEFIN" TRUEFIN_POLICY=bogus TRUEFIN_STRICT=1 ./program
}

@test "a musl child of a watched program runs as without truefin" {
    musl_program <<<"$greeting"
    runs_untouched 7 'from musl' "$TRUEFIN" run --watch -- sh -c './program; exit $?'
}

@test "what musl lacks fails in a musl child as a call that the kernel lacks" {
    musl_program <<'END'
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
int main(void)
{
    int (*close_range)(unsigned, unsigned, int) = (int (*)(unsigned, unsigned, int))dlsym(RTLD_DEFAULT, "close_range");
    puts(!close_range || (close_range(900, 901, 0) == -1 && errno == ENOSYS) ? "lacks it" : "has it");
    return 0;
}
END
    runs_untouched 0 'lacks it' "$TRUEFIN" run -- sh -c './program; exit $?'
}

@test "a musl child that has the connection at 0 and 1 gives it a FIN, whatever its status, and its glibc child is covered" {
    musl_program <<'END'
#include <unistd.h>
int main(int argc, char **argv)
{
    if (argc > 1)
        execv(argv[1], argv + 1);
    return write(1, "Hello.", 6) == 6 ? 7 : 1;
}
END
    serve accept onto:1 exec:./program
    peer_sees fin 6
    server_ended exit 7
    serve accept onto:1 "exec:./program $BASH -c printf\${IFS}Hello.;kill\${IFS}-SEGV\${IFS}\$\$"
    peer_sees rst 6
    server_ended signal SEGV
}

# --- Another class ---

# Where the kernel runs no 32-bit programs (CONFIG_IA32_EMULATION), an emulator does. Sets $emulator.
find_emulator() {
    emulator=()
    ./program32 >/dev/null 2>&1 || [[ $? == 7 ]] || emulator=(qemu-i386)
}

# The program needs no headers or libraries of a 32-bit compiler.
program_of_32_bits() {
    requires gcc qemu-i386
    cat >program32.c <<'END'
int puts(const char *text);
void exit(int status) __attribute__((noreturn));
__attribute__((force_align_arg_pointer)) void _start(void)
{
    puts("32 bits");
    exit(7);
}
END
    gcc -m32 -nostdlib -fno-pic -no-pie -fno-stack-protector -Wl,-dynamic-linker,/lib/ld-linux.so.2 -o program32 program32.c \
        -L/lib32 -l:libc.so.6
    find_emulator
}

ignored='ERROR: ld.so: object .* from LD_PRELOAD cannot be preloaded .*: ignored\.'

@test "a 32-bit child of a preloaded program runs, but for one line of its dynamic linker" {
    [[ $(uname -m) == x86_64 ]] || skip 'only x86-64 has 32-bit children of this kind'
    program_of_32_bits
    run -7 --separate-stderr "$TRUEFIN" run -- sh -c "${emulator[*]} ./program32; exit \$?"
    assert_output '32 bits'
    assert_equal "${#stderr_lines[@]}" 1
    assert_regex "$stderr" "^$ignored$"
}

# lib_token LINKER...: what this dynamic linker puts for $LIB.
lib_token() {
    "$@" --list-diagnostics | sed -n 's/^dl_dst_lib="\(.*\)"$/\1/p'
}

@test "with REFERENCE's recipe for 32-bit children not even that line is there" {
    [[ $(uname -m) == x86_64 ]] || skip 'only x86-64 has 32-bit children of this kind'
    program_of_32_bits
    local token other
    token=$(lib_token "${emulator[@]}" /lib/ld-linux.so.2)
    other=$(lib_token /lib64/ld-linux-x86-64.so.2)
    assert [ "$token" != "$other" ]
    mkdir -p "usr/$token" "usr/$other"
    cp "$LIBTRUEFIN" "usr/$other"
    blocks sh "$REFERENCE" | grep -F -- '-m32' | sed "s/^sudo //; s|/usr/lib32/|usr/$token/|" >recipe
    sh -eu recipe
    # shellcheck disable=SC2016  # $LIB is for the dynamic linker
    runs_untouched 7 '32 bits' env LD_PRELOAD="$PWD/usr/\$LIB/libtruefin.so" "${emulator[@]}" ./program32
}

# --- Another root ---

# root_with_program: makes ./root, with a dynamic glibc program that says where it is.
root_with_program() {
    [[ $(id -u) == 0 ]] || skip 'chroot(2) is for root'
    local file
    mkdir root
    for file in $(ldd /bin/cat | grep -oE '/[^ ]+') /bin/cat; do
        cp -L --parents "$file" root
    done
    echo 'another root' >root/where
}

@test "a child in another root runs, but for one line of its dynamic linker" {
    root_with_program
    run -0 --separate-stderr "$TRUEFIN" run -- chroot root /bin/cat /where
    assert_output 'another root'
    assert_equal "${#stderr_lines[@]}" 1
    assert_regex "$stderr" "^$ignored$"
}

@test "with REFERENCE's recipe a child in another root is covered, and says nothing" {
    root_with_program
    PATH=$BUILD_DIR:$PATH
    blocks sh "$REFERENCE" | grep -F -- '--parents' | sed 's/^sudo //; s|/srv/root|root|' >recipe
    sh -eu recipe
    runs_untouched 0 'another root' "$TRUEFIN" run -- chroot root /bin/cat /where
}
