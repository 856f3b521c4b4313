/*
 * A client that first sends all it has and only then reads, as most do that know nothing of early answers:
 *
 *     upload PORT BYTES [DELAY [hold]]
 *
 * DELAY are milliseconds before each 64 KiB. Prints one line: "all" or "short" (not everything could be
 * sent), the number of bytes that it could read, and "fin" or "rst". UPLOAD_FIRST is sent before all that.
 * With hold it then sends nothing more and does not close, and prints "rst" on a second line when it is
 * reset; it ends after 20 seconds in any case.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BLOCK = 65536, LONGEST_HOLD = 20000 };

static int connect_to(const char *port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((in_port_t)atoi(port))}; // NOLINT
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        fprintf(stderr, "upload: %s\n", strerror(errno));
        exit(99);
    }
    return fd;
}

static void must_send(int fd, const char *text)
{
    if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        exit(99);
}

static bool send_all(int fd, long long left, int delay)
{
    static const char block[BLOCK];
    while (left > 0) {
        ssize_t sent = 0;
        if (delay > 0)
            poll(NULL, 0, delay);
        sent = write(fd, block, left < BLOCK ? (size_t)left : BLOCK);
        if (sent < 0)
            return false;
        left -= sent;
    }
    return true;
}

int main(int argc, char **argv)
{
    const char *first = getenv("UPLOAD_FIRST");
    char buffer[BLOCK];
    long long received = 0;
    ssize_t size = 0;
    bool all = false;
    int fd = 0;

    if (argc < 3)
        return 2;
    signal(SIGPIPE, SIG_IGN);
    fd = connect_to(argv[1]);
    if (first != NULL)
        must_send(fd, first);
    all = send_all(fd, atoll(argv[2]), argc > 3 ? atoi(argv[3]) : 0); // NOLINT
    while ((size = read(fd, buffer, sizeof buffer)) > 0)
        received += size;
    dprintf(STDOUT_FILENO, "%s %lld %s\n", all ? "all" : "short", received, size == 0 ? "fin" : "rst");
    if (argc > 4) {
        struct pollfd reset = {.fd = fd}; /* POLLERR is always told */
        if (poll(&reset, 1, LONGEST_HOLD) > 0 && (reset.revents & POLLERR))
            dprintf(STDOUT_FILENO, "rst\n");
    }
    return 0;
}
