#include "act.h"
#include "birth.h"
#include "claims.h"
#include "libc.h"
#include "table.h"
#include "tree.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

/* Calls ACT for each descriptor in the SCM_RIGHTS parts of MESSAGE (unix(7), cmsg(3)). */
static void for_each_right(const struct msghdr *message, void (*act)(int))
{
    struct msghdr walk = *message; /* CMSG_NXTHDR wants it writable, and writes nothing */
    for (struct cmsghdr *part = CMSG_FIRSTHDR(&walk); part; part = CMSG_NXTHDR(&walk, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS || part->cmsg_len < CMSG_LEN(0))
            continue;
        const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
            act(fd);
        }
    }
}

/* The receiver may not know us: an armed connection must not reach it. */
static void leaves(int fd)
{
    struct connection *connection = table_find(fd);
    if (connection && connection->kind == KIND_CONNECTION)
        claims_escape();
    if (connection && connection->kind == KIND_CONNECTION && tree_is_ours(connection)) {
        act_disarm(fd, connection);
        tree_disown(connection);
    }
}

static void arrives(int fd)
{
    if (tree_enter())
        birth_adopt(fd, false);
}

HOOK ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    int saved = errno;
    if (message && message->msg_control && tree_has_connections() && tree_enter())
        for_each_right(message, leaves);
    errno = saved;
    return real(sendmsg)(fd, message, flags);
}

HOOK int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    int saved = errno;
    if (tree_has_connections() && tree_enter())
        for (unsigned i = 0; i < count && i < UIO_MAXIOV; i++) /* as many as the kernel takes */
            if (messages[i].msg_hdr.msg_control)
                for_each_right(&messages[i].msg_hdr, leaves);
    errno = saved;
    return real(sendmmsg)(fd, messages, count, flags);
}

HOOK ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    ssize_t result = real(recvmsg)(fd, message, flags);
    int saved = errno;
    if (result >= 0 && message->msg_control && message->msg_controllen)
        for_each_right(message, arrives);
    errno = saved;
    return result;
}

HOOK int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout)
{
    int result = real(recvmmsg)(fd, messages, count, flags, timeout);
    int saved = errno;
    for (int i = 0; i < result; i++)
        if (messages[i].msg_hdr.msg_control && messages[i].msg_hdr.msg_controllen)
            for_each_right(&messages[i].msg_hdr, arrives);
    errno = saved;
    return result;
}
