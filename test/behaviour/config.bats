#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2154  # braces are words here, and helpers set variables
# What a user sets in the environment: strict to read, harmless when wrong, and records of what was done.

load ../helpers

# --- Wrong values ---

# refused VARIABLE VALUE FAULT: one line on stderr that names the variable and quotes the fault, and a program that
# runs as if truefin were not there.
refused() {
    serve "$1=$2" accept write:Hello. exit:3
    peer_sees fin 6
    server_ended exit 3
    assert_equal "$(wc -l <server.err)" 1
    run cat server.err
    assert_output --partial "truefin: $1: "
    assert_output --partial "\"$3\""
    assert_output --regexp 'at column [0-9]+'
}

@test "a bad TRUEFIN_POLICY gives one line, and a program without truefin" {
    refused TRUEFIN_POLICY abort-on-crsh abort-on-crsh
    assert_output --partial 'did you mean abort-on-crash'
}

@test "a bad TRUEFIN_LINGER_TIME gives one line, and a program without truefin" {
    refused TRUEFIN_LINGER_TIME 2x x
}

@test "a bad TRUEFIN_LINGER_BYTES gives one line, and a program without truefin" {
    refused TRUEFIN_LINGER_BYTES 64MB MB
}

@test "a bad TRUEFIN_LINGER_END gives one line, and a program without truefin" {
    refused TRUEFIN_LINGER_END keep keep
}

@test "a bad TRUEFIN_LINGER_AT_EXIT gives one line, and a program without truefin" {
    refused TRUEFIN_LINGER_AT_EXIT no no
}

@test "a bad TRUEFIN_CLEAN_EXITS gives one line, and a program without truefin" {
    refused TRUEFIN_CLEAN_EXITS 0,256 256
}

@test "a bad TRUEFIN_STOP_SIGNALS gives one line, and a program without truefin" {
    refused TRUEFIN_STOP_SIGNALS TERM,KILL KILL
}

@test "a bad TRUEFIN_LOG gives one line, and a program without truefin" {
    refused TRUEFIN_LOG relative/path relative/path
}

@test "a bad TRUEFIN_LOG_FORMAT gives one line, and a program without truefin" {
    refused TRUEFIN_LOG_FORMAT jsn jsn
    assert_output --partial 'did you mean json'
}

@test "a bad TRUEFIN_LOG_ENDINGS gives one line, and a program without truefin" {
    refused TRUEFIN_LOG_ENDINGS every every
}

@test "a bad TRUEFIN_OBSERVE gives one line, and a program without truefin" {
    refused TRUEFIN_OBSERVE yes yes
}

@test "a bad TRUEFIN_STATS gives one line, and a program without truefin" {
    refused TRUEFIN_STATS run/truefin run/truefin
}

@test "a bad policy under TRUEFIN_STRICT=1 exits 78 before main" {
    run -78 --separate-stderr shimmed TRUEFIN_STRICT=1 TRUEFIN_POLICY=abort-on-crsh "$PROGRAMS/server" say:main
    assert_output ''
    assert_equal "${#stderr_lines[@]}" 1
}

@test "a good policy under TRUEFIN_STRICT=1 runs" {
    run -0 shimmed -p always-fin TRUEFIN_STRICT=1 "$PROGRAMS/server" say:main
    assert_output main
}

@test "without any variable the policy is abort-on-crash" {
    serve accept write:Hello. exit:3
    peer_sees rst 6
    assert_equal "$(cat server.err)" ''
}

# --- The file form ---

@test "TRUEFIN_POLICY_FILE holds a rule a line, and comments" {
    printf '%s\n' '# ours' '' 'port=8081: off  # not this one' 'accepted: abort-on-crash' >policy
    serve TRUEFIN_POLICY_FILE="$PWD/policy" listen:8080 accept write:Hello. exit:3
    peer_sees rst 6
    stop_all
    serve TRUEFIN_POLICY_FILE="$PWD/policy" listen:8081 accept write:Hello. exit:3
    peer_sees fin 6
}

@test "TRUEFIN_POLICY_FILE beside TRUEFIN_POLICY gives one line, and a program without truefin" {
    echo abort-on-crash >policy
    serve -p abort-on-crash TRUEFIN_POLICY_FILE="$PWD/policy" accept write:Hello. exit:3
    peer_sees fin 6
    run cat server.err
    assert_equal "${#lines[@]}" 1
    assert_output --partial 'TRUEFIN_POLICY is set too'
}

@test "a fault in TRUEFIN_POLICY_FILE is quoted" {
    printf '%s\n' '# ours' 'abort-on-crsh' >policy
    serve TRUEFIN_POLICY_FILE="$PWD/policy" accept write:Hello. exit:3
    peer_sees fin 6
    run cat server.err
    assert_equal "${#lines[@]}" 1
    assert_output --partial '"abort-on-crsh"'
}

@test "a TRUEFIN_POLICY_FILE that is not there gives one line, and a program without truefin" {
    serve TRUEFIN_POLICY_FILE="$PWD/missing" accept write:Hello. exit:3
    peer_sees fin 6
    run cat server.err
    assert_equal "${#lines[@]}" 1
    assert_output --partial "$PWD/missing"
}

# --- Records ---

# records OPTION...: a close with an ending of ours on port 8080, seen by the peer.
records() {
    serve -p close=rst "$@" listen:8080 accept await_unread:7 read:7 write:Hello. close pause
    peer_sees rst 6 --send request
    server_said ready
}

record='^time=[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z pid=[0-9]+ program=server event=close ending=rst '
record+='local=127\.0\.0\.1:8080 peer=127\.0\.0\.1:[0-9]+ unread=0 unsent=[0-9]+$'

@test "TRUEFIN_LOG=stderr records an ending on one line" {
    records TRUEFIN_LOG=stderr
    run cat server.err
    assert_equal "${#lines[@]}" 1
    assert_output --regexp "$record"
    assert_output --partial " pid=$(pid_of server) "
}

@test "TRUEFIN_LOG with a path appends to that file" {
    echo before >log
    records TRUEFIN_LOG="$PWD/log"
    run cat log
    assert_equal "${#lines[@]}" 2
    assert_line --index 0 before
    assert_line --index 1 --regexp "$record"
}

@test "TRUEFIN_LOG=syslog sends a record to /dev/log, as a daemon's information" {
    mkdir dev
    touch dev/null
    start syslog socat -u UNIX-RECV:dev/log STDOUT
    wait_until test -S dev/log
    # A /dev of the program's own: a log and nothing else that matters to it.
    # shellcheck disable=SC2016  # expanded by the inner shell
    launch server -p close=rst TRUEFIN_LOG=syslog unshare --mount sh -c \
        'mount --bind /dev/null dev/null && mount --rbind dev /dev && exec "$@"' in-dev \
        "$PROGRAMS/server" listen:8080 accept await_unread:7 read:7 write:Hello. close pause
    find_port server
    peer_sees rst 6 --send request
    wait_until test -s syslog.out
    run cat syslog.out
    assert_output --regexp "^<30>truefin: ${record#^}"
}

@test "without TRUEFIN_LOG nothing is recorded" {
    records
    assert_equal "$(cat server.err)" ''
}

@test "an ending that is kept is not recorded" {
    serve TRUEFIN_LOG=stderr accept write:Hello. close pause
    peer_sees fin 6
    server_said ready
    assert_equal "$(cat server.err)" ''
}

@test "a record tells how much was unread" {
    serve -p unread=rst TRUEFIN_LOG=stderr accept await_unread:7 read:2 close pause
    peer_sees rst 0 --send request
    server_said ready
    run cat server.err
    assert_output --partial ' event=unread ending=rst '
    assert_output --partial ' unread=5 '
}

@test "a record of an IPv6 connection has addresses in brackets" {
    serve -p close=rst TRUEFIN_LOG=stderr listen_ipv6:8080 accept close pause
    host=::1 peer_sees rst 0
    server_said ready
    run cat server.err
    assert_output --regexp ' local=\[::1\]:8080 peer=\[::1\]:[0-9]+ '
}

@test "a failing exit with open connections is recorded" {
    serve TRUEFIN_LOG=stderr accept write:Hello. exit:3
    peer_sees rst 6
    server_ended exit 3
    run cat server.err
    assert_line --regexp '^time=[^ ]+ pid=[0-9]+ program=server event=exit-error .*rst'
}

@test "a log on a descriptor that the program closes does not end in the program's files" {
    echo mine >file
    serve -p close=rst TRUEFIN_LOG="$PWD/log" closefrom listen:8080 accept write:Hello. close pause
    peer_sees rst 6
    server_said ready
    run cat log
    assert_equal "${#lines[@]}" 1
    assert_line --regexp 'event=close ending=rst'
}

@test "the message about a bad policy does not go to an inetd service's client" {
    launch socat -p abort-on-crsh socat TCP-LISTEN:8080,reuseaddr EXEC:"echo Hello.",nofork,stderr
    wait_until listening 8080
    port=8080 peer_sees fin 7
}
