#!/usr/bin/env bats
# A stop is a stop under every policy: whatever else the policy says, and however the program takes the signal, its
# connections end as `truefin policy` says in the column `stop`.

load ../helpers
load ../watch

# Each batch runs at once: a wait of one is no wait of the others.
BATCH=24

# policies: every policy of two words that a death may read, one a line.
policies() {
    local first second
    for first in abort-on-crash abort-on-unread-data abort-unless-shutdown always-fin stop=rst stop=fin stop=keep \
        exit=rst exit-error=rst exit-error=keep crash=rst crash=keep; do
        for second in stop=rst stop=fin stop=keep exit=rst exit-error=rst exit-error=keep crash=rst crash=keep; do
            # A word twice is an error, and so is the pair that was written the other way round.
            [[ ${first%%=*} == "${second%%=*}" || ($first == *=* && $first > $second) ]] || echo "$first, $second"
        done
    done
}

# stop_ending POLICY: how a stop ends under it, by truefin's own table.
stop_ending() {
    "$TRUEFIN" policy "$1" | awk '$1 == "match" { for (i = 1; i <= NF; i++) if ($i == "stop") column = i }
        $1 == "any" { print $column }'
}

# The ways in which a program stops, with the status that its shell sees.
ways() {
    cat <<'WAYS'
0 on:TERM:exit:0 raise:TERM
3 on:TERM:exit:3 raise:TERM
143 raise:TERM
0 block:TERM raise:TERM sigwait:TERM exit:0
3 block:TERM raise:TERM sigwait:TERM exit:3
WAYS
}

# one_stop NAME COMMAND...: runs a server and its peer; NAME.peer is what the peer saw, NAME.end the server's status.
# In a subshell of its own, without bats's trap: it would take longer than the programs.
one_stop() {
    trap - DEBUG ERR EXIT
    set +e
    local name=$1 port
    shift
    "$@" 2>"$name.err" | {
        read -r _ port
        "$PEER" --timeout 30s 127.0.0.1 "$port" >"$name.peer" 2>&1
    }
    echo "${PIPESTATUS[0]}" >"$name.end"
}

# preloaded POLICY LOG COMMAND...
preloaded() {
    LD_PRELOAD=${SANITIZER_PRELOAD:+$SANITIZER_PRELOAD:}$LIBTRUEFIN TRUEFIN_POLICY=$1 TRUEFIN_LOG=$2 "${@:3}"
}

# A row: a policy, the status expected, and the command; started in the background, and looked at by check_rows.
row() {
    local name=row$((++rows))
    names[rows]=$name
    row_policy[rows]=$1
    row_status[rows]=$2
    row_command[rows]="${*:3}"
    one_stop "$name" "${@:3}" 3>&- &
    jobs_now+=("$!")
    if ((${#jobs_now[@]} == BATCH)); then
        wait "${jobs_now[@]}" || true
        jobs_now=()
    fi
}

begin_rows() {
    rows=0
    jobs_now=()
    declare -gA ending=()
    declare -ga names=() row_policy=() row_status=() row_command=()
    local policy
    while read -r policy; do
        ending[$policy]=$(stop_ending "$policy")
    done < <(policies)
}

# check_rows: every row ended as the table says, and no row is missing. The log of a row names the event, if anything
# was done to a connection.
check_rows() {
    local i policy want seen wrong=0
    ((${#jobs_now[@]} == 0)) || wait "${jobs_now[@]}" || true
    for ((i = 1; i <= rows; i++)); do
        policy=${row_policy[i]}
        want='fin after 6 bytes'
        [[ ${ending[$policy]} != *rst ]] || want='rst after 6 bytes (ECONNRESET)'
        seen=$(<"${names[i]}.peer")
        if [[ $seen != "$want" || $(<"${names[i]}.end") != "${row_status[i]}" ]] || ! recorded "$i"; then
            printf '%s: %s\n  stop is %s, the peer saw %s, status %s of %s, recorded: %s\n' "$policy" \
                "${row_command[i]}" "${ending[$policy]}" "$seen" "$(<"${names[i]}.end")" "${row_status[i]}" \
                "$(cat "${names[i]}.log" 2>/dev/null)"
            wrong=$((wrong + 1))
        fi
    done
    echo "$wrong of $rows are wrong"
    ((wrong == 0))
}

# recorded ROW: its log says event=stop, once, and no other event; where the ending is keep, it may say nothing.
recorded() {
    local log=${names[$1]}.log text=
    [[ ! -e $log ]] || text=$(<"$log")
    [[ -n $text || ${ending[${row_policy[$1]}]} == keep ]] || return 1
    [[ -z $text || $text == *event=stop* ]] && [[ ! ${text/event=stop/} == *event=* ]]
}

@test "under every policy of two words, a program that is told to stop ends as the policy's column stop says" {
    local policy status operations log kinds
    begin_rows
    while read -r policy; do
        while read -r status operations; do
            log=$PWD/row$((rows + 1)).log
            # shellcheck disable=SC2086  # operations are words
            row "$policy" "$status" preloaded "$policy" "$log" "$PROGRAMS/server" accept write:Hello. $operations
        done < <(ways)
    done < <(policies)
    check_rows
    assert_equal "$rows" $(($(policies | wc -l) * 5))
    kinds=$(printf '%s\n' "${ending[@]}" | sort -u | tr '\n' ' ')
    assert_equal "$kinds" 'fin flush-rst keep rst '
}

# some_policies: of the policies, enough for a run that takes longer: every ending of a stop, and every kind of word.
some_policies() {
    policies | grep -E -e '^abort-on-crash, (stop=|exit)' -e '^exit-error=rst, ' -e '^always-fin, stop=rst' \
        -e '^stop=(rst|keep), exit=' -e '^crash=rst, stop=' -e '^abort-unless-shutdown, stop=fin'
}

# Of sigwait(3) only the library knows, so a static program that stops by it exits.
@test "the side-car says the same of a program without the library and of one with it" {
    with_wrapper
    local policy status operations server
    begin_rows
    while read -r policy; do
        while read -r status operations; do
            for server in server server-static; do
                [[ "$server $operations" != *static*sigwait* ]] || continue
                # shellcheck disable=SC2086  # operations are words
                row "$policy" "$status" "$TRUEFIN" run --watch -p "$policy" --log "$PWD/row$((rows + 1)).log" -- \
                    "$PROGRAMS/$server" accept write:Hello. $operations
            done
        done < <(ways)
    done < <(some_policies)
    check_rows
    assert_equal "$rows" $(($(some_policies | wc -l) * 8))
}

@test "CPython that exits in its handler or after it has stopped, watched or not" {
    local policy status log
    cat >stop.py <<'PYTHON'
import signal, socket, sys
listener = socket.create_server(("127.0.0.1", 0))
print("port", listener.getsockname()[1], flush=True)
connection, _ = listener.accept()
connection.sendall(b"Hello.")
told = []

def handler(*_):
    if sys.argv[1] == "3":
        raise SystemExit(3)
    told.append(True)

signal.signal(signal.SIGTERM, handler)
signal.raise_signal(signal.SIGTERM)
while not told:
    signal.pause()
PYTHON
    begin_rows
    for policy in 'abort-on-crash, stop=rst' 'abort-on-crash, stop=fin' 'exit-error=rst, stop=fin' 'stop=rst, exit=rst' \
        'crash=rst, stop=rst' 'always-fin, stop=rst'; do
        ending[$policy]=$(stop_ending "$policy")
        for status in 0 3; do
            log=$PWD/row$((rows + 1)).log
            row "$policy" "$status" preloaded "$policy" "$log" /usr/bin/python3 stop.py "$status"
            [[ -z $SANITIZER_PRELOAD ]] || continue
            log=$PWD/row$((rows + 1)).log
            row "$policy" "$status" "$TRUEFIN" run --watch -p "$policy" --log "$log" -- /usr/bin/python3 stop.py "$status"
        done
    done
    check_rows
    [[ -n $SANITIZER_PRELOAD ]] || assert_equal "$rows" 24
}
