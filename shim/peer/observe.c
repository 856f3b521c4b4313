/*
 * The rules by which an ending is told are in observe() and stopped_reading(). The kernel's side of them is
 * net/ipv4/tcp_input.c: tcp_reset(), tcp_fin().
 */
#include "observe.h"

#include "connect.h"
#include "deadline.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void write_output(int fd, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t n = write(fd, data, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            fail(EXIT_USAGE, "cannot write what was received: %s", strerror(errno));
        data += n;
        length -= (size_t)n;
    }
}

/*
 * Sends as much as the socket takes. Returns whether there is more to send. An error is no ending yet: the bytes that
 * the other side sent before it are still to be read, and only then do we know how it ended.
 */
static bool send_some(int fd, const struct options *o, struct report *r)
{
    if (r->sent < o->text_length) {
        ssize_t n = send(fd, o->text + r->sent, o->text_length - r->sent, MSG_NOSIGNAL);
        if (n >= 0) {
            r->sent += (uint64_t)n;
        } else if (errno != EAGAIN && errno != EINTR) {
            r->send_error = errno;
            if (!r->taken)
                r->taken = errno;
            return false;
        }
    }
    if (r->sent < o->text_length)
        return true;
    if (o->half_close)
        shutdown(fd, SHUT_WR);
    return false;
}

/* The ending that ERROR tells of. An RST after a FIN leaves EPIPE: the FIN was the ending. */
static enum outcome told_by(int error, struct report *r)
{
    if (error == 0 || error == EPIPE)
        return SAW_FIN;
    r->error = error;
    return error == ECONNRESET ? SAW_RST : SAW_ERROR;
}

/*
 * The ending as it is seen after reading has stopped (--read-bytes): the bytes in front of it stay unread. A FIN in the
 * queue shows as POLLRDHUP without an error, an RST as an error.
 */
static enum outcome stopped_reading(int fd, struct report *r)
{
    int error = pending_error(fd);
    return told_by(error ? error : r->taken, r);
}

enum outcome observe(int fd, const struct options *o, int64_t deadline, struct report *r)
{
    static char buffer[64 * 1024];
    bool sending = o->text_length > 0 || o->half_close;

    for (;;) {
        uint64_t wanted = o->read_limit - r->received;
        short events =
            wait_for(fd, (short)(POLLRDHUP | (wanted ? POLLIN : 0) | (sending ? POLLOUT : 0)), deadline);
        if (!events)
            return SAW_NOTHING;
        if (sending && (events & (POLLOUT | POLLERR | POLLHUP)))
            sending = send_some(fd, o, r);
        if (!wanted) {
            if (events & (POLLRDHUP | POLLHUP | POLLERR))
                return stopped_reading(fd, r);
            continue;
        }
        ssize_t n = recv(fd, buffer, wanted < sizeof buffer ? wanted : sizeof buffer, 0);
        if (n > 0) {
            r->received += (uint64_t)n;
            if (o->output >= 0)
                write_output(o->output, buffer, (size_t)n);
        } else if (n == 0) {
            /* recv also reads an end of file after another call has taken the error. */
            return told_by(r->taken, r);
        } else if (errno != EAGAIN && errno != EINTR) {
            return told_by(errno, r);
        }
    }
}

const char *tcp_state(int fd)
{
    /* The order of enum tcp_state in include/net/tcp_states.h, the words of ss(8). */
    static const char *const names[] = {NULL,         "established", "syn-sent",  "syn-recv",
                                        "fin-wait-1", "fin-wait-2",  "time-wait", "close",
                                        "close-wait", "last-ack",    "listen",    "closing"};
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) ||
        info.tcpi_state >= sizeof names / sizeof *names)
        return NULL;
    return names[info.tcpi_state];
}
