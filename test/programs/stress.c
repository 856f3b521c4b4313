/*
 * Many threads that accept, dup, close and dup2 over at once, with forks in between:
 *
 *     stress CONNECTIONS
 *
 * Half of the threads serve, each connection ended well by one of several ways; the others are the peers and
 * count how they ended. Prints "N fin, M rst, K other". In an orderly program M and K are 0.
 */
#include "asking.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 8, FORK_EVERY = 64 };

static int listener;
static atomic_int to_serve;

static void close_over(int fd)
{
    int other = dup(listener);
    if (dup2(other, fd) != fd)
        err(99, "dup2");
    close(fd);
    close(other);
}

static void close_stream(int fd)
{
    FILE *stream = fdopen(fd, "r+");
    if (!stream)
        err(99, "fdopen");
    (void)fclose(stream);
}

static void end_well(int fd, int way)
{
    int copy;
    switch (way % 7) {
    case 0:
        close(fd);
        break;
    case 1:
        copy = dup(fd);
        close(fd);
        close(copy);
        break;
    case 2:
        copy = fcntl(fd, F_DUPFD_CLOEXEC, 300);
        close(copy);
        close(fd);
        break;
    case 3:
        close_over(fd);
        break;
    case 4:
        close_stream(fd);
        break;
    case 5:
        syscall(SYS_close, fd);
        break;
    default:
        shutdown(fd, SHUT_WR);
        close(fd);
        break;
    }
}

static void fork_helper(void)
{
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    if (child < 0 || waitpid(child, NULL, 0) != child)
        err(99, "fork");
}

static void *serve(void *unused)
{
    int i;
    while ((i = atomic_fetch_sub(&to_serve, 1)) > 0) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            err(99, "accept4");
        if (write(fd, "Hello.", ANSWER) != ANSWER)
            err(99, "write");
        if (i % FORK_EVERY == 0)
            fork_helper();
        end_well(fd, i);
    }
    return unused;
}

int main(int argc, char **argv)
{
    const int connections = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 1000;
    pthread_t threads[2 * THREADS];
    socklen_t size = sizeof name;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&name, size) != 0 || listen(listener, 128) != 0 ||
        getsockname(listener, (struct sockaddr *)&name, &size) != 0)
        err(99, "listen");
    to_serve = to_ask = connections;
    for (int i = 0; i < 2 * THREADS; i++)
        if (pthread_create(&threads[i], NULL, i % 2 ? serve : ask, NULL) != 0)
            errx(99, "pthread_create");
    for (int i = 0; i < 2 * THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("%d fin, %d rst, %d other\n", fins, resets, others);
    return resets + others > 0;
}
