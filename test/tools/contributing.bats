#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154  # back-ticks are Markdown here, and run sets output
# The commands of CONTRIBUTING.md and docs/HOWTO.md are right: the quick ones are run, long ones with less to do; of the
# others all that they name is there.

load ../helpers

# commands: those of the indented blocks, without what is said of each.
commands() {
    sed -nE 's/^    ([^ ].*)$/\1/p' "$SOURCE_DIR/CONTRIBUTING.md" |
        sed -E "s/ {2,}.*//; s/('[^']*') .*/\1/"
}

setup_file() {
    # Nothing of what this bats has set for itself may reach another one.
    export PATH=${PATH//"$BATS_LIBEXEC":/}
}

# outside COMMAND...: in the tree of sources, as from a shell.
outside() {
    run -0 env -i PATH="$PATH" BUILD_DIR="$BUILD_DIR" SANITIZE="${SANITIZE:-}" \
        SANITIZER_PRELOAD="$SANITIZER_PRELOAD" sh -c "cd '$SOURCE_DIR' && $1" 3>&-
}

# The build directory's own name stands for the preset: it need not be one of the presets' own.
listed() {
    local command=${1/--preset release/--test-dir $BUILD_DIR}
    outside "$command -N 2>/dev/null"
    refute_output --partial 'Total Tests: 0'
}

@test "each script, file and preset that CONTRIBUTING names is there" {
    local word count=0
    while read -r word; do
        [[ -e $SOURCE_DIR/$word ]] || fail "no $word"
        [[ $word != scripts/* || -x $SOURCE_DIR/$word ]] || fail "$word cannot be run"
        count=$((count + 1))
    done < <(grep -oE '\b(scripts|test|docs)/[A-Za-z0-9_./-]*[A-Za-z0-9]' "$SOURCE_DIR/CONTRIBUTING.md")
    ((count > 15))
    while read -r word; do
        grep -q "\"name\": \"$word\"" "$SOURCE_DIR/CMakePresets.json" || fail "no preset $word"
    done < <(commands | sed -nE 's/.*--preset ([a-z]+).*/\1/p; s/^scripts\/test ([a-z]+) ([a-z]+)$/\1\n\2/p')
}

@test "each file that HOWTO names is there" {
    local word count=0
    while read -r word; do
        [[ -e $SOURCE_DIR/$word ]] || fail "no $word"
        count=$((count + 1))
    done < <(grep -oE '`(scripts|test|shim|policy|docs)/[^` ]*' "$SOURCE_DIR/docs/HOWTO.md" | tr -d '`' | grep -Ev 'NAME|FILE')
    ((count > 40))
}

@test "each preset that CONTRIBUTING and HOWTO name is one of CMake's" {
    local kind word count=0
    for kind in cmake 'cmake --build' ctest; do
        outside "$kind --list-presets"
        while read -r word; do
            assert_output --partial "\"$word\""
            count=$((count + 1))
        done < <(grep -ohE "(^ *|\`)$kind --preset [a-z]+" "$SOURCE_DIR/CONTRIBUTING.md" "$SOURCE_DIR/docs/HOWTO.md" |
            sed 's/.* //')
    done
    ((count >= 6))
}

# The trees are fewer, and no fault is built.
@test "the scripts that CONTRIBUTING shows for the tests' own quality run" {
    without_sanitizer 'the trees are of programs without it'
    local command count=0
    while read -r command; do
        command=${command/--count 1000/--count 5}
        outside "${command/%scripts\/mutate/scripts/mutate --dry-run}" </dev/null
        count=$((count + 1))
    done < <(commands | grep -E '^scripts/(mutate|trees)')
    assert_equal "$count" 2
}

@test "the scripts that CONTRIBUTING shows say how they are used" {
    local script count=0
    for script in $(commands | grep -oE '^scripts/[a-z-]+' | sort -u); do
        [[ $(head -c 2 "$SOURCE_DIR/$script") == '#!' ]] || fail "$script is no script"
        head -n 3 "$SOURCE_DIR/$script" | grep -q "${script#scripts/}" || fail "$script does not say what it is"
        count=$((count + 1))
    done
    ((count >= 10))
}

@test "each option of a script that CONTRIBUTING shows is one that the script knows" {
    local script option count=0
    while read -r script option; do
        grep -rqe "$option" "$SOURCE_DIR/$script" "$SOURCE_DIR/test/oracle" || fail "$script knows no $option"
        count=$((count + 1))
    done < <(commands | awk '/^scripts\// { for (i = 2; i <= NF; i++) if ($i ~ /^--/) print $1, $i }')
    ((count >= 6))
}

@test "each ctest that CONTRIBUTING shows selects tests" {
    local command count=0
    while read -r command; do
        listed "$command"
        count=$((count + 1))
    done < <(commands | grep '^ctest' && grep -oE '`ctest [^`]*' "$SOURCE_DIR/docs/HOWTO.md" | tr -d '`')
    assert_equal "$count" 5
}

# Without truefin many fail, as they are meant to.
@test "the tests that CONTRIBUTING runs by hand run" {
    local command count=0
    while read -r command; do
        if [[ $command == TRUEFIN_TEST_BARE=1* ]]; then
            outside "bats --count ${command#*test/run-bats}" </dev/null
            assert [ "$output" -gt 0 ]
        else
            outside "$command" </dev/null
            assert_line --regexp '^ok 1 '
        fi
        count=$((count + 1))
    done < <(commands | grep 'test/run-bats')
    assert_equal "$count" 2
}

@test "scripts/test --quick says what is missing, and installs nothing" {
    mkdir tools
    local tool
    for tool in sh dirname tr; do ln -s "$(command -v "$tool")" tools/; done
    run -1 env -i PATH="$PWD/tools" BATS_LIB_PATH=/nowhere sh "$SOURCE_DIR/scripts/test" --quick
    assert_output 'test: not here: build-essential make cmake bats python3 bats-support bats-assert (names of Debian packages)'
}
