/*
 * bystander udp|unix|pair|files|listener: a program with no TCP connection at all, which uses what looks a
 * little like one, and then exits 3 with it open. Says "ok" after it has worked, and fails with 99 where it
 * has not.
 */
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { FAILED = 99, FAILING = 3 };

static int must(int result, const char *what)
{
    if (result < 0)
        err(FAILED, "%s", what);
    return result;
}

/* What one end writes the other reads. */
static void talk(int from, int to)
{
    char buffer[8];
    must(-(write(from, "Hello.", 6) != 6), "write");
    must(-(read(to, buffer, sizeof(buffer)) != 6), "read");
}

static void udp(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t size = sizeof(at);
    int server = must(socket(AF_INET, SOCK_DGRAM, 0), "socket");
    int client = must(socket(AF_INET, SOCK_DGRAM, 0), "socket");

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    must(bind(server, (struct sockaddr *)&at, size), "bind");
    must(getsockname(server, (struct sockaddr *)&at, &size), "getsockname");
    must(connect(client, (struct sockaddr *)&at, size), "connect");
    talk(client, server);
}

static void unix_stream(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = "bystander.socket"};
    int listener = must(socket(AF_UNIX, SOCK_STREAM, 0), "socket");
    int client = must(socket(AF_UNIX, SOCK_STREAM, 0), "socket");
    int server = 0;

    unlink(at.sun_path);
    must(bind(listener, (struct sockaddr *)&at, sizeof(at)), "bind");
    must(listen(listener, 1), "listen");
    must(connect(client, (struct sockaddr *)&at, sizeof(at)), "connect");
    server = must(accept(listener, NULL, NULL), "accept");
    talk(client, server);
    must(close(client), "close");
    must(-(read(server, &at, 1) != 0), "end of file");
}

static void pair(void)
{
    int ends[2];
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), "socketpair");
    talk(ends[0], ends[1]);
    must(dup2(ends[0], ends[1]), "dup2");
    must(close(ends[1]), "close");
}

static void files(void)
{
    int ends[2];
    FILE *file = fopen("bystander.file", "we");
    int result;
    if (file == NULL)
        err(FAILED, "fopen");
    must(fprintf(file, "Hello."), "fprintf");
    result = fclose(file);
    must(result, "fclose");
    must(pipe(ends), "pipe");
    talk(ends[1], ends[0]);
    must(dup2(ends[0], 50), "dup2");
    must(close_range(40, 60, 0), "close_range");
    must(close(ends[0]), "close");
}

static void listener(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    int fd = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
    must(bind(fd, (struct sockaddr *)&at, sizeof(at)), "bind");
    must(listen(fd, 1), "listen");
    must(close(must(dup(fd), "dup")), "close");
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*perform)(void);
    } kinds[] = {
        {"udp", udp}, {"unix", unix_stream}, {"pair", pair}, {"files", files}, {"listener", listener},
    };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        if (argc == 2 && strcmp(argv[1], kinds[i].name) == 0) {
            kinds[i].perform();
            puts("ok");
            return FAILING;
        }
    }
    errx(2, "usage: bystander udp|unix|pair|files|listener");
}
