#include "hooks/signals.h"

#include "config.h"
#include "hooks/dispositions.h"
#include "judge/event.h"
#include "judge/verdict.h"
#include "keep_errno.h"
#include "kept/keep.h"
#include "libc.h"
#include "process/asked.h"
#include "process/ownership.h"
#include "process/process.h"

#include <errno.h>
#include <limits.h>
#include <sys/syscall.h>

/* signal(7): what kills by default, and can be caught. Real-time signals too: 34 and up. */
static const uint64_t FATAL = BIT(SIGHUP) | BIT(SIGINT) | BIT(SIGQUIT) | BIT(SIGILL) | BIT(SIGTRAP) |
                              BIT(SIGABRT) | BIT(SIGBUS) | BIT(SIGFPE) | BIT(SIGUSR1) | BIT(SIGSEGV) |
                              BIT(SIGUSR2) | BIT(SIGPIPE) | BIT(SIGALRM) | BIT(SIGTERM) | BIT(SIGSTKFLT) |
                              BIT(SIGXCPU) | BIT(SIGXFSZ) | BIT(SIGVTALRM) | BIT(SIGPROF) | BIT(SIGIO) |
                              BIT(SIGPWR) | BIT(SIGSYS) | ~(BIT(34) - 1);

/* For which signals siginterrupt(3) was asked. Written by that hook only. */
static uint64_t interrupting;

/*
 * The same signal once more, now deadly: a fault comes again by itself, others are sent again with what they
 * carried.
 */
static void die_of(int number, siginfo_t *info)
{
    struct sigaction fatal = {.sa_handler = SIG_DFL};
    real(sigaction)(number, &fatal, NULL);
    bool is_fault = info->si_code > 0 && info->si_code != SI_KERNEL &&
                    (BIT(number) & (BIT(SIGSEGV) | BIT(SIGBUS) | BIT(SIGILL) | BIT(SIGFPE)));
    if (is_fault)
        return;
    pid_t thread = (pid_t)real(syscall)(SYS_gettid);
    if (real(syscall)(SYS_rt_tgsigqueueinfo, getpid(), thread, number, info) != 0)
        real(syscall)(SYS_tgkill, getpid(), thread, number);
    /* Here and now: a sigsuspend or ppoll that let it in would block it again when the handler returns. */
    const uint64_t one = BIT(number - 1);
    real(syscall)(SYS_rt_sigprocmask, SIG_UNBLOCK, &one, NULL, sizeof one);
}

static void on_default(int number, siginfo_t *info, void *context)
{
    (void)context;
    KEEP_ERRNO;
    if (ownership_has_connections() && process_enter() && process_is_self())
        verdict_death(event_of_death((struct death){.signal = number}));
    if ((config.stop_signals & BIT(number)) && keep_next(0, UINT_MAX) >= 0 && process_enter() &&
        process_is_self())
        keep_exit();
    die_of(number, info);
}

/* Every handler may be called with three arguments: a one-argument one ignores the others (both psABIs). */
static void on_handled(int number, siginfo_t *info, void *context)
{
    struct sigaction action = *dispositions_of(number);
    if (action.sa_handler == SIG_IGN)
        return;
    if (action.sa_handler == SIG_DFL) {
        on_default(number, info, context);
        return;
    }
    if (process_is_self())
        process_note_stop();
    if (action.sa_flags & (int)SA_RESETHAND) {
        /* As the kernel does it: flags and mask stay. */
        struct sigaction none = action;
        none.sa_handler = SIG_DFL;
        sigaction(number, &none, NULL);
    }
    action.sa_sigaction(number, info, context);
}

HOOK int sigaction(int number, const struct sigaction *action, struct sigaction *old)
{
    if (!dispositions_has(number))
        return real(sigaction)(number, action, old);
    return process_enter() ? dispositions_set(number, action, old)
                           : dispositions_set_in_vfork_child(number, action, old);
}

/* The three families of signal(3) differ in flags and mask only. */
static __sighandler_t set_simple(int number, __sighandler_t handler, int flags, bool masks_itself)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    struct sigaction old;
    if (handler == SIG_ERR) {
        errno = EINVAL;
        return SIG_ERR;
    }
    sigemptyset(&action.sa_mask);
    if (masks_itself)
        sigaddset(&action.sa_mask, number);
    return sigaction(number, &action, &old) == 0 ? old.sa_handler : SIG_ERR;
}

static __sighandler_t set_bsd(int number, __sighandler_t handler)
{
    return set_simple(number, handler, interrupting & BIT(number) ? 0 : SA_RESTART, true);
}

static __sighandler_t set_system_v(int number, __sighandler_t handler)
{
    return set_simple(number, handler, (int)SA_RESETHAND | SA_NODEFER | SA_INTERRUPT, false);
}

HOOK __sighandler_t signal(int number, __sighandler_t handler)
{
    return dispositions_has(number) ? set_bsd(number, handler) : real(signal)(number, handler);
}

HOOK __sighandler_t bsd_signal(int number, __sighandler_t handler)
{
    return signal(number, handler);
}

HOOK __sighandler_t ssignal(int number, __sighandler_t handler)
{
    return signal(number, handler);
}

HOOK __sighandler_t sysv_signal(int number, __sighandler_t handler)
{
    return dispositions_has(number) ? set_system_v(number, handler) : real(sysv_signal)(number, handler);
}

HOOK __sighandler_t __sysv_signal(int number, __sighandler_t handler)
{
    return sysv_signal(number, handler);
}

/* sigset(3): sets and unblocks, or, for SIG_HOLD, only blocks; the answer says whether it was blocked. */
HOOK __sighandler_t sigset(int number, __sighandler_t handler)
{
    if (!dispositions_has(number))
        return real(sigset)(number, handler);
    sigset_t one;
    sigset_t before;
    struct sigaction action = {.sa_handler = handler};
    struct sigaction old;
    bool holds = handler == SIG_HOLD;
    sigemptyset(&one);
    sigaddset(&one, number);
    sigemptyset(&action.sa_mask);
    if (sigaction(number, holds ? NULL : &action, &old) != 0 ||
        sigprocmask(holds ? SIG_BLOCK : SIG_UNBLOCK, &one, &before) != 0)
        return SIG_ERR;
    return sigismember(&before, number) ? SIG_HOLD : old.sa_handler;
}

HOOK int sigignore(int number)
{
    return dispositions_has(number) && set_simple(number, SIG_IGN, 0, false) != SIG_ERR
               ? 0
               : real(sigignore)(number);
}

HOOK int siginterrupt(int number, int flag)
{
    if (!dispositions_has(number))
        return real(siginterrupt)(number, flag);
    struct sigaction action;
    if (sigaction(number, NULL, &action) != 0)
        return -1;
    if (flag) {
        interrupting |= BIT(number);
        action.sa_flags &= ~SA_RESTART;
    } else {
        interrupting &= ~BIT(number);
        action.sa_flags |= SA_RESTART;
    }
    return sigaction(number, &action, NULL);
}

static void taken(int number)
{
    if (number <= 0 || !dispositions_is_stop(number) || !dispositions_has(number) || !process_enter())
        return;
    process_note_stop();
    if (config.watched && atomic_load(&config.state) != STATE_QUIET)
        asked_note();
}

HOOK int sigwait(const sigset_t *set, int *number)
{
    int result = real(sigwait)(set, number);
    if (result == 0)
        taken(*number);
    return result;
}

HOOK int sigwaitinfo(const sigset_t *set, siginfo_t *info)
{
    int number = real(sigwaitinfo)(set, info);
    taken(number);
    return number;
}

HOOK int sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout)
{
    int number = real(sigtimedwait)(set, info, timeout);
    taken(number);
    return number;
}

/*
 * Which signals a row of endings needs watched. A crash that stays an abort needs no code of ours. The stop
 * signals are watched wherever any death changes anything: a handler makes an exit of a stop, and the status
 * alone would tell an exit.
 */
static uint64_t wanted(const struct endings *row)
{
    /* A watcher sees every death as it is: only what a handler makes of a stop is left to note. */
    uint8_t crash = config.watched ? ENDING_KEEP : row->of[EVENT_CRASH];
    uint64_t signals = 0;
    if (crash != ENDING_KEEP && !ending_aborts((enum ending)crash))
        signals |= FATAL & ~config.stop_signals;
    if (crash != ENDING_KEEP || row->of[EVENT_STOP] != ENDING_KEEP || row->of[EVENT_EXIT] != ENDING_KEEP ||
        row->of[EVENT_EXIT_ERROR] != ENDING_KEEP || row->of[EVENT_SESSION_ERROR] != ENDING_KEEP)
        signals |= FATAL & config.stop_signals;
    return signals;
}

void signals_watch(void)
{
    uint64_t signals = 0;
    for (int i = 0; !config.observes && i < config.policy->rule_count; i++)
        signals |= wanted(&config.policy->rules[i].endings);
    dispositions_watch(signals, on_default, on_handled);
}
