/*
 * The seccomp filter that shows the side-car the closes of a program, and of all that it starts (seccomp(2),
 * SECCOMP_RET_USER_NOTIF): the thread waits in the call until it is answered. Of other calls the kernel remembers
 * that they are allowed (since Linux 5.11), and does not run the filter for them.
 *
 *     close, dup2, dup3, close_range               -> a connection may end
 *     dup, fcntl(F_DUPFD), socket(AF_UNIX) and its pair -> from now on sockets may be shared
 *     epoll_create                                      -> what is closed may still be in a set
 */
#ifndef TRUEFIN_WATCH_FILTER_H
#define TRUEFIN_WATCH_FILTER_H

#include <linux/seccomp.h>
#include <stdbool.h>

/* Is there anything in the policy that a close could change? */
bool filter_is_wanted(void);

enum filter_call {
    FILTER_OTHER,
    FILTER_CLOSE,
    FILTER_DUP_OVER,
    FILTER_RANGE,
    FILTER_DUP,
    FILTER_UNIX,
    FILTER_EPOLL
};

/* Which call is it that the kernel tells of? */
enum filter_call filter_call(const struct seccomp_data *call);

/* Is this the number of one of them, in a call of the class ARCH (AUDIT_ARCH_...)? */
bool filter_has(unsigned arch, long number);

/*
 * Installs the filter for the calling process, which has one thread, for ever. The listener, close-on-exec; -1 with
 * errno: EACCES without CAP_SYS_ADMIN and no_new_privs, EBUSY if another listener is above. From now on each of these
 * calls waits for an answer; without any listener it fails with ENOSYS.
 */
int filter_install(void);

#endif
