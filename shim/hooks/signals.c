#include "hooks/signals.h"

#include "config.h"
#include "judge/event.h"
#include "judge/verdict.h"
#include "keep_errno.h"
#include "kept/linger.h"
#include "libc.h"
#include "process/asked.h"
#include "process/ownership.h"
#include "process/process.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/syscall.h>

enum { LAST_SIGNAL = 63 }; /* as in a set of signals (policy.h) */

#define BIT(number) ((uint64_t)1 << (number))

/* signal(7): what kills by default, and can be caught. Real-time signals too: 34 and up. */
static const uint64_t FATAL = BIT(SIGHUP) | BIT(SIGINT) | BIT(SIGQUIT) | BIT(SIGILL) | BIT(SIGTRAP) |
                              BIT(SIGABRT) | BIT(SIGBUS) | BIT(SIGFPE) | BIT(SIGUSR1) | BIT(SIGSEGV) |
                              BIT(SIGUSR2) | BIT(SIGPIPE) | BIT(SIGALRM) | BIT(SIGTERM) | BIT(SIGSTKFLT) |
                              BIT(SIGXCPU) | BIT(SIGXFSZ) | BIT(SIGVTALRM) | BIT(SIGPROF) | BIT(SIGIO) |
                              BIT(SIGPWR) | BIT(SIGSYS) | ~(BIT(34) - 1);

/*
 * Written by signals_watch(), then only by set() and the program's own handlers' reset, both on the program's
 * behalf: two threads of a program that set one signal at once race here as they do in the kernel.
 */
static uint64_t watched; /* on_default or on_handled may be the kernel's handler */
static struct sigaction program[LAST_SIGNAL + 1] COLD; /* of the watched ones: what the program set */
static bool is_init;          /* process 1 of a container: the kernel does not kill it by a default signal */
static uint64_t interrupting; /* siginterrupt(3) was asked for */

/* What libc adds to the flags on this machine, and its sigaction tells (uapi/asm/signal.h has the number). */
#ifdef __x86_64__
enum { RESTORER = 0x04000000 };
#else
enum { RESTORER = 0 };
#endif

/* The flags in which a stand-in may differ from what the program set. All others are passed on: the kernel
 * knows which of them it keeps. */
enum { OURS = SA_SIGINFO | SA_RESTART | SA_ONSTACK | SA_NODEFER | (int)SA_RESETHAND | RESTORER };

static bool is_watched(int number)
{
    return number > 0 && number <= LAST_SIGNAL && (watched & BIT(number));
}

/* HUP means "reload" to most programs that handle it: only these two are requests to stop. */
static bool asks_to_stop(int number)
{
    return (number == SIGTERM || number == SIGINT) && (config.stop_signals & BIT(number));
}

static void on_default(int number, siginfo_t *info, void *context);

/* The same signal once more, now deadly: a fault comes again by itself, others are sent again with what they
 * carried. */
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
    if ((config.stop_signals & BIT(number)) && linger_next(0, UINT_MAX) >= 0 && process_enter() &&
        process_is_self())
        linger_exit();
    die_of(number, info);
}

/* Every handler may be called with three arguments: a one-argument one ignores the others (both psABIs). */
static void on_handled(int number, siginfo_t *info, void *context)
{
    struct sigaction action = program[number];
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

static bool is_own(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) &&
           (action->sa_sigaction == on_default || action->sa_sigaction == on_handled);
}

/*
 * What the kernel gets in place of what the program set. A signal that kills may use the program's alternate
 * stack whatever the program's flags say: a coroutine's stack may have no room for the kernel's frame.
 */
static struct sigaction stand_in(int number, const struct sigaction *action)
{
    struct sigaction own = *action;
    if (action->sa_handler == SIG_DFL && !is_init) {
        own.sa_sigaction = on_default;
        own.sa_flags = (action->sa_flags & ~OURS) | SA_SIGINFO | SA_RESTART | SA_ONSTACK;
        sigfillset(&own.sa_mask);
    } else if (action->sa_handler != SIG_IGN && asks_to_stop(number)) {
        own.sa_sigaction = on_handled;
        own.sa_flags = (action->sa_flags & ~(int)SA_RESETHAND) | SA_SIGINFO;
    }
    return own;
}

/* What to remember of ACTION: as the kernel would tell it, but for the flags that it does not know. */
static struct sigaction remembered(const struct sigaction *action)
{
    struct sigaction kept = *action;
    kept.sa_flags |= RESTORER;
    sigdelset(&kept.sa_mask, SIGKILL);
    sigdelset(&kept.sa_mask, SIGSTOP);
    return kept;
}

/* What the program is told: the KERNEL's answer or, where that is of a stand-in, what the program has SET. */
static struct sigaction answer(const struct sigaction *kernel, const struct sigaction *set)
{
    if (!is_own(kernel))
        return *kernel;
    struct sigaction told = *set;
    told.sa_flags = (kernel->sa_flags & ~OURS) | (set->sa_flags & OURS);
    told.sa_restorer = set->sa_flags & RESTORER ? kernel->sa_restorer : NULL;
    return told;
}

/* sigaction(2) for a watched signal. Both pointers are used where libc's own function uses them. */
static int set(int number, const struct sigaction *action, struct sigaction *old)
{
    const struct sigaction before = program[number];
    struct sigaction kernel = {.sa_handler = SIG_DFL};
    struct sigaction own;
    if (action) {
        own = stand_in(number, action);
        program[number] = remembered(action);
    }
    if (real(sigaction)(number, action ? &own : NULL, &kernel) != 0) {
        program[number] = before;
        return -1;
    }
    if (old)
        *old = answer(&kernel, &before);
    return 0;
}

/* In a vfork child the memory is the parent's, but the kernel's dispositions are the child's own. */
static int set_in_vfork_child(int number, const struct sigaction *action, struct sigaction *old)
{
    struct sigaction kernel = {.sa_handler = SIG_DFL};
    if (real(sigaction)(number, action, &kernel) != 0)
        return -1;
    if (old)
        *old = answer(&kernel, &program[number]);
    return 0;
}

HOOK int sigaction(int number, const struct sigaction *action, struct sigaction *old)
{
    if (!is_watched(number))
        return real(sigaction)(number, action, old);
    return process_enter() ? set(number, action, old) : set_in_vfork_child(number, action, old);
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
    return is_watched(number) ? set_bsd(number, handler) : real(signal)(number, handler);
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
    return is_watched(number) ? set_system_v(number, handler) : real(sysv_signal)(number, handler);
}

HOOK __sighandler_t __sysv_signal(int number, __sighandler_t handler)
{
    return sysv_signal(number, handler);
}

/* sigset(3): sets and unblocks, or, for SIG_HOLD, only blocks; the answer says whether it was blocked. */
HOOK __sighandler_t sigset(int number, __sighandler_t handler)
{
    if (!is_watched(number))
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
    return is_watched(number) && set_simple(number, SIG_IGN, 0, false) != SIG_ERR ? 0
                                                                                  : real(sigignore)(number);
}

HOOK int siginterrupt(int number, int flag)
{
    if (!is_watched(number))
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
    if (number <= 0 || !asks_to_stop(number) || !is_watched(number) || !process_enter())
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
    if (crash != ENDING_KEEP && crash != ENDING_RST)
        signals |= FATAL & ~config.stop_signals;
    if (crash != ENDING_KEEP || row->of[EVENT_STOP] != ENDING_KEEP || row->of[EVENT_EXIT] != ENDING_KEEP ||
        row->of[EVENT_EXIT_ERROR] != ENDING_KEEP)
        signals |= FATAL & config.stop_signals;
    return signals;
}

/*
 * A table of zeros already says SIG_DFL: it is written only for what was inherited as ignored. Asked first,
 * for a signal that is to be ignored may come at any moment.
 */
static void watch(int number)
{
    struct sigaction inherited = {.sa_handler = SIG_DFL};
    if (real(sigaction)(number, NULL, &inherited) != 0) {
        watched &= ~BIT(number);
    } else if (inherited.sa_handler != SIG_DFL) {
        program[number] = inherited;
    } else if (!is_init) {
        struct sigaction own = stand_in(number, &inherited);
        real(sigaction)(number, &own, NULL);
    }
}

void signals_watch(void)
{
    uint64_t signals = 0;
    for (int i = 0; i < config.policy->rule_count; i++)
        signals |= wanted(&config.policy->rules[i].endings);
    watched = signals;
    is_init = signals && getpid() == 1;
    for (int number = 1; number <= LAST_SIGNAL; number++)
        if (signals & BIT(number))
            watch(number);
}

void signals_new_process(pid_t pid)
{
    (void)pid;
    if (!is_init)
        return;
    is_init = false;
    for (int number = 1; number <= LAST_SIGNAL; number++)
        if (is_watched(number) && program[number].sa_handler == SIG_DFL)
            watch(number);
}

bool signals_default_kills(int number)
{
    struct sigaction kernel = {.sa_handler = SIG_IGN};
    real(sigaction)(number, NULL, &kernel);
    if ((kernel.sa_flags & SA_SIGINFO) && kernel.sa_sigaction == on_default) {
        kernel = (struct sigaction){.sa_handler = SIG_DFL};
        real(sigaction)(number, &kernel, NULL);
    }
    return kernel.sa_handler == SIG_DFL;
}

void signals_restore(void)
{
    uint64_t were = watched;
    watched = 0;
    for (int number = 1; number <= LAST_SIGNAL; number++) {
        struct sigaction kernel = {.sa_handler = SIG_DFL};
        if ((were & BIT(number)) && real(sigaction)(number, NULL, &kernel) == 0 && is_own(&kernel))
            real(sigaction)(number, &program[number], NULL);
    }
}
