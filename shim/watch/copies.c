#include "copies.h"

#include "kept/raw.h"
#include "turns.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 256, HOLDERS = 4, STACK_SIZE = 4096, STACK_ALIGNMENT = 16 };

static struct {
    int at[MOST];
    size_t count;
} batch;

/* A process that runs in our memory. Its stack is used again when it has ended. */
static struct holder {
    pid_t pid; /* 0 for none */
    _Alignas(STACK_ALIGNMENT) char stack[STACK_SIZE];
} holders[HOLDERS];

/*
 * The holder. It has no thread-local data of its own, so it makes no call of libc's, and it does not outlive
 * the side-car, whose pid it is told.
 */
BARE static int hold(void *side_car)
{
    raw_call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0, 0);
    while (raw_call(SYS_getppid, 0, 0, 0, 0, 0, 0) == (long)(intptr_t)side_car)
        raw_call(SYS_ppoll, 0, 0, 0, 0, 0, 0);
    raw_call(SYS_exit_group, 0, 0, 0, 0, 0, 0);
    return 0;
}

/*
 * Its descriptors are closed before it can be waited for (do_exit() in kernel/exit.c). Others have their turn
 * meanwhile; the main loop may wait for it first.
 */
static void await(struct holder *holder)
{
    siginfo_t info = {.si_pid = 0};
    const int flags = WEXITED | __WALL | (turns_is_one() ? WNOHANG : 0);
    while (holder->pid) {
        const int result = waitid(P_PID, (id_t)holder->pid, &info, flags);
        if (info.si_pid || (result != 0 && errno != EINTR))
            holder->pid = 0;
        else
            turns_wait();
    }
}

/* One that holds all that is open here now; NULL if none can be made. Its end sends no signal. */
static struct holder *make_holder(void)
{
    static unsigned next;
    const intptr_t self = getpid();
    struct holder *holder = &holders[next++ % HOLDERS];
    await(holder);
    const pid_t pid = clone(hold, holder->stack + sizeof holder->stack, CLONE_VM,
                            (void *)self); /* NOLINT(performance-no-int-to-ptr) */
    holder->pid = pid > 0 ? pid : 0;
    return pid > 0 ? holder : NULL;
}

/* May close(2) wait for it, were it the last one? A pipe and a file do not, a terminal may. */
static bool may_wait(int fd)
{
    struct linger linger = {0};
    socklen_t size = sizeof linger;
    struct stat now;
    if (getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &size) == 0)
        return linger.l_onoff && linger.l_linger != 0;
    return fstat(fd, &now) != 0 || !(S_ISFIFO(now.st_mode) || S_ISREG(now.st_mode));
}

static size_t close_those_that_do_not_wait(void)
{
    size_t left = 0;
    for (size_t i = 0; i < batch.count; i++)
        if (may_wait(batch.at[i]))
            batch.at[left++] = batch.at[i];
        else
            close(batch.at[i]);
    return left;
}

/* Most copies do not linger, and need no holder. From the holder's birth to its death nothing rests. */
static void flush(void)
{
    batch.count = close_those_that_do_not_wait();
    const struct holder *holder = batch.count ? make_holder() : NULL;
    if (!holder)
        return;
    for (size_t i = 0; i < batch.count; i++)
        close(batch.at[i]);
    batch.count = 0;
    kill(holder->pid, SIGKILL);
}

void copies_close(void)
{
    flush();
    for (int i = 0; i < HOLDERS; i++)
        await(&holders[i]);
}

void copies_leave(int fd)
{
    for (size_t i = batch.count; i-- > 0;)
        if (batch.at[i] == fd) {
            batch.at[i] = batch.at[--batch.count];
            return;
        }
}

void copies_add(int fd)
{
    if (batch.count == MOST)
        flush();
    if (batch.count < MOST)
        batch.at[batch.count++] = fd;
}

static int take(int pidfd, int number)
{
    return (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
}

int copies_take(int pidfd, int number)
{
    if (batch.count == MOST)
        flush();
    if (batch.count == MOST) {
        errno = EAGAIN;
        return -1;
    }
    int fd = take(pidfd, number);
    if (fd < 0 && errno == EMFILE) {
        flush();
        fd = take(pidfd, number);
    }
    if (fd >= 0)
        batch.at[batch.count++] = fd;
    return fd;
}
