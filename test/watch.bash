# shellcheck shell=bash disable=SC2034  # helpers use started
# What the tests of the side-car share.

# For tests that need the wrapper, which starts programs without a sanitizer.
with_wrapper() {
    without_sanitizer 'truefin run starts programs without it'
}

# watched NAME [OPTION...] -- PROGRAM ARGUMENT...: launches PROGRAM under `truefin run` with these options; see launch.
# With a sanitizer, which the wrapper does not know, the side-car is started without it.
watched() {
    local name=$1
    local -a settings=() wrapped=("$TRUEFIN" run "${@:2}")
    rm -f "$name.status"
    shift
    while [[ $1 != -- ]]; do
        case $1 in
        -p) settings+=("TRUEFIN_POLICY=$2") && shift ;;
        --log) settings+=("TRUEFIN_LOG=$2") && shift ;;
        esac
        shift
    done
    if [[ -n ${TRUEFIN_TEST_BARE:-} ]]; then
        wrapped=("${@:2}")
    elif [[ -n $SANITIZER_PRELOAD ]]; then
        wrapped=(env "${settings[@]}" "$BUILD_DIR/libexec/truefin/watch" --preload "$SANITIZER_PRELOAD:$LIBTRUEFIN" "$@")
    fi
    start "$name" "$PROGRAMS/outcome" "$name.status" "${wrapped[@]}"
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

# work_of PID: the processor time that it has used until it is gone, in hundredths of a second.
work_of() {
    local used=0 now
    while now=$(awk '{ print $14 + $15 }' "/proc/$1/stat" 2>/dev/null) && [[ -n $now ]]; do
        used=$now
        sleep 0.02
    done
    echo "$used"
}

# pid_watched PID, unwatched PID
pid_watched() {
    [[ $(watcher_of "$1") != 0 ]]
}

unwatched() {
    [[ $(watcher_of "$1") == 0 ]]
}
