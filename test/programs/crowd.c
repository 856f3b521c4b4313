/*
 * crowd threads N: accepts one connection, says "ready", and lets N threads at a time start and end for ever.
 * crowd idle N: the same with N threads that stay.
 * crowd processes N: the same with N child processes.
 * crowd servers N: says "ready" when it has accepted N connections, each of which a child process has alone.
 * crowd connections N: says "ready" when it has N connections with itself, both ends of each, and waits.
 * crowd queues N: says "ready" when it has accepted N connections and written QUEUED bytes to each, and waits.
 * crowd execs N: accepts one connection, starts 4 children that execute themselves N times each, from a
 * thread that is not the first, beside others that start and end; says "ready" when all have exited with 0.
 *
 * "port N" comes first. Linked statically. A call that fails ends it with status 99.
 */
#include <err.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FAILED = 99, STACK = 65536, EXECUTING = 4, BESIDE = 3, QUEUED = 4000 };

static struct sockaddr_in at = {.sin_family = AF_INET};

static int listen_anywhere(void)
{
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, size) != 0 || listen(fd, SOMAXCONN) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) != 0)
        err(FAILED, "listen");
    dprintf(STDOUT_FILENO, "port %u\n", ntohs(at.sin_port));
    return fd;
}

static int take(int listener)
{
    int fd = accept(listener, NULL, NULL);
    if (fd < 0)
        err(FAILED, "accept");
    return fd;
}

static void connections(int listener, int count)
{
    for (int i = 0; i < count; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof at) != 0)
            err(FAILED, "connect");
        take(listener);
    }
}

static void queues(int listener, int count)
{
    static const char block[QUEUED];
    for (int i = 0; i < count; i++)
        if (send(take(listener), block, QUEUED, MSG_DONTWAIT) != QUEUED)
            err(FAILED, "send");
}

static void *end(void *unused)
{
    return unused;
}

static void *stay(void *unused)
{
    pause();
    return unused;
}

static bool try(pthread_t *thread, void *(*what)(void *), void *argument)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    return pthread_create(thread, &attributes, what, argument) == 0;
}

static pthread_t start(void *(*what)(void *), void *argument)
{
    pthread_t thread;
    if (!try(&thread, what, argument))
        errx(FAILED, "pthread_create");
    return thread;
}

/* None can be started while another thread executes a program. */
static void *churn(void *unused)
{
    pthread_t thread;
    for (;;)
        if (try(&thread, end, NULL))
            pthread_join(thread, NULL);
    return unused;
}

static void *execute(void *left)
{
    char number[16];
    snprintf(number, sizeof number, "%d", *(int *)left - 1);
    execl("/proc/self/exe", "crowd", "step", number, NULL);
    err(FAILED, "exec");
}

/* What is executed: one exec more, or the end. */
static int step(int left)
{
    if (left == 0)
        return 0;
    for (int i = 0; i < BESIDE; i++)
        start(churn, NULL);
    pthread_join(start(execute, &left), NULL);
    return FAILED;
}

static void execs(int count)
{
    for (int i = 0; i < EXECUTING; i++)
        if (fork() == 0)
            _exit(step(count));
    for (int i = 0; i < EXECUTING; i++) {
        int status = 0;
        if (wait(&status) < 0 || status != 0)
            errx(FAILED, "a child ended with %#x", status);
    }
}

/* A child that waits, and does not outlive this process. */
static void start_process(void)
{
    pid_t child = fork();
    if (child < 0)
        err(FAILED, "fork");
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pause();
        _exit(0);
    }
}

static void processes(int count)
{
    for (int i = 0; i < count; i++)
        start_process();
}

static void servers(int listener, int count)
{
    for (int i = 0; i < count; i++) {
        int fd = take(listener);
        start_process();
        close(fd);
    }
}

int main(int argc, char **argv)
{
    if (argc != 3)
        errx(FAILED, "usage: crowd threads|idle|processes|servers|connections|queues|execs N");
    int count = (int)strtol(argv[2], NULL, 10);
    if (strcmp(argv[1], "step") == 0)
        return step(count);
    int listener = listen_anywhere();
    if (strcmp(argv[1], "connections") == 0) {
        connections(listener, count);
    } else if (strcmp(argv[1], "queues") == 0) {
        queues(listener, count);
    } else if (strcmp(argv[1], "servers") == 0) {
        servers(listener, count);
    } else if (strcmp(argv[1], "execs") == 0) {
        take(listener);
        execs(count);
    } else if (strcmp(argv[1], "processes") == 0) {
        take(listener);
        processes(count);
    } else {
        take(listener);
        for (int i = 0; i < count; i++)
            start(strcmp(argv[1], "idle") == 0 ? stay : churn, NULL);
    }
    dprintf(STDOUT_FILENO, "ready\n");
    for (;;)
        pause();
}
