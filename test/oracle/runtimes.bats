#!/usr/bin/env bats
# How programs of common runtimes die, measured again and compared with docs/RUNTIMES.md: the light ones, with and
# without the default policy. scripts/runtimes measures them all.

load ../helpers

@test "programs of common runtimes end as docs/RUNTIMES.md says" {
    without_sanitizer 'the servers run with the library alone'
    run -0 "$SOURCE_DIR/scripts/runtimes" --quick --check 3>&-
    assert_output --partial ' cells; a mark: '
    refute_output --partial 'left out: Python'
}

@test "docs/RUNTIMES.md is what was measured, and explains all that is not as promised or differs between generations" {
    cp "$SOURCE_DIR/docs/RUNTIMES.md" "$BATS_TEST_TMPDIR/page"
    run -0 "$SOURCE_DIR/scripts/runtimes" --render --page "$BATS_TEST_TMPDIR/page" \
        --picture "$BATS_TEST_TMPDIR/picture" 3>&-
    cmp "$BATS_TEST_TMPDIR/page" "$SOURCE_DIR/docs/RUNTIMES.md"
    cmp "$BATS_TEST_TMPDIR/picture" "$SOURCE_DIR/docs/runtimes.svg"
}
