/*
 * Calls that wait for something. Before each of them the program shows that it goes on: what this thread has closed is
 * closed (judge/deferred.h). sem_trywait(3), a semaphore that is free, a read from a file and their like wait for nothing,
 * and show nothing.
 */
#include "wait.h"

#include "../libc.h"
#include "judge/deferred.h"

#include <poll.h>
#include <semaphore.h>
#include <sys/select.h>
#include <time.h>

#pragma weak truefin_goes_on
#pragma weak truefin_has_closed
#pragma weak truefin_had_events

/* A wait for no descriptor, and no wait. */
enum { NONE = -1, NO_WAIT = -2 };

static void goes_on(int fd)
{
    if (truefin_goes_on && fd != NO_WAIT)
        truefin_goes_on(fd);
}

void waits_at(int fd)
{
    goes_on(fd);
}

void waits(void)
{
    goes_on(NONE);
}

static int wait_for(sem_t *semaphore)
{
    int value = 0;
    return sem_getvalue(semaphore, &value) == 0 && value > 0 ? NO_WAIT : NONE;
}

/*
 * dlsym(3) may wait for the dynamic linker's lock, which another thread may hold while it waits for this one: so all
 * functions are found before there are threads.
 */
__attribute__((constructor)) static void start(void)
{
    libc_resolve();
}

/* The hook NAME, which waits at FD; HOOK_TAKE: at a semaphore. PARAMETERS and ARGUMENTS are lists in parentheses. */
/* clang-format off */
/* NOLINTBEGIN(bugprone-macro-parentheses): the lists have them already. */
#define HOOK_WAIT(type, name, fd, parameters, arguments)                                                     \
    HOOK type name parameters                                                                                \
    {                                                                                                        \
        goes_on(fd);                                                                                         \
        return real(name) arguments;                                                                         \
    }
#define HOOK_TAKE(name, parameters, arguments)                                                               \
    HOOK int name parameters                                                                                 \
    {                                                                                                        \
        goes_on_at(semaphore);                                                                               \
        return real(name) arguments;                                                                         \
    }
/* One with TIME for an epoll set: AT_ONCE are the arguments with which it returns at once. */
#define HOOK_LOOP(name, parameters, time, at_once, arguments)                                                \
    HOOK int name parameters                                                                                 \
    {                                                                                                        \
        if (!truefin_has_closed || !truefin_has_closed())                                                    \
            return real(name) arguments;                                                                     \
        const int had = real(name) at_once;                                                                  \
        if (had > 0)                                                                                         \
            truefin_had_events(had);                                                                         \
        if (had != 0 || (time))                                                                              \
            return had;                                                                                      \
        goes_on(NONE);                                                                                       \
        return real(name) arguments;                                                                         \
    }
/* NOLINTEND(bugprone-macro-parentheses) */

HOOK_WAIT(int, accept, NONE, (int fd, struct sockaddr *address, socklen_t *size), (fd, address, size))
HOOK_WAIT(int, accept4, NONE, (int fd, struct sockaddr *address, socklen_t *size, int flags), (fd, address, size, flags))
HOOK_WAIT(int, connect, NONE, (int fd, const struct sockaddr *to, socklen_t size), (fd, to, size))

/* It does not wait, but a port that the program has closed is to be free then. */
HOOK_WAIT(int, bind, NONE, (int fd, const struct sockaddr *at, socklen_t size), (fd, at, size))

HOOK_WAIT(int, poll, NONE, (struct pollfd *fds, nfds_t count, int time), (fds, count, time))
HOOK_WAIT(int, ppoll, NONE, (struct pollfd *fds, nfds_t count, const struct timespec *time, const sigset_t *mask),
          (fds, count, time, mask))
HOOK_WAIT(int, __poll_chk, NONE, (struct pollfd *fds, nfds_t count, int time, size_t size), (fds, count, time, size))
HOOK_WAIT(int, __ppoll_chk, NONE,
          (struct pollfd *fds, nfds_t count, const struct timespec *time, const sigset_t *mask, size_t size),
          (fds, count, time, mask, size))
HOOK_WAIT(int, select, NONE, (int count, fd_set *in, fd_set *out, fd_set *error, struct timeval *time),
          (count, in, out, error, time))
HOOK_WAIT(int, pselect, NONE,
          (int count, fd_set *in, fd_set *out, fd_set *error, const struct timespec *time, const sigset_t *mask),
          (count, in, out, error, time, mask))
HOOK_LOOP(epoll_wait, (int set, struct epoll_event *events, int count, int time), time == 0, (set, events, count, 0),
          (set, events, count, time))
HOOK_LOOP(epoll_pwait, (int set, struct epoll_event *events, int count, int time, const sigset_t *mask), time == 0,
          (set, events, count, 0, mask), (set, events, count, time, mask))
HOOK_LOOP(epoll_pwait2,
          (int set, struct epoll_event *events, int count, const struct timespec *time, const sigset_t *mask),
          time && time->tv_sec == 0 && time->tv_nsec == 0, (set, events, count, &(struct timespec){0}, mask),
          (set, events, count, time, mask))

HOOK_WAIT(unsigned, sleep, NONE, (unsigned seconds), (seconds))
HOOK_WAIT(int, usleep, NONE, (useconds_t time), (time))
HOOK_WAIT(int, nanosleep, NONE, (const struct timespec *time, struct timespec *left), (time, left))
HOOK_WAIT(int, clock_nanosleep, NONE,
          (clockid_t clock, int flags, const struct timespec *time, struct timespec *left), (clock, flags, time, left))

HOOK_WAIT(pid_t, wait, NONE, (int *status), (status))
HOOK_WAIT(pid_t, waitpid, NONE, (pid_t child, int *status, int options), (child, status, options))
HOOK_WAIT(pid_t, wait3, NONE, (int *status, int options, struct rusage *usage), (status, options, usage))
HOOK_WAIT(pid_t, wait4, NONE, (pid_t child, int *status, int options, struct rusage *usage),
          (child, status, options, usage))
HOOK_WAIT(int, waitid, NONE, (idtype_t type, id_t id, siginfo_t *info, int options), (type, id, info, options))
HOOK_WAIT(int, system, NONE, (const char *command), (command))
HOOK_WAIT(FILE *, popen, NONE, (const char *command, const char *mode), (command, mode))
HOOK_WAIT(int, pclose, NONE, (FILE *stream), (stream))

HOOK_WAIT(int, pthread_cond_wait, NONE, (pthread_cond_t *condition, pthread_mutex_t *mutex), (condition, mutex))
HOOK_WAIT(int, pthread_cond_timedwait, NONE,
          (pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *end), (condition, mutex, end))
HOOK_WAIT(int, pthread_cond_clockwait, NONE,
          (pthread_cond_t *condition, pthread_mutex_t *mutex, clockid_t clock, const struct timespec *end),
          (condition, mutex, clock, end))
HOOK_WAIT(int, cnd_wait, NONE, (cnd_t *condition, mtx_t *mutex), (condition, mutex))
HOOK_WAIT(int, cnd_timedwait, NONE, (cnd_t *condition, mtx_t *mutex, const struct timespec *end), (condition, mutex, end))

/* A semaphore that is free is none to wait for: CPython's locks are such, and a dying CPython takes them. */
HOOK_WAIT(int, sem_wait, wait_for(semaphore), (sem_t *semaphore), (semaphore))
HOOK_WAIT(int, sem_timedwait, wait_for(semaphore), (sem_t *semaphore, const struct timespec *end), (semaphore, end))
HOOK_WAIT(int, sem_clockwait, wait_for(semaphore), (sem_t *semaphore, clockid_t clock, const struct timespec *end),
          (semaphore, clock, end))

HOOK_WAIT(int, sigwait, NONE, (const sigset_t *set, int *number), (set, number))
HOOK_WAIT(int, sigwaitinfo, NONE, (const sigset_t *set, siginfo_t *info), (set, info))
HOOK_WAIT(int, sigtimedwait, NONE, (const sigset_t *set, siginfo_t *info, const struct timespec *time), (set, info, time))
HOOK_WAIT(int, sigsuspend, NONE, (const sigset_t *mask), (mask))
HOOK_WAIT(int, pause, NONE, (void), ())
/* clang-format on */
