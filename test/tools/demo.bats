#!/usr/bin/env bats
# shellcheck disable=SC2034  # helpers use started
# scripts/demo shows what it promises, and says so when it does not.

load ../helpers

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    requires redis-server nginx node socat /usr/bin/python3
    without_sanitizer 'the wrapper does not preload a sanitizer'
    started=()
}

# demo [NAME=VALUE]...: runs it with this build, its temporary files here.
demo() {
    env -u NO_COLOR -u FORCE_COLOR TMPDIR="$PWD" BUILD_DIR="$BUILD_DIR" "$@" "$SOURCE_DIR/scripts/demo" 3>&-
}

@test "demo: every peer sees what truefin promises, and nothing is left behind" {
    run -0 demo
    assert_line '15 of 15 as promised: with truefin only a good end reads as FIN.'
    refute_output --partial $'\e'
    run ls
    assert_output ''
    # All that it starts writes to files in its directory.
    run grep -F "$PWD/tmp." <(readlink /proc/[0-9]*/fd/1 2>/dev/null)
    assert_output ''
}

@test "demo: colours are for a terminal, or for who asks for them, and not for who refuses them" {
    run -0 demo FORCE_COLOR=1
    assert_output --partial $'\e[31mfin after 7 bytes '
    assert_output --partial $'\e[32mrst after 7 bytes (ECONNRESET)\e[0m'
    run -0 demo FORCE_COLOR=1 NO_COLOR=1
    refute_output --partial $'\e'
}

@test "demo: it fails, and says where, with a truefin that does nothing" {
    mkdir idle
    ln -s "$BUILD_DIR/libexec" "$BUILD_DIR/test" idle
    # shellcheck disable=SC2016  # the script's own
    printf '#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done\nshift\nexec "$@"\n' >idle/truefin
    chmod +x idle/truefin
    run -1 demo BUILD_DIR="$PWD/idle"
    assert_line '3 of 15 as promised: see the marks above.'
    assert_equal "$(grep -c 'not what truefin promises' <<<"$output")" 12
}
