#include "copies.h"

#include "raw.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 256, STACK_SIZE = 4096, STACK_ALIGNMENT = 16 };

static _Thread_local struct {
    int at[MOST];
    size_t count;
    _Alignas(STACK_ALIGNMENT) char stack[STACK_SIZE]; /* of the holder, which runs in our memory */
} batch;

/* The holder. It has no thread-local data of its own, so it makes no call of libc's, and it does not outlive
 * the side-car, whose pid it is told. */
BARE static int hold(void *side_car)
{
    raw_call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0, 0);
    while (raw_call(SYS_getppid, 0, 0, 0, 0, 0, 0) == (long)(intptr_t)side_car)
        raw_call(SYS_ppoll, 0, 0, 0, 0, 0, 0);
    raw_call(SYS_exit_group, 0, 0, 0, 0, 0, 0);
    return 0;
}

/* Its pid, or -1. Its end sends no signal, and shows in no wait(2) but that in let_go(). */
static pid_t make_holder(void)
{
    const intptr_t self = getpid();
    return clone(hold, batch.stack + sizeof batch.stack, CLONE_VM,
                 (void *)self); /* NOLINT(performance-no-int-to-ptr) */
}

/* Its descriptors are closed before it can be waited for (do_exit() in kernel/exit.c). */
static void let_go(pid_t holder)
{
    kill(holder, SIGKILL);
    while (waitid(P_PID, (id_t)holder, NULL, WEXITED | __WALL) != 0 && errno == EINTR)
        ;
}

/* May close(2) wait for it, were it the last one? */
static bool lingers(int fd)
{
    struct linger linger = {0};
    socklen_t size = sizeof linger;
    if (getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &size) != 0)
        return errno != ENOTSOCK;
    return linger.l_onoff && linger.l_linger != 0;
}

void copies_close(void)
{
    if (batch.count == 0)
        return;
    const pid_t holder = make_holder();
    size_t kept = 0;
    for (size_t i = 0; i < batch.count; i++)
        if (holder > 0 || !lingers(batch.at[i]))
            close(batch.at[i]);
        else
            batch.at[kept++] = batch.at[i];
    batch.count = kept;
    if (holder > 0)
        let_go(holder);
}

static int take(int pidfd, int number)
{
    return (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
}

int copies_take(int pidfd, int number)
{
    if (batch.count == MOST)
        copies_close();
    if (batch.count == MOST) {
        errno = EAGAIN;
        return -1;
    }
    int fd = take(pidfd, number);
    if (fd < 0 && errno == EMFILE) {
        copies_close();
        fd = take(pidfd, number);
    }
    if (fd >= 0)
        batch.at[batch.count++] = fd;
    return fd;
}
