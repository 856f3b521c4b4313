#include "hooks/messages.h"

#include "connection/socket.h"
#include "judge/birth.h"
#include "judge/protect.h"
#include "keep_errno.h"
#include "libc.h"
#include "process/claims.h"
#include "process/memory.h"
#include "process/ownership.h"
#include "process/process.h"

#include <string.h>

/* The control data of a message that the kernel has not seen yet, a piece at a time. */
struct control {
    const char *start;
    size_t size;
    size_t from, until; /* what the piece holds */
    char piece[256];
};

static bool get(struct control *control, size_t at, void *out, size_t size)
{
    if (at > control->size || size > control->size - at)
        return false;
    if (at < control->from || at + size > control->until) {
        size_t rest = control->size - at;
        size_t length = rest < sizeof control->piece ? rest : sizeof control->piece;
        if (!memory_copy(control->piece, control->start + at, length))
            return false;
        control->from = at;
        control->until = at + length;
    }
    memcpy(out, control->piece + (at - control->from), size);
    return true;
}

/* The receiver may not know us: an armed connection must not reach it. */
static void leaves(struct messages *out, unsigned message, int fd)
{
    struct connection *connection = table_find(fd);
    if (!connection || connection->kind != KIND_CONNECTION)
        return;
    claims_escape();
    if (!ownership_is_ours(connection))
        return;
    if (out->count < MESSAGES_KEPT) {
        out->left[out->count].connection = table_name_of(connection);
        out->left[out->count].fd = fd;
        out->left[out->count].message = message;
        out->left[out->count++].armed = atomic_load(&connection->flags) & FLAG_ARMED;
    }
    socket_disarm(fd, connection);
    ownership_disown(connection);
}

static void descriptors_leave(struct messages *out, unsigned message, struct control *control, size_t at,
                              size_t end)
{
    for (int fd; at + sizeof fd <= end && get(control, at, &fd, sizeof fd); at += sizeof fd)
        leaves(out, message, fd);
}

/* As CMSG_NXTHDR goes through them (cmsg(3)). */
static void message_leaves(struct messages *out, unsigned message, const struct msghdr *header)
{
    struct control control = {.start = header->msg_control, .size = header->msg_controllen};
    struct cmsghdr part;
    for (size_t at = 0; get(&control, at, &part, sizeof part); at += CMSG_ALIGN(part.cmsg_len)) {
        if (part.cmsg_len < sizeof part || part.cmsg_len > control.size - at)
            return;
        if (part.cmsg_level == SOL_SOCKET && part.cmsg_type == SCM_RIGHTS)
            descriptors_leave(out, message, &control, at + CMSG_LEN(0), at + part.cmsg_len);
    }
}

static bool is_unix(int fd)
{
    if (!table_may_send_descriptors(fd))
        return false;
    if (table_knows(fd))
        return true;
    int family = socket_family(fd);
    if (family == AF_UNIX)
        table_put(fd, NULL);
    else if (family >= 0)
        table_put_not_unix(fd);
    return family == AF_UNIX;
}

void messages_before(struct messages *out, int fd, const struct msghdr *message)
{
    struct msghdr header;
    out->count = 0;
    if (!ownership_has_connections() || !process_enter() || !is_unix(fd))
        return;
    if (memory_copy(&header, message, sizeof header))
        message_leaves(out, 0, &header);
}

void messages_before_many(struct messages *out, int fd, const struct mmsghdr *messages, unsigned count)
{
    struct msghdr header;
    out->count = 0;
    if (!ownership_has_connections() || !process_enter() || !is_unix(fd))
        return;
    for (unsigned i = 0; i < count && i < UIO_MAXIOV; i++) { /* as many as the kernel takes */
        if (!memory_copy(&header, &messages[i].msg_hdr, sizeof header))
            return;
        message_leaves(out, i, &header);
    }
}

void messages_after(const struct messages *out, unsigned sent)
{
    for (unsigned i = 0; i < out->count; i++) {
        struct connection *connection = table_named(out->left[i].connection);
        if (out->left[i].message < sent || !connection || table_find(out->left[i].fd) != connection)
            continue;
        ownership_undo_disown(connection);
        if (out->left[i].armed)
            protect(out->left[i].fd, connection);
    }
}

HOOK ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    struct messages out;
    messages_before(&out, fd, message);
    ssize_t result = real(sendmsg)(fd, message, flags);
    messages_after(&out, result >= 0);
    return result;
}

HOOK int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    struct messages out;
    messages_before_many(&out, fd, messages, count);
    int result = real(sendmmsg)(fd, messages, count, flags);
    messages_after(&out, result > 0 ? (unsigned)result : 0);
    return result;
}

/*
 * Calls ACT for each descriptor in the SCM_RIGHTS parts of MESSAGE, which the kernel has written. (CMSG_NXTHDR is a call of
 * glibc's where nothing is inlined, and musl has none.)
 */
static void for_each_right(const struct msghdr *message, void (*act)(int))
{
    const char *control = message->msg_control;
    const size_t size = message->msg_controllen;
    struct cmsghdr part;
    for (size_t at = 0; at + sizeof part <= size; at += CMSG_ALIGN(part.cmsg_len)) {
        memcpy(&part, control + at, sizeof part);
        if (part.cmsg_len < sizeof part || part.cmsg_len > size - at)
            return;
        if (part.cmsg_level != SOL_SOCKET || part.cmsg_type != SCM_RIGHTS)
            continue;
        const size_t count = (part.cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, control + at + CMSG_LEN(0) + i * sizeof fd, sizeof fd);
            act(fd);
        }
    }
}

static void arrives(int fd)
{
    if (process_enter())
        birth_adopt(fd, false);
}

static void message_arrives(const struct msghdr *message)
{
    KEEP_ERRNO;
    if (message->msg_control && message->msg_controllen)
        for_each_right(message, arrives);
}

/* What the hook below this one has taken in: a library behind us may make the call by syscall(2). */
static __thread const void *taken;

void messages_begin(void)
{
    taken = NULL;
}

ssize_t messages_received(struct msghdr *message, ssize_t result)
{
    if (result >= 0 && taken != message) {
        taken = message;
        message_arrives(message);
    }
    return result;
}

int messages_received_many(struct mmsghdr *messages, int result)
{
    if (taken == messages)
        return result;
    for (int i = 0; i < result; i++)
        message_arrives(&messages[i].msg_hdr);
    taken = messages;
    return result;
}

HOOK ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    messages_begin();
    return messages_received(message, real(recvmsg)(fd, message, flags));
}

HOOK int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout)
{
    messages_begin();
    return messages_received_many(messages, real(recvmmsg)(fd, messages, count, flags, timeout));
}
