#include "flow/pipes.h"
#include "hooks/close.h"
#include "hooks/death.h"
#include "hooks/epoll.h"
#include "hooks/exec.h"
#include "hooks/flow_number.h"
#include "hooks/messages.h"
#include "hooks/option.h"
#include "hooks/single_thread.h"
#include "hooks/switched.h"
#include "hooks/wait_number.h"
#include "judge/birth.h"
#include "judge/deferred.h"
#include "libc.h"
#include "process/memory.h"
#include "process/ownership.h"
#include "process/process.h"

#include <errno.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>

enum { ARGUMENTS = 6 };

static long pass(long number, const long a[ARGUMENTS])
{
    return real(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* clone(2)'s flags are in its first argument, clone3(2)'s in the structure that it points to. */
static unsigned long clone_flags(long number, const long a[ARGUMENTS])
{
#ifdef SYS_clone3
    if (number == SYS_clone3) {
        struct clone_args args;
        const void *from = (void *)a[0]; // NOLINT(performance-no-int-to-ptr): a register
        /* Programs ask with nonsense whether the call is there: what makes nothing shares nothing. */
        bool makes = a[1] >= CLONE_ARGS_SIZE_VER0 && memory_copy(&args, from, CLONE_ARGS_SIZE_VER0);
        return makes ? (unsigned long)args.flags : CLONE_VM | CLONE_THREAD;
    }
#else
    (void)number;
#endif
    return (unsigned long)a[0];
}

static long forked(long number, const long a[ARGUMENTS], unsigned long flags)
{
    if ((flags & CLONE_FILES) && !(flags & CLONE_VM))
        birth_audit(true);
    if (flags & CLONE_VM) {
        if (!(flags & CLONE_THREAD)) {
            deferred_end();
            process_shares_memory();
        }
        return pass(number, a);
    }
    deferred_end();
    ownership_before_fork();
    long pid = pass(number, a);
    ownership_after_fork((pid_t)pid);
    pipes_forked((pid_t)pid);
    return pid;
}

#ifdef SYS_close_range
static int close_range_by_number(unsigned first, unsigned last, int flags)
{
    return (int)real(syscall)(SYS_close_range, (long)first, (long)last, (long)flags);
}
#endif

/* A call that returns a new descriptor (birth.h). */
static int made(long number, const long a[ARGUMENTS])
{
    int fd;
    do {
        birth_begin();
        fd = (int)pass(number, a);
    } while (deferred_gives_room(fd));
    return fd;
}

static long closed(long number, const long a[ARGUMENTS])
{
    if (close_is_of_kept((int)a[0])) {
        errno = EBADF;
        return -1;
    }
    close_begins((int)a[0]);
    return pass(number, a);
}

static long replaced(long number, const long a[ARGUMENTS], int flags)
{
    close_before_dup((int)a[0], (int)a[1], flags);
    return birth_duplicate((int)a[0], (int)pass(number, a));
}

static long alone(long number, const long a[ARGUMENTS])
{
    bool halted = single_thread_begin();
    return single_thread_end(halted, (int)pass(number, a));
}

/* NOLINTBEGIN(performance-no-int-to-ptr): a system call's argument is a register. */

static long executed(long number, const long a[ARGUMENTS])
{
    bool at = number == SYS_execveat;
    const long *rest = at ? a + 1 : a;
    exec_begins(&(struct program){.directory = at ? (int)a[0] : AT_FDCWD,
                                  .path = (char *)rest[0],
                                  .argv = (char **)rest[1],
                                  .environment = (char **)rest[2],
                                  .flags = at ? (int)a[4] : 0});
    SWITCHED_PASS_ON(passed, (char **)rest[2]);
    long with[ARGUMENTS];
    memcpy(with, a, sizeof with);
    with[at ? 3 : 2] = (long)passed;
    long result = pass(number, with);
    exec_failed();
    return result;
}

static long sent(long number, const long a[ARGUMENTS])
{
    struct messages out;
    messages_before(&out, (int)a[0], (struct msghdr *)a[1]);
    long result = pass(number, a);
    messages_after(&out, result >= 0);
    return result;
}

static long sent_many(long number, const long a[ARGUMENTS])
{
    struct messages out;
    messages_before_many(&out, (int)a[0], (struct mmsghdr *)a[1], (unsigned)a[2]);
    long result = pass(number, a);
    messages_after(&out, result > 0 ? (unsigned)result : 0);
    return result;
}

static long received(long number, const long a[ARGUMENTS])
{
    messages_begin();
    if (number == SYS_recvmmsg)
        return messages_received_many((struct mmsghdr *)a[1], (int)pass(number, a));
    return messages_received((struct msghdr *)a[1], pass(number, a));
}

static long listens(long number, const long a[ARGUMENTS])
{
    bool armed = option_before_listen((int)a[0]);
    return option_after_listen((int)a[0], armed, (int)pass(number, a));
}

static long shuts_down(long number, const long a[ARGUMENTS])
{
    if (option_shutdown_aborts((int)a[0], (int)a[1]))
        return 0;
    bool armed = option_before_shutdown((int)a[0], (int)a[1]);
    return option_after_shutdown((int)a[0], (int)a[1], armed, (int)pass(number, a));
}

static long descriptor_call(long number, const long a[ARGUMENTS])
{
    const int fd = (int)a[0];
    switch (number) {
    case SYS_close: /* not through close(2), which would be a cancellation point */
        return closed(number, a);
#ifdef SYS_close_range
    case SYS_close_range:
        return close_range_begins(close_range_by_number, (unsigned)a[0], (unsigned)a[1], (int)a[2]);
#endif
    case SYS_dup:
        birth_begin();
        return birth_duplicate(fd, (int)pass(number, a));
#ifdef SYS_dup2
    case SYS_dup2:
        return replaced(number, a, 0);
#endif
    case SYS_dup3:
        return replaced(number, a, (int)a[2]);
    case SYS_fcntl:
        birth_begin();
        return birth_fcntl(fd, (int)a[1], (int)pass(number, a));
    case SYS_epoll_ctl:
        epoll_begin();
        return epoll_changed(fd, (int)a[1], (int)a[2], (int)pass(number, a));
    default:
        return pass(number, a);
    }
}

static long socket_call(long number, const long a[ARGUMENTS])
{
    const int fd = (int)a[0];
    switch (number) {
    case SYS_socket:
        return birth_made((int)a[0], (int)a[1], (int)a[2], made(number, a));
    case SYS_accept:
    case SYS_accept4:
        return birth_accepted(fd, made(number, a));
    case SYS_connect:
        return birth_connected(fd, (struct sockaddr *)a[1], (socklen_t)a[2], (int)pass(number, a));
    case SYS_listen:
        return listens(number, a);
    case SYS_shutdown:
        return shuts_down(number, a);
    case SYS_setsockopt:
        return option_after_set(fd, (int)a[1], (int)a[2], (void *)a[3], (int)pass(number, a));
    case SYS_getsockopt:
        return option_after_get(fd, (int)a[1], (int)a[2], (void *)a[3], (socklen_t *)a[4],
                                (int)pass(number, a));
    case SYS_sendmsg:
        return sent(number, a);
    case SYS_sendmmsg:
        return sent_many(number, a);
    case SYS_recvmsg:
    case SYS_recvmmsg:
        return received(number, a);
    default:
        return descriptor_call(number, a);
    }
}

/* NOLINTEND(performance-no-int-to-ptr) */

static long process_call(long number, const long a[ARGUMENTS])
{
    switch (number) {
    case SYS_unshare:
    case SYS_setns:
        return alone(number, a);
    case SYS_execve:
    case SYS_execveat:
        return executed(number, a);
    case SYS_exit_group:
        death_by_status((int)a[0]);
        return pass(number, a);
    case SYS_seccomp:
        if (a[0] == SECCOMP_SET_MODE_STRICT || (a[0] == SECCOMP_SET_MODE_FILTER && a[2]))
            option_sandbox();
        return pass(number, a);
    case SYS_prctl:
        option_prctl((int)a[0], (unsigned long)a[1], (unsigned long)a[2]);
        return pass(number, a);
#ifdef SYS_fork
    case SYS_fork:
        return forked(number, a, 0);
#endif
#ifdef SYS_clone3
    case SYS_clone3:
#endif
    case SYS_clone:
        return forked(number, a, clone_flags(number, a));
    default:
        return socket_call(number, a);
    }
}

/*
 * syscall(2). With a number that we follow the work of the hook of that name is done around it, and the call
 * stays a syscall(2): what stands behind us under that name may be a wrapper that makes this very call, and
 * would meet itself here again. So it may come to two hooks of ours, one within the other; birth.h,
 * epoll_sets.h and messages.h say where that makes a difference. All numbers pass with six arguments, as they
 * came. On an error libc's wrappers and syscall(2) answer alike: -1 and errno.
 */
HOOK long syscall(long number, ...)
{
    long a[ARGUMENTS];
    va_list more;
    va_start(more, number);
    for (int i = 0; i < ARGUMENTS; i++)
        a[i] = va_arg(more, long);
    va_end(more);
    wait_by_number(number, a);
    const long result = process_call(number, a);
    flow_by_number(number, a, result);
    return result;
}
