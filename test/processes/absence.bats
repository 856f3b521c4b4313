#!/usr/bin/env bats
# shellcheck disable=SC2154  # helpers set variables
# Absence is said: who executes a program that truefin will not be loaded into writes a note, once for each program.

load ../helpers
load ../watch

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
    for way in execve execv execvp execvpe execl execlp execle fexecve execveat syscall thread vfork spawn spawnp; do
        starts "$way" "$STATIC"
        assert_output ended
        noted static "$STATIC"
        rows=$((rows + 1))
    done
    assert_equal "$rows" 14
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
    noted 'it is for another machine or word size' small
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

# --- Watched: the side-car says it, of what the library is not in as well ---

# watched_starts PROGRAM ARGUMENT...: under the side-car, with the library and with records in the file log.
watched_starts() {
    rm -f log
    run -0 "$TRUEFIN" run --watch --log "$PWD/log" -- "$@"
}

# seen_absent REASON PROGRAM: that is all that the log says, and the side-car has said it.
seen_absent() {
    local path
    path=$(readlink -f "$2")
    run -0 sed -E 's/^time=[^ ]+ pid=[0-9]+ //' log
    assert_output "program=${path##*/} where=watch note=\"not loaded: $1; its closes are not seen\" command=$path"
}

@test "watched, a note names a program once, and says that its closes are not seen" {
    with_wrapper
    local way rows=0
    for way in execve execvp fexecve execveat syscall vfork spawn thread; do
        STARTER_TIMES=20 watched_starts "$PROGRAMS/starter" "$way" "$STATIC"
        assert_output ended
        seen_absent static "$STATIC"
        rows=$((rows + 1))
    done
    assert_equal "$rows" 8
}

@test "watched, nothing is said of a program that loads truefin, or whose exec fails" {
    with_wrapper
    local way
    for way in execve vfork spawn; do
        watched_starts "$PROGRAMS/starter" "$way" /bin/true
        nothing_noted
        watched_starts "$PROGRAMS/starter" "$way" /missing
        nothing_noted
    done
    watched_starts "$PROGRAMS/starter" execve "$(readlink -f /lib64/ld-linux-x86-64.so.2)" /bin/true
    nothing_noted
}

@test "watched, a note names what a static program executes with a clean environment" {
    with_wrapper
    requires busybox
    watched_starts "$PROGRAMS/starter" execve "$(command -v busybox)" env -i /bin/true
    run -0 sed -E 's/.* note=//' log
    assert_line --index 0 "\"not loaded: static; its closes are not seen\" command=$(readlink -f "$(command -v busybox)")"
    assert_line --index 1 \
        "\"not loaded: its LD_PRELOAD does not name truefin; its closes are not seen\" command=$(readlink -f /bin/true)"
    assert_equal "${#lines[@]}" 2
    # What a static program passes on the next one loads.
    watched_starts "$PROGRAMS/starter" execve "$(command -v busybox)" env /bin/true
    run -0 grep -c . log
    assert_output 1
}

@test "watched, a note says that the effective user is not the real one" {
    with_wrapper
    [[ $(id -u) = 0 ]] || skip 'needs root'
    STARTER_USER=65534 watched_starts "$PROGRAMS/starter" execve /bin/true
    seen_absent 'AT_SECURE, its effective user or group is not the real one' /bin/true
}

@test "watched, a note says that a program has file capabilities" {
    with_wrapper
    requires setcap setpriv
    [[ $(id -u) = 0 ]] || skip 'needs root'
    chmod 755 "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test"
    chmod 777 .
    cp /bin/true yes
    setcap cap_net_raw=ep yes
    watched_starts setpriv --reuid 65534 --clear-groups "$PWD/yes"
    seen_absent 'AT_SECURE, by file capabilities or a security module' yes
}

@test "watched, a note says that a program has another libc" {
    with_wrapper
    requires musl-gcc
    echo 'int main(void) { return 0; }' >main.c
    musl-gcc -o other main.c
    watched_starts "$PROGRAMS/starter" execve "$PWD/other"
    seen_absent 'its libc is not glibc' other
}

@test "watched, a note says that a program has another class" {
    with_wrapper
    [[ $(uname -m) = x86_64 ]] || skip 'for x86-64'
    # shellcheck disable=SC2016  # an instruction's
    echo 'void _start(void) { __asm__ volatile("int $0x80" : : "a"(1), "b"(0)); }' >small.c
    "${CC:-gcc}" -m32 -nostdlib -static -ffreestanding -fno-pic -fcf-protection=none -o small small.c
    ./small || skip 'this kernel executes no 32-bit programs'
    watched_starts "$PROGRAMS/starter" execve "$PWD/small"
    seen_absent 'it is for another machine or word size' small
}

@test "watched, the note goes to the standard error of the program" {
    with_wrapper
    run -0 --separate-stderr "$TRUEFIN" run --watch --log stderr -- "$PROGRAMS/starter" execve "$STATIC"
    # shellcheck disable=SC2154  # run sets it
    [[ $stderr == *'where=watch note="not loaded: static; its closes are not seen" command='* ]]
}

@test "watched without the library, as a static command is, nothing is said" {
    with_wrapper
    requires busybox
    watched_starts busybox env -i /bin/true
    nothing_noted
}

# It may lie on a file system that a watched program serves.
@test "the side-car opens no program, and asks no file system for one" {
    with_wrapper
    requires strace
    mkfifo go
    # shellcheck disable=SC2016  # expanded by the inner shell
    watched server --watch --log "$PWD/log" -- sh -c 'read -r _ <go; exec "$0"' "$STATIC"
    local pid watcher
    pid=$(pid_of server)
    wait_until pid_watched "$pid"
    watcher=$(watcher_of "$pid")
    start trace strace -qq -s 4096 -o trace -p "$watcher"
    wait_until pid_watched "$watcher"
    echo >go
    ended server exit 0
    seen_absent static "$STATIC"
    wait "$started_pid" || true
    run -0 grep -F "$STATIC" trace
    refute_line --regexp '^(open|openat|stat|statx|newfstatat|access|faccessat2?|execve)\('
    assert_line --regexp '^readlink(at)?\('
}
