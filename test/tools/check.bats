#!/usr/bin/env bats
# `truefin check` knows what LD_PRELOAD can do nothing for, and says which. What the other words mean for a command that
# is to be run is in wrapper.bats.

# shellcheck disable=SC2154  # run sets stderr
load ../helpers

check=$BUILD_DIR/libexec/truefin/check

# says STATUS COMMAND WORDS: on one line of stdout, and nothing on stderr.
says() {
    run -"$1" --separate-stderr "$check" "$2"
    assert_equal "$output" "$2: $3"
    assert_equal "$stderr" ''
}

# refuses STATUS COMMAND WORDS: on one line of stderr, and nothing on stdout.
refuses() {
    run -"$1" --separate-stderr "$check" "$2"
    assert_equal "$stderr" "truefin: $2: $3"
    assert_equal "$output" ''
}

# script NAME LINE...
script() {
    printf '%s\n' "${@:2}" >"$1"
    chmod +x "$1"
}

# copy_with NAME PYTHON: a copy of an ordinary program, whose bytes (b) and dynamic linker the Python code may change.
copy_with() {
    python3 -c '
import os, re, sys
b = bytearray(open(sys.argv[1], "rb").read())
def set_linker(path):
    old = re.search(rb"/lib[^\0]*/ld-linux[^\0]*\0", b)
    b[old.start():old.end()] = path.ljust(old.end() - old.start(), b"\0")
exec(sys.argv[3])
open(sys.argv[2], "wb").write(b)
os.chmod(sys.argv[2], 0o755)' "$PROGRAMS/server" "$@"
}

# as_nobody COMMAND...: without privileges, in a directory where nobody may look for files, with the tool in it.
as_nobody() {
    chmod 755 .
    cp "$check" check-copy
    setpriv --reuid 65534 --regid 65534 --clear-groups -- "$@"
}

requires_root() {
    requires setpriv
    # Root of a user namespace of one user cannot give files away.
    touch owned
    chown 65534 owned 2>/dev/null || skip 'needs root'
}

shimmable='dynamic glibc, can be run under truefin'

# --- Programs ---

@test "an ordinary program can be run under truefin" {
    says 0 "$PROGRAMS/server" "$shimmable"
}

@test "a command is found by PATH" {
    copy_with program ''
    PATH=/nonexistent::/usr/bin says 0 program "$shimmable"
}

@test "a file in PATH that is not executable is passed over" {
    mkdir first second
    touch first/program
    copy_with second/program ''
    PATH=first:second:$PATH says 0 program "$shimmable"
}

@test "a static program cannot" {
    says 1 /sbin/ldconfig 'static: no dynamic linker runs that could load truefin'
}

@test "a musl program cannot" {
    copy_with musl 'set_linker(b"/lib/ld-musl-x.so.1")'
    says 1 ./musl 'musl: truefin is built for glibc'
}

@test "a program with an unknown dynamic linker cannot" {
    copy_with other 'set_linker(b"/lib/ld-other.so")'
    says 1 ./other 'dynamic linker /lib/ld-other.so is not that of glibc'
}

@test "a program whose dynamic linker is missing cannot" {
    copy_with missing 'set_linker(b"/lib9/ld-linux.so")'
    says 1 ./missing 'its dynamic linker /lib9/ld-linux.so is missing'
}

@test "a program of the other class cannot" {
    copy_with other 'b[4] ^= 3'
    says 1 ./other 'built for another class or machine than truefin'
}

@test "a program for another machine cannot" {
    copy_with other 'b[18] ^= 1'
    says 1 ./other 'built for another class or machine than truefin'
}

@test "an object file is no program" {
    copy_with object.o 'b[16] = 1'
    says 1 ./object.o 'an ELF file, but no program'
}

@test "a dynamic Go program cannot: its runtime makes system calls without libc" {
    requires objcopy
    echo x >section
    objcopy --add-section .go.buildinfo=section "$PROGRAMS/server" go
    says 1 ./go 'Go: its runtime makes system calls without libc, where truefin cannot see them'
}

@test "a static Go program is both" {
    requires objcopy
    echo x >section
    objcopy --add-section .go.buildinfo=section /sbin/ldconfig go
    says 1 ./go 'static (Go): no dynamic linker runs that could load truefin'
}

@test "what is neither program nor script cannot" {
    printf 'MZ\0\0' >program
    chmod +x program
    says 1 ./program 'neither an ELF program nor a script'
}

# --- Privileges ---

@test "a program that is setuid to another user cannot" {
    requires_root
    copy_with program ''
    chown 65534 program
    chmod u+s program
    says 1 ./program 'setuid: the dynamic linker ignores LD_PRELOAD'
}

@test "a program that is setgid to another group cannot" {
    requires_root
    copy_with program ''
    chgrp 65534 program
    chmod g+s program
    says 1 ./program 'setgid: the dynamic linker ignores LD_PRELOAD'
}

@test "a program that is setuid to its caller can" {
    copy_with program ''
    chmod ug+s program
    says 0 ./program "$shimmable"
}

@test "a program that is setuid root cannot for others" {
    requires_root
    copy_with program ''
    chmod u+s program
    run -1 as_nobody ./check-copy ./program
    assert_output './program: setuid: the dynamic linker ignores LD_PRELOAD'
}

@test "no_new_privs takes the effect of setuid away" {
    requires_root
    copy_with program ''
    chmod u+s program
    run -0 as_nobody setpriv --no-new-privs -- ./check-copy ./program
    assert_output "./program: $shimmable"
}

@test "file capabilities matter for all but root" {
    requires_root
    copy_with program ''
    # VFS_CAP_REVISION_2 and effective; CAP_NET_BIND_SERVICE permitted
    python3 -c 'import os, struct
os.setxattr("program", "security.capability", struct.pack("<5I", 0x2000001, 1 << 10, 0, 0, 0))'
    says 0 ./program "$shimmable"
    run -1 as_nobody ./check-copy ./program
    assert_output './program: has file capabilities: the dynamic linker ignores LD_PRELOAD'
}

@test "a program that may be run but not read cannot, as far as can be told" {
    requires_root
    copy_with program ''
    chmod 711 program
    run -1 as_nobody ./check-copy ./program
    assert_output './program: cannot be read: Permission denied'
}

# --- Scripts ---

@test "a script is what its interpreter is" {
    script yes '#!/bin/sh' 'exit 0'
    says 0 ./yes "script run by /bin/sh, $shimmable"
    script no '#! /sbin/ldconfig -p '
    says 1 ./no 'script run by /sbin/ldconfig, static: no dynamic linker runs that could load truefin'
}

@test "a script by env is what env finds" {
    script plain '#!/usr/bin/env sh '
    says 0 ./plain "script run by /usr/bin/env, which finds $(command -v sh), $shimmable"
    script split '#!/usr/bin/env -S A=b sh -e'
    says 0 ./split "script run by /usr/bin/env, which finds $(command -v sh), $shimmable"
}

@test "a script by env with options that may drop LD_PRELOAD cannot" {
    local rows=0
    while read -r options; do
        script hidden "#!/usr/bin/env $options"
        says 1 ./hidden 'script run by /usr/bin/env, whose options hide what runs in the end'
        rows=$((rows + 1))
    done <<'ROWS'
-S -i sh
-S LD_PRELOAD= sh
-i
-S

ROWS
    assert_equal "$rows" 5
}

@test "a script of a script is followed" {
    script inner '#!/bin/sh'
    script outer "#!$PWD/inner"
    says 0 ./outer "script run by $PWD/inner, script run by /bin/sh, $shimmable"
}

@test "a script that runs itself ends" {
    script loop '#!./loop'
    refuses 126 ./loop 'too many levels of scripts'
}

@test "a script without a first line is run by the shell" {
    script plain 'echo hello'
    says 0 ./plain "script without #!, run by /bin/sh, $shimmable"
}

@test "control bytes in a first line do not reach the terminal" {
    printf '#!/bin/\033[31msh\n' >script
    chmod +x script
    run -126 "$check" ./script
    assert_output 'truefin: /bin/?[31msh: No such file or directory'
}

# --- What cannot be run at all ---

@test "a command that is not there is 127" {
    refuses 127 no-such-command 'not found'
    refuses 127 ./no-such-command 'not found'
    refuses 127 '' 'not found'
}

@test "a file that is not executable is 126" {
    touch file
    refuses 126 ./file 'Permission denied'
}

@test "a directory or a pipe is 126" {
    mkfifo pipe
    chmod +x pipe
    refuses 126 ./pipe 'not a regular file'
    refuses 126 / 'not a regular file'
}

@test "a missing interpreter is 126" {
    script lost '#!/nonexistent/interpreter'
    run -126 "$check" ./lost
    assert_output 'truefin: /nonexistent/interpreter: No such file or directory'
}

# --- Hostile files ---

@test "damaged files are told from good ones and crash nothing" {
    run -0 python3 - "$check" "$PROGRAMS/server" <<'PYTHON'
import os, random, subprocess, sys

check, program = sys.argv[1:]
good = open(program, "rb").read()
random.seed(1)
damaged = [good[:n] for n in (0, 1, 3, 4, 16, 63, 64, 65, 100, 200, 500, 1000)]
# One field of the ELF header at a time: far away, and just beyond the end.
for offset, size in ((32, 8), (40, 8), (54, 2), (56, 2), (58, 2), (60, 2), (62, 2)):
    for value in (0, 1, 2 ** (8 * size) - 1, 2 ** (8 * size - 1), min(len(good), 2 ** (8 * size) - 1)):
        damaged.append(good[:offset] + value.to_bytes(size, "little") + good[offset + size:])
for _ in range(150):
    b = bytearray(good[:4096])
    for _ in range(random.randint(1, 40)):
        b[random.randrange(4, 1024)] = random.randrange(256)
    damaged.append(bytes(b))
for b in damaged:
    with open("damaged", "wb") as f:
        f.write(b)
    os.chmod("damaged", 0o755)
    r = subprocess.run([check, "./damaged"], capture_output=True, timeout=20)
    assert r.returncode in (0, 1, 126), (r, b[:64])
    assert (r.stdout + r.stderr).count(b"\n") == 1, r
print(len(damaged))
PYTHON
    assert_output 197
}

# --- Usage ---

@test "anything but one command is a usage error" {
    local rows=0
    while read -r arguments; do
        # shellcheck disable=SC2086  # split on purpose
        run -2 --separate-stderr "$check" $arguments
        assert_output ''
        assert_equal "$stderr" $'truefin check: needs one COMMAND\nTry \'truefin check --help\'.'
        rows=$((rows + 1))
    done <<'ROWS'

--unknown
ls ls
--
ROWS
    assert_equal "$rows" 4
}
