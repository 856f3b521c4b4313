# shellcheck shell=bash disable=SC2034  # helpers use started
# What the tests of the side-car share.

setup() {
    without_sanitizer 'truefin run starts programs without it'
    cd "$BATS_TEST_TMPDIR" || return
    started=()
}

# watched NAME [OPTION...] -- PROGRAM ARGUMENT...: launches PROGRAM under `truefin run` with these options; see launch.
watched() {
    local name=$1
    shift
    rm -f "$name.status"
    if [[ -n ${TRUEFIN_TEST_BARE:-} ]]; then
        while [[ $1 != -- ]]; do shift; done
        start "$name" "$PROGRAMS/outcome" "$name.status" "${@:2}"
    else
        start "$name" "$PROGRAMS/outcome" "$name.status" "$TRUEFIN" run "$@"
    fi
}

# watch_static [OPTION...] -- OPERATION...: the static server, watched. Sets $port.
watch_static() {
    local -a options=()
    while [[ $1 != -- ]]; do
        options+=("$1")
        shift
    done
    watched server "${options[@]}" -- "$PROGRAMS/server-static" "${@:2}"
    find_port server
}

# watcher_of PID: the pid of the side-car.
watcher_of() {
    awk '$1 == "TracerPid:" { print $2 }' "/proc/$1/status"
}

gone() {
    [[ ! -e /proc/$1 ]]
}

# pid_watched PID, unwatched PID
pid_watched() {
    [[ $(watcher_of "$1") != 0 ]]
}

unwatched() {
    [[ $(watcher_of "$1") == 0 ]]
}
