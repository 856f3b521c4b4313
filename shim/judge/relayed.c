#include "judge/relayed.h"

#include "flow/copies.h"
#include "flow/flow.h"
#include "flow/pipes.h"
#include "judge/source.h"
#include "libc.h"
#include "process/memory.h"

#include <errno.h>

/* The name of the source that FD is. */
static source_name name_of(int fd, const struct flow *flow)
{
    return flow ? atomic_load(&flow->owner) : pipes_source(pipes_at(fd));
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

HOOK void truefin_has_read(int fd, const struct iovec *parts, size_t count, ssize_t result)
{
    if (!source_watches() || (result == 0 && count > 0 && parts[0].iov_len == 0))
        return;
    struct flow *flow = source_heard(fd, result, true);
    const source_name source = name_of(fd, flow);
    if (!flow && (result == 0 || (result < 0 && errno != EAGAIN && errno != EINTR)))
        pipes_ended(pipes_at(fd));
    size_t left = result > 0 ? (size_t)result : 0;
    for (size_t i = 0; i < count && left > 0; i++) {
        const size_t size = least(parts[i].iov_len, left);
        reads_note(parts[i].iov_base, size, source);
        left -= size;
        if (left == 0)
            copies_note(flow, source, reads_tail(parts[i].iov_base, size));
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

static size_t total(const struct iovec *parts, size_t count)
{
    size_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += parts[i].iov_len;
    return sum;
}

/* The part in which the last of SIZE bytes lies, so far as it counts; none. */
static struct iovec last_part(const struct iovec *parts, size_t count, size_t size)
{
    for (size_t i = 0; i < count; i++) {
        if (size <= parts[i].iov_len)
            return (struct iovec){.iov_base = parts[i].iov_base, .iov_len = size};
        size -= parts[i].iov_len;
    }
    return (struct iovec){0};
}

/* Whose is what was written to FLOW? */
static source_name source_of(const struct flow *flow, struct iovec part)
{
    if (part.iov_len == 0)
        return 0;
    const source_name before = flow ? atomic_load_explicit(&flow->source, memory_order_relaxed) : 0;
    const source_name source = reads_source(part.iov_base, part.iov_len, before);
    if (source || !flow)
        return source;
    return copies_source(flow, reads_tail(part.iov_base, part.iov_len), part.iov_len);
}

/*
 * A relay that copies has written a part of PARTS, DONE bytes: if all of them end in what was read from the source before, so
 * it is still that one. The kernel has not looked at the rest: it is read without a fault, by a call of our own.
 */
static source_name source_of_rest(const struct flow *flow, const struct iovec *parts, size_t count,
                                  size_t done)
{
    char end[READS_SAMPLE];
    const source_name partner = atomic_load_explicit(&flow->partner, memory_order_relaxed);
    if (!partner || count == 0 || parts[count - 1].iov_len < sizeof end || done == total(parts, count))
        return 0;
    const struct iovec *last = &parts[count - 1];
    if (!memory_copy(end, (char *)last->iov_base + last->iov_len - sizeof end, sizeof end))
        return 0;
    return copies_source(flow, reads_tail(end, sizeof end), sizeof end) == partner ? partner : 0;
}

/* What a child may answer to. */
static void pipe_fed(pipe_end end, source_name source)
{
    if (end && source && pipes_is_child(pipes_source(end)))
        flow_goes_to(source, pipes_source(end));
    pipes_fed(end, source);
}

static void fed(int fd, struct flow *flow, source_name source)
{
    if (flow)
        flow_fed(flow, atomic_load(&flow->owner), source);
    else
        pipe_fed(pipes_at(fd), source);
}

HOOK void truefin_has_written(int fd, const struct iovec *parts, size_t count, ssize_t result)
{
    if (!source_watches())
        return;
    struct flow *flow = source_heard(fd, result, false);
    if (result <= 0)
        return;
    const source_name source = source_of(flow, last_part(parts, count, (size_t)result));
    fed(fd, flow, source || !flow ? source : source_of_rest(flow, parts, count, (size_t)result));
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
        const source_name name = name_of(source, source_heard(source, result, true));
        if (result > 0)
            fed(to, source_heard(to, result, false), name);
    }
    if (result < 0)
        source_heard(to, result, false);
}

HOOK void truefin_has_pipe(const int ends[2])
{
    if (source_watches())
        pipes_made(ends);
}
