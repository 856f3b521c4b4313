#!/usr/bin/env bats
# Stock clients and caches, and half an answer whose server was killed or failed: a few of the rows of docs/PEERS.md.
# scripts/peers measures them all, a hundred times each. Here the gap is longer, for a loaded machine, and nothing is as
# large as to take longer than an exit waits.

load ../daemons

# measure STATUS ARGUMENT...: three tries of each kind. The status is 1 if flush-rst does not keep its promise.
measure() {
    without_sanitizer 'truefin run starts the servers without it'
    run -"$1" "$SOURCE_DIR/scripts/peers" --count 3 --jobs 3 --gap 300ms "${@:2}" 3>&-
    refute_output --partial 'left out'
}

# keeps_no_half CACHE...
keeps_no_half() {
    local cache
    local -a peers=()
    for cache in "$@"; do
        peers+=(--peer "$cache")
    done
    measure 0 --ending flush-rst --size 400 "${peers[@]}"
    for cache in "$@"; do
        # HAProxy 3 takes every reset for an end (docs/PEERS.md).
        [[ $cache != HAProxy || $(haproxy -v) == *'HAProxy version 2.'* ]] || continue
        assert_equal "$(grep -c "^$cache .* 0 of 3$" <<<"$output")" 2
    done
}

@test "clients have all that a server wrote before it was killed or failed, and are told" {
    measure 0 --ending flush-rst --size 40000 --peer nc --peer curl --peer 'curl --limit-rate' --peer wget \
        --peer 'python, slow' --peer lftp
    assert_equal "$(grep -Ec '^curl  .* 3 of 3 +3 of 3 ' <<<"$output")" 2
}

@test "HAProxy and nginx keep no half of an answer whose server was killed or failed" {
    keeps_no_half HAProxy nginx
}

@test "Apache and squid keep no half of an answer whose server was killed or failed" {
    other_users
    keeps_no_half Apache Squid
}

@test "curl and http.client tell of half an answer that has no length with truefin, and not without it" {
    without_sanitizer 'truefin run starts the servers without it'
    run -0 "$SOURCE_DIR/scripts/peers" clients --count 1 --peer curl --peer "Python, http.client's read(n)" 3>&-
    assert_equal "$(grep -c ': close-delimited: FIN: end$' <<<"$output")" 2
    assert_equal "$(grep -c ': close-delimited: RST: error$' <<<"$output")" 2
    assert_line "Python, http.client's read(n): length: FIN: end"
    assert_line "Python, http.client's read(n): length: RST: error"
}

@test "without truefin a cache keeps it" {
    measure 0 --ending none --size 400 --peer nginx
    assert_equal "$(grep -Ec '^nginx .* 0 of 3 +3 of 3$' <<<"$output")" 2
}

@test "a promise that is not kept is told, and ends with status 1" {
    cat >without <<'END'
#!/bin/sh
while [ "$1" != -- ]; do shift; done
shift
exec "$@"
END
    chmod +x without
    measure 1 --truefin "$PWD/without" --ending flush-rst --size 400 --way killed --peer curl --peer nginx
    assert_output --partial 'BROKEN: error'
    assert_output --partial 'BROKEN: cached'
}
