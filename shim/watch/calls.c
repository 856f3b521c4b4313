#include "calls.h"

#include "copies.h"
#include "proc.h"
#include "word.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { CODE_64 = 0x33, FLAGS = 4, PATH_SIZE = 64 };
enum { MEMORY_DEVICES = 1, ZERO = 5, URANDOM = 9 }; /* random(4), null(4); not /dev/kmsg */
enum { MOST = 0x7ffff000 };                         /* of one transfer: write(2) */
enum { MS_PER_S = 1000, NS_PER_US = 1000, NS_PER_MS = 1000000 };

static const struct call_kind kinds[] = {
    {SYS_epoll_wait, .milliseconds = 4},
    {SYS_epoll_pwait, .milliseconds = 4},
    {SYS_epoll_pwait2, .timespec = 4},
    {SYS_io_getevents, .timespec = 5},
    {SYS_rt_sigtimedwait, .timespec = 3, .late = -EAGAIN},
    {SYS_ppoll, .timespec = 3},    /* these two if the kernel */
    {SYS_pselect6, .timespec = 5}, /* cannot write what is left */
    {SYS_semop, .late = 0},
    {SYS_semtimedop, .timespec = 4, .late = -EAGAIN},
    {SYS_accept, .receives = 1, .late = -EAGAIN},
    {SYS_accept4, .receives = 1, .late = -EAGAIN},
    {SYS_read, .receives = 1, .late = -EAGAIN, .length = 3, .buffer = 2},
    {SYS_readv, .receives = 1, .late = -EAGAIN},
    {SYS_recvfrom, .receives = 1, .late = -EAGAIN, .length = 3, .buffer = 2},
    {SYS_recvmsg, .receives = 1, .late = -EAGAIN},
    {SYS_connect, .sends = 1, .late = -EINPROGRESS},
    {SYS_write, .sends = 1, .late = -EAGAIN, .length = 3, .buffer = 2},
    {SYS_writev, .sends = 1, .late = -EAGAIN},
    {SYS_sendto, .sends = 1, .late = -EAGAIN, .length = 3, .buffer = 2},
    {SYS_sendmsg, .sends = 1, .late = -EAGAIN},
    {SYS_sendfile, .sends = 1, .late = -EAGAIN, .length = 4},
    {SYS_copy_file_range, .sends = 3, .length = 5},
    {SYS_getrandom, .length = 2, .buffer = 1},
};

const struct call_kind *calls_kind(const struct user_regs_struct *regs)
{
    for (size_t i = 0; regs->cs == CODE_64 && i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].number == (long)regs->orig_rax)
            return &kinds[i];
    return NULL;
}

static unsigned long long *place_of(struct user_regs_struct *regs, int at)
{
    unsigned long long *const places[] = {&regs->rdi, &regs->rsi, &regs->rdx,
                                          &regs->r10, &regs->r8,  &regs->r9};
    return places[at - 1];
}

static unsigned long long argument(const struct user_regs_struct *regs, int at)
{
    struct user_regs_struct copy = *regs;
    return *place_of(&copy, at);
}

/* The argument with the descriptor of a transfer; 0 if it is none. */
static int descriptor_at(const struct call_kind *kind)
{
    return kind->sends ? kind->sends : kind->receives;
}

unsigned long long calls_done(const struct user_regs_struct *regs)
{
    const long long result = (long long)regs->rax;
    return result > 0 ? (unsigned long long)result : 0;
}

static unsigned long long whole(const struct call_kind *kind, const struct user_regs_struct *regs)
{
    const unsigned long long length = kind->length ? argument(regs, kind->length) : 0;
    return length < MOST ? length : MOST;
}

/* Flags with which a part and the rest are not the same as the whole. */
static bool can_be_split(const struct call_kind *kind, const struct user_regs_struct *regs)
{
    const int flags = (int)argument(regs, FLAGS);
    if (kind->number == SYS_recvfrom)
        return (flags & (MSG_WAITALL | MSG_PEEK | MSG_OOB | MSG_ERRQUEUE)) == MSG_WAITALL;
    if (kind->number == SYS_sendto)
        return (flags & ~(MSG_NOSIGNAL | MSG_MORE | MSG_DONTWAIT)) == 0;
    return true;
}

bool calls_is_cut(const struct call_kind *kind, const struct user_regs_struct *regs)
{
    const unsigned long long part = calls_done(regs);
    if ((long long)regs->rax == -EINTR)
        return true;
    return part && part < whole(kind, regs) && can_be_split(kind, regs);
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

static int number_option(int socket, int option)
{
    int value = 0;
    socklen_t size = sizeof value;
    return getsockopt(socket, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

/* Messages have no parts, and before urgent data a short count is meant. */
static bool has_rest(int socket, const struct call_kind *kind)
{
    int urgent = 0;
    if (kind->number == SYS_read || number_option(socket, SO_TYPE) != SOCK_STREAM)
        return false;
    return kind->sends || ioctl(socket, SIOCATMARK, &urgent) != 0 || !urgent;
}

static int64_t of_socket(int socket, const struct call_kind *kind, bool has_part)
{
    struct timeval time = {0};
    socklen_t size = sizeof time;
    if (socket < 0 || (has_part && !has_rest(socket, kind)) ||
        (kind->number == SYS_connect && number_option(socket, SO_DOMAIN) == AF_UNIX))
        return CALLS_UNFIT;
    getsockopt(socket, SOL_SOCKET, kind->receives ? SO_RCVTIMEO : SO_SNDTIMEO, &time, &size);
    const struct timespec exact = {time.tv_sec, time.tv_usec * NS_PER_US};
    return time.tv_sec || time.tv_usec ? milliseconds(&exact) : CALLS_NEVER;
}

static int64_t of_copy(pid_t thread, pid_t tgid, int number, const struct call_kind *kind, bool has_part)
{
    int pidfd = proc_open(thread, tgid);
    const int64_t time = of_socket(copies_take(pidfd, number), kind, has_part);
    copies_close();
    if (pidfd >= 0)
        close(pidfd);
    return time;
}

/* Asks no file system, which may be one of the program's own: not for attributes, and by no close(2) of a copy. */
static struct statx look_at(pid_t thread, int fd)
{
    char path[PATH_SIZE];
    struct statx file = {0};
    snprintf(path, sizeof path, "/proc/%d/fd/%d", thread, fd);
    statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_TYPE, &file);
    return file;
}

/*
 * Who reads waits for the whole only of devices like /dev/urandom; EINTR may be a file system's own; and what
 * write(2) has not put into a file is over a limit.
 */
static int64_t of_file(const struct statx *file, const struct call_kind *kind, bool has_part)
{
    const bool is_memory = S_ISCHR(file->stx_mode) && file->stx_rdev_major == MEMORY_DEVICES &&
                           file->stx_rdev_minor >= ZERO && file->stx_rdev_minor <= URANDOM;
    if (kind->number == SYS_write && S_ISREG(file->stx_mode))
        return CALLS_UNFIT;
    return has_part && file->stx_mode && (kind->sends || is_memory) ? CALLS_NEVER : CALLS_UNFIT;
}

static bool may_bring_sigpipe(const struct call_kind *kind, const struct user_regs_struct *regs)
{
    return kind->sends && (kind->number != SYS_sendto || !((int)argument(regs, FLAGS) & MSG_NOSIGNAL));
}

/* A SIGPIPE that the rest brought, and that is blocked, would stay pending. */
static int64_t of_descriptor(pid_t thread, pid_t tgid, const struct call_kind *kind,
                             const struct user_regs_struct *regs)
{
    const int fd = (int)argument(regs, descriptor_at(kind));
    const bool has_part = calls_done(regs);
    const struct statx file = look_at(thread, fd);
    if (!S_ISSOCK(file.stx_mode))
        return of_file(&file, kind, has_part);
    if (has_part && may_bring_sigpipe(kind, regs) && proc_blocks(thread, SIGPIPE))
        return CALLS_UNFIT;
    return of_copy(thread, tgid, fd, kind, has_part);
}

static int64_t of_timespec(pid_t thread, uintptr_t address)
{
    struct timespec time;
    struct iovec here = {&time, sizeof time};
    struct iovec there = {word(address), sizeof time};
    if (!address)
        return CALLS_NEVER;
    if (process_vm_readv(thread, &here, 1, &there, 1, 0) != sizeof time)
        return CALLS_UNFIT;
    return milliseconds(&time);
}

int64_t calls_time(pid_t thread, pid_t tgid, const struct call_kind *kind,
                   const struct user_regs_struct *regs)
{
    if (kind->milliseconds) {
        const int time = (int)argument(regs, kind->milliseconds);
        return time < 0 ? CALLS_NEVER : time;
    }
    if (kind->timespec)
        return of_timespec(thread, argument(regs, kind->timespec));
    return descriptor_at(kind) ? of_descriptor(thread, tgid, kind, regs) : CALLS_NEVER;
}

void calls_make_rest(struct user_regs_struct *regs, const struct call_kind *kind, int64_t left)
{
    const unsigned long long part = calls_done(regs);
    if (kind->length)
        *place_of(regs, kind->length) = whole(kind, regs) - part;
    if (kind->buffer)
        *place_of(regs, kind->buffer) += part;
    if (kind->milliseconds)
        *place_of(regs, kind->milliseconds) = (unsigned long long)left;
}

bool calls_is_told_once(long long failure)
{
    return failure == -ECONNRESET || failure == -ECONNABORTED || failure == -ECONNREFUSED ||
           failure == -ETIMEDOUT || failure == -EHOSTUNREACH || failure == -ENETUNREACH;
}

bool calls_brings_signal(pid_t thread, const struct call_kind *kind, const struct user_regs_struct *regs,
                         long long failure)
{
    if (!kind->sends || (failure != -EPIPE && failure != -EFBIG))
        return false;
    return failure == -EFBIG || S_ISSOCK(look_at(thread, (int)argument(regs, descriptor_at(kind))).stx_mode);
}

long long calls_failure(const struct call_kind *kind, long long failure)
{
    return kind->number == SYS_connect && failure == -EALREADY ? -EINPROGRESS : failure;
}
