#!/usr/bin/env bats
# shellcheck disable=SC2154  # helpers set variables
# The side-car is killed while the program's calls wait for its answers.

load ../helpers
load ../watch

# storm ARGUMENT...: threads that open and close all kinds of descriptors. Sets $program and $watcher.
storm() {
    watched storm -p always-fin -- "$PROGRAMS/storm" "$@"
    said storm ready
    program=$(pid_of storm)
    watcher=$(watcher_of "$program")
}

# guards: the pids of guardians of this test, which have the listener of a program.
guards() {
    local comm
    for comm in /proc/[0-9]*/comm; do
        [[ $(cat "$comm" 2>/dev/null) != truefin-guard ]] || [[ $(readlink "${comm%comm}ns/net") != "$(readlink /proc/self/ns/net)" ]] ||
            [[ ! -e ${comm%comm}fd/3 ]] || basename "${comm%/comm}"
    done
}

no_guards() {
    [[ -z $(guards) ]]
}

# calm: the storm ends, and no call has failed.
calm() {
    kill -TERM "$program"
    wait_until grep -q ^rounds storm.out
    cat storm.out
    run -0 grep -Ex 'rounds [0-9]+ failed 0 leaked 0' storm.out
    ended storm exit 0
}

@test "no call fails, hangs or leaks a descriptor when the side-car is killed under load, at any moment" {
    local round
    for ((round = 1; round <= ${TRUEFIN_TEST_KILLS:-15}; round++)); do
        storm 4
        sleep "0.0$((RANDOM % 1000))"
        kill -KILL "$watcher"
        wait_until unwatched "$program"
        calm
        stop_all
    done
    wait_until no_guards
}

@test "while the side-car lives, a program under signals without SA_RESTART sees no EINTR, and leaks nothing" {
    storm 2 signals
    calm
}

# The program has used a fifth of a second of processor time.
has_worked() {
    [[ $(awk '{ print $14 + $15 }' "/proc/$program/stat") -ge 20 ]]
}

@test "the guardian has two descriptors, ends with the program, and does nothing while the side-car lives" {
    local guard before
    storm 2
    guard=$(guards)
    run -0 ls "/proc/$guard/fd"
    assert_equal "$output" "$(printf '0\n1\n2\n3\n4')"
    run -0 cat "/proc/$guard/schedstat"
    before=${output##* }
    wait_until has_worked
    run -0 cat "/proc/$guard/schedstat"
    echo "$before, then $output"
    ((${output##* } - before <= 2))
    calm
    wait_until no_guards
}

@test "what a program starts when its side-car is dead works, too" {
    # shellcheck disable=SC2016  # for the inner shell
    watched later --watch -p always-fin -- /bin/sh -c 'kill -KILL "$TRUEFIN_WATCH" || exit 1; for i in 1 2 3; do "$1" 2 & sleep 0.2; kill $!; wait $!; done' \
        sh "$PROGRAMS/storm"
    ended later exit 0
    assert_equal "$(grep -cEx 'rounds [0-9]+ failed 0 leaked 0' later.out)" 3
    wait_until no_guards
}
