#include "hooks/wait_number.h"

#include "judge/deferred.h"

#include <linux/futex.h>
#include <sys/syscall.h>

static bool futex_waits(long operation)
{
    switch (operation & FUTEX_CMD_MASK) {
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET:
    case FUTEX_WAIT_REQUEUE_PI:
    case FUTEX_LOCK_PI:
    case FUTEX_LOCK_PI2:
        return true;
    default:
        return false;
    }
}

static bool waits(long number)
{
    switch (number) {
#ifdef SYS_poll
    case SYS_poll:
#endif
#ifdef SYS_select
    case SYS_select:
#endif
#ifdef SYS_epoll_wait
    case SYS_epoll_wait:
#endif
#ifdef SYS_pause
    case SYS_pause:
#endif
#ifdef SYS_epoll_pwait2
    case SYS_epoll_pwait2:
#endif
#ifdef SYS_futex_waitv
    case SYS_futex_waitv:
#endif
    case SYS_epoll_pwait:
    case SYS_ppoll:
    case SYS_pselect6:
    case SYS_nanosleep:
    case SYS_clock_nanosleep:
    case SYS_io_getevents:
    case SYS_accept:
    case SYS_accept4:
    case SYS_connect:
    case SYS_recvfrom:
    case SYS_recvmsg:
    case SYS_recvmmsg:
    case SYS_rt_sigtimedwait:
    case SYS_rt_sigsuspend:
        return true;
    default:
        return false;
    }
}

void wait_by_number(long number, const long *a)
{
    switch (number) {
    case SYS_wait4:
    case SYS_waitid:
        deferred_before_child();
        return;
    case SYS_read:
    case SYS_readv:
        truefin_goes_on((int)a[0]);
        return;
    case SYS_futex:
        if (futex_waits(a[1]))
            deferred_goes_on();
        return;
    case SYS_io_uring_enter:
        if (a[2] > 0) /* events that it waits for */
            deferred_goes_on();
        return;
    default:
        if (waits(number))
            deferred_goes_on();
    }
}
