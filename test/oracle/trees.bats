#!/usr/bin/env bats
# Random process trees, and trees that once failed: every peer sees what a model of docs/DESIGN.md says. The model and
# the runner are described in test/oracle/trees/README.md; scripts/trees runs as many as one likes.

load ../helpers

COUNT=500 # trees per run, or half of that where much is waited for: 2,000 in all
HALF=$((COUNT / 2))
QUARTER=$((COUNT / 4)) # of two policies that share a half

# run_trees ARGUMENT...: a failure prints the seed, the shortest tree that still fails, what was expected and seen.
run_trees() {
    not_under thread "it makes a fork of every vfork"
    [[ -z ${TRUEFIN_TEST_BARE:-} ]] || set -- --no-shim "$@"
    "$SOURCE_DIR/scripts/trees" "$@" 3>&-
}

@test "without the shim, $COUNT trees end as the model of the kernel says" {
    run_trees --seed 1 --count "$COUNT" --no-shim
}

@test "peers of $HALF trees see what the rules say under abort-on-crash" {
    run_trees --seed 10001 --count "$HALF" --policy abort-on-crash
}

@test "peers of $HALF trees see what the rules say where a close is believed when the program goes on" {
    run_trees --seed 12001 --count "$HALF" --policy abort-on-crash,defer-close
}

@test "peers of $QUARTER trees see what the rules say when a session's bad status aborts, too" {
    run_trees --seed 11001 --count "$QUARTER" --policy abort-on-crash,session-error=flush-rst
}

@test "peers of $QUARTER trees see what the rules say of both" {
    run_trees --seed 13001 --count "$QUARTER" --policy abort-on-crash,session-error=flush-rst,defer-close
}

@test "peers of $COUNT trees see what the rules say under always-fin" {
    run_trees --seed 20001 --count "$COUNT" --policy always-fin
}

@test "peers of $HALF trees see what the rules say under abort-unless-shutdown" {
    run_trees --seed 30001 --count "$HALF" --policy abort-unless-shutdown
}

@test "trees that once failed" {
    run_trees --script "$SOURCE_DIR"/test/oracle/trees/cases/*.tree
}
