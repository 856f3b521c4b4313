#!/usr/bin/env bats
# CPython's own tests of sockets and servers come out under truefin as they do without: scripts/transparency runs more
# of them, under more policies.

load ../helpers

@test "CPython's tests of servers, files and processes come out the same under two policies" {
    without_sanitizer "a sanitizer is no bystander: it refuses what these tests do to processes and descriptors"
    run -0 "$SOURCE_DIR/scripts/transparency" --quick 3>&-
    assert_output --partial 'tests a policy'
}
