#include "flow/pipes.h"

#include "libc.h"
#include "own_calls.h"

#include <stdatomic.h>

enum {
    PIPES = 4096,    /* a power of two */
    NUMBERS = 65536, /* descriptors */
    CHILDREN = 256,  /* the last ones that were forked */
};

static const source_name CHILD = (uint64_t)1 << 63;

static struct {
    _Atomic uint32_t number;       /* of the pipe that has this place */
    _Atomic uint32_t forks;        /* children that there had been when it was made */
    _Atomic source_name source[2]; /* of what comes out at each end */
    _Atomic bool ended;
} pipes[PIPES] COLD;
static _Atomic pipe_end ends_at[NUMBERS] COLD; /* number of the pipe * 2, + 1 for the second end */
static _Atomic uint32_t last_number COLD;

static struct {
    _Atomic int32_t pid;
    _Atomic int32_t status; /* as of wait(2), + 1; 0: not known */
} children[CHILDREN] COLD;
static _Atomic uint32_t forks COLD;

void pipes_made(const int ends[2])
{
    const uint32_t number = (atomic_fetch_add(&last_number, 1) + 1) % (UINT32_MAX / 2) + 1;
    __typeof__(*pipes) *pipe = &pipes[number % PIPES];
    atomic_store(&pipe->number, 0);
    atomic_store(&pipe->forks, atomic_load(&forks));
    atomic_store(&pipe->ended, false);
    for (uint32_t i = 0; i < 2; i++)
        atomic_store(&pipe->source[i], CHILD | number);
    atomic_store(&pipe->number, number);
    for (uint32_t i = 0; i < 2; i++)
        if (ends[i] >= 0 && ends[i] < NUMBERS)
            atomic_store(&ends_at[ends[i]], number * 2 + i);
}

void pipes_closed(int fd)
{
    if (fd >= 0 && fd < NUMBERS && atomic_load_explicit(&ends_at[fd], memory_order_relaxed))
        atomic_store(&ends_at[fd], 0);
}

pipe_end pipes_at(int fd)
{
    const pipe_end end = fd >= 0 && fd < NUMBERS ? atomic_load(&ends_at[fd]) : 0;
    return end && atomic_load(&pipes[end / 2 % PIPES].number) == end / 2 ? end : 0;
}

source_name pipes_source(pipe_end end)
{
    return end ? atomic_load(&pipes[end / 2 % PIPES].source[end % 2]) : 0;
}

bool pipes_is_child(source_name name)
{
    return name & CHILD;
}

void pipes_fed(pipe_end end, source_name source)
{
    if (end)
        atomic_store(&pipes[end / 2 % PIPES].source[1 - end % 2], source);
}

void pipes_ended(pipe_end end)
{
    if (end)
        atomic_store(&pipes[end / 2 % PIPES].ended, true);
}

void pipes_forked(pid_t child)
{
    const uint32_t number = atomic_load(&forks);
    if (child <= 0 || atomic_load(&last_number) == 0) /* a child that has no pipe is nobody's source */
        return;
    atomic_store(&children[number % CHILDREN].status, 0);
    atomic_store(&children[number % CHILDREN].pid, child);
    atomic_store(&forks, number + 1);
}

void pipes_waited(pid_t child, int status)
{
    const uint32_t number = atomic_load(&forks);
    for (uint32_t i = 1; i <= CHILDREN && i <= number; i++)
        if (atomic_load(&children[(number - i) % CHILDREN].pid) == child) {
            atomic_store(&children[(number - i) % CHILDREN].status, status + 1);
            return;
        }
}

static int status_of(const siginfo_t *info)
{
    return info->si_code == CLD_EXITED ? (info->si_status & 0xff) << 8 : info->si_status & 0x7f;
}

void pipes_told(const siginfo_t *info)
{
    if (info->si_code == CLD_EXITED || info->si_code == CLD_KILLED || info->si_code == CLD_DUMPED)
        pipes_waited(info->si_pid, status_of(info));
}

/* Asks PATIENCE + 1 times. -1 if it lives, or is gone. */
static int ask(pid_t child, int patience)
{
    for (;; patience--) {
        siginfo_t info = {0};
        if (own_waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) != 0)
            return -1;
        if (info.si_pid == child)
            return status_of(&info);
        if (patience <= 0)
            return -1;
        const struct timespec millisecond = {.tv_nsec = 1000000};
        real(syscall)(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &millisecond, NULL);
    }
}

bool pipes_died(source_name name, int patience, struct ended *ended)
{
    const uint32_t number = (uint32_t)name;
    __typeof__(*pipes) *pipe = &pipes[number % PIPES];
    const uint32_t fork = atomic_load(&pipe->forks), made = atomic_load(&forks);
    if (atomic_load(&pipe->number) != number || made - fork == 0 || made - fork > CHILDREN)
        return false;
    ended->child = atomic_load(&children[fork % CHILDREN].pid);
    int status = atomic_load(&children[fork % CHILDREN].status) - 1;
    if (status < 0)
        status = ask(ended->child, atomic_load(&pipe->ended) ? patience : 0);
    if (status < 0)
        status =
            atomic_load(&children[fork % CHILDREN].status) - 1; /* a handler of SIGCHLD has waited for it */
    ended->signal = status & 0x7f;
    ended->status = status >> 8 & 0xff;
    return status >= 0;
}
