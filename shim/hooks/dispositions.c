#include "hooks/dispositions.h"

#include "config.h"
#include "libc.h"

#include <unistd.h>

enum { LAST_SIGNAL = 63 }; /* as in a set of signals (policy.h) */

/*
 * Written by dispositions_watch(), then only by dispositions_set() and the program's own handlers' reset,
 * both on the program's behalf: two threads of a program that set one signal at once race here as they do in
 * the kernel.
 */
static uint64_t watched;                               /* one of our handlers may be the kernel's handler */
static struct sigaction program[LAST_SIGNAL + 1] COLD; /* of the watched ones: what the program set */
static bool is_init; /* process 1 of a container: the kernel does not kill it by a default signal */
static dispositions_handler *on_default;
static dispositions_handler *on_handled;

/* What libc adds to the flags on this machine, and its sigaction tells (uapi/asm/signal.h has the number). */
#ifdef __x86_64__
enum { RESTORER = 0x04000000 };
#else
enum { RESTORER = 0 };
#endif

/*
 * The flags in which a stand-in may differ from what the program set. All others are passed on: the kernel
 * knows which of them it keeps.
 */
enum { OURS = SA_SIGINFO | SA_RESTART | SA_ONSTACK | SA_NODEFER | (int)SA_RESETHAND | RESTORER };

bool dispositions_has(int number)
{
    return number > 0 && number <= LAST_SIGNAL && (watched & BIT(number));
}

/* HUP means "reload" to most programs that handle it: only these two are requests to stop. */
bool dispositions_is_stop(int number)
{
    return (number == SIGTERM || number == SIGINT) && (config.stop_signals & BIT(number));
}

const struct sigaction *dispositions_of(int number)
{
    return &program[number];
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
    } else if (action->sa_handler != SIG_IGN && dispositions_is_stop(number)) {
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

/* Both pointers are used where libc's own function uses them. */
int dispositions_set(int number, const struct sigaction *action, struct sigaction *old)
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

int dispositions_set_in_vfork_child(int number, const struct sigaction *action, struct sigaction *old)
{
    struct sigaction kernel = {.sa_handler = SIG_DFL};
    if (real(sigaction)(number, action, &kernel) != 0)
        return -1;
    if (old)
        *old = answer(&kernel, &program[number]);
    return 0;
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

void dispositions_watch(uint64_t signals, dispositions_handler *by_default, dispositions_handler *handled)
{
    on_default = by_default;
    on_handled = handled;
    watched = signals;
    is_init = signals && getpid() == 1;
    for (int number = 1; number <= LAST_SIGNAL; number++)
        if (signals & BIT(number))
            watch(number);
}

void dispositions_new_process(pid_t pid)
{
    (void)pid;
    if (!is_init)
        return;
    is_init = false;
    for (int number = 1; number <= LAST_SIGNAL; number++)
        if (dispositions_has(number) && program[number].sa_handler == SIG_DFL)
            watch(number);
}

bool dispositions_default_kills(int number)
{
    struct sigaction kernel = {.sa_handler = SIG_IGN};
    real(sigaction)(number, NULL, &kernel);
    if ((kernel.sa_flags & SA_SIGINFO) && kernel.sa_sigaction == on_default) {
        kernel = (struct sigaction){.sa_handler = SIG_DFL};
        real(sigaction)(number, &kernel, NULL);
    }
    return kernel.sa_handler == SIG_DFL;
}

void dispositions_restore(void)
{
    uint64_t were = watched;
    watched = 0;
    for (int number = 1; number <= LAST_SIGNAL; number++) {
        struct sigaction kernel = {.sa_handler = SIG_DFL};
        if ((were & BIT(number)) && real(sigaction)(number, NULL, &kernel) == 0 && is_own(&kernel))
            real(sigaction)(number, &program[number], NULL);
    }
}
