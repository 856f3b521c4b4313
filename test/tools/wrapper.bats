#!/usr/bin/env bats
# What the wrapper makes of its arguments, its environment and its surroundings. What the library then does is for
# others to test; here it only has to be loaded.

# shellcheck disable=SC2154  # run sets stderr and stderr_lines
load ../helpers
TRUEFIN=$BUILD_DIR/truefin

# shows VARIABLE OPTION...: prints what a command run by the wrapper has in its environment.
shows() {
    "$TRUEFIN" run "${@:2}" -- printenv "$1"
}

# Exact values of LD_PRELOAD cannot be compared where a sanitizer has to come first.
plain_preload() {
    without_sanitizer 'LD_PRELOAD must name the sanitizer first'
}

# install_tree DESTDIR OPTION...: installs the build.
install_tree() {
    DESTDIR=$1 cmake --install "$BUILD_DIR" "${@:2}" >install.log
}

# Moves into an own copy of the wrapper's surroundings, which a test may then break. Sets $tree.
copy_tree() {
    tree=$PWD/tree
    mkdir -p "$tree/shim" "$tree/libexec"
    cp "$TRUEFIN" "$tree/truefin"
    cp "$LIBTRUEFIN" "$tree/shim/"
    cp -R "$BUILD_DIR/libexec/truefin" "$tree/libexec/"
}

setup_file() {
    # The sanitizer's library before the shim, as in shim_settings.
    if [[ -n $SANITIZER_PRELOAD ]]; then
        export LD_PRELOAD=$SANITIZER_PRELOAD:$LIBTRUEFIN
    fi
}

# --- What the command gets ---

@test "run gives the command the library, in LD_PRELOAD" {
    plain_preload
    run -0 shows LD_PRELOAD
    assert_output "$LIBTRUEFIN"
}

@test "run loads the library into the command" {
    run -0 "$TRUEFIN" run -- cat /proc/self/maps
    assert_output --partial /libtruefin.so
}

@test "run puts the library before what LD_PRELOAD has already" {
    plain_preload
    local other=/usr/lib/x86_64-linux-gnu/libm.so.6
    [[ -e $other ]] || other=$(ldconfig -p | sed -n 's/.*libm.so.6 .*=> //p' | head -n 1)
    LD_PRELOAD=$other run -0 shows LD_PRELOAD
    assert_output "$LIBTRUEFIN:$other"
}

@test "a truefin in a truefin loads the library once" {
    plain_preload
    run -0 "$TRUEFIN" run -- "$TRUEFIN" run -- printenv LD_PRELOAD
    assert_output "$LIBTRUEFIN"
    # Blanks separate too.
    LD_PRELOAD="$LIBTRUEFIN $LIBTRUEFIN" run -0 shows LD_PRELOAD
    assert_output "$LIBTRUEFIN $LIBTRUEFIN"
}

@test "run makes the library strict" {
    run -0 shows TRUEFIN_STRICT
    assert_output 1
}

@test "run without -p and --log leaves their variables alone" {
    run -1 shows TRUEFIN_POLICY
    run -1 shows TRUEFIN_LOG
    TRUEFIN_POLICY=off run -0 shows TRUEFIN_POLICY
    assert_output off
}

@test "-p sets the policy, in all its spellings, over what the environment says" {
    local rows=0 options
    for options in '-p off' '-poff' '--policy off' '--policy=off'; do
        # shellcheck disable=SC2086  # split on purpose
        TRUEFIN_POLICY=always-fin run -0 shows TRUEFIN_POLICY $options
        assert_output off
        rows=$((rows + 1))
    done
    assert_equal "$rows" 4
}

@test "-p wins over a policy file" {
    echo always-fin >policy
    TRUEFIN_POLICY_FILE=$PWD/policy run -1 shows TRUEFIN_POLICY_FILE -p off
    assert_output ''
}

@test "--log names stderr, syslog, or a file, by its absolute path" {
    local rows=0 given wanted
    while read -r given wanted; do
        run -0 shows TRUEFIN_LOG --log "$given"
        assert_output "$wanted"
        run -0 shows TRUEFIN_LOG "--log=$given"
        assert_output "$wanted"
        rows=$((rows + 1))
    done <<ROWS
stderr stderr
syslog syslog
$PWD/log $PWD/log
log $PWD/log
./stderr $PWD/./stderr
ROWS
    assert_equal "$rows" 5
}

@test "run passes the command's arguments on untouched" {
    run -0 "$TRUEFIN" run -- printf '<%s>' 'a b' '' -p --log '*' $'c\nd'
    assert_output $'<a b><><-p><--log><*><c\nd>'
}

@test "run needs no -- before a command, and takes none of its options" {
    run -0 "$TRUEFIN" run printf '<%s>' -p off --
    assert_output '<-p><off><-->'
}

@test "run becomes the command: same process, no shell left" {
    # shellcheck disable=SC2016  # expanded by the inner shells
    run -0 bash -c 'echo $$; exec "$0" run -- sh -c "echo \$\$"' "$TRUEFIN"
    assert_equal "${lines[0]}" "${lines[1]}"
}

@test "standard input reaches the command whole" {
    run -0 "$TRUEFIN" run -- cat < <(echo hello)
    assert_output hello
}

# --- Exit status ---

@test "run ends as the command ends" {
    run -7 "$TRUEFIN" run -- sh -c 'exit 7'
    # SIGTERM as run sees it
    run -143 "$TRUEFIN" run -- sh -c 'kill -TERM $$'
}

@test "a command that is not there is 127" {
    run -127 --separate-stderr "$TRUEFIN" run -- no-such-command
    assert_equal "$stderr" 'truefin: no-such-command: not found'
    run -127 "$TRUEFIN" run --force -- ./no-such-command
}

@test "a command that cannot be run is 126" {
    touch file
    run -126 --separate-stderr "$TRUEFIN" run -- ./file
    assert_equal "$stderr" 'truefin: ./file: Permission denied'
}

@test "a bad policy is 78, and the command does not run" {
    local rows=0 setting message
    printf 'off\nnonsense\n' >bad
    while IFS='|' read -r setting message; do
        run -78 --separate-stderr env "$setting" "$TRUEFIN" run -- echo ran
        assert_output ''
        assert_regex "${stderr_lines[0]}" "^truefin: $message"
        rows=$((rows + 1))
    done <<ROWS
TRUEFIN_POLICY=abort-on-crsh|TRUEFIN_POLICY: .*"abort-on-crsh" at column 1
TRUEFIN_POLICY_FILE=$PWD/bad|.*bad: .*"nonsense" at line 2, column 1
TRUEFIN_LINGER_TIME=2|TRUEFIN_LINGER_TIME: .* column
ROWS
    assert_equal "$rows" 3
    run -78 --separate-stderr "$TRUEFIN" run -p abort-on-crsh -- echo ran
    assert_output ''
    assert_regex "${stderr_lines[0]}" 'did you mean abort-on-crash'
}

@test "an error in a value that an option gave names the option" {
    local rows=0 options message
    while IFS='|' read -r options message; do
        # shellcheck disable=SC2086  # split on purpose
        TRUEFIN_POLICY=nonsense TRUEFIN_LOG=nonsense run -78 --separate-stderr "$TRUEFIN" run $options -- echo ran
        assert_output ''
        assert_line_of_stderr "^truefin: $message"
        rows=$((rows + 1))
    done <<'ROWS'
-p abort-on-crsh|-p: .*"abort-on-crsh" at column 1 .*did you mean abort-on-crash
-pabort-on-crsh|-p: .*"abort-on-crsh" at column 1
--policy abort-on-crsh|--policy: .*"abort-on-crsh" at column 1
--policy=close=rts|--policy: .*"rts" at column 7
-p off|TRUEFIN_LOG: .*"nonsense" at column 1
--log stderr -p bogus|-p: .*"bogus"
--log syslog|TRUEFIN_POLICY: .*"nonsense" at column 1
ROWS
    assert_equal "$rows" 7
}

assert_line_of_stderr() {
    local line
    for line in "${stderr_lines[@]}"; do
        [[ ! $line =~ $1 ]] || return 0
    done
    fail "no line like $1 in: $stderr"
}

# --- A command that cannot be shimmed ---

static='/sbin/ldconfig: static: no dynamic linker runs that could load truefin'

@test "run refuses a command that can be neither shimmed nor watched, in the words of check" {
    run -125 --separate-stderr "$PROGRAMS/sandbox" without-ptrace "$TRUEFIN" run -- /sbin/ldconfig --version
    assert_output ''
    assert_equal "${stderr_lines[0]}" "truefin: $static: it is watched from outside instead"
    assert_equal "${stderr_lines[1]}" \
        'truefin: cannot watch /sbin/ldconfig: ptrace(2) is not permitted here (--force runs it all the same)'
    run -1 "$TRUEFIN" check /sbin/ldconfig
    assert_output "$static"
}

@test "run --force says it and runs it" {
    run -0 --separate-stderr "$TRUEFIN" run --force -- /sbin/ldconfig --version
    assert_output --partial ldconfig
    assert_equal "$stderr" "truefin: $static"
}

# --- A truefin that is broken ---

@test "a missing library is 125" {
    copy_tree
    rm "$tree/shim/libtruefin.so"
    run -125 --separate-stderr "$tree/truefin" run -- echo ran
    assert_output ''
    assert_equal "$stderr" "truefin: no library at $tree/shim/libtruefin.so"
    run -125 "$tree/truefin" lib
}

@test "a library that the dynamic linker does not take is 125" {
    plain_preload
    copy_tree
    echo rubbish >"$tree/shim/libtruefin.so"
    run -125 --separate-stderr "$tree/truefin" run -- echo ran
    assert_output ''
    assert_equal "${stderr_lines[-1]}" "truefin: the dynamic linker does not load $tree/shim/libtruefin.so"
}

@test "a library that breaks what it is loaded into is 125, and not taken for a command that is not there" {
    plain_preload
    requires gcc
    copy_tree
    # The dynamic linker, too, ends a process with 127.
    echo 'void missing(void); __attribute__((constructor)) static void start(void) { missing(); }' >broken.c
    gcc -shared -fPIC -o "$tree/shim/libtruefin.so" broken.c
    run -125 --separate-stderr "$tree/truefin" run -- echo ran
    assert_output ''
    assert_equal "${stderr_lines[-1]}" \
        "truefin: cannot run $tree/libexec/truefin/check under $tree/shim/libtruefin.so"
}

@test "missing tools are 125" {
    copy_tree
    rm "$tree/libexec/truefin/"*
    run -125 "$tree/truefin" run -- echo ran
    assert_line "truefin: cannot check the policy with $tree/libexec/truefin/policy"
    run -125 "$tree/truefin" peer localhost 80
    assert_output "truefin: no tool at $tree/libexec/truefin/peer"
}

@test "a path that LD_PRELOAD cannot hold is 125" {
    copy_tree
    mv "$tree" 'a tree'
    run -125 --separate-stderr 'a tree/truefin' run -- echo ran
    assert_equal "$stderr" "truefin: LD_PRELOAD cannot hold a path with a blank or a colon: $PWD/a tree/shim/libtruefin.so"
}

# --- Places ---

@test "lib prints the absolute path of the library" {
    run -0 "$TRUEFIN" lib
    assert_output "$LIBTRUEFIN"
}

@test "the wrapper finds its parts through symbolic links, from any directory" {
    ln -s "$TRUEFIN" link
    ln -s link second
    run -0 ./second lib
    assert_output "$LIBTRUEFIN"
    PATH=$PWD:$PATH run -0 second lib
    assert_output "$LIBTRUEFIN"
}

# An executable that must not be run.
# shellcheck disable=SC2016  # expanded by the script
trap_for() {
    printf '#!/bin/sh\necho trap: "$0" >&2\nexit 99\n' >"$1"
    chmod +x "$1"
}

@test "the wrapper needs nothing of PATH, and passes it on as it came" {
    local rows=0 path program command
    ln -s "$TRUEFIN" link
    ln -s link second
    mkdir traps ours
    for command in readlink dirname basename cat pwd printf ls env sed; do trap_for "traps/$command"; done
    ln -s "$(command -v env)" ours/our-command
    for path in '' /nonexistent "$PWD/traps" "$PWD/ours" :; do
        for program in "$TRUEFIN" ./link ./second; do
            run -0 --separate-stderr env PATH="$path" "$program" lib
            assert_equal "$path $output $stderr" "$path $LIBTRUEFIN "
            run -0 --separate-stderr env PATH="$path" "$program" --help
            assert_line --index 0 --partial 'Usage: truefin run'
            assert_equal "$stderr" ''
            run -0 --separate-stderr env PATH="$path" "$program" run -- /usr/bin/printenv PATH
            assert_equal "$output" "$path"
            assert_equal "$stderr" ''
            rows=$((rows + 1))
        done
    done
    assert_equal "$rows" 15
    # The command itself is looked for there.
    run -0 env PATH="$PWD/ours" "$TRUEFIN" run -- our-command /usr/bin/printenv PATH
    assert_output "$PWD/ours"
    run -127 --separate-stderr env PATH="$PWD/traps" "$TRUEFIN" run -- our-command
    assert_equal "$stderr" 'truefin: our-command: not found'
    # Without any PATH.
    run -1 --separate-stderr env -u PATH ./second run -- /usr/bin/printenv PATH
    assert_equal "$output$stderr" ''
}

@test "the wrapper is found through links with odd names, and CDPATH does not mislead it" {
    local name
    mkdir -p 'a b/-c' elsewhere
    for name in 'a b/-c/x' 'a b/two
lines' ./-dash; do
        ln -s "$TRUEFIN" "$name"
        CDPATH=$PWD/elsewhere run -0 "$name" lib
        assert_output "$LIBTRUEFIN"
    done
    cd 'a b/-c'
    ln -s ../../-dash relative
    CDPATH=.:/ run -0 ./relative lib
    assert_output "$LIBTRUEFIN"
    run -0 sh relative lib
    assert_output "$LIBTRUEFIN"
}

@test "an installed tree works where it was put, and after it was moved" {
    install_tree '' --prefix "$PWD/prefix"
    run -0 prefix/bin/truefin lib
    assert_output --regexp "^$PWD/prefix/.*/libtruefin.so$"
    mv prefix moved
    run -0 moved/bin/truefin lib
    assert_output --regexp "^$PWD/moved/.*/libtruefin.so$"
    run -0 moved/bin/truefin policy off
    run -0 moved/bin/truefin check ls
    run -3 moved/bin/truefin peer 127.0.0.1 1
    plain_preload
    run -0 moved/bin/truefin run -- cat /proc/self/maps
    assert_output --partial "$PWD/moved/"
}

@test "DESTDIR puts everything below it" {
    install_tree "$PWD/root"
    run -0 find root -path '*/bin/truefin' -o -path '*/libexec/truefin/peer' -o -name libtruefin.so \
        -o -path '*/bash-completion/completions/truefin'
    assert_equal "${#lines[@]}" 4
}

# configure_for LIBDIR: an installed wrapper for that directory, as CMake makes it, in tree/bin, with
# the rest around it.
configure_for() {
    plain_preload
    mkdir -p "tree/$1" tree/bin tree/libexec
    cp "$LIBTRUEFIN" "tree/$1/"
    cp -R "$BUILD_DIR/libexec/truefin" tree/libexec/
    sed -e "s|@TRUEFIN_LIBDIR@|../$1|; s|@TRUEFIN_LIBEXECDIR@|../libexec/truefin|; s|@TRUEFIN_LIB_TOKEN@|$1|" \
        "$SOURCE_DIR/scripts/truefin.in" >tree/bin/truefin
    chmod +x tree/bin/truefin
}

# What the dynamic linker of this system puts for $LIB.
lib_token() {
    local linker
    linker=$(python3 -c '
import re, sys
print(re.search(rb"/lib[^\0]*/ld-linux[^\0]*", open(sys.argv[1], "rb").read())[0].decode())' "$PROGRAMS/server")
    "$linker" --list-diagnostics | sed -n 's/^dl_dst_lib="\(.*\)"$/\1/p'
}

# shellcheck disable=SC2016  # $LIB is for the dynamic linker
@test "a library where the dynamic linker expects one is named with \$LIB, and loaded" {
    configure_for "$(lib_token)"
    run -0 tree/bin/truefin run -- printenv LD_PRELOAD
    assert_output "$PWD/tree/\$LIB/libtruefin.so"
    run -0 tree/bin/truefin run -- cat /proc/self/maps
    assert_output --partial "$PWD/tree/$(lib_token)/libtruefin.so"
    run -0 tree/bin/truefin run -- tree/bin/truefin run -- printenv LD_PRELOAD
    assert_output "$PWD/tree/\$LIB/libtruefin.so"
}

@test "a \$LIB that the dynamic linker expands otherwise is noticed before the command runs" {
    configure_for lib/elsewhere
    run -125 --separate-stderr tree/bin/truefin run -- echo ran
    assert_output ''
    assert_equal "${stderr_lines[-1]}" \
        "truefin: the dynamic linker does not load $PWD/tree/lib/elsewhere/libtruefin.so"
}

@test "the two scripts that CMake makes have nothing left to fill in" {
    run -1 grep -n '@[A-Z_]*@' "$TRUEFIN" "$BUILD_DIR/scripts/truefin.install"
}

# --- Other commands ---

@test "peer, policy and check are the tools of these names" {
    run -3 "$TRUEFIN" peer 127.0.0.1 1
    run -0 "$TRUEFIN" policy off
    run -78 "$TRUEFIN" policy offf
    run -0 "$TRUEFIN" check ls
    assert_output 'ls: dynamic glibc, can be run under truefin'
}

@test "--version and --help go to standard output" {
    run -0 --separate-stderr "$TRUEFIN" --version
    assert_output --regexp '^truefin [0-9]+\.[0-9]+\.[0-9]+$'
    local arguments
    for arguments in --help -h 'run --help' 'run -h'; do
        # shellcheck disable=SC2086  # split on purpose
        run -0 --separate-stderr "$TRUEFIN" $arguments
        assert_line --index 0 --partial 'Usage: truefin run'
        assert_equal "$stderr" ''
    done
}

@test "wrong usage is exit status 2, with a line that says what is wrong and one that helps" {
    local rows=0 arguments message
    while IFS='|' read -r arguments message; do
        # shellcheck disable=SC2086  # split on purpose
        run -2 --separate-stderr "$TRUEFIN" $arguments
        assert_output ''
        assert_equal "$stderr" "truefin: $message"$'\n'"Try 'truefin --help'."
        rows=$((rows + 1))
    done <<'ROWS'
|what is it to do? run, policy, check, peer, stats, status, off, on, enable, disable or lib
bla|unknown command bla
--bla|unknown command --bla
run|run needs a command
run --|run needs a command
run -p|-p needs a value
run --policy= ls|--policy needs a policy
run --log|--log needs a value
run --log= ls|--log needs stderr, syslog, or a file's name
run -x ls|unknown option -x
run --forced ls|unknown option --forced
lib x|lib takes no arguments
--version x|--version takes no arguments
ROWS
    assert_equal "$rows" 13
    # The default would be another policy than the one that was meant.
    run -2 --separate-stderr "$TRUEFIN" run -p '' ls
    assert_equal "${stderr_lines[0]}" 'truefin: -p needs a policy'
}

@test "the bash completion loads and knows the commands" {
    [[ -r /usr/share/bash-completion/bash_completion ]] || skip 'bash-completion is not installed'
    # shellcheck disable=SC2016  # expanded by the inner shell
    run -0 bash -c '
        . /usr/share/bash-completion/bash_completion
        . "$1"
        COMP_WORDS=(truefin p) COMP_CWORD=1 COMP_LINE="truefin p" COMP_POINT=9
        _truefin
        echo "${COMPREPLY[@]}"' bash "$SOURCE_DIR/scripts/completion.bash"
    assert_output 'policy peer'
}
