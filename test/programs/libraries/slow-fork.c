/*
 * Loaded behind the shim: a fork child that forks overtakes its parent. Makes this order certain:
 *
 *     parent      fork ............................ returns, and goes on (close, write, waitid)
 *     child             born; fork is called                                                   ; its own
 * child is born child             _exit; it is dead only after its own child
 *
 * On from the start; slow_fork(0) switches it off for this process and its children, slow_fork(1) on again.
 * No wait is longer than LIMIT.
 */
#include <dlfcn.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LIMIT = 1000, MILLISECOND = 1000 };
enum stage { NOTHING, PARENT_FORKS, CHILD_FORKS, PARENT_IS_BACK };

struct state {
    _Atomic int stage;
    _Atomic pid_t parent;
};
static struct state *shared;
static int on = 1;
static pid_t overtaker; /* the child that forks, in itself and below it */

void slow_fork(int is_on);

void slow_fork(int is_on)
{
    on = is_on;
}

__attribute__((constructor)) static void start(void)
{
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static pid_t real_fork(void)
{
    pid_t (*next)(void);
    *(void **)&next = dlsym(RTLD_NEXT, "fork");
    return next();
}

static int is_dead(pid_t child)
{
    siginfo_t info = {.si_pid = 0};
    return syscall(SYS_waitid, P_PID, child, &info, WEXITED | WNOHANG | WNOWAIT, NULL) != 0 || info.si_pid;
}

static void await(enum stage stage, pid_t child)
{
    for (int i = 0; i < LIMIT && shared->stage != (int)stage && !(child && is_dead(child)); i++)
        usleep(MILLISECOND);
}

pid_t fork(void)
{
    int none = NOTHING;
    if (!on)
        return real_fork();
    if (atomic_compare_exchange_strong(&shared->stage, &none, PARENT_FORKS)) {
        shared->parent = getpid();
        pid_t child = real_fork();
        if (child > 0)
            await(CHILD_FORKS, child);
        return child;
    }
    if (shared->stage == PARENT_FORKS && getppid() == shared->parent) {
        shared->stage = CHILD_FORKS;
        await(PARENT_IS_BACK, 0);
        shared->stage = NOTHING;
        overtaker = getpid();
    }
    return real_fork();
}

static int has_no_child(void)
{
    siginfo_t info = {.si_pid = 0};
    return syscall(SYS_waitid, P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT, NULL) != 0 || info.si_pid;
}

void _exit(int status)
{
    for (int i = 0; on && getpid() == overtaker && i < LIMIT && !has_no_child(); i++)
        usleep(MILLISECOND);
    syscall(SYS_exit_group, status);
    __builtin_unreachable();
}

static void goes_on(void)
{
    int stage = CHILD_FORKS;
    if (on && getpid() == shared->parent)
        atomic_compare_exchange_strong(&shared->stage, &stage, PARENT_IS_BACK);
}

int close(int fd)
{
    goes_on();
    return (int)syscall(SYS_close, fd);
}

ssize_t write(int fd, const void *data, size_t size)
{
    goes_on();
    return syscall(SYS_write, fd, data, size);
}

int waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
    goes_on();
    return (int)syscall(SYS_waitid, type, id, info, options, NULL);
}
