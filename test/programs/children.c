/*
 * children N: starts N children of every shape for every way to wait, and prints for each pair
 * "WAY SHAPE: WRONG of N", where WRONG is how often the way told of the end and the status was not there or
 * not right. The last line is "pairs COUNT". `children end` is what the shapes execute: it ends with
 * status 7.
 *
 * A shape says how a child ends, a way how its parent learns of that. A way never sleeps and asks again: what
 * has told of the end has to have the status at once.
 */
#include <err.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    STATUS = 7,
    FAILED = 99,
    STACK = 65536,
    STAT_SIZE = 512,
    THREADS = 3,
    LONGEST = 400000,
    NS_PER_S = 1000000000
};

static const id_t pidfd_type = 3; /* P_PIDFD */
static int pidfd;                 /* of the child */
static int epoll;

static void die(const char *what)
{
    err(FAILED, "%s", what);
}

static void start(void *(*what)(void *))
{
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    if (pthread_create(&thread, &attributes, what, NULL) != 0)
        errx(FAILED, "pthread_create");
}

static void *stay(void *unused)
{
    pause();
    return unused;
}

static void *end(void *unused)
{
    sched_yield();
    _exit(STATUS);
    return unused;
}

/* The first thread has ended. */
static bool is_alone(void)
{
    char text[STAT_SIZE] = "";
    FILE *stat = fopen("/proc/self/stat", "re");
    bool read = stat && fgets(text, sizeof text, stat);
    const char *name_end = read ? strrchr(text, ')') : NULL;
    if (stat)
        fclose(stat);
    return name_end && strncmp(name_end, ") Z", 3) == 0;
}

static void *end_alone(void *unused)
{
    while (!is_alone())
        sched_yield();
    _exit(STATUS);
    return unused;
}

static void *execute(void *unused)
{
    execl("/proc/thread-self/exe", "children", "end", NULL);
    _exit(FAILED);
    return unused;
}

static void threads(void)
{
    for (int i = 0; i < THREADS; i++)
        start(stay);
}

/* --- Shapes: what a child does --- */

static void by_exit(void)
{
    exit(STATUS); /* what is buffered was written before the fork */
}

static void by__exit(void)
{
    _exit(STATUS);
}

static void by_exit_of_thread(void)
{
    syscall(SYS_exit, STATUS);
}

static void by_signal(void)
{
    raise(SIGTERM);
}

static void by_abort(void)
{
    abort();
}

static void by_sigkill(void)
{
    kill(getpid(), SIGKILL);
}

static void with_threads(void)
{
    threads();
    _exit(STATUS);
}

static void with_threads_by_signal(void)
{
    threads();
    kill(getpid(), SIGKILL);
}

static void by_other_thread(void)
{
    threads();
    start(end);
    pause();
}

static void first_thread_gone(void)
{
    start(end_alone);
    pthread_exit(NULL);
}

static void by_exec(void)
{
    execute(NULL);
}

static void by_exec_of_thread(void)
{
    threads();
    start(execute);
    pause();
}

static void first_thread_gone_by_exec(void)
{
    threads();
    start(execute);
    pthread_exit(NULL);
}

static void by_vfork(void)
{
    int status = 0;
    pid_t child = vfork(); /* NOLINT: what is tested */
    if (child == 0) {
        execl("/proc/self/exe", "children", "end", NULL);
        _exit(1);
    }
    waitpid(child, &status, 0);
    _exit(WEXITSTATUS(status));
}

static void by_double_fork(void)
{
    if (fork() == 0) {
        sched_yield();
        _exit(0);
    }
    _exit(STATUS);
}

static void wait_to_be_killed(void)
{
    pause();
}

/* The SIGKILL of its parent may come before, in or after any step of its end. */
static void exits_while_killed(void)
{
    _exit(STATUS);
}

static void with_threads_exits_while_killed(void)
{
    threads();
    _exit(STATUS);
}

static const struct shape {
    const char *name;
    void (*run)(void);
    int status; /* wait(2) */
    bool killed;
} shapes[] = {
    {"exit", by_exit, STATUS << 8, false},
    {"_exit", by__exit, STATUS << 8, false},
    {"exit-of-thread", by_exit_of_thread, STATUS << 8, false},
    {"signal", by_signal, SIGTERM, false},
    {"abort", by_abort, SIGABRT, false},
    {"sigkill", by_sigkill, SIGKILL, false},
    {"threads", with_threads, STATUS << 8, false},
    {"threads-signal", with_threads_by_signal, SIGKILL, false},
    {"other-thread", by_other_thread, STATUS << 8, false},
    {"first-thread-gone", first_thread_gone, STATUS << 8, false},
    {"exec", by_exec, STATUS << 8, false},
    {"exec-of-thread", by_exec_of_thread, STATUS << 8, false},
    {"first-thread-gone-exec", first_thread_gone_by_exec, STATUS << 8, false},
    {"vfork", by_vfork, STATUS << 8, false},
    {"double-fork", by_double_fork, STATUS << 8, false},
    {"killed", wait_to_be_killed, SIGKILL, true},
    {"killed-while-exiting", exits_while_killed, STATUS << 8, true},
    {"threads-killed-while-exiting", with_threads_exits_while_killed, STATUS << 8, true},
};

/* --- Ways: the status as wait(2) gives it; -1 if it is not there. --- */

static int status_of(const siginfo_t *info)
{
    return info->si_code == CLD_EXITED ? info->si_status << 8 : info->si_status;
}

static int ask_pidfd(int flags)
{
    siginfo_t info = {.si_pid = 0};
    if (waitid((idtype_t)pidfd_type, (id_t)pidfd, &info, WEXITED | flags) != 0 || info.si_pid == 0)
        return -1;
    return status_of(&info);
}

static int ask_pid(pid_t child, int flags)
{
    int status = 0;
    return waitpid(child, &status, flags) == child ? status & ~0x80 : -1;
}

static int by_poll(pid_t child)
{
    struct pollfd ready = {.fd = pidfd, .events = POLLIN};
    while (poll(&ready, 1, -1) != 1)
        continue;
    return ask_pid(child, WNOHANG);
}

/* As tokio's pidfd_reaper.rs, libuv and GLib's gmain.c do. */
static int by_epoll(pid_t child)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    (void)child;
    epoll_ctl(epoll, EPOLL_CTL_ADD, pidfd, &event);
    while (epoll_wait(epoll, &event, 1, -1) != 1)
        continue;
    return ask_pidfd(WNOHANG);
}

static int by_poll_and_look(pid_t child)
{
    struct pollfd ready = {.fd = pidfd, .events = POLLIN};
    while (poll(&ready, 1, -1) != 1)
        continue;
    int seen = ask_pidfd(WNOHANG | WNOWAIT);
    int status = ask_pid(child, WNOHANG);
    return seen == status ? status : -1;
}

static int by_pidfd(pid_t child)
{
    (void)child;
    return ask_pidfd(0);
}

static int by_waitpid(pid_t child)
{
    return ask_pid(child, 0);
}

static int by_asking(pid_t child)
{
    int status = -1;
    while ((status = ask_pid(child, WNOHANG)) < 0)
        sched_yield();
    return status;
}

/* SIGCHLD is blocked; one that is pending is of a child that is over. */
static int by_sigchld(pid_t child)
{
    sigset_t set;
    siginfo_t info = {.si_pid = 0};
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    while (sigwaitinfo(&set, &info) != SIGCHLD)
        continue;
    int status = ask_pid(child, WNOHANG);
    return info.si_pid == child && info.si_uid == getuid() && status_of(&info) == status ? status : -1;
}

static const struct {
    const char *name;
    int (*wait)(pid_t child);
} ways[] = {
    {"poll", by_poll},       {"epoll", by_epoll},   {"look", by_poll_and_look}, {"pidfd", by_pidfd},
    {"waitpid", by_waitpid}, {"asking", by_asking}, {"sigchld", by_sigchld},
};

/* --- */

static void forget_sigchld(const sigset_t *set)
{
    const struct timespec at_once = {0};
    while (sigtimedwait(set, NULL, &at_once) > 0)
        continue;
}

static void wait_a_moment(void)
{
    const struct timespec moment = {.tv_nsec = rand() % LONGEST};
    nanosleep(&moment, NULL);
}

static bool is_right(const struct shape *shape, int status)
{
    return status == shape->status || (shape->killed && status == SIGKILL);
}

static int count_wrong(const struct shape *shape, int (*wait)(pid_t child), int count, const sigset_t *set)
{
    int wrong = 0;
    for (int i = 0; i < count; i++) {
        forget_sigchld(set);
        pid_t child = fork();
        if (child < 0)
            die("fork");
        if (child == 0) {
            shape->run();
            _exit(FAILED);
        }
        pidfd = (int)syscall(SYS_pidfd_open, child, 0);
        if (pidfd < 0)
            die("pidfd_open");
        if (shape->killed) {
            wait_a_moment();
            kill(child, SIGKILL);
        }
        int status = wait(child);
        wrong += !is_right(shape, status);
        if (status < 0)
            waitpid(child, NULL, 0);
        close(pidfd);
    }
    return wrong;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "end") == 0)
        return STATUS;
    if (argc != 2)
        errx(FAILED, "usage: children N");
    const int count = (int)strtol(argv[1], NULL, 10);
    int pairs = 0;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        for (size_t j = 0; j < sizeof shapes / sizeof *shapes; j++) {
            printf("%s %s: %d of %d\n", ways[i].name, shapes[j].name,
                   count_wrong(&shapes[j], ways[i].wait, count, &set), count);
            fflush(stdout);
            pairs++;
        }
    printf("pairs %d\n", pairs);
    return 0;
}
