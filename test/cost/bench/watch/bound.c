/*
 * bound signals|threads|processes UNITS: work that consists of what a side-car is told of, and nothing else;
 * prints the seconds that it took.
 *
 * bound connections UNITS PORT: the other end of a server on this machine that answers a byte and closes.
 */
#include <arpa/inet.h>
#include <err.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FAILED = 99 };

static void handle(int number)
{
    (void)number;
}

static void *end(void *unused)
{
    return unused;
}

static void send_signal(void)
{
    if (kill(getpid(), SIGUSR1) != 0)
        err(FAILED, "kill");
}

static void start_thread(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, end, NULL) != 0 || pthread_join(thread, NULL) != 0)
        errx(FAILED, "thread");
}

static void start_process(void)
{
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    if (child < 0 || waitpid(child, NULL, 0) != child)
        err(FAILED, "process");
}

static struct sockaddr_in server = {.sin_family = AF_INET};

static void connect_once(void)
{
    char answer[2];
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&server, sizeof server) != 0 || read(fd, answer, sizeof answer) != 1 ||
        read(fd, answer, sizeof answer) != 0)
        err(FAILED, "connection");
    close(fd);
}

static void (*find(const char *name))(void)
{
    static const struct {
        const char *name;
        void (*what)(void);
    } all[] = {{"signals", send_signal},
               {"threads", start_thread},
               {"processes", start_process},
               {"connections", connect_once}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(name, all[i].name) == 0)
            return all[i].what;
    errx(FAILED, "no such work: %s", name);
}

int main(int argc, char **argv)
{
    struct timespec begin;
    struct timespec now;
    if (argc < 3)
        errx(FAILED, "usage: bound signals|threads|processes|connections UNITS [PORT]");
    void (*what)(void) = find(argv[1]);
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server.sin_port = htons((uint16_t)(argc > 3 ? strtol(argv[3], NULL, 10) : 0));
    signal(SIGUSR1, handle);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (long left = strtol(argv[2], NULL, 10); left > 0; left--)
        what();
    clock_gettime(CLOCK_MONOTONIC, &now);
    printf("%.6f\n", (double)(now.tv_sec - begin.tv_sec) + (double)(now.tv_nsec - begin.tv_nsec) / 1e9);
}
