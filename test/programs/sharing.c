/*
 * A server whose connection goes from one process to another: "port N", accepts, and
 *
 *     message   sends it to its child as a message, and closes its own; the child writes "Hello.", and closes it when the parent
 *               has it no more
 *     flight    the same, but the child never takes it; the parent closes, says "closed" and waits
 *     table     a child with the same descriptors, but not the same memory (CLONE_FILES), writes and closes it, and waits
 *     twin      the same, but a second descriptor is left for it
 *     x32       writes "Hello." and closes it by the number that x32 has; "none" where the kernel has no x32
 *     exec      writes "Hello."; an exec closes it, which nobody sees
 */
#include <arpa/inet.h>
#include <err.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { X32 = 0x40000000 };

static int connection;
static int pair[2];

static void must(int good, const char *what)
{
    if (!good)
        err(99, "%s", what);
}

static void listen_and_accept(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t size = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(bind(listener, (struct sockaddr *)&at, sizeof at) == 0 && listen(listener, 1) == 0, "listen");
    must(getsockname(listener, (struct sockaddr *)&at, &size) == 0, "getsockname");
    dprintf(STDOUT_FILENO, "port %u\n", ntohs(at.sin_port));
    connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    must(connection >= 0, "accept");
}

static void greet(void)
{
    must(write(connection, "Hello.", 6) == 6, "write");
}

static struct msghdr *message(void *room, size_t size)
{
    static char byte;
    static struct iovec one = {&byte, 1};
    static struct msghdr header;
    header = (struct msghdr){.msg_iov = &one, .msg_iovlen = 1, .msg_control = room, .msg_controllen = size};
    return &header;
}

static void send_it(void)
{
    _Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(int))] = {0};
    struct msghdr *header = message(room, sizeof room);
    struct cmsghdr *part = CMSG_FIRSTHDR(header);
    must(part != NULL, "no room");
    *part = (struct cmsghdr){
        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
    memcpy(CMSG_DATA(part), &connection, sizeof connection);
    must(sendmsg(pair[0], header, 0) == 1, "sendmsg");
    must(close(connection) == 0, "close");
}

static void take_it(void)
{
    _Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(int))] = {0};
    struct msghdr *header = message(room, sizeof room);
    char closed;
    must(recvmsg(pair[1], header, 0) == 1, "recvmsg");
    const struct cmsghdr *part = CMSG_FIRSTHDR(header);
    must(part != NULL, "no descriptor");
    memcpy(&connection, CMSG_DATA(part), sizeof connection);
    must(read(pair[1], &closed, 1) == 1, "read");
    greet();
    close(connection);
    pause();
}

static void by_message(const char *way)
{
    const int takes = strcmp(way, "message") == 0;
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
    if (fork() == 0) {
        if (takes)
            take_it();
        pause();
    }
    listen_and_accept();
    send_it();
    must(write(pair[0], "", 1) == 1, "write");
    dprintf(STDOUT_FILENO, "closed\n");
    pause();
}

static int serve(void *twin)
{
    if (twin)
        must(dup(connection) >= 0, "dup");
    greet();
    close(connection);
    dprintf(STDOUT_FILENO, "closed\n");
    pause();
    return 0;
}

static void by_table(const char *way)
{
    static _Alignas(16) char stack[65536];
    listen_and_accept();
    must(clone(serve, stack + sizeof stack, CLONE_FILES | SIGCHLD, strcmp(way, "twin") == 0 ? stack : NULL) >
             0,
         "clone");
    pause();
}

int main(int argc, char **argv)
{
    const char *way = argc > 1 ? argv[1] : "";
    if (strcmp(way, "wait") == 0)
        pause();
    if (strcmp(way, "message") == 0 || strcmp(way, "flight") == 0)
        by_message(way);
    if (strcmp(way, "table") == 0 || strcmp(way, "twin") == 0)
        by_table(way);
    listen_and_accept();
    greet();
    if (strcmp(way, "exec") == 0)
        execl(argv[0], argv[0], "wait", NULL);
    const long result = syscall(X32 + SYS_close, connection);
    dprintf(STDOUT_FILENO, result == 0 ? "closed\n" : "none\n");
    pause();
    return 0;
}
