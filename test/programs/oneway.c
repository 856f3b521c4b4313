/*
 * The mission's client that only writes:
 *
 *     oneway PORT HOW [read]
 *
 * Connects, waits until the server's FIN has arrived, with `read` reads what came before it, and writes
 * "Hello." by HOW, which is the name of a call. Prints what the call said, and whether there was a SIGPIPE:
 * "6", "EPIPE", "EPIPE SIGPIPE".
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SIZE = 6 };

static char text[] = "Hello.";
static volatile sig_atomic_t signals;

static void count(int number)
{
    (void)number;
    signals++;
}

static FILE *stream(int fd)
{
    FILE *out = fdopen(fd, "w");
    if (!out)
        err(99, "fdopen");
    return out;
}

static long by_write(int fd)
{
    return write(fd, text, SIZE);
}

static long by_nothing(int fd)
{
    return write(fd, text, 0);
}

static long by_writev(int fd)
{
    return writev(fd, &(struct iovec){text, SIZE}, 1);
}

static long by_send(int fd)
{
    return send(fd, text, SIZE, 0);
}

static long by_send_nosignal(int fd)
{
    return send(fd, text, SIZE, MSG_NOSIGNAL);
}

static long by_sendto(int fd)
{
    return sendto(fd, text, SIZE, MSG_NOSIGNAL, NULL, 0);
}

static long by_sendmsg(int fd)
{
    return sendmsg(fd, &(struct msghdr){.msg_iov = &(struct iovec){text, SIZE}, .msg_iovlen = 1}, 0);
}

static long by_sendmmsg(int fd)
{
    struct mmsghdr message = {.msg_hdr = {.msg_iov = &(struct iovec){text, SIZE}, .msg_iovlen = 1}};
    int sent = sendmmsg(fd, &message, 1, 0);
    return sent == 1 ? (long)message.msg_len : sent;
}

static long by_sendfile(int fd)
{
    FILE *file = tmpfile();
    if (!file || fputs(text, file) == EOF || fflush(file) != 0)
        err(99, "tmpfile");
    off_t at = 0;
    return sendfile(fd, fileno(file), &at, SIZE);
}

static long by_splice(int fd)
{
    int ends[2];
    if (pipe(ends) != 0 || write(ends[1], text, SIZE) != SIZE)
        err(99, "pipe");
    return splice(ends[0], NULL, fd, NULL, SIZE, 0);
}

static long by_dprintf(int fd)
{
    return dprintf(fd, "%s", text);
}

/* A stream has said all only once it is flushed. */
static long flushed(FILE *out, long said)
{
    return said >= 0 && fflush(out) == 0 ? SIZE : -1;
}

static long by_fprintf(int fd)
{
    FILE *out = stream(fd);
    return flushed(out, fprintf(out, "%s", text));
}

static long by_fputs(int fd)
{
    FILE *out = stream(fd);
    return flushed(out, fputs(text, out));
}

static long by_fwrite(int fd)
{
    FILE *out = stream(fd);
    if (fwrite(text, SIZE, 1, out) == 1)
        return flushed(out, SIZE);
    return ferror(out) ? -1 : -2;
}

static const struct {
    const char *name;
    long (*call)(int fd);
} ways[] = {
    {"write", by_write},       {"nothing", by_nothing},
    {"writev", by_writev},     {"send", by_send},
    {"sendto", by_sendto},     {"sendmsg", by_sendmsg},
    {"sendmmsg", by_sendmmsg}, {"sendfile", by_sendfile},
    {"splice", by_splice},     {"dprintf", by_dprintf},
    {"fprintf", by_fprintf},   {"fputs", by_fputs},
    {"fwrite", by_fwrite},     {"send-nosignal", by_send_nosignal},
};

static void report(long result, int error)
{
    if (result >= 0)
        printf("%ld", result);
    else
        printf("%s", result == -1 ? strerrorname_np(error) : "no error on the stream");
    puts(signals ? " SIGPIPE" : "");
}

int main(int argc, char **argv)
{
    if (argc < 3)
        errx(2, "usage: oneway PORT HOW [read]");
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((in_port_t)strtol(argv[1], NULL, 10))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        err(99, "connect");
    signal(SIGPIPE, count);
    if (poll(&(struct pollfd){.fd = fd, .events = POLLRDHUP}, 1, 10000) != 1)
        errx(99, "no FIN came");
    char seen[64];
    if (argc > 3)
        while (read(fd, seen, sizeof seen) > 0)
            ;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        if (strcmp(ways[i].name, argv[2]) != 0)
            continue;
        errno = 0;
        long result = ways[i].call(fd);
        report(result, errno);
        return 0;
    }
    errx(2, "no way to write: %s", argv[2]);
}
