/*
 * The pipeline: a call -> which connection is this? -> which event is this? -> policy decides -> act ->
 * record. All functions keep errno, and may be called in signal handlers; not in a vfork child
 * (process_enter() comes first).
 */
#ifndef TRUEFIN_VERDICT_H
#define TRUEFIN_VERDICT_H

#include "connection/table.h"

/*
 * The program gives up FD. Takes it out of the table; if that was this process's last descriptor for the
 * connection, and the connection is this process's to end, acts. BUFFERED: bytes that stdio has read from it
 * and not handed out. The caller makes the real close afterwards.
 */
void verdict_close(int fd, size_t buffered);

/* The same for all descriptors in [first, last]. */
void verdict_close_range(unsigned first, unsigned last);

/*
 * The program is about to wait for a child, or to fork: what a dying run-time has closed, and what was
 * deferred until the status is known, ends now. One load if there is none.
 */
void verdict_end_deferred(void);

/* The process ends by EVENT: act on all that is still open, write one summary line. A watcher does that itself. */
void verdict_death(enum event event);

#endif
