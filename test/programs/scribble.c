/*
 * scribble USER HOW PEERS: a fork server whose workers become USER (a number) before they serve. The first
 * worker only writes HOW over all memory that it shares with others, and says so. All workers are forked
 * before it writes, one for each of PEERS connections, and end after it: every second one crashes. Prints
 * "port N"; exits with 0 when all have ended.
 *
 * HOW: zeros, ones, own (its pid), parent (its parent's pid), mark (a displaced one), random
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FAILED = 99, LINE = 512 };

static void become(uid_t user)
{
    if (user && (setgroups(0, NULL) != 0 || setgid(user) != 0 || setuid(user) != 0))
        err(FAILED, "setuid");
}

static int32_t value(const char *how)
{
    if (strcmp(how, "zeros") == 0)
        return 0;
    if (strcmp(how, "ones") == 0)
        return -1;
    if (strcmp(how, "own") == 0)
        return getpid();
    if (strcmp(how, "parent") == 0)
        return getppid();
    if (strcmp(how, "mark") == 0)
        return getppid() | 1 << 23;
    return (int32_t)random();
}

/* Zeros over everything, else the value over what is zero, and random numbers over everything. */
static void scribble(const char *how)
{
    char line[LINE];
    int written = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps && fgets(line, sizeof line, maps)) {
        char *rest = line;
        if (!strstr(line, " rw-s "))
            continue;
        uintptr_t from = strtoul(line, &rest, 16);
        uintptr_t to = strtoul(rest + 1, NULL, 16);
        for (int32_t *at = (int32_t *)from; at < (int32_t *)to; at++) // NOLINT(performance-no-int-to-ptr)
            if (strcmp(how, "zeros") == 0 || strcmp(how, "random") == 0 || *at == 0)
                *at = value(how);
        written++;
    }
    if (!written)
        errx(FAILED, "nothing is shared");
}

static pid_t worker(void)
{
    pid_t child = fork();
    if (child < 0)
        err(FAILED, "fork");
    return child;
}

int main(int argc, char **argv)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof name;
    int gate[2];
    char byte;
    if (argc != 4)
        errx(2, "usage: scribble USER HOW PEERS");
    const uid_t user = (uid_t)strtoul(argv[1], NULL, 10);
    const long peers = strtol(argv[3], NULL, 10);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0 || bind(listener, (void *)&name, size) != 0 || listen(listener, (int)peers) != 0 ||
        getsockname(listener, (void *)&name, &size) != 0 || pipe(gate) != 0)
        err(FAILED, "listener");
    printf("port %d\n", ntohs(name.sin_port));
    fflush(stdout);
    for (long i = 0; i < peers; i++) {
        int connection = accept(listener, NULL, NULL);
        if (connection < 0)
            err(FAILED, "accept");
        if (worker() == 0) {
            become(user);
            close(gate[1]);
            if (write(connection, "Hello.", 6) != 6 || read(gate[0], &byte, 1) != 0)
                _exit(FAILED);
            if (i % 2)
                raise(SIGKILL);
            exit(0);
        }
        close(connection);
    }
    pid_t writer = worker();
    if (writer == 0) {
        become(user);
        scribble(argv[2]);
        _exit(0);
    }
    int status = FAILED;
    if (waitpid(writer, &status, 0) != writer || status != 0)
        errx(FAILED, "the writer has failed");
    close(gate[1]);
    while (wait(NULL) > 0 || errno == EINTR)
        ;
    return 0;
}
