# shellcheck shell=bash disable=SC2154  # set by the build
# What the tests that read README.md share.

README=$SOURCE_DIR/README.md

# blocks LANGUAGE: the code blocks of that language in README.md; a line of ">>>" before each.
blocks() {
    awk -v open="\`\`\`$1" '
        $0 == open { inside = 1; print ">>>"; next }
        /^```/     { inside = 0 }
        inside     { print }' "$README"
}

# The drop-ins for units, in the files drop-in-00 (the library) and drop-in-01 (the side-car).
drop_ins() {
    blocks ini | csplit --quiet --elide-empty-files --prefix drop-in- --suppress-matched - '/^>>>$/' '{*}'
    assert [ -s drop-in-01 ]
    assert [ ! -e drop-in-02 ]
}
