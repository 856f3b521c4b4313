/*
 * hostile KIND COUNT: a process whose children do what might hold up who watches them, while it forks, and
 * waits for, other children that do nothing. Says at the end how long that took: "beats N median A p99 B
 * worst C", in microseconds.
 *
 *     closes   COUNT processes die, with connections that linger for a minute, whose peer reads nothing.
 * Another process has the same descriptors (CLONE_FILES), and closes them just then. deaths   COUNT processes
 * die in all ways, with odd names, sockets that linger, and many descriptors. crowd    One process dies of
 * SIGKILL with COUNT connections with itself, both ends of each. exec     One process with COUNT connections
 * with itself executes /bin/true.
 *
 * Linked statically. A call that fails ends it with status 99.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FAILED = 99, SMALL = 4096, LINGER = 60, US = 1000000, NS = 1000, BEATS = 1 << 20 };
enum { SHARED = 60, CLOSERS = 250, STACK = 65536, SPREAD_US = 900, FEW = 4, MANY = 300, KEPT = 512 };

static struct sockaddr_in at = {.sin_family = AF_INET};
static _Atomic bool *go;
static unsigned beats[BEATS];

static long now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * US + time.tv_nsec / NS;
}

static int listen_anywhere(void)
{
    const int small = SMALL;
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small) != 0 ||
        bind(fd, (struct sockaddr *)&at, size) != 0 || listen(fd, SOMAXCONN) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) != 0)
        err(FAILED, "listen");
    return fd;
}

static int connect_to_it(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof at) != 0)
        err(FAILED, "connect");
    return fd;
}

/* With bytes that nobody reads, and a FIN behind them: the last close of it waits. */
static int connect_and_linger(void)
{
    static const char bytes[2 * SMALL];
    const int small = SMALL;
    const struct linger linger = {.l_onoff = 1, .l_linger = LINGER};
    int fd = connect_to_it();
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    while (send(fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        ;
    if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) != 0 || shutdown(fd, SHUT_WR) != 0)
        err(FAILED, "linger");
    return fd;
}

static pid_t start(void)
{
    pid_t child = fork();
    if (child < 0)
        err(FAILED, "fork");
    if (child == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    return child;
}

static int wait_for(pid_t child)
{
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

/* --- closes --- */

/* One descriptor each, some time after the start. */
static void *close_one(void *number)
{
    const int fd = (int)(intptr_t)number;
    const unsigned random = (unsigned)(uintptr_t)&fd * 2654435761U ^ (unsigned)getpid();
    while (!atomic_load(go))
        sched_yield();
    for (const long end = now() + (random >> 8) % SPREAD_US; now() < end;)
        sched_yield();
    close(fd);
    return NULL;
}

static void close_all(int first)
{
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    for (int i = 0; i < CLOSERS; i++)
        pthread_create(&thread, &attributes, close_one,
                       (void *)(intptr_t)(first + i % SHARED)); /* NOLINT(performance-no-int-to-ptr) */
    usleep(US / 10);
    _exit(0);
}

static void die_while_closing(void)
{
    int first = connect_and_linger();
    for (int i = 1; i < SHARED; i++)
        connect_and_linger();
    const pid_t closer = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0L, 0L, 0L, 0L);
    if (closer == 0)
        close_all(first);
    usleep(3 * US / 100);
    atomic_store(go, true);
    syscall(SYS_exit_group, 3);
}

static void closes(int count)
{
    for (int i = 0; i < count; i++) {
        atomic_store(go, false);
        pid_t child = start();
        if (child == 0)
            die_while_closing();
        wait_for(child);
    }
}

/* --- deaths --- */

static const char *const names[] = {") R 1 (",   "a\nb",       "\nTgid:\t1\n", "",
                                    "\xff\x80)", "Z (zombie)", "((((((((((("};
enum { NAMES = sizeof names / sizeof *names };

static void *run(void *unused)
{
    for (;;)
        sched_yield();
    return unused;
}

static void die_oddly(unsigned how)
{
    pthread_t thread;
    prctl(PR_SET_NAME, names[how % NAMES]);
    for (unsigned i = 0; i < how % FEW; i++)
        connect_and_linger();
    const int fd = connect_to_it();
    for (int i = 0; how % 10 == 0 && i < MANY; i++)
        if (dup(i % 2 ? fd : STDOUT_FILENO) < 0)
            err(FAILED, "dup");
    if (how % 5 == 0 && how % 6 != 4)
        pthread_create(&thread, NULL, run, NULL);
    switch (how % 6) {
    case 0:
        kill(getpid(), SIGKILL);
        break;
    case 1:
        syscall(SYS_exit_group, 3);
        break;
    case 2:
        abort();
    case 3:
        __builtin_trap();
        break;
    case 4:
        syscall(SYS_exit, 4);
        break;
    default:
        break;
    }
    _exit(1);
}

static void deaths(int count)
{
    pid_t before = 0;
    for (int i = 0; i < count; i++) {
        pid_t child = start();
        if (child == 0)
            die_oddly((unsigned)i);
        if (before)
            wait_for(before);
        before = child;
    }
    wait_for(before);
}

/* --- crowd --- */

static void crowd(int listener, int count, bool execs)
{
    pid_t child = start();
    if (child == 0) {
        for (int i = 0; i < count; i++) {
            connect_to_it();
            if (accept(listener, NULL, NULL) < 0)
                err(FAILED, "accept");
        }
        if (execs)
            execl("/bin/true", "true", NULL);
        kill(getpid(), SIGKILL);
    }
    wait_for(child);
}

/* --- The master --- */

static int by_size(const void *left, const void *right)
{
    const unsigned *a = left;
    const unsigned *b = right;
    return *a < *b ? -1 : *a > *b;
}

static unsigned beat(void)
{
    const long before = now();
    pid_t child = fork();
    if (child < 0)
        err(FAILED, "fork");
    if (child == 0)
        _exit(0);
    wait_for(child);
    return (unsigned)(now() - before);
}

static void measure(pid_t driver)
{
    size_t count = 0;
    int status = 0;
    while (waitpid(driver, &status, WNOHANG) == 0 && count < BEATS) {
        beats[count++] = beat();
        usleep(US / 1000);
    }
    qsort(beats, count, sizeof *beats, by_size);
    if (status != 0 || count == 0)
        errx(FAILED, "the driver ended with %#x after %zu beats", status, count);
    printf("beats %zu median %u p99 %u worst %u\n", count, beats[count / 2], beats[count * 99 / 100],
           beats[count - 1]);
}

/* Accepts, and reads nothing. Has only the last ones, for whoever looks at all processes. */
static void serve(int listener)
{
    static int taken[KEPT];
    for (unsigned i = 0; getppid() != 1; i++) {
        if (taken[i % KEPT])
            close(taken[i % KEPT]);
        taken[i % KEPT] = accept(listener, NULL, NULL);
    }
}

static void raise_limit(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        errx(FAILED, "usage: hostile closes|deaths|crowd|exec COUNT");
    const int count = (int)strtol(argv[2], NULL, 10);
    raise_limit();
    go = mmap(NULL, sizeof *go, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int listener = listen_anywhere();
    const bool alone = strcmp(argv[1], "crowd") == 0 || strcmp(argv[1], "exec") == 0;
    pid_t server = alone ? 0 : start();
    if (server == 0 && !alone)
        serve(listener);
    pid_t driver = start();
    if (driver == 0) {
        if (alone)
            crowd(listener, count, strcmp(argv[1], "exec") == 0);
        else if (strcmp(argv[1], "closes") == 0)
            closes(count);
        else
            deaths(count);
        _exit(0);
    }
    measure(driver);
    if (server)
        kill(server, SIGKILL);
    return 0;
}
