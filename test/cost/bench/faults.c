/*
 * faults ROUNDS: a server that gives each connection to a forked child, as fork servers do. Says how many pages the kernel
 * had to make or to copy for it: "parent A child B", page faults (getrusage(2), ru_minflt) in 100 rounds. Other
 * work on the machine does not change these numbers much, as it would a time.
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FIRST = 10, UNIT = 100 };

static long faults(int who)
{
    struct rusage usage;
    if (getrusage(who, &usage) != 0)
        err(1, "getrusage");
    return usage.ru_minflt;
}

static int listen_anywhere(struct sockaddr_in *at)
{
    socklen_t size = sizeof *at;
    *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)at, size) != 0 || listen(fd, SOMAXCONN) != 0 ||
        getsockname(fd, (struct sockaddr *)at, &size) != 0)
        err(1, "listen");
    return fd;
}

/* One connection after the other. */
static void connect_often(const struct sockaddr_in *at, int count)
{
    char bytes[UNIT];
    for (int i = 0; i < count; i++) {
        const int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (fd < 0 || connect(fd, (const struct sockaddr *)at, sizeof *at) != 0)
            err(1, "connect");
        while (read(fd, bytes, sizeof bytes) > 0)
            ;
        close(fd);
    }
    _exit(0);
}

static void serve_one(int listener)
{
    const int fd = accept(listener, NULL, NULL);
    const pid_t child = fork();
    if (child == 0) {
        close(listener);
        exit(write(fd, "!", 1) == 1 ? 0 : 1);
    }
    close(fd);
    waitpid(child, NULL, 0);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        errx(2, "usage: faults ROUNDS");
    const int rounds = (int)strtol(argv[1], NULL, 10);
    struct sockaddr_in at;
    const int listener = listen_anywhere(&at);
    if (fork() == 0)
        connect_often(&at, FIRST + rounds);
    for (int i = 0; i < FIRST; i++)
        serve_one(listener);
    const long parent = faults(RUSAGE_SELF);
    const long child = faults(RUSAGE_CHILDREN);
    for (int i = 0; i < rounds; i++)
        serve_one(listener);
    printf("parent %ld child %ld\n", UNIT * (faults(RUSAGE_SELF) - parent) / rounds,
           UNIT * (faults(RUSAGE_CHILDREN) - child) / rounds);
    wait(NULL);
    return 0;
}
