/*
 * crowd threads N: accepts one connection, says "ready", and lets N threads at a time start and end for ever.
 * crowd idle N: the same with N threads that stay.
 * crowd connections N: says "ready" when it has N connections with itself, both ends of each, and waits.
 *
 * "port N" comes first. Linked statically. A call that fails ends it with status 99.
 */
#include <err.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FAILED = 99, STACK = 65536 };

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

static void take(int listener)
{
    if (accept(listener, NULL, NULL) < 0)
        err(FAILED, "accept");
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

static void *end(void *unused)
{
    return unused;
}

static void *stay(void *unused)
{
    pause();
    return unused;
}

static pthread_t start(void *(*what)(void *))
{
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    if (pthread_create(&thread, &attributes, what, NULL) != 0)
        errx(FAILED, "pthread_create");
    return thread;
}

static void *churn(void *unused)
{
    for (;;)
        pthread_join(start(end), NULL);
    return unused;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        errx(FAILED, "usage: crowd threads|idle|connections N");
    int count = (int)strtol(argv[2], NULL, 10);
    int listener = listen_anywhere();
    if (strcmp(argv[1], "connections") == 0) {
        connections(listener, count);
    } else {
        take(listener);
        for (int i = 0; i < count; i++)
            start(strcmp(argv[1], "idle") == 0 ? stay : churn);
    }
    dprintf(STDOUT_FILENO, "ready\n");
    for (;;)
        pause();
}
