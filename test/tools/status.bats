#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154  # helpers and run set variables
# `truefin status` says of each process whether truefin is in it, what it does there, and if it is not there, why.

load ../helpers

# row PID: what is said of it, as "state connections armed policy|why".
row() {
    "$TRUEFIN" status --json "$1" | python3 -c '
import json, sys
(row,) = json.load(sys.stdin)
print(row["state"] or "-", row["connections"], row["armed"], (row["policy"] or "") + "|" + (row["why"] or ""))'
}

# says PID WORDS: it says this of PID, and its exit status is 0 only if that is covered.
says() {
    run "$TRUEFIN" status "$1"
    case $2 in
    'on '* | 'watched '*) assert_equal "$status" 0 ;;
    *) assert_equal "$status" 1 ;;
    esac
    assert_equal "$(row "$1")" "$2"
}

is_row() {
    [[ $(row "$1") == "$2" ]]
}

# sleeper [NAME=VALUE]... COMMAND...: in the background. Sets $started_pid.
sleeper() {
    start sleeper env "$@"
    wait_until sleeps "$started_pid"
}

sleeps() {
    [[ $(ps -o wchan= "$1") == *nanosleep* ]]
}

@test "one line for a process, with what is armed and the policy" {
    serve -p 'accepted: abort-on-crash' accept write:Hello. pause
    connect_peer
    server_said ready
    run -0 --separate-stderr "$TRUEFIN" status "$(pid_of server)"
    assert_equal "${lines[0]}" '    PID  PROGRAM          STATE      CONNECTIONS        ARMED  POLICY, OR WHY NOT'
    assert_equal "${lines[1]}" "$(printf '%7d  server           on                   1            1  accepted: abort-on-crash' "$(pid_of server)")"
    assert_equal "${#lines[@]}" 2
}

@test "a listener is no connection, and one that has shut down is not armed" {
    serve accept write:Hello. shutdown_wr accept pause
    start still bash -c 'exec 5<>"/dev/tcp/127.0.0.1/$1" && exec sleep 1000' bash "$port"
    peer=second connect_peer
    server_said ready
    assert_equal "$(row "$(pid_of server)")" 'on 2 1 abort-on-crash|'
}

@test "without arguments all that have a TCP socket, and no others" {
    sleeper sleep 1000
    serve accept pause
    run "$TRUEFIN" status
    assert_line --regexp "^ *$(pid_of server)  server  "
    refute_line --regexp "^ *$started_pid "
}

@test "by the name of a program" {
    cp "$PROGRAMS/server" ./named
    launch server ./named accept pause
    find_port server
    run -0 "$TRUEFIN" status named
    assert_line --regexp "^ *$(pid_of server)  named  "
    run -1 --separate-stderr "$TRUEFIN" status no-such-program
    assert_equal "$stderr" 'truefin: status: no process: no-such-program (give a pid, the name of a program, or a unit)'
}

@test "off, and on again" {
    serve accept pause
    "$TRUEFIN" off "$(pid_of server)"
    says "$(pid_of server)" 'off 0 0 abort-on-crash|'
    "$TRUEFIN" on "$(pid_of server)"
    says "$(pid_of server)" 'on 0 0 abort-on-crash|'
}

@test "watched, with the library and without" {
    without_sanitizer 'truefin run starts programs without it'
    local program why
    for program in server server-static; do
        start server "$PROGRAMS/outcome" server.status "$TRUEFIN" run --watch -- "$PROGRAMS/$program" accept pause
        find_port server
        why='abort-on-crash|'
        [[ $program != server-static ]] || why='|not loaded: static'
        says "$(pid_of server)" "watched 0 0 $why"
        stop_all
    done
}

@test "inert: the policy is off, or a setting is bad" {
    serve -p off accept pause
    says "$(pid_of server)" 'inert 0 0 off|the policy changes nothing'
    stop_all
    serve TRUEFIN_FLUSH_GAP=long accept pause
    says "$(pid_of server)" 'inert 0 0 abort-on-crash|a setting is bad, as it has said on stderr; or it is just starting'
}

@test "blind: it closes where no hook sees it" {
    not_under address 'a sanitizer ends a program that asks for RTLD_DEEPBIND, also without truefin'
    "${CC:-gcc}" -w -D_GNU_SOURCE -o blind -x c - -ldl <<'END'
#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>
int main(void)
{
    dlopen("libm.so.6", RTLD_NOW | RTLD_DEEPBIND);
    puts("ready");
    fflush(stdout);
    pause();
}
END
    launch blind ./blind
    said blind ready
    run -1 "$TRUEFIN" status "$(pid_of blind)"
    assert_output --partial ' blind '
    assert_output --partial 'abort-on-crash (a plug-in was loaded whose closes no hook sees (RTLD_DEEPBIND, dlmopen))'
}

@test "sandboxed: it has gone into a filter" {
    without_sanitizer 'a sanitizer makes calls of its own'
    "${CC:-gcc}" -w -D_GNU_SOURCE -o boxed -x c - <<'END'
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>
int main(void)
{
    struct sock_filter allow = {6, 0, 0, 0x7fff0000};
    struct sock_fprog program = {1, &allow};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
    puts("ready");
    fflush(stdout);
    pause();
}
END
    launch boxed ./boxed
    said boxed ready
    says "$(pid_of boxed)" 'sandboxed 0 0 abort-on-crash|it has gone into a seccomp sandbox'
}

@test "not asked for, and a cleaned environment" {
    local child
    sleeper sleep 1000
    says "$started_pid" '- 0 0 |not loaded: not asked for'
    launch parent sh -c 'env -i /bin/sleep 1000; true'
    wait_until pgrep -P "$(pid_of parent)" -x sleep
    child=$(pgrep -P "$(pid_of parent)" -x sleep)
    wait_until is_row "$child" "- 0 0 |not loaded: cleaned environment: LD_PRELOAD names it in process $(pid_of parent) above, not here"
}

@test "static, another libc, another class" {
    sleeper "LD_PRELOAD=$LIBTRUEFIN" busybox sleep 1000
    says "$started_pid" '- 0 0 |not loaded: static'
    stop_all
    printf '%s\n' '#include <unistd.h>' 'int main(void) { sleep(1000); }' >other.c
    musl-gcc -o other other.c
    start other env LD_PRELOAD=/nowhere/libtruefin.so ./other
    wait_until is_row "$started_pid" '- 0 0 |not loaded: its libc is not glibc'
    stop_all
    [[ $(uname -m) = x86_64 ]] || skip 'for x86-64'
    # shellcheck disable=SC2016  # an instruction's
    echo 'void _start(void) { for (;;) __asm__ volatile("int $0x80" : : "a"(29)); }' >small.c
    "${CC:-gcc}" -m32 -nostdlib -static -ffreestanding -fno-pic -fcf-protection=none -o small small.c
    start small env "LD_PRELOAD=$LIBTRUEFIN" ./small
    wait_until is_row "$started_pid" '- 0 0 |not loaded: it is for another machine or word size'
}

@test "AT_SECURE: another effective user" {
    [[ $(id -u) = 0 ]] || skip 'needs root'
    cp "$(command -v sleep)" secure
    chown 65534 secure
    chmod 4755 secure
    sleeper "LD_PRELOAD=$LIBTRUEFIN" ./secure 1000
    [[ $(awk '/^Uid/ { print $3 }' "/proc/$started_pid/status") == 65534 ]] || skip 'nosuid'
    says "$started_pid" '- 0 0 |not loaded: AT_SECURE, its effective user or group is not the real one'
}

@test "another root directory, and a file that may not be loaded" {
    without_sanitizer 'its library is not in the other root directory'
    [[ $(id -u) = 0 ]] || skip 'needs root'
    local library
    mkdir -p root/bin
    cp "$(command -v sleep)" root/bin/sleep
    while read -r library; do
        mkdir -p "root${library%/*}"
        cp "$library" "root$library"
    done < <(ldd root/bin/sleep | grep -oE '/[^ ]+')
    sleeper "LD_PRELOAD=$LIBTRUEFIN" chroot root /bin/sleep 1000
    says "$started_pid" "- 0 0 |not loaded: another root directory, $PWD/root, which has no such file"
    stop_all
    chmod 755 "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test" .
    cp "$LIBTRUEFIN" libtruefin.so
    chmod 600 libtruefin.so
    sleeper "LD_PRELOAD=$PWD/libtruefin.so" setpriv --reuid 65534 --regid 65534 --clear-groups sleep 1000
    says "$started_pid" '- 0 0 |not loaded: its dynamic linker may not load it (NoExecPaths=, noexec, rights of the file)'
}

@test "what may not be looked at is ?, and the line says who may" {
    [[ $(id -u) = 0 ]] || skip 'needs root'
    serve accept pause
    run -1 setpriv --reuid 65534 --regid 65534 --clear-groups "$TRUEFIN" status "$(pid_of server)"
    assert_equal "${lines[1]}" "$(printf '%7d  server           ?                    ?            ?  it belongs to user root: only that user and root may (CAP_SYS_PTRACE)' "$(pid_of server)")"
    run -1 --separate-stderr setpriv --reuid 65534 --regid 65534 --clear-groups "$TRUEFIN" status
    assert_regex "$stderr" '^truefin: status: [0-9]+ processes of other users may not be looked at: root may \(CAP_SYS_PTRACE\)$'
}

@test "a library of another build is not taken for one that can be read" {
    cp "$LIBTRUEFIN" libtruefin.so
    python3 - <<'END'
data = bytearray(open("libtruefin.so", "rb").read())
at = data.find(b"truefin\0" + b"0.")
data[at + 24] ^= 8  # a size, behind the magic and the version
open("libtruefin.so", "wb").write(data)
END
    LIBTRUEFIN=$PWD/libtruefin.so serve accept pause
    run -1 "$TRUEFIN" status "$(pid_of server)"
    assert_output --partial ' foreign '
    assert_output --partial 'of another version, class or build than this command'
}

@test "a library whose file was replaced since is read all the same" {
    cp "$LIBTRUEFIN" libtruefin.so
    LIBTRUEFIN=$PWD/libtruefin.so serve accept pause
    rm libtruefin.so
    assert_equal "$(row "$(pid_of server)")" 'on 0 0 abort-on-crash|'
}

@test "names that would command a terminal do not, and JSON stays JSON" {
    cp "$PROGRAMS/server" $'bad"\e[31m'
    launch server $'./bad"\e[31m' accept pause
    find_port server
    run -0 "$TRUEFIN" status "$(pid_of server)"
    refute_output --partial $'\e'
    run -0 "$TRUEFIN" status --json "$(pid_of server)"
    python3 -c 'import json, sys; assert json.load(sys.stdin)[0]["program"] == "bad\"?[31m"' <<<"$output"
}

@test "what it looks at it leaves as it is" {
    serve accept write:Hello. pause
    connect_peer
    server_said ready
    "$TRUEFIN" status "$(pid_of server)"
    kill_server KILL
    peer_saw rst 6
}

# Root looks at everybody's processes.
@test "a policy in a process's memory that is none does not lead it astray" {
    serve accept pause
    "${CC:-gcc}" -I "$SOURCE_DIR/policy" -o offset -x c - <<'END'
#include "policy.h"
#include <stdio.h>
int main(void) { printf("%zu", offsetof(struct policy, rule_count)); }
END
    python3 - "$(pid_of server)" "$(nm "$LIBTRUEFIN" | awk '$3 == "policy_default" { print $1 }')" "$(./offset)" <<'END'
import sys
pid, offset = sys.argv[1], int(sys.argv[2], 16) + int(sys.argv[3])
base = next(int(line.split("-")[0], 16) for line in open(f"/proc/{pid}/maps") if line.rstrip().endswith("/libtruefin.so"))
with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
    memory.seek(base + offset)
    assert memory.read(1) == b"\1"
    memory.seek(base + offset)
    memory.write(b"\xff")
END
    run -1 "$TRUEFIN" status "$(pid_of server)"
    assert_output --partial ' ?  '
    assert_output --partial 'what it has in its memory is no policy'
}

@test "observing, and off beside it" {
    serve TRUEFIN_OBSERVE=1 accept pause
    says "$(pid_of server)" 'observing 0 0 abort-on-crash|'
    "$TRUEFIN" off "$(pid_of server)"
    says "$(pid_of server)" 'off 0 0 abort-on-crash|'
    "$TRUEFIN" on "$(pid_of server)"
    says "$(pid_of server)" 'observing 0 0 abort-on-crash|'
}
