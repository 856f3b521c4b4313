#include "flow/pipes.h"
#include "judge/absence.h"
#include "judge/birth.h"
#include "judge/deferred.h"
#include "judge/launch.h"
#include "judge/verdict.h"
#include "kept/keep.h"
#include "libc.h"
#include "process/ownership.h"
#include "process/process.h"
#include "report/stats.h"

#include <stdarg.h>

HOOK pid_t fork(void)
{
    deferred_end();
    ownership_before_fork();
    pid_t pid = real(fork)();
    ownership_after_fork(pid);
    pipes_forked(pid);
    return pid;
}

HOOK pid_t _Fork(void)
{
    deferred_end();
    ownership_before_fork();
    pid_t pid = real(_Fork)();
    ownership_after_fork(pid);
    pipes_forked(pid);
    return pid;
}

/*
 * clone(2) without CLONE_VM is a fork whose child starts elsewhere. Its first hook does the steps of a new process.
 * With CLONE_VM, and if it is no thread, the child runs in our memory under another pid.
 */
HOOK int clone(int (*run)(void *), void *stack, int flags, void *argument, ...)
{
    va_list more;
    va_start(more, argument);
    void *parent_tid = va_arg(more, void *);
    void *tls = va_arg(more, void *);
    void *child_tid = va_arg(more, void *);
    va_end(more);
    bool is_fork = !(flags & CLONE_VM);
    if (is_fork && (flags & CLONE_FILES))
        birth_blind(BLIND_FILES);
    if (!(flags & CLONE_THREAD))
        deferred_end();
    if (is_fork)
        ownership_before_fork();
    else if (!(flags & CLONE_THREAD))
        process_shares_memory();
    int pid = real(clone)(run, stack, flags, argument, parent_tid, tls, child_tid);
    if (is_fork)
        ownership_after_fork(pid);
    if (is_fork)
        pipes_forked(pid);
    return pid;
}

/*
 * daemon(3) forks, ends the parent, and puts /dev/null over 0, 1, 2, all inside libc, where no hook of ours
 * sees it: the process goes on under another pid, with everything that it had.
 */
HOOK int daemon(int nochdir, int noclose)
{
    pid_t before = getpid();
    deferred_end();
    if (noclose == 0 && process_enter())
        verdict_close_range(STDIN_FILENO, STDERR_FILENO);
    int result = real(daemon)(nochdir, noclose);
    if (result == 0) {
        keep_new_process(getpid());
        stats_moved();
        ownership_moved(before);
    }
    return result;
}

/* For vfork.S. The child runs in our memory and nearly always execs; when we run again, it has, or is dead. */
__attribute__((visibility("hidden"))) __typeof__(vfork) *truefin_before_vfork(void);
__attribute__((visibility("hidden"))) pid_t truefin_after_vfork(pid_t pid);

__typeof__(vfork) *truefin_before_vfork(void)
{
    deferred_end();
    launch_vforks();
    return real(vfork);
}

pid_t truefin_after_vfork(pid_t pid)
{
    if (pid > 0)
        launch_after(pid, true);
    absence_execed();
    return pid;
}
