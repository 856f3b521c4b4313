#include "calls.h"

#include "proc.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { CODE_64 = 0x33, FLAGS = 3, PATH_SIZE = 64 };
enum { MS_PER_S = 1000, NS_PER_US = 1000, NS_PER_MS = 1000000 };

static const struct call_kind kinds[] = {
    {SYS_epoll_wait, MILLISECONDS, .at = 3},
    {SYS_epoll_pwait, MILLISECONDS, .at = 3},
    {SYS_epoll_pwait2, TIMESPEC, .at = 3},
    {SYS_io_getevents, TIMESPEC, .at = 4},
    {SYS_rt_sigtimedwait, TIMESPEC, .at = 2, .late = -EAGAIN},
    {SYS_semop, NONE, .late = 0},
    {SYS_semtimedop, TIMESPEC, .at = 3, .late = -EAGAIN},
    {SYS_fallocate, NONE, .late = 0},
    {SYS_accept, RECEIVING, .late = -EAGAIN},
    {SYS_accept4, RECEIVING, .late = -EAGAIN},
    {SYS_read, RECEIVING, .late = -EAGAIN},
    {SYS_readv, RECEIVING, .late = -EAGAIN},
    {SYS_recvfrom, RECEIVING, .late = -EAGAIN, .length = 2, .buffer = 1},
    {SYS_recvmsg, RECEIVING, .late = -EAGAIN},
    {SYS_connect, SENDING, .late = -EINPROGRESS},
    {SYS_write, SENDING, .late = -EAGAIN, .length = 2, .buffer = 1},
    {SYS_writev, SENDING, .late = -EAGAIN},
    {SYS_sendto, SENDING, .late = -EAGAIN, .length = 2, .buffer = 1},
    {SYS_sendmsg, SENDING, .late = -EAGAIN},
    {SYS_sendfile, SENDING, .late = -EAGAIN, .length = 3},
};

const struct call_kind *calls_kind(const struct user_regs_struct *regs)
{
    for (size_t i = 0; regs->cs == CODE_64 && i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].number == (long)regs->orig_rax)
            return &kinds[i];
    return NULL;
}

unsigned long long *calls_argument(struct user_regs_struct *regs, int at)
{
    unsigned long long *const places[] = {&regs->rdi, &regs->rsi, &regs->rdx,
                                          &regs->r10, &regs->r8,  &regs->r9};
    return places[at];
}

unsigned long long calls_done(const struct user_regs_struct *regs)
{
    const long long result = (long long)regs->rax;
    return result > 0 ? (unsigned long long)result : 0;
}

/* Flags with which a part and the rest are not the same as the whole. */
static bool can_be_split(const struct call_kind *kind, struct user_regs_struct *regs)
{
    const int flags = (int)*calls_argument(regs, FLAGS);
    if (kind->number == SYS_recvfrom)
        return (flags & (MSG_WAITALL | MSG_PEEK | MSG_OOB | MSG_ERRQUEUE)) == MSG_WAITALL;
    if (kind->number == SYS_sendto)
        return (flags & ~(MSG_NOSIGNAL | MSG_MORE | MSG_DONTWAIT)) == 0;
    return true;
}

bool calls_is_cut(const struct call_kind *kind, struct user_regs_struct *regs)
{
    const unsigned long long part = calls_done(regs);
    if ((long long)regs->rax == -EINTR)
        return true;
    return kind->length && part && part < *calls_argument(regs, kind->length) && can_be_split(kind, regs);
}

static int64_t milliseconds(const struct timespec *time)
{
    if (time->tv_sec > INT32_MAX)
        return CALLS_NEVER;
    return (int64_t)time->tv_sec * MS_PER_S + (time->tv_nsec + NS_PER_MS - 1) / NS_PER_MS;
}

int64_t calls_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return milliseconds(&time);
}

static int64_t of_socket(int socket, int option)
{
    struct timeval time = {0};
    socklen_t size = sizeof time;
    getsockopt(socket, SOL_SOCKET, option, &time, &size);
    const struct timespec exact = {time.tv_sec, time.tv_usec * NS_PER_US};
    return time.tv_sec || time.tv_usec ? milliseconds(&exact) : CALLS_NEVER;
}

/* Messages are not split, and of other files than these nobody waits for the whole. */
static int64_t of_descriptor(int fd, int option, bool has_part)
{
    struct stat status;
    int type = 0;
    socklen_t size = sizeof type;
    if (fd < 0 || fstat(fd, &status) != 0)
        return CALLS_UNFIT;
    if (S_ISFIFO(status.st_mode))
        return CALLS_NEVER;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || (has_part && type != SOCK_STREAM))
        return CALLS_UNFIT;
    return of_socket(fd, option);
}

static int64_t of_copy(pid_t thread, pid_t tgid, int number, int option, bool has_part)
{
    int pidfd = proc_open(thread, tgid);
    int fd = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
    const int64_t time = of_descriptor(fd, option, has_part);
    if (fd >= 0)
        close(fd);
    if (pidfd >= 0)
        close(pidfd);
    return time;
}

static int64_t of_timespec(pid_t thread, uintptr_t address)
{
    struct timespec time;
    struct iovec here = {&time, sizeof time};
    struct iovec there = {(void *)address, sizeof time}; /* NOLINT(performance-no-int-to-ptr) */
    if (!address)
        return CALLS_NEVER;
    if (process_vm_readv(thread, &here, 1, &there, 1, 0) != sizeof time)
        return CALLS_UNFIT;
    return milliseconds(&time);
}

int64_t calls_time(pid_t thread, pid_t tgid, const struct call_kind *kind, struct user_regs_struct *regs)
{
    const unsigned long long value = *calls_argument(regs, kind->at);
    const bool has_part = calls_done(regs);
    switch (kind->timeout) {
    case MILLISECONDS:
        return (int)value < 0 ? CALLS_NEVER : (int)value;
    case TIMESPEC:
        return of_timespec(thread, value);
    case RECEIVING:
        return of_copy(thread, tgid, (int)value, SO_RCVTIMEO, has_part);
    case SENDING:
        return of_copy(thread, tgid, (int)value, SO_SNDTIMEO, has_part);
    case NONE:
        break;
    }
    return CALLS_NEVER;
}

bool calls_is_socket(pid_t thread, struct user_regs_struct *regs)
{
    char path[PATH_SIZE];
    struct stat status;
    snprintf(path, sizeof path, "/proc/%d/fd/%d", thread, (int)*calls_argument(regs, 0));
    return stat(path, &status) == 0 && S_ISSOCK(status.st_mode);
}
