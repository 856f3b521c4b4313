#!/usr/bin/env bats
# shellcheck disable=SC2154  # helpers set variables
# Stock git's daemon: it forks a process for each client, which ends with a status of its own when it refuses.

load ../daemons

# git_daemon [SETTING...]: with one repository, which it may serve. Sets $port.
git_daemon() {
    requires git
    free_port
    git init -q --bare repository
    launch git "$@" HOME="$PWD" "$(git --exec-path)/git-daemon" --reuseaddr --export-all --listen=127.0.0.1 \
        --port="$port" --base-path="$PWD" "$PWD"
    await_listener
}

# ask REPOSITORY: what git's own client learns of it.
ask() {
    HOME=$PWD run -"$2" timeout 10 git ls-remote "git://127.0.0.1:$port/$1"
}

# request REPOSITORY: the same by a peer that tells the ending. A packet has its length before it.
request() {
    local packet="git-upload-pack /$1"
    connect_peer --output got --send "$(printf '%04x' $((${#packet} + 5)))$packet\\x00"
}

@test "git: a client that is refused reads why, and the same ending as without truefin" {
    local way
    for way in bare preloaded; do
        [[ $way != bare ]] || export TRUEFIN_TEST_BARE=1
        git_daemon
        ask missing 128
        assert_output --partial 'access denied or repository not exported'
        request missing
        peer_ended fin
        run -0 grep -a 'access denied' got
        stop_all
        unset TRUEFIN_TEST_BARE
    done
}

@test "git: with session-error=flush-rst the refused client reads why, then RST" {
    git_daemon -p "$SESSIONS_TOO"
    request missing
    peer_ended rst
    run -0 grep -a 'access denied' got
}

@test "git: a repository's list ends well" {
    git_daemon -p "$SESSIONS_TOO"
    ask repository 0
}
