#include "hooks/flow_number.h"

#include "config.h"
#include "judge/relayed.h"
#include "libc.h"

#include <sys/syscall.h>

/* NOLINTBEGIN(performance-no-int-to-ptr): a system call's argument is a register. */

static void parts_by_number(long number, const long *a, long result)
{
    const struct iovec *parts = (struct iovec *)a[1];
    switch (number) {
    case SYS_readv:
    case SYS_preadv:
    case SYS_preadv2:
        truefin_has_read((int)a[0], parts, (size_t)a[2], result);
        return;
    case SYS_writev:
        truefin_has_written((int)a[0], parts, (size_t)a[2], result);
        return;
    case SYS_recvmsg:
        truefin_has_read_message((int)a[0], (struct msghdr *)a[1], result, (int)a[2]);
        return;
    case SYS_sendmsg:
        truefin_has_written_message((int)a[0], (struct msghdr *)a[1], result);
        return;
    case SYS_recvmmsg:
        truefin_has_read_messages((int)a[0], (struct mmsghdr *)a[1], (int)result, (int)a[3]);
        return;
    case SYS_sendmmsg:
        truefin_has_written_messages((int)a[0], (struct mmsghdr *)a[1], (int)result);
        return;
    default:
        return;
    }
}

static void bytes_by_number(long number, const long *a, long result)
{
    const struct iovec part = {.iov_base = (void *)a[1], .iov_len = (size_t)a[2]};
    switch (number) {
    case SYS_read:
    case SYS_pread64:
        truefin_has_read((int)a[0], &part, 1, result);
        return;
    case SYS_recvfrom:
        truefin_has_received((int)a[0], &part, result, (int)a[3]);
        return;
    case SYS_write:
    case SYS_sendto:
        truefin_has_written((int)a[0], &part, 1, result);
        return;
    case SYS_splice:
        truefin_has_moved((int)a[0], (int)a[2], result);
        return;
    case SYS_sendfile:
        truefin_has_moved((int)a[1], (int)a[0], result);
        return;
    case SYS_tee:
        truefin_has_moved((int)a[0], (int)a[1], result);
        return;
#ifdef SYS_pipe
    case SYS_pipe:
#endif
    case SYS_pipe2:
        if (result == 0)
            truefin_has_pipe((int *)a[0]);
        return;
    default:
        parts_by_number(number, a, result);
    }
}

/* NOLINTEND(performance-no-int-to-ptr) */

void flow_by_number(long number, const long *a, long result)
{
    if (config.relays)
        bytes_by_number(number, a, result);
}
