#!/usr/bin/env bats
# shellcheck disable=SC1003,SC2030,SC2031,SC2034,SC2154  # helpers and run set variables
# `truefin enable` writes a drop-in that systemd takes, and names what in the unit stands in truefin's way. Real services are
# started with it in daemons/systemd.bats.

load ../helpers

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    started=()
    requires systemd-analyze
    units=$PWD/image/lib/systemd/system
    written=$PWD/image/etc/systemd/system
    mkdir -p "$units" "image${LIBTRUEFIN%/*}" image/usr/bin
    # What the image has, is as here.
    cp "$LIBTRUEFIN" "image$LIBTRUEFIN"
    cp "$PROGRAMS/server" image/usr/bin/server
    # It takes half a second. Two tests ask the real one.
    mkdir none
    ln -s "$(command -v true)" none/systemd-analyze
    real=$PATH
    PATH=$PWD/none:$PATH
}

# unit NAME LINE...: a service of the image.
unit() {
    printf '%s\n' '[Unit]' 'Description=a' '[Service]' "${@:2}" >"$units/$1.service"
}

# enable STATUS [OPTION...] NAME: sets $output to what it says, and $drop_in to what is written.
enable() {
    run -"$1" --separate-stderr "$TRUEFIN" enable --root image "${@:2}"
    drop_in=$written/${*: -1}.service.d/50-truefin.conf
}

# has LINE...: the drop-in is made of these.
has() {
    assert_equal "$(cat "$drop_in")" "$(printf '%s\n' '# Written by truefin enable; truefin disable removes it.' '[Service]' "$@")"
}

# refused WORDS: in one line, and nothing is written.
refused() {
    assert_equal "$stderr" "truefin: enable: $1"$'\n''truefin: enable: nothing was written (--force writes it all the same)'
    assert [ ! -e "$drop_in" ]
}

PRELOAD="Environment=\"LD_PRELOAD=$LIBTRUEFIN\""

@test "the drop-in, which says where it is, and how it takes effect" {
    unit a ExecStart=/usr/bin/server
    enable 0 a
    assert_output "wrote $drop_in"
    assert_equal "$stderr" ''
    has "$PRELOAD"
    enable 0 -p 'accepted: abort-on-crash' --log syslog a
    has "$PRELOAD" 'Environment="TRUEFIN_POLICY=accepted: abort-on-crash"' 'Environment="TRUEFIN_LOG=syslog"'
    enable 0 --observe a
    has "$PRELOAD" 'Environment="TRUEFIN_LOG=syslog"' 'Environment="TRUEFIN_OBSERVE=1"'
    enable 0 -p 'abort-on-crash, defer-close' a
    has "${PRELOAD%\"}:${LIBTRUEFIN%.so}-io.so\"" 'Environment="TRUEFIN_POLICY=abort-on-crash, defer-close"'
}

@test "a dry run prints it, and writes nothing" {
    unit a ExecStart=/usr/bin/server
    enable 0 --dry-run a
    assert_line --index 0 "# $drop_in"
    assert_line "$PRELOAD"
    assert [ ! -e image/etc ]
}

@test "disable removes it and what it has made, and nothing else" {
    unit a ExecStart=/usr/bin/server
    enable 0 a
    run -0 "$TRUEFIN" disable --root image --dry-run a
    assert_output "would remove $drop_in"
    assert [ -e "$drop_in" ]
    run -0 "$TRUEFIN" disable --root image a
    assert_output "removed $drop_in"
    assert [ ! -e "${drop_in%/*}" ]
    run -1 "$TRUEFIN" disable --root image a
    assert_output "truefin: disable: a.service is not enabled: there is no $drop_in"
    mkdir "${drop_in%/*}"
    echo '[Service]' >"$drop_in"
    run -1 "$TRUEFIN" disable --root image a
    assert_output --partial "is not of truefin enable's making"
    enable 1 a
    assert_equal "$(cat "$drop_in")" '[Service]'
}

@test "every stock unit of this system gets a drop-in that systemd's parser takes" {
    local file name taken=0
    PATH=$real
    for file in /lib/systemd/system/*.service; do
        name=${file##*/}
        [[ $name != *@.service ]] && grep -q '^ExecStart=' "$file" || continue
        timeout 10 "$TRUEFIN" enable --dry-run --force -p 'port=80: abort-on-crash; connected: off' "$name" >out 2>err ||
            fail "$name: $(cat out err)"
        ! grep 'systemd-analyze verify' err
        taken=$((taken + 1))
        ((taken < 8)) || break
    done
    ((taken > 5))
}

@test "what systemd's parser refuses is not written" {
    unit a ExecStart=/usr/bin/server
    mkdir bin
    # shellcheck disable=SC2016  # the script's
    printf '%s\n' '#!/bin/sh' 'echo "$(dirname "$3")/a.service.d/50-truefin.conf:3: Invalid syntax, ignoring: A"' >bin/systemd-analyze
    chmod +x bin/systemd-analyze
    PATH=$PWD/bin:$PATH
    enable 1 a
    refused 'a.service: systemd-analyze verify: 50-truefin.conf:3: Invalid syntax, ignoring: A'
}

@test "quotes, specifiers and lines of a policy reach the service as they are" {
    local policy=$'# 100% "quoted" \\\nport=80: abort-on-crash'
    unit a "ExecStart=/usr/bin/server"
    enable 0 -p "$policy" a
    has "$PRELOAD" 'Environment="TRUEFIN_POLICY=# 100%% \"quoted\" \\;port=80: abort-on-crash"'
}

@test "NoExecPaths= gets the library's path back, where ExecPaths= has it not already" {
    unit a ExecStart=/usr/bin/server NoExecPaths=/ 'ExecPaths=/usr/bin /lib'
    enable 0 a
    has "$PRELOAD" "ExecPaths=$LIBTRUEFIN"
    unit a ExecStart=/usr/bin/server NoExecPaths=/ "ExecPaths=/usr/bin -${LIBTRUEFIN%/*}/"
    enable 0 a
    has "$PRELOAD"
    unit a ExecStart=/usr/bin/server NoExecPaths=/ NoExecPaths= NoExecPaths=/var
    enable 0 a
    has "$PRELOAD"
}

@test "hidden directories are named" {
    local row
    for row in "InaccessiblePaths=${LIBTRUEFIN%/*}" "TemporaryFileSystem=/:ro"; do
        unit a ExecStart=/usr/bin/server "$row"
        [[ $row != Temp* ]] || unit a ExecStart=/usr/bin/server "TemporaryFileSystem=${LIBTRUEFIN%/*}"
        enable 1 a
        refused "a.service: $LIBTRUEFIN is hidden from it (InaccessiblePaths=, TemporaryFileSystem=): install truefin elsewhere"
    done
}

@test "what cannot be preloaded is named, with what can be done" {
    cp "$PROGRAMS/server-static" image/usr/bin/server
    unit a 'ExecStart=-/usr/bin/server --flag'
    enable 1 a
    refused 'a.service: /usr/bin/server: static: no dynamic linker runs that could load truefin: it can be watched from outside (--watch)'
    enable 0 --watch a
    enable 0 --force a
    has "$PRELOAD"
    rm "$drop_in"
    unit a ExecStart=/usr/bin/nothing
    enable 1 a
    refused 'a.service: /usr/bin/nothing: not found'
    unit a Type=oneshot
    enable 1 a
    refused 'a.service: it has no ExecStart=: there is nothing to run under truefin'
    [[ $(id -u) = 0 ]] || skip 'needs root'
    cp "$PROGRAMS/server" image/usr/bin/server
    chown 65534 image/usr/bin/server
    chmod 4755 image/usr/bin/server
    unit a ExecStart=/usr/bin/server
    enable 1 --watch a
    refused 'a.service: /usr/bin/server: setuid: the dynamic linker ignores LD_PRELOAD: neither the library nor the side-car can help it'
}

@test "--watch: the command behind its prefixes, the signal that does not kill the side-car" {
    unit a 'ExecStart=-!/usr/bin/server one "two three"' ExecStart=/usr/bin/server
    enable 0 --watch -p abort-on-crash a
    has ExecStart= "ExecStart=-!$TRUEFIN run --watch -- /usr/bin/server one \"two three\"" \
        "ExecStart=$TRUEFIN run --watch -- /usr/bin/server" FinalKillSignal=SIGABRT 'Environment="TRUEFIN_POLICY=abort-on-crash"'
}

@test "a program in quotes, one that is known at its start only, one that is given another name" {
    mkdir 'image/usr/my bin'
    cp "$PROGRAMS/server-static" 'image/usr/my bin/server'
    unit a 'ExecStart="/usr/my bin/server" one'
    enable 1 a
    refused 'a.service: /usr/my bin/server: static: no dynamic linker runs that could load truefin: it can be watched from outside (--watch)'
    unit a 'ExecStart=/opt/%p/server'
    enable 0 a
    assert_equal "$stderr" 'truefin: note: a.service: /opt/%p/server is known at its start only: see whether it can be preloaded with: truefin check'
    rm "$drop_in"
    unit a 'ExecStart=@/usr/bin/server name one'
    enable 1 --watch a
    refused 'a.service: ExecStart=@ gives /usr/bin/server another name, which truefin run cannot: take the @ and the name out'
    enable 0 a
}

@test "--watch: filters, hidden processes, rights and process files" {
    local row
    unit a ExecStart=/usr/bin/server SystemCallFilter=@system-service
    enable 0 --watch a
    run -0 grep -Fx 'SystemCallFilter=@debug' "$drop_in"
    rm "$drop_in"
    unit a ExecStart=/usr/bin/server 'SystemCallFilter=~@debug @mount'
    enable 1 --watch a
    refused 'a.service: SystemCallFilter= forbids ptrace(2), which the side-car needs: take @debug out of that line'
    enable 0 a
    unit a ExecStart=/usr/bin/server ProtectProc=invisible User=nobody
    enable 0 --watch a
    assert_equal "$stderr" "truefin: note: a.service: ProtectProc=invisible: of processes of it that change their user nothing is changed, unless the service has CAP_SYS_PTRACE
truefin: note: a.service: setuid programs that it runs get no rights under the side-car (User=nobody)"
    unit a ExecStart=/usr/bin/server User=nobody NoNewPrivileges=yes
    enable 0 --watch a
    assert_equal "$stderr" ''
    rm "$drop_in"
    unit a ExecStart=/usr/bin/server Type=forking
    enable 1 --watch a
    refused 'a.service: Type=forking without PIDFile=: systemd does not guess the main process beside the side-car; say PIDFile='
}

@test "another root directory: the library is bound into it, and the side-car is refused" {
    unit a ExecStart=/usr/bin/server RootDirectory=/srv/a
    enable 0 a
    assert_equal "$stderr" 'truefin: note: a.service: its root directory is another one (/srv/a): the library is bound into it'
    has "$PRELOAD" "BindReadOnlyPaths=$LIBTRUEFIN"
    rm "$drop_in"
    enable 1 --watch a
    refused 'a.service: RootDirectory= or RootImage=: the side-car would have to be in there; run without --watch, or put "truefin run" into its ExecStart= by hand'
    unit a ExecStart=/usr/bin/server RootImage=/srv/a.raw
    enable 0 a
    has "$PRELOAD" "BindReadOnlyPaths=$LIBTRUEFIN"
}

@test "an LD_PRELOAD of the unit's own stays, and what takes ours away is named" {
    unit a ExecStart=/usr/bin/server 'Environment="A=1" LD_PRELOAD=/usr/lib/libjemalloc.so.2 B=2'
    enable 0 a
    has "${PRELOAD%\"}:/usr/lib/libjemalloc.so.2\""
    rm "$drop_in"
    unit a ExecStart=/usr/bin/server UnsetEnvironment=LD_PRELOAD
    enable 1 a
    refused 'a.service: UnsetEnvironment=LD_PRELOAD takes the library away: remove that line'
    mkdir -p image/etc/default
    echo 'LD_PRELOAD=/usr/lib/libjemalloc.so.2' >image/etc/default/a
    unit a ExecStart=/usr/bin/server EnvironmentFile=-/etc/default/a
    enable 1 a
    refused "a.service: /etc/default/a sets LD_PRELOAD, which overrides the drop-in: add $LIBTRUEFIN there"
}

@test "daemons that clean the environment have their recipe printed" {
    local name seen=0
    for name in dovecot:import_environment pg_ctlcluster:/etc/postgresql postfix:import_environment; do
        cp "$PROGRAMS/server" "image/usr/bin/${name%%:*}"
        unit a "ExecStart=/usr/bin/${name%%:*}"
        enable 0 --dry-run a
        [[ $stderr == *"From docs/RECIPES.md:"*"${name#*:}"* ]]
        seen=$((seen + 1))
    done
    assert_equal "$seen" 3
    cp "$PROGRAMS/server" image/usr/bin/squid
    unit a ExecStart=/usr/bin/squid
    enable 1 a
    refused 'a.service: its worker does not load the library: watch it from outside (--watch)'
    enable 0 --watch a
}

@test "drop-ins of the unit count, the first place's of one name, and a template's for its instances" {
    unit a@ ExecStart=/usr/bin/server NoExecPaths=/
    mkdir -p image/etc/systemd/system/a@x.service.d "$units/a@.service.d" image/run/systemd/system/a@x.service.d
    printf '%s\n' '[Service]' NoExecPaths= >image/etc/systemd/system/a@x.service.d/10-a.conf
    printf '%s\n' '[Service]' NoExecPaths=/ >image/run/systemd/system/a@x.service.d/10-a.conf
    printf '%s\n' '[Service]' '# Type=forking \' 'UnsetEnvironment=A \' ' B' '[Unit]' ExecStart= >"$units/a@.service.d/20-b.conf"
    enable 0 a@x
    has "$PRELOAD"
}

@test "a later drop-in that takes back what ours says is named" {
    local later=$written/a.service.d/60-later.conf
    unit a ExecStart=/usr/bin/server
    mkdir -p "${later%/*}"
    printf '%s\n' '[Service]' ExecStart= ExecStart=/usr/bin/server >"$later"
    enable 1 --watch a
    refused "a.service: $later is read after 50-truefin.conf and sets ExecStart=: give it a name that comes before"
    enable 0 a
    rm "$drop_in"
    printf '%s\n' '[Service]' Environment= >"$later"
    enable 1 a
    refused "a.service: $later is read after 50-truefin.conf and sets Environment=: give it a name that comes before"
}

@test "a unit of the user's own manager" {
    PATH=$real
    mkdir -p config/systemd/user
    printf '%s\n' '[Service]' "ExecStart=$PROGRAMS/server" >config/systemd/user/mine.service
    XDG_CONFIG_HOME=$PWD/config run -0 "$TRUEFIN" enable --user mine
    assert_line "wrote $PWD/config/systemd/user/mine.service.d/50-truefin.conf"
    assert_line 'it takes effect with: systemctl --user daemon-reload && systemctl --user restart mine.service'
    XDG_CONFIG_HOME=$PWD/config run -0 "$TRUEFIN" disable --user mine
    assert [ ! -e config/systemd/user/mine.service.d ]
}

@test "who may not write is told so" {
    [[ $(id -u) = 0 ]] || skip 'needs root'
    requires setpriv
    chmod 755 "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test" . image
    unit a ExecStart=/usr/bin/server
    run -1 setpriv --reuid 65534 --regid 65534 --clear-groups "$TRUEFIN" enable --root image a
    assert_line "truefin: enable: cannot make $written/a.service.d: only its owner may, as root"
}

@test "wrong usage, unknown units, bad policies" {
    unit a ExecStart=/usr/bin/server
    enable 2
    enable 2 --nonsense a
    enable 2 a b
    enable 2 a.socket
    enable 2 'a b'
    enable 2 --now a
    enable 1 nothing
    [[ $stderr == 'truefin: enable: no unit nothing.service (looked in: '* ]]
    enable 78 -p nonsense a
    enable 78 --log relative a
    ln -s /dev/null "$units/masked.service"
    enable 1 masked
    assert_equal "$stderr" 'truefin: enable: masked.service is masked'
    run -2 "$TRUEFIN" disable --watch a
    run -0 "$TRUEFIN" enable --help
    run -0 "$TRUEFIN" disable --help
}
