/*
 * Descriptors leave for another process, and come from one: SCM_RIGHTS (unix(7)), for hooks that reach the
 * same calls by another way.
 *
 *     struct pass out;
 *     pass_before(&out, fd, message);
 *     ssize_t result = sendmsg(fd, message, flags);
 *     pass_after(&out, result >= 0);
 *
 * What leaves is disarmed before it does, for the receiver may not know us, or may be there before the sender
 * has returned. A send that fails changes nothing. Only on what may be a Unix socket the message is looked
 * at, by memory_copy(); elsewhere this costs a load. All keep errno, and may be called in signal handlers and
 * vfork children.
 */
#ifndef TRUEFIN_PASS_H
#define TRUEFIN_PASS_H

#include "connection/table.h"

#include <sys/socket.h>

enum { PASS_KEPT = 32 }; /* so many of a call's descriptors come back if it fails; others stay disarmed */

struct pass {
    unsigned count;
    struct {
        table_name connection;
        int fd;
        unsigned message; /* the how manieth of the call */
        bool armed;
    } left[PASS_KEPT];
};

void pass_before(struct pass *out, int fd, const struct msghdr *message);

/* For sendmmsg(2), with COUNT messages. */
void pass_before_many(struct pass *out, int fd, const struct mmsghdr *messages, unsigned count);

/* So many of them were sent. */
void pass_after(const struct pass *out, unsigned sent);

/*
 * Around recvmsg(2), and recvmmsg(2) with the RESULT, which is returned. The kernel has accepted the first
 * RESULT messages.
 */
void pass_begin(void);
ssize_t pass_received(struct msghdr *message, ssize_t result);
int pass_received_many(struct mmsghdr *messages, int result);

#endif
