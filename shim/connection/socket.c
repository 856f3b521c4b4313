#include "connection/socket.h"

#include "config.h"
#include "connection/counters.h"
#include "keep_errno.h"
#include "libc.h"
#include "marker.h"
#include "own_calls.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

enum {
    MARK = 21076,       /* seconds: the mark of socket_release, a time that nobody sets */
    MARK_ALONE = 21077, /* the same */
    DRAIN_CALLS = 256,  /* a peer that sends as fast as we discard must not hold us */
};

static bool quiet(void)
{
    return atomic_load(&config.state) == STATE_QUIET;
}

/* While it observes, nothing is changed, whoever asks for it. */
static bool hands_off(void)
{
    return quiet() || config.observes;
}

/*
 * By syscall(2): another library's setsockopt may make that call itself, and our hook would take it for a
 * wish of the program's.
 */
static bool set_linger(int fd, bool on, int seconds)
{
    const struct linger linger = {.l_onoff = on, .l_linger = seconds};
    return real(syscall)(SYS_setsockopt, fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0;
}

/* The same for the answer, which our hook would change. */
static bool get_option(int fd, int level, int name, void *value, socklen_t size)
{
    return real(syscall)(SYS_getsockopt, fd, level, name, value, &size) == 0;
}

/* The program itself asked for an abort. */
static bool own_abort(const struct connection *connection)
{
    return (atomic_load(&connection->flags) & FLAG_LINGER_ON) && connection->linger_seconds == 0;
}

void socket_count(struct connection *connection, bool is_open)
{
    const int step = is_open ? 1 : -1;
    connection->counted = is_open;
    COUNT_BY(open, step);
    if (atomic_load(&connection->flags) & FLAG_ARMED)
        COUNT_BY(armed, step);
}

void socket_arm(int fd, struct connection *connection)
{
    KEEP_ERRNO;
    if (hands_off() || marker_is_off() || !set_linger(fd, true, 0))
        return;
    if (!(atomic_fetch_or(&connection->flags, FLAG_ARMED) & FLAG_ARMED) && connection->counted)
        COUNT(armed);
    /* Who has switched us off meanwhile may have looked at it before it was armed. */
    if (marker_is_off())
        socket_disarm(fd, connection);
}

void socket_disarm(int fd, struct connection *connection)
{
    KEEP_ERRNO;
    uint16_t flags = atomic_load(&connection->flags);
    /* Another process may have armed what we share with it. */
    bool maybe_armed = (flags & (FLAG_ARMED | FLAG_FOUND_ARMED)) || atomic_load(&connection->claims);
    if (maybe_armed && !hands_off()) {
        if (!own_abort(connection))
            set_linger(fd, flags & FLAG_LINGER_ON, connection->linger_seconds);
        if ((atomic_fetch_and(&connection->flags, (uint16_t)~FLAG_ARMED) & FLAG_ARMED) && connection->counted)
            COUNT_BY(armed, -1);
    }
}

char socket_discarded[SOCKET_DISCARDED_SIZE] COLD;

/* MSG_TRUNC discards without copying (tcp(7)). False at the peer's FIN, and after an error. */
static bool drain(int fd)
{
    for (int i = 0; i < DRAIN_CALLS; i++) {
        ssize_t size = own_recv(fd, socket_discarded, sizeof socket_discarded, MSG_TRUNC | MSG_DONTWAIT);
        if (size <= 0)
            return size < 0 && errno == EAGAIN;
    }
    return true;
}

static bool end_with_fin(int fd, struct connection *connection)
{
    if (own_abort(connection))
        set_linger(fd, false, 0);
    else
        socket_disarm(fd, connection);
    return drain(fd);
}

bool socket_end(int fd, struct connection *connection, enum ending ending)
{
    KEEP_ERRNO;
    bool goes_on = false;
    if (hands_off())
        return false;
    if (ending == ENDING_KEEP)
        socket_disarm(fd, connection);
    else if (ending_aborts(ending))
        socket_arm(fd, connection);
    else
        goes_on = end_with_fin(fd, connection);
    return goes_on;
}

static int queue_of(int fd, unsigned long request)
{
    KEEP_ERRNO;
    int bytes = 0;
    if (quiet() || ioctl(fd, request, &bytes) != 0)
        bytes = 0;
    return bytes;
}

int socket_unread(int fd)
{
    return queue_of(fd, SIOCINQ);
}

int socket_unsent(int fd)
{
    return queue_of(fd, SIOCOUTQ);
}

/* -1 if it has none. */
static int socket_option(int fd, int name)
{
    KEEP_ERRNO;
    int value = -1;
    if (quiet() || !get_option(fd, SOL_SOCKET, name, &value, sizeof value))
        value = -1;
    return value;
}

enum transport socket_transport(int fd)
{
    switch (socket_option(fd, SO_PROTOCOL)) {
    case IPPROTO_TCP:
        return TRANSPORT_TCP;
    case IPPROTO_MPTCP:
        return TRANSPORT_MPTCP;
    default:
        return TRANSPORT_OTHER;
    }
}

bool socket_is_tcp(int fd)
{
    return socket_transport(fd) != TRANSPORT_OTHER;
}

int socket_family(int fd)
{
    return socket_option(fd, SO_DOMAIN);
}

bool socket_is_listener(int fd)
{
    return socket_option(fd, SO_ACCEPTCONN) == 1;
}

void socket_info(int fd, struct tcp_info *info)
{
    KEEP_ERRNO;
    *info = (struct tcp_info){0};
    if (!quiet())
        get_option(fd, IPPROTO_TCP, TCP_INFO, info, sizeof *info);
}

bool socket_is_over(int fd)
{
    struct tcp_info info;
    socket_info(fd, &info);
    return info.tcpi_state == TCP_CLOSE;
}

int socket_error(int fd)
{
    const int error = socket_option(fd, SO_ERROR);
    return error > 0 ? error : 0;
}

void socket_abort(int fd)
{
    KEEP_ERRNO;
    const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    if (!quiet())
        real(syscall)(SYS_connect, fd, &nowhere, sizeof nowhere);
}

bool socket_fin_sent(int fd)
{
    struct tcp_info info;
    socket_info(fd, &info);
    switch (info.tcpi_state) {
    case TCP_FIN_WAIT1:
    case TCP_FIN_WAIT2:
    case TCP_CLOSING:
    case TCP_LAST_ACK:
    case TCP_TIME_WAIT:
        return true;
    default:
        return false;
    }
}

static struct linger get_linger(int fd)
{
    struct linger linger = {0};
    if (quiet() || !get_option(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger))
        return (struct linger){0};
    return linger;
}

struct linger socket_linger(int fd)
{
    KEEP_ERRNO;
    struct linger linger = get_linger(fd);
    return linger;
}

bool socket_release(int fd, bool alone)
{
    if (hands_off())
        return false;
    KEEP_ERRNO;
    struct linger linger = get_linger(fd);
    bool armed = linger.l_onoff && linger.l_linger == 0;
    if (armed) {
        set_linger(fd, true, alone ? MARK_ALONE : MARK);
        set_linger(fd, false, 0);
    }
    return armed;
}

void socket_undo_release(int fd)
{
    KEEP_ERRNO;
    if (!marker_is_off())
        set_linger(fd, true, 0);
    if (marker_is_off())
        set_linger(fd, false, 0);
}

/* With a mark and still on, it is on its way through socket_release() in the process above. */
static enum found find(struct linger linger)
{
    if (linger.l_linger == MARK_ALONE)
        return FOUND_ARMED_ALONE;
    return linger.l_linger == MARK || (linger.l_onoff && linger.l_linger == 0) ? FOUND_ARMED : FOUND_PLAIN;
}

enum found socket_learn_linger(int fd, struct connection *connection)
{
    KEEP_ERRNO;
    struct linger linger = get_linger(fd);
    enum found found = config.observes ? FOUND_PLAIN : find(linger);
    if (found == FOUND_PLAIN)
        connection->linger_seconds = linger.l_linger;
    if (found == FOUND_PLAIN && linger.l_onoff)
        atomic_fetch_or(&connection->flags, FLAG_LINGER_ON);
    return found;
}
