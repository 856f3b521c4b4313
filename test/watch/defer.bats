#!/usr/bin/env bats
# shellcheck disable=SC1083  # braces are words here
# defer-close under the side-car, which judges the deaths: the library keeps what is closed, unarmed.

load ../helpers
load ../watch

# Longer than any test: only what a program does carries its closes out.
export TRUEFIN_DEFER_TIME=1min

# ends_as ENDING OPERATION...: after a written answer these end the connection of a watched server so.
ends_as() {
    watched server --watch -p 'abort-on-crash, defer-close' -- "$PROGRAMS/server" accept write:Hello. "${@:2}"
    find_port server
    peer_sees "$1" 6
    rows=$((rows + 1))
}

@test "a close of a watched program is believed when it goes on" {
    with_wrapper
    local rows=0
    ends_as rst close exit:3
    ends_as rst close segv
    ends_as rst close kill_self:KILL
    ends_as fin close exit:0
    ends_as fin close raise:TERM
    ends_as fin close system:true exit:3
    ends_as fin close fork{ exit:3 } pause
    assert_equal "$rows" 7
}
