#include "judge/deferred.h"
#include "libc.h"

/*
 * A finaliser of Python's may close a connection and then wait for the child at its other end. This library defers
 * that close until the exit status is known. Without an end here both processes would wait for ever.
 */

HOOK pid_t wait(int *status)
{
    deferred_before_child();
    return real(wait)(status);
}

HOOK pid_t waitpid(pid_t child, int *status, int options)
{
    deferred_before_child();
    return real(waitpid)(child, status, options);
}

HOOK pid_t wait3(int *status, int options, struct rusage *usage)
{
    deferred_before_child();
    return real(wait3)(status, options, usage);
}

HOOK pid_t wait4(pid_t child, int *status, int options, struct rusage *usage)
{
    deferred_before_child();
    return real(wait4)(child, status, options, usage);
}

HOOK int waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
    deferred_before_child();
    return real(waitid)(type, id, info, options);
}
