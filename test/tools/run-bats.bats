#!/usr/bin/env bats
# shellcheck disable=SC2154  # run sets stderr
# test/run-bats as it is called by hand: it finds what is built, and is not content with no test.

load ../helpers

# a_tree PRESET...: a tree of sources in which these presets are built.
a_tree() {
    mkdir -p tree/test tree/scripts
    cp "$SOURCE_DIR/test/run-bats" tree/test/
    cp "$SOURCE_DIR/scripts/environment.sh" tree/scripts/
    local preset
    for preset in "$@"; do
        mkdir -p "tree/build/$preset/shim"
        touch "tree/build/$preset/shim/libtruefin.so"
    done
    # shellcheck disable=SC2016  # the inner test's own
    printf '#!/usr/bin/env bats\n@test "a build" { echo "$BUILD_DIR" >"%s/build"; }\n' "$PWD" >one.bats
}

# Nothing of what this bats has set for itself may reach the other one.
by_hand() {
    run --separate-stderr "$1" env -i PATH="${PATH//"$BATS_LIBEXEC":/}" tree/test/run-bats "${@:2}" 3>&-
}

@test "the first build that is there is tested, and named" {
    local preset built=()
    for preset in tsan ubsan asan clang debug release; do
        built+=("$preset")
        a_tree "${built[@]}"
        by_hand -0 one.bats
        [[ $stderr == *"testing build/$preset"* ]]
        assert_equal "$(<build)" "$PWD/tree/build/$preset"
    done
    assert_equal "${#built[@]}" 6
}

@test "without a build it says how to make one" {
    a_tree
    by_hand -1 one.bats
    [[ $stderr == *'nothing is built: cmake --preset release'* ]]
    assert [ ! -e build ]
}

@test "a filter that no name matches, or a file without tests, is a failure" {
    a_tree release
    by_hand -1 one.bats -f 'no such name'
    [[ $stderr == *'no test to run: one.bats -f no such name'* ]]
    printf '#!/usr/bin/env bats\n' >none.bats
    by_hand -1 none.bats
    by_hand -0 one.bats -f 'a build'
}
