/*
 * backend [PORT]: a fork server behind a relay. Says "port N". Each connection begins with a line of the client's,
 *
 *     NUMBER FATE SIZE
 *
 * and gets SIZE bytes, (byte I is block[NUMBER * 7919 + I], changed by NUMBER, as a client can check), in pieces, with pauses. When the peer's kernel has them all, its process
 *
 *     fin      exits with 0
 *     crash    is killed by SIGKILL
 *     reset    closes with SO_LINGER {1,0}
 *     silent   hears nothing any more: no segment of the peer's is acknowledged, until SIGUSR1 ends it
 *     read     reads to the end, and says "NUMBER fin" or "NUMBER rst" and how many bytes have come
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/sockios.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 65521 };
static char block[BLOCK];

static void fill_block(void)
{
    unsigned state = 1;
    for (int i = 0; i < BLOCK; i++) {
        state = state * 1103515245U + 12345;
        block[i] = (char)(state >> 16);
    }
}

enum { LONGEST = 65536, LIMIT = 60 /* seconds that a process may live */ };

static void end_silent(int fd)
{
    struct sock_filter drop = {.code = BPF_RET | BPF_K, .k = 0};
    const struct sock_fprog filter = {.len = 1, .filter = &drop};
    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) != 0)
        err(1, "SO_ATTACH_FILTER");
    signal(SIGUSR1, SIG_DFL);
    for (;;)
        pause();
}

static void end_read(int fd, unsigned number)
{
    static char data[LONGEST];
    unsigned long sum = 0;
    ssize_t size;
    while ((size = read(fd, data, sizeof data)) > 0)
        sum += (unsigned long)size;
    dprintf(STDOUT_FILENO, "%u %s %lu\n", number, size == 0 ? "fin" : "rst", sum);
}

static void end(int fd, unsigned number, const char *fate)
{
    const struct linger abort = {.l_onoff = 1};
    if (strcmp(fate, "crash") == 0)
        kill(getpid(), SIGKILL);
    else if (strcmp(fate, "reset") == 0)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
    else if (strcmp(fate, "silent") == 0)
        end_silent(fd);
    else if (strcmp(fate, "read") == 0)
        end_read(fd, number);
}

/* In pieces of up to 64 KiB: every other one is followed by a pause of up to 3 ms. */
static bool send_all(int fd, unsigned number, unsigned long size)
{
    static char data[LONGEST];
    unsigned random = number * 2654435761U;
    for (unsigned long at = 0; at < size;) {
        random = random * 1103515245U + 12345;
        unsigned long piece = 1 + random % LONGEST;
        piece = piece < size - at ? piece : size - at;
        for (unsigned long i = 0; i < piece; i++)
            data[i] = (char)(block[((unsigned long)number * 7919 + at + i) % BLOCK] ^
                             (char)(number >> (at + i) % 4 * 8));
        for (unsigned long done = 0; done < piece;) {
            ssize_t sent = write(fd, data + done, piece - done);
            if (sent < 0)
                return false;
            done += (unsigned long)sent;
        }
        at += piece;
        if (random & 0x10000)
            nanosleep(&(struct timespec){.tv_nsec = random >> 17 & 0x1fffff}, NULL);
    }
    return true;
}

/* What is not delivered yet an abort would destroy. */
static void await_delivery(int fd)
{
    int queued = 1;
    while (ioctl(fd, SIOCOUTQ, &queued) == 0 && queued > 0)
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
}

static void serve(int fd)
{
    char line[64] = "", fate[16];
    unsigned number;
    unsigned long size;
    alarm(LIMIT);
    for (size_t at = 0; at < sizeof line - 1 && read(fd, line + at, 1) == 1 && line[at] != '\n'; at++)
        ;
    if (sscanf(line, "%u %15s %lu", &number, fate, &size) == 3 && send_all(fd, number, size)) {
        await_delivery(fd);
        end(fd, number, fate);
    }
    close(fd);
    exit(0);
}

int main(int argc, char **argv)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    const int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    at.sin_port = htons((uint16_t)(argc > 1 ? strtoul(argv[1], NULL, 10) : 0));
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) != 0 || listen(listener, 4096) != 0 ||
        getsockname(listener, (struct sockaddr *)&at, &size) != 0)
        err(1, "listen");
    fill_block();
    signal(SIGCHLD, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGUSR1, SIG_IGN);
    dprintf(STDOUT_FILENO, "port %d\n", ntohs(at.sin_port));
    for (;;) {
        int closed[2];
        const int fd = accept(listener, NULL, NULL);
        if (fd < 0 && errno != ECONNABORTED && errno != EINTR)
            err(1, "accept");
        if (fd < 0)
            continue;
        /* Who ends before this process has closed its copy has not ended the connection. */
        if (pipe(closed) != 0)
            err(1, "pipe");
        if (fork() == 0) {
            char none;
            close(listener);
            close(closed[1]);
            if (read(closed[0], &none, 1) == 0)
                serve(fd);
            exit(1);
        }
        close(fd);
        close(closed[0]);
        close(closed[1]);
    }
}
