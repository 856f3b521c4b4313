/*
 * What programs close that do not load the library, seen by the filter (filter.h): the close is judged while the thread waits in
 * it, with all still open, and is then made.
 *
 *     a notification -> not a socket, a program that loads the library -----------------------> the call goes on
 *                       a connection: which rule, is anything unread, does anybody else have it?
 *                          keep ----------------------------------------------------------------> the call goes on
 *                          fin, rst: done on a copy, which is closed again -----------------> the call goes on
 *                          linger, flush-rst: a copy for the keeper, out of the epoll sets -> the call goes on
 *                          defer-close: the same, for TRUEFIN_DEFER_TIME or until the process dies
 *
 * No copy but those outlives the call, for the program may count on what its close ends at once.
 */
#ifndef TRUEFIN_WATCH_CLOSES_H
#define TRUEFIN_WATCH_CLOSES_H

#include "policy.h"
#include "task.h"

#include <linux/seccomp.h>

/* A notification has come. It is answered now, or by work that takes turns. */
void closes_see(struct seccomp_notif *notice);

/* Has PID, which begins a program, any socket, as far as can be told? Rests. */
bool closes_have_sockets(pid_t pid);

#endif
