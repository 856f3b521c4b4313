/*
 * Connections that are to be aborted when all is delivered, at a moment at which nothing can keep them: the
 * process ends, or executes another program. They stay open and armed while the process waits for all of them
 * together, at most TRUEFIN_FLUSH_AT_EXIT; the abort is the kernel's, at the death or the exec.
 *
 *     flush_mark(fd, connection) ... flush_await(true)
 *
 * Both keep errno and may be called in signal handlers; neither in a vfork child. Time is counted in
 * milliseconds.
 */
#ifndef TRUEFIN_FLUSH_H
#define TRUEFIN_FLUSH_H

#include "connection/table.h"

/* FD is to be waited for, if it is not delivered already. One call, two for MPTCP (kept_unflushed()). */
void flush_mark(int fd, struct connection *connection);

/*
 * Waits for all that was marked, and for what is kept and to be aborted. No call where there is nothing. What
 * reaches the limit is counted (record_limits). FOR_GOOD: the process ends, so what was received and not read
 * is discarded; an exec may fail.
 */
void flush_await(bool for_good);

#endif
