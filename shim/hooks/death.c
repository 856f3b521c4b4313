#include "hooks/death.h"

#include "config.h"
#include "hooks/dispositions.h"
#include "judge/event.h"
#include "judge/verdict.h"
#include "keep_errno.h"
#include "kept/keep.h"
#include "libc.h"
#include "process/ownership.h"
#include "process/process.h"

#include <errno.h>
#include <limits.h>

static enum event event_of_status(int status)
{
    return event_of_death((struct death){.asked_to_stop = process_stop_noted(), .status = status});
}

void death_by_status(int status)
{
    KEEP_ERRNO;
    if (ownership_has_connections() && process_enter())
        verdict_death(event_of_status(status));
    if (keep_next(0, UINT_MAX) >= 0 && process_enter())
        keep_exit();
}

/* exit(3) has begun with STATUS; its handlers, which may close connections, are still to run. */
static void dying_with(int status)
{
    if (ownership_has_connections() && process_enter())
        process_note_exit(event_of_status(status));
}

HOOK void exit(int status)
{
    dying_with(status);
    real(exit)(status);
    __builtin_unreachable();
}

HOOK void _exit(int status)
{
    death_by_status(status);
    real(_exit)(status);
    __builtin_unreachable();
}

HOOK void _Exit(int status)
{
    _exit(status);
}

/* Its handlers are told no status, so judge before they run. */
HOOK void quick_exit(int status)
{
    death_by_status(status);
    real(quick_exit)(status);
    __builtin_unreachable();
}

/*
 * A handler of the program's may jump out of it and go on. Ours would need room for a second signal's frame
 * on the stack, which a handler of the program's that calls this, on 8 KB of its own, may not have: judged
 * here.
 */
HOOK void abort(void)
{
    int saved = errno;
    if (process_enter() && dispositions_default_kills(SIGABRT)) {
        verdict_death(EVENT_CRASH);
        keep_end_flushes(config.flush.at_exit);
    }
    errno = saved;
    real(abort)();
    __builtin_unreachable();
}

/*
 * err(3), error(3), the end of the last thread and the return from main come to exit inside libc. Handlers
 * run in reverse order: the one that main's wrapper registers comes before all that the program had
 * registered earlier, the constructor's comes last of all.
 */
static void before_handlers(int status, void *unused)
{
    (void)unused;
    dying_with(status);
}

/*
 * What stdio still holds libc writes only after us: too late behind a FIN, and an abort would destroy it. While
 * another thread waits in a read of a stream it has the lock of that, and fflush(NULL) would wait for it: then
 * only standard output is written, which is the connection of most that have one there.
 */
static void flush_stdio(void)
{
    if (config.linger.waits || (config.flushes && process_has_one_thread())) {
        (void)real(fflush)(NULL);
    } else if (config.flushes && ftrylockfile(stdout) == 0) {
        (void)fflush_unlocked(stdout);
        funlockfile(stdout);
    }
}

static void after_handlers(int status, void *unused)
{
    (void)unused;
    if (ownership_has_connections())
        flush_stdio();
    death_by_status(status);
}

/* musl has none; there we are inert. */
#pragma weak on_exit

void death_watch(void)
{
    on_exit(after_handlers, NULL);
}

static int (*program_main)(int, char **, char **);

static int main_wrapper(int argc, char **argv, char **environment)
{
    if (on_exit)
        on_exit(before_handlers, NULL);
    int status = program_main(argc, argv, environment);
    dying_with(status);
    return status;
}

HOOK int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv, void (*init)(void),
                           void (*fini)(void), void (*rtld_fini)(void), void *stack_end)
{
    program_main = main;
    return real(__libc_start_main)(main_wrapper, argc, argv, init, fini, rtld_fini, stack_end);
}
