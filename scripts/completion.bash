# shellcheck shell=bash disable=SC2207,SC2034  # the idiom of bash-completion, and variables that it sets
# bash completion for truefin(1)

# The words of a policy; after "EVENT=" the endings, for "=" begins a new word here.
_truefin_policy()
{
    if [[ $prev == = || $cur == = ]]; then
        COMPREPLY=($(compgen -W 'keep fin linger flush-rst rst' -- "${cur#=}"))
        return
    fi
    COMPREPLY=($(compgen -W 'abort-on-crash abort-on-unread-data abort-unless-shutdown always-fin refuse-write-after-fin defer-close off close= unread=
        unwind= exception= exit= exit-error= session-error= stop= crash=' -- "$cur"))
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
                COMPREPLY=($(compgen -W '--policy --log --observe --watch --force --help --' -- "$cur"))
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

_truefin()
{
    local cur prev words cword
    _init_completion || return
    COMPREPLY=()
    if ((cword == 1)); then
        COMPREPLY=($(compgen -W 'run policy check peer lib --version --help' -- "$cur"))
        return
    fi
    case ${words[1]} in
        run) _truefin_run ;;
        policy) _truefin_policy ;;
        check) COMPREPLY=($(compgen -c -- "$cur")) ;;
        peer) _truefin_peer ;;
    esac
}

complete -F _truefin truefin
