#include "judge/relayed.h"

#include "flow/flow.h"
#include "judge/source.h"
#include "libc.h"

#include <errno.h>

/* The name of the source that FD is, from which a call has read RESULT. */
static source_name from(int fd, ssize_t result)
{
    const struct flow *flow = source_heard(fd, result, true);
    return flow ? atomic_load(&flow->owner) : flow_pipe_source(flow_pipe_at(fd));
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

HOOK void truefin_has_read(int fd, const struct iovec *parts, size_t count, ssize_t result)
{
    if (!source_watches() || (result == 0 && count > 0 && parts[0].iov_len == 0))
        return;
    const source_name source = from(fd, result);
    size_t left = result > 0 ? (size_t)result : 0;
    for (size_t i = 0; i < count && left > 0; i++) {
        const size_t size = least(parts[i].iov_len, left);
        reads_note(parts[i].iov_base, size, source);
        left -= size;
    }
}

HOOK void truefin_has_received(int fd, const struct iovec *part, ssize_t result, int flags)
{
    if (!(flags & MSG_ERRQUEUE))
        truefin_has_read(fd, part, flags & MSG_TRUNC ? 0 : 1, result);
}

HOOK void truefin_has_read_message(int fd, const struct msghdr *message, ssize_t result, int flags)
{
    if (!source_watches() || (flags & MSG_ERRQUEUE))
        return;
    if (result < 0)
        source_heard(fd, result, true);
    else
        truefin_has_read(fd, message->msg_iov, flags & MSG_TRUNC ? 0 : message->msg_iovlen, result);
}

HOOK void truefin_has_read_messages(int fd, const struct mmsghdr *messages, int result, int flags)
{
    if (!source_watches() || (flags & MSG_ERRQUEUE))
        return;
    if (result < 0)
        source_heard(fd, result, true);
    for (int i = 0; i < result; i++)
        truefin_has_read_message(fd, &messages[i].msg_hdr, messages[i].msg_len, flags);
}

/* Whose is the last of SIZE bytes in PARTS? */
static source_name source_of(const struct iovec *parts, size_t count, size_t size)
{
    for (size_t i = 0; i < count; i++) {
        if (size <= parts[i].iov_len)
            return reads_source(parts[i].iov_base, size);
        size -= parts[i].iov_len;
    }
    return 0;
}

static void fed(int fd, source_name source)
{
    struct flow *flow = source_heard(fd, 1, false);
    if (flow)
        flow_fed(flow, atomic_load(&flow->owner), source);
    else
        flow_pipe_fed(flow_pipe_at(fd), source);
}

HOOK void truefin_has_written(int fd, const struct iovec *parts, size_t count, ssize_t result)
{
    if (!source_watches())
        return;
    if (result < 0)
        source_heard(fd, result, false);
    else if (result > 0)
        fed(fd, source_of(parts, count, (size_t)result));
}

HOOK void truefin_has_written_message(int fd, const struct msghdr *message, ssize_t result)
{
    if (!source_watches())
        return;
    if (result < 0)
        source_heard(fd, result, false);
    else
        truefin_has_written(fd, message->msg_iov, message->msg_iovlen, result);
}

HOOK void truefin_has_written_messages(int fd, const struct mmsghdr *messages, int result)
{
    if (!source_watches())
        return;
    if (result < 0)
        source_heard(fd, result, false);
    for (int i = 0; i < result; i++)
        truefin_has_written_message(fd, &messages[i].msg_hdr, messages[i].msg_len);
}

/* One of the two is a pipe or a file: its EPIPE says nothing about the other. */
HOOK void truefin_has_moved(int source, int to, ssize_t result)
{
    if (!source_watches())
        return;
    if (result >= 0 || errno != EPIPE) {
        const source_name name = from(source, result);
        if (result > 0)
            fed(to, name);
    }
    if (result < 0)
        source_heard(to, result, false);
}

HOOK void truefin_has_pipe(const int ends[2])
{
    if (source_watches())
        flow_pipe(ends);
}
