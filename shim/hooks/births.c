#include "judge/birth.h"
#include "judge/deferred.h"
#include "libc.h"
#include "process/process.h"

#include <stdarg.h>

/* Connections appear. */

HOOK int accept(int listener, struct sockaddr *address, socklen_t *size)
{
    int fd;
    do {
        birth_begin();
        fd = real(accept)(listener, address, size);
    } while (deferred_gives_room(fd));
    return birth_accepted(listener, fd);
}

HOOK int accept4(int listener, struct sockaddr *address, socklen_t *size, int flags)
{
    int fd;
    do {
        birth_begin();
        fd = real(accept4)(listener, address, size, flags);
    } while (deferred_gives_room(fd));
    return birth_accepted(listener, fd);
}

HOOK int socket(int family, int type, int protocol)
{
    int fd;
    do {
        birth_begin();
        fd = real(socket)(family, type, protocol);
    } while (deferred_gives_room(fd));
    return birth_made(family, type, protocol, fd);
}

HOOK int connect(int fd, const struct sockaddr *to, socklen_t size)
{
    return birth_connected(fd, to, size, real(connect)(fd, to, size));
}

HOOK int dup(int old)
{
    birth_begin();
    int copy = real(dup)(old);
    if (deferred_gives_room(copy))
        copy = real(dup)(old);
    return birth_duplicate(old, copy);
}

/* The argument is a pointer or an int by the command (fcntl(2)): as wide as a register either way. */
static int fcntl_with(int fd, int command, void *argument)
{
    birth_begin();
    int result = real(fcntl)(fd, command, argument);
    bool duplicates = command == F_DUPFD || command == F_DUPFD_CLOEXEC;
    if (duplicates && deferred_gives_room(result))
        result = real(fcntl)(fd, command, argument);
    return birth_fcntl(fd, command, result);
}

HOOK int fcntl(int fd, int command, ...)
{
    va_list more;
    va_start(more, command);
    void *argument = va_arg(more, void *);
    va_end(more);
    return fcntl_with(fd, command, argument);
}

HOOK int fcntl64(int fd, int command, ...)
{
    va_list more;
    va_start(more, command);
    void *argument = va_arg(more, void *);
    va_end(more);
    return fcntl_with(fd, command, argument);
}
