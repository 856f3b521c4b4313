#!/usr/bin/env bats
# shellcheck disable=SC2154  # helpers set variables
# Absence is said: who executes a program that truefin will not be loaded into writes a note, once for each program.

load helpers
load watch

setup_file() {
    STATIC=$PROGRAMS/server-static # a static program that ends at once, with nothing to do
    export STATIC
}

# starts WAY PROGRAM [ARGUMENT]...: under truefin, with records in the file log.
starts() {
    rm -f log
    run -0 shimmed TRUEFIN_LOG="$PWD/log" "${settings_of_test[@]}" "$PROGRAMS/starter" "$@"
}

# noted REASON PROGRAM [WHO]: that is all that the log says, and WHO (starter) has said it.
noted() {
    run -0 sed -E 's/^time=[^ ]+ pid=[0-9]+ //' log
    assert_output "program=${3:-starter} note=\"not loaded: $1\" command=$(readlink -f "$2")"
}

nothing_noted() {
    assert [ ! -s log ]
}

with_records() {
    [[ -z ${TRUEFIN_TEST_BARE:-} ]] || skip 'there are no records without truefin'
}

# --- Each way to execute a program ---

@test "a note names a static program, by whatever call it is executed" {
    local way rows=0
    with_records
    for way in execve execv execvp execvpe execl execlp execle fexecve execveat syscall vfork spawn spawnp; do
        starts "$way" "$STATIC"
        assert_output ended
        noted static "$STATIC"
        rows=$((rows + 1))
    done
    assert_equal "$rows" 13
}

@test "a note names what is found in PATH" {
    local way
    with_records
    mkdir first second
    echo text >first/found
    cp "$STATIC" second/found
    for way in execvp execvpe execlp spawnp; do
        PATH=$PWD/first:$PWD/second:$PATH starts "$way" found
        assert_output ended
        noted static second/found
    done
}

@test "nothing is said of a program that loads truefin" {
    local way rows=0
    for way in execve execv execvp execvpe execl execlp execle fexecve execveat syscall vfork spawn spawnp; do
        starts "$way" /bin/true
        assert_output ended
        nothing_noted
        rows=$((rows + 1))
    done
    assert_equal "$rows" 13
}

@test "nothing is said, and nothing else happens, when the exec fails" {
    local way
    : >not-executable
    echo text >no-program
    printf '#!%s/missing\n' "$PWD" >no-interpreter
    cp "$STATIC" forbidden
    chmod 644 forbidden
    chmod 755 no-program no-interpreter
    for way in execve execv execvp execveat fexecve vfork spawn spawnp; do
        for program in /missing / "$PWD/not-executable" "$PWD/no-interpreter" "$PWD/forbidden"; do
            starts "$way" "$program"
            assert_line ended
            nothing_noted
        done
    done
    starts execve "$PWD/no-program"
    assert_line --index 0 ENOEXEC
    nothing_noted
}

@test "bad pointers are the kernel's to refuse" {
    local way rows=0
    for way in bad-path bad-argv bad-argument bad-environment bad-variable; do
        starts "$way" "$STATIC" argument
        assert_line --index 0 EFAULT
        nothing_noted
        rows=$((rows + 1))
    done
    assert_equal "$rows" 5
}

# --- Each reason ---

@test "a note says that LD_PRELOAD is not in the environment" {
    local way
    with_records
    for way in execve vfork spawn; do
        starts "$way" /usr/bin/env -u LD_PRELOAD /bin/true
        noted 'its LD_PRELOAD does not name truefin' /bin/true env
    done
    starts nothing /bin/true
    noted 'its LD_PRELOAD does not name truefin' /bin/true
}

@test "a note says that LD_PRELOAD names others only" {
    with_records
    starts execve /usr/bin/env LD_PRELOAD=/usr/lib/libother.so /bin/true
    noted 'its LD_PRELOAD does not name truefin' /bin/true env
}

@test "a note says that the effective user is not the real one" {
    local way
    with_records
    [[ $(id -u) = 0 ]] || skip 'needs root'
    settings_of_test=(STARTER_USER=65534)
    for way in execve execvp vfork spawn; do
        starts "$way" /bin/true
        noted 'AT_SECURE, its effective user or group is not the real one' /bin/true
    done
    starts spawn-reset /bin/true
    nothing_noted
}

@test "a note says that a program is setuid or setgid, for whom that changes anything" {
    local mode
    with_records
    [[ $(id -u) = 0 ]] || skip 'needs root'
    cp /bin/true yes
    chown 65534:65534 yes
    for mode in 4755 2755 6755; do
        chmod "$mode" yes
        starts execve "$PWD/yes"
        noted 'AT_SECURE, setuid or setgid' yes
        starts vfork "$PWD/yes"
        noted 'AT_SECURE, setuid or setgid' yes
        starts execvp setpriv --no-new-privs "$PWD/yes"
        nothing_noted
    done
    chown 0:0 yes
    chmod 6755 yes
    starts execve "$PWD/yes"
    nothing_noted
}

@test "a note says that a program has file capabilities" {
    requires setcap setpriv
    with_records
    [[ $(id -u) = 0 ]] || skip 'needs root'
    chmod 755 "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test" "$BATS_TEST_TMPDIR"
    cp /bin/true yes
    setcap cap_net_raw=ep yes
    starts execve "$PWD/yes"
    nothing_noted
    chmod 777 .
    starts execvp setpriv --reuid 65534 --clear-groups "$PWD/yes"
    noted 'AT_SECURE, file capabilities' yes setpriv
}

@test "a note says that a program has another class" {
    with_records
    [[ $(uname -m) = x86_64 ]] || skip 'for x86-64'
    # shellcheck disable=SC2016  # an instruction's
    echo 'void _start(void) { __asm__ volatile("int $0x80" : : "a"(1), "b"(0)); }' >small.c
    "${CC:-gcc}" -m32 -nostdlib -static -ffreestanding -fno-pic -fcf-protection=none -o small small.c
    starts execvp "$PWD/small"
    noted 'its class is another one' small
}

@test "a note says that a program has another libc" {
    requires musl-gcc
    with_records
    echo 'int main(void) { return 0; }' >main.c
    musl-gcc -o other main.c
    starts execve "$PWD/other"
    noted 'its libc is not glibc' other
}

@test "a script is about its interpreter" {
    with_records
    printf '#! %s  \n' "$STATIC" >script
    printf '#!%s/script\n' "$PWD" >script-of-script
    printf '#!/bin/sh\n' >shell
    chmod 755 script script-of-script shell
    starts execve "$PWD/script"
    noted static "$STATIC"
    starts execve "$PWD/script-of-script"
    noted static "$STATIC"
    starts execve "$PWD/shell"
    nothing_noted
}

@test "nothing is said of the dynamic linker, executed as a program" {
    starts execve "$(readlink -f /lib64/ld-linux-x86-64.so.2)" /bin/true
    nothing_noted
}

# --- Once, and only where somebody asked for records ---

@test "a program is named once, whoever of a tree of forks executes it, and in whatever way" {
    local way
    with_records
    settings_of_test=(STARTER_TIMES=50)
    for way in execve vfork spawn; do
        starts "$way" "$STATIC"
        noted static "$STATIC"
    done
}

@test "of more programs than can be remembered some are named, each once" {
    with_records
    [[ $(uname -m) = x86_64 ]] || skip 'for x86-64'
    echo 'void _start(void) { __asm__ volatile("syscall" : : "a"(60), "D"(0)); }' >small.c
    "${CC:-gcc}" -nostdlib -static -ffreestanding -o small small.c
    mkdir many
    tee many/{1..530} <small >/dev/null
    chmod 755 many/*
    shimmed TRUEFIN_LOG="$PWD/log" STARTER_EACH=1 STARTER_TIMES=0 "$PROGRAMS/starter" vfork many/* many/* >out
    run -0 sed -En 's/.* note="not loaded: static" command=//p' log
    assert_equal "$(printf '%s\n' "${lines[@]}" | sort | uniq -d)" ''
    assert_equal "${#lines[@]}" 512
}

@test "without TRUEFIN_LOG an exec makes no call more" {
    requires strace
    without_sanitizer 'a sanitizer makes calls of its own'
    local way
    with_records
    for way in execve vfork spawn; do
        strace -f -qq -o bare "$PROGRAMS/starter" "$way" "$STATIC"
        strace -f -qq -o with -E LD_PRELOAD="$LIBTRUEFIN" "$PROGRAMS/starter" "$way" "$STATIC"
        run -0 diff <(calls_of bare) <(calls_of with)
    done
}

# The calls behind the first fork.
calls_of() {
    sed -En '/^[0-9]+ +(clone|fork|vfork)/,$s/^[0-9]+ +([a-z_0-9]+)\(.*/\1/p' "$1" | sort
}

@test "under off nothing is said" {
    rm -f log
    run -0 shimmed -p off TRUEFIN_LOG="$PWD/log" "$PROGRAMS/starter" execve "$STATIC"
    assert_output ended
    nothing_noted
}
