#include "flow/pipes.h"
#include "judge/deferred.h"
#include "libc.h"

/*
 * A finaliser of Python's may close a connection and then wait for the child at its other end. This library defers
 * that close until the exit status is known. Without an end here both processes would wait for ever.
 */

/* PID has come back from a wait(2) of any kind. A child that has stopped is not dead. */
static pid_t waited(pid_t pid, const int *status)
{
    if (pid > 0 && status && (WIFEXITED(*status) || WIFSIGNALED(*status)))
        pipes_waited(pid, *status);
    return pid;
}

HOOK pid_t wait(int *status)
{
    int own = 0;
    deferred_before_child();
    status = status ? status : &own;
    return waited(real(wait)(status), status);
}

HOOK pid_t waitpid(pid_t child, int *status, int options)
{
    int own = 0;
    deferred_before_child();
    status = status ? status : &own;
    return waited(real(waitpid)(child, status, options), status);
}

HOOK pid_t wait3(int *status, int options, struct rusage *usage)
{
    int own = 0;
    deferred_before_child();
    status = status ? status : &own;
    return waited(real(wait3)(status, options, usage), status);
}

HOOK pid_t wait4(pid_t child, int *status, int options, struct rusage *usage)
{
    int own = 0;
    deferred_before_child();
    status = status ? status : &own;
    return waited(real(wait4)(child, status, options, usage), status);
}

HOOK int waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
    deferred_before_child();
    int result = real(waitid)(type, id, info, options);
    if (result == 0 && info && info->si_pid > 0)
        pipes_told(info);
    return result;
}
