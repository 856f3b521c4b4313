#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2154  # braces are words here, and helpers set variables
# "Does that process still hold it?" Where the kernel refuses one way to ask, or both, an orderly end is still a FIN,
# and parent and child still know of each other.

load ../daemons

# The status of a fork child or of a service shows here who decides, so it must not be kept.
export TRUEFIN_POLICY=$SESSIONS_TOO

# Each way to be refused: a word for the test's output, and the command that makes it so.
refusals() {
    # As it is, for comparison.
    row nothing
    # kcmp(2) kills, and /proc says that there is a filter.
    row kcmp "$PROGRAMS/sandbox" without-kcmp
    # In /proc there is only what tells that there is no filter.
    row proc unshare --mount sh -c 'mount -t tmpfs none /proc && mkdir /proc/self &&
        printf "Name:\tx\nSeccomp:\t0\n" >/proc/self/status && exec "$@"' sh
    # As in a chroot: no /proc, so kcmp(2) is not tried, for a filter might kill for it.
    row both unshare --mount sh -c 'mount -t tmpfs none /proc && exec "$@"' sh
    # As in a container: a filter, and no /proc.
    row filter-and-proc unshare --mount sh -c 'mount -t tmpfs none /proc && exec "$@"' sh "$PROGRAMS/sandbox" without-kcmp
}

# under ENDING [SIGNAL] OPERATION...: in each of these ways a peer of the operations, which end by themselves or by
# SIGNAL once they pause, sees ENDING. $before are operations before all others.
under() {
    without_sanitizer 'a sanitizer does not start without /proc'
    ending=$1
    shift
    unset signal
    if [[ $1 =~ ^[A-Z]+$ ]]; then
        signal=$1
        shift
    fi
    operations=("${before[@]}" "$@")
    rows=0
    refusals
    assert_equal "$rows" 5
}

row() {
    echo "refused: $1" # seen only if the test fails
    launch server "${@:2}" "$PROGRAMS/server" "${operations[@]}"
    find_port server
    connect_peer
    if [[ -n $signal ]]; then
        wait_until all_pause
        kill_server "$signal"
    fi
    peer_saw "$ending" 6
    stop_all
    rows=$((rows + 1))
}

# Each process that pauses has said so.
all_pause() {
    [[ $(grep -cx ready server.out) == "$(printf '%s\n' "${operations[@]}" | grep -cx pause)" ]]
}

@test "a fork server's child that ends well sends FIN" {
    under fin accept fork{ write:Hello. exit:0 } close pause
}

@test "a fork server's child that fails sends RST" {
    under rst accept fork{ await_orphaned write:Hello. exit:3 } close exit:0
}

@test "a fork server's child that is killed sends RST" {
    under rst accept fork{ await_orphaned write:Hello. kill_self:KILL } close exit:0
}

@test "a child that ends well before its parent does not unprotect the parent's connection" {
    under rst KILL accept write:Hello. fork{ exit:0 } wait pause
}

@test "a child that crashed before its parent changes nothing" {
    under fin TERM accept write:Hello. fork{ kill_self:KILL } wait pause
    under rst KILL accept write:Hello. fork{ kill_self:KILL } wait pause
}

@test "a child that closes its copy does not unprotect its parent's connection" {
    under rst KILL accept write:Hello. fork{ close pause } pause
    under fin TERM accept write:Hello. fork{ close pause } pause
}

@test "a parent's good end sends FIN, whatever its helper did" {
    under fin accept write:Hello. fork{ exit:3 } wait close pause
    under fin accept write:Hello. fork{ close exit:0 } wait exit:0
}

@test "a parent that is killed leaves the end to its child" {
    under fin accept fork{ await_orphaned write:Hello. exit:0 } kill_self:KILL
    under rst accept fork{ await_orphaned write:Hello. exit:3 } kill_self:KILL
}

@test "of two children the later one decides, though the first one ends after it" {
    under rst watch_others accept write:Hello. fork{ await_others exit:0 } fork{ await_orphaned exit:3 } close exit:0
}

# Neither parent nor child: where the kernel refuses both ways an RST may be missed, but there is never a false one.
@test "a grandparent and a grandchild do not know of each other" {
    under fin accept fork{ fork{ write:Hello. exit:0 } close pause } close pause
    under fin accept fork{ fork{ write:Hello. exit:0 } exit:0 } close pause
    before=(watch_others)
    under fin accept write:Hello. fork{ fork{ await_orphaned exit:3 } exit:0 } await_others close pause
    under fin accept write:Hello. fork{ fork{ await_orphaned kill_self:KILL } exit:0 } await_others exit:0
}

@test "a daemon that has had a helper decides for its connection" {
    under rst accept fork{ exit:0 } wait daemon write:Hello. exit:3
    under fin accept fork{ exit:0 } wait daemon write:Hello. exit:0
}

# Nobody but root may look into a process that was root's: so it is with the children of Apache and vsftpd.
@test "all of this where the processes have dropped root's rights" {
    other_users
    before=(listen drop_root)
    under fin accept fork{ write:Hello. exit:0 } close pause
    under rst accept fork{ await_orphaned write:Hello. exit:3 } close exit:0
    under rst accept fork{ await_orphaned write:Hello. kill_self:KILL } close exit:0
    under rst KILL accept write:Hello. fork{ exit:0 } wait pause
    under fin TERM accept write:Hello. fork{ exit:0 } wait pause
    under rst KILL accept write:Hello. fork{ close pause } pause
    under fin accept fork{ await_orphaned write:Hello. exit:0 } kill_self:KILL
    under rst accept fork{ await_orphaned write:Hello. exit:3 } kill_self:KILL
}

@test "a child that has dropped root's rights serves for a parent that has not" {
    other_users
    under fin accept fork{ drop_root write:Hello. exit:0 } close pause
    under rst accept fork{ drop_root await_orphaned write:Hello. exit:3 } close exit:0
    under rst KILL accept write:Hello. fork{ drop_root exit:0 } wait pause
}
