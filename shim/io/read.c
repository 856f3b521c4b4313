/* Calls that read: they are waits of the program's (wait.c), and what they have read may be relayed. */
#include "../libc.h"
#include "told.h"
#include "wait.h"

#include <pty.h>

HOOK ssize_t read(int fd, void *data, size_t size)
{
    waits_at(fd);
    return told_read(fd, data, size, real(read)(fd, data, size));
}

HOOK ssize_t __read_chk(int fd, void *data, size_t size, size_t room)
{
    waits_at(fd);
    return told_read(fd, data, size, real(__read_chk)(fd, data, size, room));
}

HOOK ssize_t readv(int fd, const struct iovec *parts, int count)
{
    waits_at(fd);
    return told_read_parts(fd, parts, count, real(readv)(fd, parts, count));
}

HOOK ssize_t recv(int fd, void *data, size_t size, int flags)
{
    waits();
    return told_received(fd, data, size, flags, real(recv)(fd, data, size, flags));
}

HOOK ssize_t __recv_chk(int fd, void *data, size_t size, size_t room, int flags)
{
    waits();
    return told_received(fd, data, size, flags, real(__recv_chk)(fd, data, size, room, flags));
}

HOOK ssize_t recvfrom(int fd, void *data, size_t size, int flags, struct sockaddr *from, socklen_t *from_size)
{
    waits();
    return told_received(fd, data, size, flags, real(recvfrom)(fd, data, size, flags, from, from_size));
}

HOOK ssize_t __recvfrom_chk(int fd, void *data, size_t size, size_t room, int flags, struct sockaddr *from,
                            socklen_t *from_size)
{
    waits();
    return told_received(fd, data, size, flags,
                         real(__recvfrom_chk)(fd, data, size, room, flags, from, from_size));
}

HOOK ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    waits();
    ssize_t result = real(recvmsg)(fd, message, flags);
    if (truefin_has_read_message)
        truefin_has_read_message(fd, message, result, flags);
    return result;
}

HOOK int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *time)
{
    waits();
    int result = real(recvmmsg)(fd, messages, count, flags, time);
    if (truefin_has_read_messages)
        truefin_has_read_messages(fd, messages, result, flags);
    return result;
}

/* Files: what lay in that memory before does not any more. */

HOOK ssize_t pread(int fd, void *data, size_t size, off_t at)
{
    return told_read(fd, data, size, real(pread)(fd, data, size, at));
}

HOOK ssize_t pread64(int fd, void *data, size_t size, off64_t at)
{
    return pread(fd, data, size, at);
}

HOOK ssize_t preadv(int fd, const struct iovec *parts, int count, off_t at)
{
    return told_read_parts(fd, parts, count, real(preadv)(fd, parts, count, at));
}

HOOK ssize_t preadv64(int fd, const struct iovec *parts, int count, off64_t at)
{
    return preadv(fd, parts, count, at);
}

HOOK ssize_t preadv2(int fd, const struct iovec *parts, int count, off_t at, int flags)
{
    return told_read_parts(fd, parts, count, real(preadv2)(fd, parts, count, at, flags));
}

HOOK ssize_t preadv64v2(int fd, const struct iovec *parts, int count, off64_t at, int flags)
{
    return preadv2(fd, parts, count, at, flags);
}

HOOK int pipe(int ends[2])
{
    return told_pipe(ends, real(pipe)(ends));
}

HOOK int pipe2(int ends[2], int flags)
{
    return told_pipe(ends, real(pipe2)(ends, flags));
}

/* Of a pair, and of a pseudo-terminal, bytes come out at both ends. */

HOOK int socketpair(int family, int type, int protocol, int ends[2])
{
    return told_pipe(ends, real(socketpair)(family, type, protocol, ends));
}

/* Whoever makes one by open(2) or posix_openpt(3) calls this before a child can open the other end. */
HOOK int unlockpt(int own)
{
    return told_pipe((int[]){own, -1}, real(unlockpt)(own));
}

HOOK int openpty(int *own, int *other, char *name, const struct termios *settings, const struct winsize *size)
{
    int result = real(openpty)(own, other, name, settings, size);
    return result == 0 ? told_pipe((int[]){*own, *other}, result) : result;
}
