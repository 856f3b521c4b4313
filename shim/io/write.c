#include "write.h"

#include "../libc.h"
#include "judge/refuse.h"
#include "told.h"

#include <errno.h>
#include <limits.h>

/* By this name libtruefin.so knows that we are here. */
HOOK const char truefin_io = 1;

#pragma weak truefin_refuses_write

bool write_refused(int fd, int flags)
{
    if (!truefin_refuses_write || !truefin_refuses_write(fd))
        return false;
    if (!(flags & MSG_NOSIGNAL))
        raise(SIGPIPE);
    errno = EPIPE;
    return true;
}

HOOK ssize_t write(int fd, const void *data, size_t size)
{
    if (size > 0 && write_refused(fd, 0))
        return -1;
    return told_written(fd, data, size, real(write)(fd, data, size));
}

HOOK ssize_t writev(int fd, const struct iovec *parts, int count)
{
    if (write_refused(fd, 0))
        return -1;
    return told_written_parts(fd, parts, count, real(writev)(fd, parts, count));
}

HOOK ssize_t send(int fd, const void *data, size_t size, int flags)
{
    if (size > 0 && write_refused(fd, flags))
        return -1;
    return told_written(fd, data, size, real(send)(fd, data, size, flags));
}

HOOK ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to,
                    socklen_t to_size)
{
    if (size > 0 && write_refused(fd, flags))
        return -1;
    return told_written(fd, data, size, real(sendto)(fd, data, size, flags, to, to_size));
}

HOOK ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    if (write_refused(fd, flags))
        return -1;
    ssize_t result = real(sendmsg)(fd, message, flags);
    if (truefin_has_written_message)
        truefin_has_written_message(fd, message, result);
    return result;
}

HOOK int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    if (write_refused(fd, flags))
        return -1;
    int result = real(sendmmsg)(fd, messages, count, flags);
    if (truefin_has_written_messages)
        truefin_has_written_messages(fd, messages, result);
    return result;
}

HOOK ssize_t sendfile(int to, int from, off_t *offset, size_t count)
{
    return write_refused(to, 0) ? -1 : told_moved(from, to, real(sendfile)(to, from, offset, count));
}

HOOK ssize_t sendfile64(int to, int from, off64_t *offset, size_t count)
{
    return sendfile(to, from, offset, count);
}

HOOK ssize_t splice(int from, off64_t *from_at, int to, off64_t *to_at, size_t count, unsigned flags)
{
    if (write_refused(to, 0))
        return -1;
    return told_moved(from, to, real(splice)(from, from_at, to, to_at, count, flags));
}

HOOK ssize_t tee(int from, int to, size_t count, unsigned flags)
{
    return told_moved(from, to, real(tee)(from, to, count, flags));
}

/* Into a pipe, or out of one. */
HOOK ssize_t vmsplice(int pipe, const struct iovec *parts, size_t count, unsigned flags)
{
    ssize_t result = real(vmsplice)(pipe, parts, count, flags);
    return told_written_parts(pipe, parts, count < INT_MAX ? (int)count : INT_MAX, result);
}
