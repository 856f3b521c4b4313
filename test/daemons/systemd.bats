#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2034  # helpers set and use variables
# A real systemd starts, watches and stops services under truefin as it does without it, and their peers
# are told the truth.

load ../daemons
load ../readme

setup() {
    without_sanitizer 'truefin run starts programs without it'
    [[ $(id -u) = 0 ]] || skip 'needs root'
    requires unshare nsenter systemctl
    cd "$BATS_TEST_TMPDIR" || return
    started=()
    mkdir units
    printf '[Unit]\nDefaultDependencies=no\n' >units/test.target
}

teardown() {
    [[ -z ${manager:-} ]] || systemctl exit || true
    # It removes its cgroup after that.
    [[ -z ${manager:-} ]] || ! wait_until gone "$manager" || wait "$script" || true
    [[ ! -e manager.err ]] || cat manager.err
    stop_all
}

gone() {
    [[ ! -e /proc/$1 ]]
}

# unit NAME [LINE]...: the service NAME.service, which is started with the manager.
unit() {
    local name=$1
    shift
    printf '%s\n' '[Unit]' DefaultDependencies=no '[Service]' "StandardOutput=truncate:$PWD/$name.out" \
        "StandardError=truncate:$PWD/$name.err" "$@" >"units/$name.service"
    printf 'Wants=%s.service\n' "$name" >>units/test.target
}

# Starts systemd with the units. Sets $manager to its pid.
boot() {
    start manager "$BATS_TEST_DIRNAME/manager.sh" "$PWD/units"
    script=$started_pid
    wait_until systemctl_answers "$script"
}

systemctl_answers() {
    if gone "$1"; then
        wait "$1" || (($? != 77)) || skip 'neither a cgroup of its own nor an overlay can be had'
    fi
    manager=$(pgrep -P "$(pgrep -P "$1")")
    [[ $(systemctl is-system-running) =~ running|degraded ]]
}

inside() {
    timeout 10 nsenter -t "$manager" -m -p -r "$@"
}

systemctl() {
    inside systemctl "$@"
}

# shows NAME KEY=VALUE
shows() {
    [[ $(systemctl show -p "${2%%=*}" "$1") == "$2" ]]
}

# main NAME: the state of its main process, as in proc(5).
main() {
    inside cat "/proc/$(systemctl show --value -p MainPID "$1")/status"
}

# stock NAME [LINE]...: Debian's unit of that name, with these lines added to its service.
stock() {
    local name=$1
    shift
    # A chroot has no user namespaces.
    unshare --user true || set -- "$@" PrivateUsers=no
    mkdir "units/$name.service.d"
    printf '%s\n' '[Unit]' DefaultDependencies=no '[Service]' "StandardError=truncate:$PWD/$name.err" "$@" \
        >"units/$name.service.d/test.conf"
    printf 'Wants=%s.service\n' "$name" >>units/test.target
}

runs() {
    main "$1" | grep -q "^Name:.$2$"
}

watched_main() {
    main "$1" | grep -q '^TracerPid:.[1-9]'
}

# No process is left of a unit.
cgroup_is_empty() {
    ! inside test -e "/sys/fs/cgroup/system.slice/$1.service"
}

# --- The side-car ---

@test "a simple service is the program, is restarted after a crash and watched again, and stops" {
    unit server Restart=on-failure RestartSec=0 "ExecStart=$TRUEFIN run -- $PROGRAMS/server-static accept write:Hello. pause"
    boot
    find_port server
    connect_peer
    server_said ready
    runs server server-static
    watched_main server
    systemctl kill --kill-who=main -s SEGV server
    peer_saw rst 6
    wait_until shows server NRestarts=1
    find_port server
    connect_peer
    server_said ready
    watched_main server
    systemctl stop server
    peer_saw fin 6
    shows server Result=success
    shows server ActiveState=inactive
}

@test "how a service ended is what systemd is told without truefin" {
    local rows=0 name end
    local -A ends=([good]=exit:0 [bad]=exit:3 [aborted]=abort [killed]=kill_self:KILL [terminated]=kill_self:TERM)
    for name in "${!ends[@]}"; do
        unit "watched-$name" "ExecStart=$TRUEFIN run --watch -- $PROGRAMS/server-static listen ${ends[$name]}"
        unit "plain-$name" "ExecStart=$PROGRAMS/server-static listen ${ends[$name]}"
    done
    boot
    for name in "${!ends[@]}"; do
        for end in watched plain; do
            wait_until shows_not "$end-$name" ExecMainCode=0
            wait_until shows_not "$end-$name" SubState=running
            systemctl show -p Result,ExecMainCode,ExecMainStatus,ActiveState,SubState,StatusText "$end-$name" >"$end"
        done
        assert_equal "$(<watched)" "$(<plain)"
        rows=$((rows + 1))
    done
    assert_equal "$rows" 5
}

shows_not() {
    ! shows "$@"
}

@test "a service that notifies, in the sandbox of its unit: redis under the side-car and the library" {
    requires redis-server
    redis_unit "/usr/local/bin/truefin run --watch --" NoExecPaths= SystemCallFilter=@debug
    boot
    await_listener
    wait_until shows redis-server ActiveState=active
    runs redis-server redis-server
    watched_main redis-server
    redis_crashes_and_stops redis-server
}

@test "a sandbox that kills for ptrace(2) refuses the service in so many words" {
    requires redis-server
    redis_unit "/usr/local/bin/truefin run --watch --" NoExecPaths= Restart=no
    boot
    wait_until shows redis-server ExecMainStatus=125
    run -0 cat redis-server.err
    assert_output --partial 'the side-car was killed at once, as by a seccomp filter against ptrace(2)'
}

@test "a daemon that forks, with a file that tells its pid" {
    requires redis-server
    free_port
    unit redis Type=forking "PIDFile=$PWD/redis.pid" Restart=on-failure RestartSec=0 \
        "ExecStart=$TRUEFIN run --watch -- /usr/bin/redis-server --daemonize yes --pidfile $PWD/redis.pid --port $port --save ''"
    boot
    await_listener
    runs redis redis-server
    watched_main redis
    redis_crashes_and_stops redis
}

# The side-car is in the unit's control group, and SIGKILL the one signal that it cannot block.
@test "a service that will not stop is killed, and its side-car is not, with the drop-in of WATCH or KillMode=process" {
    local name server="$PROGRAMS/server-static ignore:TERM accept write:Hello. pause"
    local -a lines
    drop_ins
    mapfile -t lines < <(sed "s,/usr/local/bin/server,$server,; s,/usr/local/bin/truefin,$TRUEFIN,; 1d" drop-in-01)
    unit readme TimeoutStopSec=100ms "${lines[@]}"
    unit process TimeoutStopSec=100ms KillMode=process "ExecStart=$TRUEFIN run --watch -- $server"
    boot
    for name in readme process; do
        find_port "$name"
        connect_peer
        said "$name" ready
        systemctl stop "$name"
        peer_saw rst 6
        shows "$name" Result=timeout
        wait_until cgroup_is_empty "$name"
    done
}

# --- The library ---

@test "the drop-in of the README in the sandbox of a stock unit: redis" {
    requires redis-server
    local -a lines
    drop_ins
    mapfile -t lines < <(sed 's/=syslog/=stderr/; 1d' drop-in-00)
    redis_unit '' "${lines[@]}" NoExecPaths=/usr/local ExecPaths=/usr/local/lib
    boot
    await_listener
    redis_crashes_and_stops redis-server
}

@test "a unit that allows no code from where the library is says so, and runs without it" {
    requires redis-server
    redis_unit '' Environment=LD_PRELOAD=/usr/local/lib/libtruefin.so NoExecPaths=/usr/local
    boot
    await_listener
    redis_subscriber
    run -0 cat redis-server.err
    assert_output --partial 'cannot be preloaded'
    systemctl kill --kill-who=main -s KILL redis-server
    peer_saw fin 33
}

# redis_unit COMMAND [LINE]...: Debian's unit of redis, on a port of the test's, behind COMMAND, with truefin
# in /usr/local. Sets $port.
redis_unit() {
    local redis="/usr/bin/redis-server /etc/redis/redis.conf --supervised systemd --daemonize no"
    free_port
    DESTDIR='' cmake --install "$BUILD_DIR" --prefix "$PWD/local" >/dev/null
    stock redis-server ExecStart= "ExecStart=$1 $redis --port $port" LogsDirectory=redis \
        "BindReadOnlyPaths=$PWD/local:/usr/local" "${@:2}"
}

redis_subscriber() {
    connect_peer --output got --send 'SUBSCRIBE news\r\n'
    peer_has got
}

# redis_crashes_and_stops UNIT
redis_crashes_and_stops() {
    redis_subscriber
    systemctl kill --kill-who=main -s KILL "$1"
    peer_saw rst 33
    wait_until shows "$1" NRestarts=1
    wait_until shows "$1" ActiveState=active
    await_listener
    redis_subscriber
    systemctl stop "$1"
    peer_saw fin 33
    shows "$1" Result=success
}

# --- truefin enable, status, off, on, disable ---

# operate ARGUMENT...: truefin in the namespaces of the manager, where it is installed in /usr/local.
operate() {
    inside env PATH=/usr/sbin:/usr/bin:/sbin:/bin /usr/local/bin/truefin "$@"
}

# A service under its stock unit, with what truefin enable writes and nothing else.
@test "a stock unit is enabled, switched off and on as a unit, and disabled: redis in its sandbox" {
    requires redis-server
    stock_redis
    run -1 operate status redis-server
    assert_output --partial 'not loaded: not asked for'
    run -0 operate enable --now -p 'accepted: abort-on-crash' redis-server
    assert_line 'wrote /etc/systemd/system/redis-server.service.d/50-truefin.conf'
    assert_line 'restarted redis-server.service'
    await_listener
    run -0 operate status redis-server.service
    assert_output --partial ' on '
    assert_output --partial 'accepted: abort-on-crash'
    redis_crashes_and_stops_once
    run -0 operate off redis-server
    assert_output --partial '(redis-server) is off, 1 disarmed'
    systemctl kill --kill-who=main -s KILL redis-server
    peer_saw fin 33
    wait_until shows redis-server NRestarts=2
    # Started anew by the manager, it is on.
    await_listener
    run -0 operate status redis-server.service
    run -0 operate disable --now redis-server
    await_listener
    run -1 operate status redis-server.service
}

@test "a stock unit is enabled with the side-car, in its sandbox" {
    requires redis-server
    stock_redis
    run -0 operate enable --now --watch redis-server
    await_listener
    watched_main redis-server
    run -0 operate status redis-server.service
    assert_output --partial ' watched '
    redis_crashes_and_stops_once
    systemctl stop redis-server
    peer_saw fin 33
}

# Debian's unit, running, with what the test needs and nothing of truefin's; truefin is installed beside it.
stock_redis() {
    free_port
    stock redis-server ExecStart= LogsDirectory=redis \
        "ExecStart=/usr/bin/redis-server /etc/redis/redis.conf --supervised systemd --daemonize no --port $port"
    mv units/redis-server.service.d/test.conf units/redis-server.service.d/10-test.conf
    boot
    DESTDIR='' cmake --install "$BUILD_DIR" --prefix "$PWD/local" >/dev/null
    inside mount --bind "$PWD/local" /usr/local
    await_listener
}

# An RST at a crash; the next subscriber is left connected.
redis_crashes_and_stops_once() {
    redis_subscriber
    systemctl kill --kill-who=main -s KILL redis-server
    peer_saw rst 33
    wait_until shows redis-server NRestarts=1
    wait_until shows redis-server ActiveState=active
    await_listener
    rm -f got
    redis_subscriber
}
