#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2034,SC2154  # inner shells expand, and helpers set variables and use them
# The USDT probes: a nop each, that tools find, and that tell of a connection's birth, event and ending.

load ../helpers

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    started=()
    [[ -e /usr/include/sys/sdt.h || -n $(find /usr/include -path '*/sys/sdt.h' -print -quit) ]] || requires systemtap-sdt-dev
}

# probes FILE: the names of its probes, sorted.
probes() {
    readelf -n "$1" | awk '$1 == "Provider:" { provider = $2 } $1 == "Name:" { print provider ":" $2 }' | sort -u
}

@test "the library has its probes, and the side-car that of a death" {
    run -0 probes "$LIBTRUEFIN"
    assert_output "truefin:birth
truefin:death
truefin:ending
truefin:event
truefin:kept_done"
    run -0 probes "$BUILD_DIR/libexec/truefin/watch"
    assert_line truefin:death
}

@test "no probe has a semaphore, and none a segment" {
    run -0 bash -c 'readelf -n "$1" | grep -oE "Semaphore: 0x[0-9a-f]+" | sort -u' bash "$LIBTRUEFIN"
    assert_output 'Semaphore: 0x0000000000000000'
    without_sanitizer 'its library has more of them'
    [[ $BUILD_DIR != *debug ]] || skip 'the segments are those of a release'
    assert_equal "$(readelf -lW "$LIBTRUEFIN" | grep -c '^  LOAD')" 2
}

@test "at a probe there is a nop" {
    requires objdump
    local places=0 place
    while read -r place; do
        objdump -d --start-address="$place" --stop-address="$((place + 4))" "$LIBTRUEFIN" | grep -qE '\bnop\b' || fail "$place"
        places=$((places + 1))
    done < <(readelf -n "$LIBTRUEFIN" | grep -oE 'Location: 0x[0-9a-f]+' | cut -d ' ' -f 2)
    ((places >= 5))
}

@test "gdb stops at birth, event, ending and death, and reads their arguments" {
    requires gdb
    without_sanitizer 'gdb starts the program without it'
    cat >script <<'END'
set breakpoint pending on
set debuginfod enabled off
break -probe-stap truefin:birth
commands
silent
printf "birth role %d\n", $_probe_arg1
continue
end
break -probe-stap truefin:event
commands
silent
printf "event %d\n", $_probe_arg1
continue
end
break -probe-stap truefin:ending
commands
silent
printf "ending %d %d\n", $_probe_arg1, $_probe_arg2
continue
end
break -probe-stap truefin:death
commands
silent
printf "death %d\n", $_probe_arg0
continue
end
run
END
    start server gdb -nx -batch -ex "set environment LD_PRELOAD $LIBTRUEFIN" -x script --args "$PROGRAMS/server" listen:8080 accept \
        close accept write:Hello. exit:3
    WAIT_LIMIT=30 wait_until listening 8080
    port=8080 peer_sees fin 0
    port=8080 peer_sees rst 6
    wait "$started_pid" || true
    # Events are numbered in the order of the table, in which exit-error is this one; keep is 0, flush-rst 3.
    local exit_error
    exit_error=$("$TRUEFIN" policy off | sed -n 's/^match *//p' | tr -s ' ' '\n' | grep -n '^exit-error$' | cut -d : -f 1)
    exit_error=$((exit_error - 1))
    run grep -E '^(birth|event|ending|death) ' server.out
    assert_output "birth role 0
event 0
ending 0 0
birth role 0
event $exit_error
ending $exit_error 3
death $exit_error"
}

@test "bpftrace finds the probes" {
    requires bpftrace
    [[ $(id -u) == 0 ]] || skip 'only root may'
    run -0 bash -c 'bpftrace -l "usdt:$1:*" 2>/dev/null' bash "$LIBTRUEFIN"
    assert_line "usdt:$LIBTRUEFIN:truefin:ending"
    assert_equal "${#lines[@]}" 5
}
