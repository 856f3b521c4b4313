#include "birth.h"
#include "death.h"
#include "ending.h"
#include "fork.h"
#include "libc.h"
#include "option.h"

#include <errno.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stdarg.h>
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
        const struct clone_args *args = (void *)a[0]; // NOLINT(performance-no-int-to-ptr): a register
        /* Programs ask with nonsense whether the call is there: what makes nothing shares nothing. */
        return args && a[1] >= CLONE_ARGS_SIZE_VER0 ? (unsigned long)args->flags : CLONE_VM | CLONE_THREAD;
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
        if (!(flags & CLONE_THREAD))
            tree_shares_memory();
        return pass(number, a);
    }
    tree_before_fork();
    long pid = pass(number, a);
    tree_after_fork((pid_t)pid);
    return pid;
}

/*
 * syscall(2) with a number that has a hook of its own goes there: Node closes this way. All other numbers
 * pass with six arguments, as they came. On an error libc's wrappers and syscall(2) answer alike: -1 and
 * errno.
 */
HOOK long syscall(long number, ...)
{
    long a[ARGUMENTS];
    va_list more;
    va_start(more, number);
    for (int i = 0; i < ARGUMENTS; i++)
        a[i] = va_arg(more, long);
    va_end(more);

    /* NOLINTBEGIN(performance-no-int-to-ptr): a system call's argument is a register. */
    switch (number) {
    case SYS_close: /* not through close(2), which would be a cancellation point */
        if (ending_is_ours((int)a[0])) {
            errno = EBADF;
            return -1;
        }
        ending_of((int)a[0]);
        return pass(number, a);
    case SYS_unshare:
        return unshare((int)a[0]);
    case SYS_setns:
        return setns((int)a[0], (int)a[1]);
    case SYS_epoll_ctl:
        return epoll_ctl((int)a[0], (int)a[1], (int)a[2], (struct epoll_event *)a[3]);
#ifdef SYS_close_range
    case SYS_close_range:
        return close_range((unsigned)a[0], (unsigned)a[1], (int)a[2]);
#endif
    case SYS_dup:
        return dup((int)a[0]);
#ifdef SYS_dup2
    case SYS_dup2:
        return dup2((int)a[0], (int)a[1]);
#endif
    case SYS_dup3:
        return dup3((int)a[0], (int)a[1], (int)a[2]);
    case SYS_fcntl:
        return fcntl((int)a[0], (int)a[1], a[2]);
    case SYS_socket:
        return socket((int)a[0], (int)a[1], (int)a[2]);
    case SYS_accept:
        return accept((int)a[0], (struct sockaddr *)a[1], (socklen_t *)a[2]);
    case SYS_accept4:
        return accept4((int)a[0], (struct sockaddr *)a[1], (socklen_t *)a[2], (int)a[3]);
    case SYS_connect:
        return connect((int)a[0], (struct sockaddr *)a[1], (socklen_t)a[2]);
    case SYS_listen:
        return listen((int)a[0], (int)a[1]);
    case SYS_shutdown:
        return shutdown((int)a[0], (int)a[1]);
    case SYS_setsockopt:
        return setsockopt((int)a[0], (int)a[1], (int)a[2], (void *)a[3], (socklen_t)a[4]);
    case SYS_getsockopt:
        return getsockopt((int)a[0], (int)a[1], (int)a[2], (void *)a[3], (socklen_t *)a[4]);
    case SYS_sendmsg:
        return sendmsg((int)a[0], (struct msghdr *)a[1], (int)a[2]);
    case SYS_recvmsg:
        return recvmsg((int)a[0], (struct msghdr *)a[1], (int)a[2]);
    case SYS_execve:
        return execve((char *)a[0], (char **)a[1], (char **)a[2]);
    case SYS_execveat:
        return execveat((int)a[0], (char *)a[1], (char **)a[2], (char **)a[3], (int)a[4]);
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
        return pass(number, a);
    }
    /* NOLINTEND(performance-no-int-to-ptr) */
}
