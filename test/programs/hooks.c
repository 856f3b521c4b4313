/*
 * hooks CASE: calls that fail, or meet unusual values, and must do so under the shim as without it. Prints
 * what it saw.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static int listener, client, server;

static void connection(void)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof name;
    listener = socket(AF_INET, SOCK_STREAM, 0);
    client = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&name, size) != 0 || listen(listener, 1) != 0 ||
        getsockname(listener, (struct sockaddr *)&name, &size) != 0 ||
        connect(client, (struct sockaddr *)&name, size) != 0)
        err(99, "connection");
}

static void told(const char *call, long result)
{
    printf("%s %ld %s\n", call, result, result < 0 ? strerrorname_np(errno) : "-");
}

/* A header at the end of the last page that there is, half of it beyond. */
static void *half(void)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *at = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(at + page, page);
    return at + page - sizeof(struct msghdr) / 2;
}

static void bad_pointers(void *bad)
{
    int pair[2];
    struct msghdr message = {.msg_control = bad, .msg_controllen = 64};
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    told("sendmsg", sendmsg(pair[0], bad, 0));
    told("sendmsg control", sendmsg(pair[0], &message, 0));
    told("sendmmsg", sendmmsg(pair[0], bad, 1, 0));
    told("recvmsg", recvmsg(pair[1], bad, MSG_DONTWAIT));
    told("recvmmsg", recvmmsg(pair[1], bad, 1, MSG_DONTWAIT, NULL));
    told("connect", connect(socket(AF_INET, SOCK_STREAM, 0), bad, 100));
    told("setsockopt", setsockopt(client, SOL_SOCKET, SO_LINGER, (char *)bad + 26, 8));
    told("getsockopt", getsockopt(client, SOL_SOCKET, SO_LINGER, &message, (void *)((char *)bad + 26)));
}

static void run(const char *name)
{
    struct linger linger = {.l_onoff = 1};
    socklen_t size = sizeof linger;
    const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    connection();
    if (strcmp(name, "backlog-linger") == 0)
        setsockopt(listener, SOL_SOCKET, SO_LINGER, &linger, size);
    server = accept(listener, NULL, NULL);
    if (strcmp(name, "backlog-linger") == 0) {
        getsockopt(server, SOL_SOCKET, SO_LINGER, &linger, &size);
        printf("%d,%d\n", linger.l_onoff, linger.l_linger);
    } else if (strcmp(name, "bad-pointers") == 0) {
        bad_pointers((void *)8); /* NOLINT: what is tested */
        bad_pointers(half());
    } else if (strcmp(name, "failed-listen") == 0) {
        pid_t child = fork();
        if (child == 0) {
            close(client);
            listen(server, 1);
            raise(SIGKILL);
        }
        close(server);
        char byte;
        told("read", read(client, &byte, 1));
    } else if (strcmp(name, "fclose-error") == 0) {
        FILE *stream = fdopen(server, "w");
        fputs("answer", stream);
        (void)connect(client, &nowhere, sizeof nowhere);
        told("fclose", fclose(stream));
    }
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    if (argc != 2)
        errx(2, "usage: hooks CASE");
    run(argv[1]);
    return 0;
}
