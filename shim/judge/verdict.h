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

/* What the policy says of EVENT; keep while the process is switched off (marker.h). */
enum ending verdict_wanted(const struct connection *connection, enum event event);

/* The ending that a close of FD would have now, the last one of CONNECTION. BUFFERED as for verdict_close(). */
enum ending verdict_of_close(int fd, const struct connection *connection, size_t buffered);

/*
 * The program ends the sending side of CONNECTION, FD, which is this process's. True if that becomes an abort, because the
 * source of what it has written there has failed: then there is no FIN to be sent.
 */
bool verdict_shutdown(int fd, struct connection *connection);

/* Has a FIN gone out? Then no event aborts any more. */
bool verdict_fin_is_out(int fd, const struct connection *connection);

/* EVENT, or session-error where it is that for CONNECTION. */
enum event verdict_event_for(const struct connection *connection, enum event event);

/* The process ends by EVENT: act on all that is still open, write one summary line. A watcher does that itself. */
void verdict_death(enum event event);

#endif
