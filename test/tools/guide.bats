#!/usr/bin/env bats
# shellcheck disable=SC2034,SC2154  # run and helpers share variables
# What docs/GUIDE.md shows is what happens: its commands are run, in its order.

load ../helpers
load ../readme
GUIDE=$SOURCE_DIR/docs/GUIDE.md

setup() {
    without_sanitizer 'GUIDE shows programs without the shim too'
    cd "$BATS_TEST_TMPDIR" || return
    started=()
}

@test "the sessions in GUIDE are what one sees" {
    requires curl busybox python3
    sessions_are_true "$GUIDE" 13
}

@test "systemd understands the drop-in in GUIDE" {
    requires systemd-analyze
    blocks ini "$GUIDE" | sed 1d >override.conf
    assert [ -s override.conf ]
    mkdir nginx.service.d
    printf '[Service]\nExecStart=/bin/true\n' >nginx.service
    mv override.conf nginx.service.d
    run -0 systemd-analyze verify ./nginx.service
    assert_output ''
}
