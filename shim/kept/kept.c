#include "kept/kept.h"

#include "config.h"
#include "connection/counters.h"
#include "connection/socket.h"
#include "kept/raw.h"
#include "libc.h"
#include "marker.h"
#include "report/probes.h"

#include <linux/sockios.h>
#include <linux/tcp.h> /* <netinet/tcp.h> ends before tcpi_data_segs_out */
#include <poll.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

enum {
    DISCARD_CALLS = 16,  /* a peer that sends as fast as we discard must not hold the others */
    LONGEST_PAUSE = 500, /* milliseconds */
    MESSAGES = 16,       /* of the kernel's, discarded at once */
    PROTOCOL_TCP = 6,
};

/* As in <netinet/tcp.h>, which cannot be had beside the other one. */
enum { STATE_SYN_SENT = 2, STATE_SYN_RECV = 3, STATE_CLOSED = 7 };

/* The look at what has just been handed over is not due at once: what was written a moment ago is on its way. */
static void begin(struct kept *kept, enum kept_aim aim, uint32_t milliseconds, uint32_t first)
{
    const uint32_t now = raw_now();
    kept->aim = (uint8_t)aim;
    kept->shared = false;
    kept->deaf = false;
    kept->pause = KEPT_TICK;
    kept->ends = now + milliseconds;
    kept->due = now + (first < milliseconds ? first : milliseconds);
    kept->left = config.linger.bytes;
    kept->queued = 0;
}

void kept_discard(struct kept *kept)
{
    COUNT(kept_linger);
    begin(kept, KEPT_DISCARDS, config.linger.milliseconds, config.linger.milliseconds);
}

void kept_flush(struct kept *kept, bool sole)
{
    COUNT(kept_flush);
    begin(kept, KEPT_FLUSHES, config.flush.most, config.flush.gap < KEPT_TICK ? config.flush.gap : KEPT_TICK);
    kept->shared = !sole;
    kept->deaf = !sole;
    kept->open = false;
}

/* What recv(2) says of one call. MSG_TRUNC discards without copying (tcp(7)). */
BARE static long discard_once(int fd)
{
    return CALL6(recvfrom, fd, socket_discarded, sizeof socket_discarded, MSG_TRUNC | MSG_DONTWAIT, NULL,
                 NULL);
}

BARE bool kept_drain(int fd)
{
    for (int i = 0; i < DISCARD_CALLS; i++) {
        const long size = discard_once(fd);
        if (size <= 0)
            return size == -EAGAIN || size == -EINTR;
    }
    return true;
}

BARE uint32_t kept_events(const struct kept *kept)
{
    return kept->deaf ? EPOLLET : EPOLLIN;
}

BARE void kept_discard_messages(int fd, const struct kept *kept)
{
    static struct msghdr none COLD;
    for (int i = 0; i < MESSAGES && !kept->shared; i++)
        if (CALL4(recvmsg, fd, &none, MSG_ERRQUEUE | MSG_DONTWAIT, 0) < 0)
            return;
}

BARE static enum kept_outcome discard(int fd, struct kept *kept)
{
    for (int i = 0; i < DISCARD_CALLS; i++) {
        const long size = discard_once(fd);
        if (size == -EAGAIN || size == -EINTR)
            break;
        if (size <= 0)
            return KEPT_ENDED;
        if ((uint64_t)size >= kept->left)
            return KEPT_LIMIT;
        kept->left -= (uint64_t)size;
        COUNT_BY(discarded_bytes, size);
    }
    return KEPT_WAITS;
}

/* False if the kernel does not tell all of it that is asked here (tcp_info in linux/tcp.h). */
BARE static bool get_info(int fd, struct tcp_info *info)
{
    uint32_t size = sizeof *info;
    info->tcpi_state = 0;
    info->tcpi_unacked = info->tcpi_notsent_bytes = 0;
    info->tcpi_data_segs_out = info->tcpi_last_data_sent = 0;
    info->tcpi_bytes_sent = info->tcpi_bytes_retrans = info->tcpi_bytes_acked = 0;
    return CALL6(getsockopt, fd, PROTOCOL_TCP, TCP_INFO, info, &size, 0) == 0 &&
           size >= offsetof(struct tcp_info, tcpi_data_segs_out) + sizeof info->tcpi_data_segs_out;
}

/* The time since something was sent, where something ever was. */
BARE static uint32_t gap_left(const struct tcp_info *info)
{
    if (info->tcpi_data_segs_out == 0 || info->tcpi_last_data_sent >= config.flush.gap)
        return 0;
    return config.flush.gap - info->tcpi_last_data_sent;
}

/* SIOCOUTQ would say the same: what is out, and what is not sent yet (tcp_get_info and tcp_ioctl, net/ipv4/tcp.c). */
BARE static bool is_queued(const struct tcp_info *info)
{
    switch (info->tcpi_state) {
    case STATE_SYN_SENT:
    case STATE_SYN_RECV:
    case STATE_CLOSED:
        return false;
    default:
        return info->tcpi_unacked > 0 || info->tcpi_notsent_bytes > 0;
    }
}

/* Bytes; 0 where the kernel does not tell. */
BARE static uint32_t queue_of(int fd)
{
    int queued = 0;
    return CALL4(ioctl, fd, SIOCOUTQ, &queued, 0) == 0 && queued > 0 ? (uint32_t)queued : 0;
}

BARE static bool is_acknowledged(int fd)
{
    return queue_of(fd) == 0;
}

/* The same as SIOCOUTQ says, but for the SYN and the FIN (tcp_info in linux/tcp.h, since Linux 4.19). */
BARE static uint32_t queue_in(const struct tcp_info *info)
{
    const uint64_t out = info->tcpi_bytes_sent - info->tcpi_bytes_retrans - info->tcpi_bytes_acked;
    return info->tcpi_notsent_bytes + (out < UINT32_MAX ? (uint32_t)out : 0);
}

/* Both directions are over: the peer has reset it, or it has timed out. Our own FIN is not out here. */
BARE static bool is_over(int fd)
{
    struct pollfd state;
    state.fd = fd;
    state.events = 0;
    state.revents = 0;
    struct timespec none;
    none.tv_sec = 0;
    none.tv_nsec = 0;
    return CALL6(ppoll, &state, 1, &none, NULL, 0, 0) == 1 && (state.revents & POLLHUP);
}

/* As kept_unflushed(), of a connection that is not over. QUEUED becomes the bytes that are not acknowledged. */
BARE static uint32_t unflushed(int fd, bool plain, uint32_t *queued)
{
    struct tcp_info info; /* without an initialiser, of which a compiler may make a call of memset */
    const bool wants_gap = config.flush.gap > 0;
    const bool told = wants_gap && plain && get_info(fd, &info);
    *queued = told ? queue_in(&info) : queue_of(fd);
    if (told ? is_queued(&info) : *queued > 0)
        return KEPT_TICK;
    *queued = 0;
    return wants_gap && (told || get_info(fd, &info)) ? gap_left(&info) : 0;
}

/* SIOCOUTQ goes on to count what a reset, or the end of all tries, has left in the queue. */
BARE uint32_t kept_unflushed(int fd, bool plain)
{
    uint32_t queued;
    return kept_queue(fd, plain, &queued);
}

BARE uint32_t kept_queue(int fd, bool plain, uint32_t *queued)
{
    const uint32_t left = unflushed(fd, plain, queued);
    return left > 0 && is_over(fd) ? 0 : left;
}

BARE static void set_linger(int fd, bool on)
{
    static const struct linger abort = {.l_onoff = 1, .l_linger = 0};
    static const struct linger off;
    CALL6(setsockopt, fd, SOL_SOCKET, SO_LINGER, on ? &abort : &off, sizeof abort, 0);
}

BARE static void arm(int fd)
{
    if (!marker_is_off())
        set_linger(fd, true);
    if (marker_is_off())
        set_linger(fd, false);
}

BARE void kept_linger_off(int fd)
{
    set_linger(fd, false);
}

BARE void kept_silence(int fd)
{
    const long flags = CALL4(fcntl, fd, F_GETFL, 0, 0);
    if (flags > 0 && (flags & O_ASYNC))
        CALL4(fcntl, fd, F_SETFL, flags & ~(long)O_ASYNC, 0);
}

BARE void kept_make_ours(int fd)
{
    static const int one = 1;
    kept_silence(fd);
    CALL6(setsockopt, fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof one, 0);
}

BARE void kept_arm_delivered(int fd)
{
    if (is_acknowledged(fd))
        arm(fd);
}

/* Waits longer the longer nothing happens: for a peer that reads slowly, or is gone. */
BARE static void look_later(struct kept *kept, uint32_t now, uint32_t wait)
{
    const uint32_t left = kept->ends - now;
    if (wait >= KEPT_TICK) {
        wait = kept->pause;
        kept->pause = (uint16_t)(kept->pause + kept->pause / 4 < LONGEST_PAUSE ? kept->pause + kept->pause / 4
                                                                               : LONGEST_PAUSE);
    }
    kept->due = now + (wait < left ? wait : left);
}

BARE static enum kept_outcome flush(int fd, struct kept *kept, uint32_t now)
{
    if (is_over(fd))
        return KEPT_ENDED;
    if (!kept->deaf)
        kept->deaf = !kept_drain(fd);
    if ((int32_t)(now - kept->due) < 0)
        return KEPT_WAITS;
    const uint32_t wait = unflushed(fd, false, &kept->queued);
    if (wait == 0)
        return KEPT_ABORTS;
    if ((int32_t)(now - kept->ends) >= 0)
        return KEPT_LIMIT;
    kept_arm_delivered(fd);
    look_later(kept, now, wait);
    return KEPT_WAITS;
}

BARE enum kept_outcome kept_look(int fd, struct kept *kept)
{
    if (kept->aim == KEPT_FLUSHES)
        return flush(fd, kept, raw_now());
    /* What is in the queue goes first: unread it would make an RST. */
    const enum kept_outcome outcome = discard(fd, kept);
    return outcome == KEPT_WAITS && (int32_t)(raw_now() - kept->ends) >= 0 ? KEPT_LIMIT : outcome;
}

BARE static void count(const struct kept *kept, enum kept_outcome outcome)
{
    switch (outcome) {
    case KEPT_ENDED:
        COUNT(kept_ended);
        break;
    case KEPT_ABORTS:
        COUNT(flushed);
        break;
    case KEPT_LIMIT:
        COUNT(kept_limit);
        if (kept->aim == KEPT_FLUSHES)
            COUNT_BY(timed_out_bytes, kept->queued);
        break;
    default:
        COUNT(kept_gave_way);
    }
}

/*
 * connect(2) to nowhere aborts whatever other descriptors there are. Some kernels refuse it while a thread waits in a call
 * (tcp_disconnect in net/ipv4/tcp.c, 6.4 to 6.6): that thread then reads an end, and what it closes is aborted.
 */
BARE static void abort_open(int fd)
{
    static const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    if (CALL4(connect, fd, &nowhere, sizeof nowhere, 0) < 0)
        CALL4(shutdown, fd, SHUT_RD, 0, 0);
}

BARE void kept_prepare_close(int fd, const struct kept *kept, enum kept_outcome outcome)
{
    count(kept, outcome);
    PROBE3(kept_done, fd, (int)kept->aim, (int)outcome);
    if (kept->open && (outcome == KEPT_ABORTS || outcome == KEPT_LIMIT))
        abort_open(fd);
    if (kept->aim == KEPT_FLUSHES && outcome == KEPT_GIVES_WAY && !kept->shared && !is_acknowledged(fd))
        kept_linger_off(fd);
    else if (kept->aim == KEPT_FLUSHES || (outcome == KEPT_LIMIT && config.linger.end == ENDING_RST))
        arm(fd);
}
