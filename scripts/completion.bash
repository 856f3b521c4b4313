# shellcheck shell=bash disable=SC2207,SC2034  # the idiom of bash-completion, and variables that it sets
# bash completion for truefin(1)

# The words of a policy; after "EVENT=" the endings, for "=" begins a new word here.
_truefin_policy()
{
    if [[ $prev == = || $cur == = ]]; then
        COMPREPLY=($(compgen -W 'keep fin linger flush-rst rst' -- "${cur#=}"))
        return
    fi
    COMPREPLY=($(compgen -W 'abort-on-crash abort-on-unread-data abort-unless-shutdown always-fin relay refuse-write-after-fin defer-close off close= unread=
        unwind= exception= source-failed= exit= exit-error= session-error= stop= crash=' -- "$cur"))
    [[ ${COMPREPLY-} != *= ]] || compopt -o nospace
}

_truefin_run()
{
    local i
    # Behind the options it is a command like any other.
    for ((i = 2; i < cword; i++)); do
        case ${words[i]} in
            -p | --policy | --log)
                i=$((i + 1))
                # "EVENT=ENDING" is three words here.
                while [[ ${words[i + 1]-} == = ]]; do i=$((i + 2)); done
                ;;
            -- | [!-]*)
                [[ ${words[i]} != -- ]] || i=$((i + 1))
                _command_offset "$i"
                return
                ;;
        esac
    done
    case $prev in
        -p | --policy | =) _truefin_policy ;;
        --log)
            _filedir
            COMPREPLY+=($(compgen -W 'stderr syslog' -- "$cur"))
            ;;
        *)
            if [[ $cur == -* ]]; then
                COMPREPLY=($(compgen -W '--policy --log --observe --watch --watch=deaths --keep-privileges --force --help --' -- "$cur"))
            else
                _command_offset "$cword"
            fi
            ;;
    esac
}

_truefin_peer()
{
    case $prev in
        -o | --output) _filedir ;;
        -s | --send | -r | --read-bytes | -t | --timeout) ;;
        *)
            if [[ $cur == -* ]]; then
                COMPREPLY=($(compgen -W '--send --half-close --read-bytes --output --timeout --listen -4 -6 --verbose
                    --json --help' -- "$cur"))
            else
                _known_hosts_real -- "$cur"
            fi
            ;;
    esac
}

# The units that are there, and the options of enable and disable.
_truefin_unit()
{
    local options='--user --root --dry-run --now --help'
    [[ $1 == disable ]] || options+=' --policy --log --watch --observe --force'
    case $prev in
        -p | --policy | =) _truefin_policy ;;
        --root) _filedir -d ;;
        --log)
            _filedir
            COMPREPLY+=($(compgen -W 'stderr syslog' -- "$cur"))
            ;;
        *)
            if [[ $cur == -* ]]; then
                COMPREPLY=($(compgen -W "$options" -- "$cur"))
            else
                COMPREPLY=($(compgen -W "$(systemctl list-unit-files --plain --no-legend --type=service 2>/dev/null | cut -d ' ' -f 1)" -- "$cur"))
            fi
            ;;
    esac
}

# Pids, units that run, and for status the names of programs.
_truefin_processes()
{
    local units
    if [[ $cur == -* ]]; then
        [[ $1 != status ]] || COMPREPLY=($(compgen -W '--json' -- "$cur"))
        COMPREPLY+=($(compgen -W '--help' -- "$cur"))
        return
    fi
    [[ $1 != status ]] || _pnames
    units=$(systemctl list-units --plain --no-legend --type=service --state=running 2>/dev/null | cut -d ' ' -f 1)
    COMPREPLY+=($(compgen -W "$units $(command cd /proc && echo [0-9]*)" -- "$cur"))
}

_truefin_stats()
{
    case $prev in
        -d | --directory) _filedir -d ;;
        *)
            if [[ $cur == -* ]]; then
                COMPREPLY=($(compgen -W '--directory --prometheus --json --help' -- "$cur"))
            else
                _pids
            fi
            ;;
    esac
}

_truefin()
{
    local cur prev words cword
    _init_completion || return
    COMPREPLY=()
    if ((cword == 1)); then
        COMPREPLY=($(compgen -W 'run policy check peer stats status off on enable disable lib --version --help' -- "$cur"))
        return
    fi
    case ${words[1]} in
        run) _truefin_run ;;
        policy) _truefin_policy ;;
        check) COMPREPLY=($(compgen -c -- "$cur")) ;;
        peer) _truefin_peer ;;
        enable | disable) _truefin_unit "${words[1]}" ;;
        status | off | on) _truefin_processes "${words[1]}" ;;
        stats) _truefin_stats ;;
    esac
}

complete -F _truefin truefin
