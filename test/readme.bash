# shellcheck shell=bash disable=SC2034,SC2154  # set by the build, and used by tests
# What the tests share that read README.md and its kin.

README=$SOURCE_DIR/README.md
REFERENCE=$SOURCE_DIR/docs/REFERENCE.md
WATCH=$SOURCE_DIR/docs/WATCH.md

# blocks LANGUAGE DOCUMENT...: the code blocks of that language; a line of ">>>" before each.
blocks() {
    awk -v open="\`\`\`$1" '
        $0 == open { inside = 1; print ">>>"; next }
        /^```/     { inside = 0 }
        inside     { print }' "${@:2}"
}

# The drop-ins for units, in the files drop-in-00 (the library) and drop-in-01 (the side-car).
drop_ins() {
    blocks ini "$README" "$WATCH" | csplit --quiet --elide-empty-files --prefix drop-in- --suppress-matched - '/^>>>$/' '{*}'
    assert [ -s drop-in-01 ]
    assert [ ! -e drop-in-02 ]
}

# What differs from run to run: time, pids, ports that the kernel chose, and what is under way.
without_chance() {
    sed -E 's/^time=[^ ]+ pid=[0-9]+/time=T pid=P/; s/ local=127\.0\.0\.1:[0-9]+/ local=L/; s/ unsent=[0-9]+/ unsent=U/'
}

# play: runs a session from standard input and prints it as a terminal would: the commands, and what they say. One that
# ends in "&" is waited for until it listens, at the address of the line after it, or at its own.
play() {
    local line background='' address
    while IFS= read -r line; do
        case $line in
        '$ '*) ;;
        *) continue ;;
        esac
        echo "$line"
        line=${line#'$ '}
        if [[ -n $background ]]; then
            address=$(grep -oE '127\.0\.0\.1[ /:][0-9]+' <<<"$line $background" | head -n 1)
            wait_until listening "${address##*[ /:]}"
            background=''
        fi
        if [[ $line == *' &' ]]; then
            start background bash -c "${line%' &'}"
            background=$line
        else
            # Closing descriptor 3 keeps it from what the session leaves behind.
            bash -c "$line" 2>&1 3>&- </dev/null || true
        fi
    done
}

# sessions_are_true DOCUMENT COUNT: it has so many sessions, and each prints what is shown there. Its Python programs are in
# files first, under the names that their first lines have.
sessions_are_true() {
    local played=0 session program
    PATH=$BUILD_DIR:$PATH
    blocks python "$1" >programs
    csplit --quiet --elide-empty-files --prefix program- --suppress-matched programs '/^>>>$/' '{*}'
    for program in program-*; do
        [[ -e $program ]] || continue
        mv "$program" "$(sed -n '1s/^# //p' "$program")"
    done
    blocks console "$1" >sessions
    csplit --quiet --elide-empty-files --prefix session- --suppress-matched sessions '/^>>>$/' '{*}'
    for session in session-*; do
        play <"$session" | without_chance >seen
        without_chance <"$session" | diff -u - seen
        played=$((played + 1))
    done
    assert_equal "$played" "$2"
}
