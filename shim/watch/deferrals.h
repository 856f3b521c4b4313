/*
 * Connections whose close is deferred: the program has closed them, and the side-car holds a copy.
 *
 *     deferrals_begin() --> TRUEFIN_DEFER_TIME over, or an exec --> the close, as it was judged then
 *                       \-> the process dies ------------------> as if it had not been closed
 */
#ifndef TRUEFIN_WATCH_DEFERRALS_H
#define TRUEFIN_WATCH_DEFERRALS_H

#include "policy.h"
#include "task.h"

#include <stdbool.h>
#include <sys/types.h>

struct deferral {
    int fd; /* our copy, out of all epoll sets */
    pid_t pid;
    ino_t inode;
    const struct endings *endings;
    enum event event; /* close or unread */
    uint32_t due;     /* by deferrals_begin() */
};

/* Its copy is no longer the caller's. False without memory. */
bool deferrals_begin(struct deferral deferral);

/* Is any close deferred? Milliseconds until one is due. And: carries out what is due. */
bool deferrals_are_there(void);
int deferrals_until_due(void);
void deferrals_look(void);

/*
 * The process PID, which was GIVEN sockets (NULL: not known), ends by EVENT: its connections whose close is deferred end by that,
 * and a record says so. PIDFD is PID's. May rest (turns.h).
 */
void deferrals_at_death(pid_t pid, int pidfd, const struct inodes *given, enum event event);

/* The process runs another program, or ends in a way about which no rule says anything: what it has closed is closed. May rest. */
void deferrals_are_believed(pid_t pid);

#endif
