#include "write.h"

#include "../libc.h"
#include "judge/refuse.h"

#include <errno.h>

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
    return size > 0 && write_refused(fd, 0) ? -1 : real(write)(fd, data, size);
}

HOOK ssize_t writev(int fd, const struct iovec *parts, int count)
{
    return write_refused(fd, 0) ? -1 : real(writev)(fd, parts, count);
}

HOOK ssize_t send(int fd, const void *data, size_t size, int flags)
{
    return size > 0 && write_refused(fd, flags) ? -1 : real(send)(fd, data, size, flags);
}

HOOK ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to,
                    socklen_t to_size)
{
    return size > 0 && write_refused(fd, flags) ? -1 : real(sendto)(fd, data, size, flags, to, to_size);
}

HOOK ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    return write_refused(fd, flags) ? -1 : real(sendmsg)(fd, message, flags);
}

HOOK int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    return write_refused(fd, flags) ? -1 : real(sendmmsg)(fd, messages, count, flags);
}

HOOK ssize_t sendfile(int to, int from, off_t *offset, size_t count)
{
    return write_refused(to, 0) ? -1 : real(sendfile)(to, from, offset, count);
}

HOOK ssize_t sendfile64(int to, int from, off64_t *offset, size_t count)
{
    return sendfile(to, from, offset, count);
}

HOOK ssize_t splice(int from, off64_t *from_at, int to, off64_t *to_at, size_t count, unsigned flags)
{
    return write_refused(to, 0) ? -1 : real(splice)(from, from_at, to, to_at, count, flags);
}
