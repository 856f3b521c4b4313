#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2034,SC2154  # backquotes are Markdown's, and run and helpers share variables
# What README.md, docs/REFERENCE.md and docs/WATCH.md show is what happens: their sessions are run, their tables compared
# with the programs.

load ../helpers
load ../readme

setup() {
    without_sanitizer 'README shows programs without the shim too'
    cd "$BATS_TEST_TMPDIR" || return
    started=()
}

@test "the session in README is what one sees" {
    sessions_are_true "$README" 1
}

@test "the sessions in REFERENCE are what one sees" {
    sessions_are_true "$REFERENCE" 3
}

@test "the session in WATCH is what one sees" {
    sessions_are_true "$WATCH" 1
}

@test "README is no longer than a few screens, and no line is too long" {
    assert [ "$(wc -l <"$README")" -le 180 ]
    run -1 grep -nE '.{121}' "$README"
}

@test "the policies in README are policies" {
    local text checked=0
    while read -r text; do
        run -0 "$TRUEFIN" policy "$text"
        checked=$((checked + 1))
    done < <(grep -oE "run (--watch )?-p ('[^']+'|[a-z-]+)" "$README" | sed -E "s/.*-p //; s/'//g")
    assert [ "$checked" -ge 9 ]
}

@test "systemd understands the drop-in in README, and sets what it says" {
    requires systemd-analyze
    drop_ins
    mkdir nginx.service.d
    printf '[Service]\nExecStart=/bin/true\n' >nginx.service
    mv drop-in-00 nginx.service.d/override.conf
    run -0 systemd-analyze verify ./nginx.service
    # It only warns of an assignment that it ignores.
    assert_output ''
    # An assignment a line, in quotes where it has blanks (systemd.exec(5)): the shell reads them alike.
    run -0 env -i sh -c "export $(sed -n 's/^Environment=//p' nginx.service.d/override.conf | tr '\n' ' '); env"
    assert_line 'TRUEFIN_POLICY=accepted: abort-on-crash'
    run -0 "$TRUEFIN" policy 'accepted: abort-on-crash'
}

# row POLICY: the endings of all connections under it, separated by blanks.
row() {
    "$TRUEFIN" policy "$1" | awk '$1 == "any" { $1 = ""; print }'
}

# Each cell is what the word sets, whatever was there before; an empty one leaves it.
@test "the words in REFERENCE set what its table says" {
    local words=0 word cells event cell expected all=keep
    local -a before=(off 'close=fin,unread=fin,unwind=fin,exception=fin,source-failed=fin,exit=fin,exit-error=fin,session-error=fin,stop=fin,crash=fin')
    while IFS='|' read -r _ word cells; do
        word=$(grep -oE '[a-z-]+' <<<"$word" | head -n 1)
        for event in "${before[@]}"; do
            [[ $event == off ]] && all=keep || all=fin
            expected=
            while IFS= read -r cell; do
                cell=${cell// /}
                expected+=" ${cell:-$all}"
            done < <(tr '|' '\n' <<<"${cells%|}")
            assert_equal "$word:$(row "$event,$word")" "$word:$expected"
        done
        words=$((words + 1))
    done < <(grep -E '^\| `(abort-|always-|relay|off)' "$REFERENCE")
    assert_equal "$words" 6
}

@test "the default in REFERENCE is the default" {
    run -0 "$TRUEFIN" policy
    run grep -F "| \`${lines[0]}\` (default) |" "$REFERENCE"
    assert_success
}

# first_cells HEADING: the names in the first column of the table with that heading.
first_cells() {
    awk -F '|' -v heading=" $1 " '
        $2 == heading        { inside = 1; next }
        inside && !/^\|/     { inside = 0 }
        inside && !/^\|---/  { gsub(/[ `]/, "", $2); print $2 }' "$REFERENCE"
}

@test "REFERENCE knows all events and all endings" {
    "$TRUEFIN" policy off | sed -n 's/^match *//p' | tr -s ' ' '\n' >events
    first_cells event | diff events -
    # The program lists them when it is given something else.
    "$TRUEFIN" policy crash=x 2>&1 | sed -n 's/.*(allowed: \([a-z, -]*\).*/\1/p' | tr -d ' ' | tr ',' '\n' >endings
    first_cells ending | diff endings -
    assert_equal "$(wc -l <events) $(wc -l <endings)" '10 5'
}

@test "REFERENCE gives the defaults of the variables" {
    local seen=0 name value
    while IFS='|' read -r _ name value _; do
        name=$(tr -d ' `' <<<"$name")
        value=$(tr -d ' `' <<<"$value")
        grep -Eq "\(${name#TRUEFIN_},[^\"]*\"$value\"," "$SOURCE_DIR/policy/settings.def" || fail "$name: $value is not the default"
        seen=$((seen + 1))
    done < <(grep -E '^\| `TRUEFIN_[A-Z_]+` \| `' "$REFERENCE")
    assert_equal "$seen" 14
}
