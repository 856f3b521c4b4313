/*
 * Descriptors leave for another process, and come from one: SCM_RIGHTS (unix(7)), for hooks that reach the
 * same calls by another way.
 *
 *     struct messages out;
 *     messages_before(&out, fd, message);
 *     ssize_t result = sendmsg(fd, message, flags);
 *     messages_after(&out, result >= 0);
 *
 * A connection is disarmed before the send, for two reasons: the receiver may not load this library, and it may get
 * the descriptor before the sender's call returns. A send that fails changes nothing. The message is looked at, by
 * memory_copy(), only if FD may be a Unix socket; elsewhere this costs a load. All keep errno, and may be called in
 * signal handlers and vfork children.
 */
#ifndef TRUEFIN_MESSAGES_H
#define TRUEFIN_MESSAGES_H

#include "connection/table.h"

#include <sys/socket.h>

enum { MESSAGES_KEPT = 32 }; /* so many of a call's descriptors come back if it fails; others stay disarmed */

struct messages {
    unsigned count;
    struct {
        table_name connection;
        int fd;
        unsigned message; /* the how manieth of the call */
        bool armed;
    } left[MESSAGES_KEPT];
};

void messages_before(struct messages *out, int fd, const struct msghdr *message);

/* For sendmmsg(2), with COUNT messages. */
void messages_before_many(struct messages *out, int fd, const struct mmsghdr *messages, unsigned count);

/* So many of them were sent. */
void messages_after(const struct messages *out, unsigned sent);

/*
 * Around recvmsg(2), and recvmmsg(2) with the RESULT, which is returned. The kernel has accepted the first
 * RESULT messages.
 */
void messages_begin(void);
ssize_t messages_received(struct msghdr *message, ssize_t result);
int messages_received_many(struct mmsghdr *messages, int result);

#endif
