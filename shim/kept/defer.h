/*
 * The numbers of connections whose close is deferred: each is a duplicate with a slot (slots.h), which the table
 * still knows. So the process has the connection as if the program had not closed it, and only the program does not
 * know. What becomes of it is judged in judge/deferred.c.
 *
 *                defer_begin()                  defer_take()
 *     FREE ----------------------> DEFERRED ----------------> BUSY --> FREE    defer_close()
 *                                      |                        ^
 *             TRUEFIN_DEFER_TIME over  +-------> SETTLED -------+
 *
 * SETTLED: the thread has disarmed it and sent its FIN, or closed it where others may use it, as the close would have done. That thread runs no code of
 * libc's, so the close itself is made by the program's next call that comes by.
 *
 * All keep errno, and are safe in signal handlers; none in a vfork child.
 */
#ifndef TRUEFIN_DEFER_H
#define TRUEFIN_DEFER_H

#include "connection/table.h"

#include <stdbool.h>

/*
 * The calling thread closes FD, of CONNECTION, for whose close it is too early to judge: the duplicate, or -1 if it
 * cannot be kept. TIMED: for TRUEFIN_DEFER_TIME at most. Six system calls, and the start of the thread; three if it is
 * not timed.
 */
int defer_begin(int fd, struct connection *connection, bool timed);

enum deferred_by {
    DEFERRED_BY_ANY,
    DEFERRED_BY_ME,   /* those that the calling thread has deferred for a time, and what is settled */
    DEFERRED_SETTLED, /* what is settled */
    DEFERRED_UNTIMED, /* those that are not timed */
};

/* Is there any? Some loads. */
bool defer_has(enum deferred_by whose);

/* The lowest at FROM or above; -1 if there is none. */
int defer_next(int from, enum deferred_by whose);

/* FD is one: from now on the caller alone acts on it, and closes it then. False if it is none. */
bool defer_take(int fd);
void defer_close(int fd);

#endif
