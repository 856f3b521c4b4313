/*
 * Relays: has the source of a connection failed? (docs/DESIGN.md, "Relays"; what flows is in flow/.)
 *
 * All keep errno, make no system call on the data path, and are safe in signal handlers; in a vfork child they do nothing.
 */
#ifndef TRUEFIN_SOURCE_H
#define TRUEFIN_SOURCE_H

#include "connection/endpoint.h"
#include "connection/table.h"
#include "flow/flow.h"

#include <stddef.h>
#include <sys/types.h>

/* RECORD, at FD, becomes a connection; PEER as far as the caller knows it: then, and if there is a log, one getpeername(2). */
void source_born(int fd, const struct connection *record, struct endpoint peer);

/* SO_ERROR has told the program that FD has failed by ERROR. */
void source_told(int fd, int error);

/* The last descriptor of RECORD, FD, is about to be closed: whether it has failed is asked while that can be. One call at most. */
void source_closes(int fd, const struct connection *record);

/* FD, whatever it is, is closed or replaced. One load. */
void source_forgets(int fd);

/*
 * Is CONNECTION, which the program ends now, ended because its source has failed? That is so if the last bytes that were
 * written to it came from there, and the program ends it at once then, without having heard the peer's FIN after the
 * failure. One TCP_INFO where nobody knows of a failure yet.
 */
bool source_has_failed(const struct connection *connection, struct failure *failure);

/* A shutdown of CONNECTION becomes an abort, for good; has it become one? */
void source_aborts(const struct connection *connection);
bool source_is_aborted(const struct connection *connection);

/* Has anybody asked for all this? In a vfork child not: a number may mean something else there than in the table. */
bool source_watches(void);

/*
 * A call that READS from FD, or writes there, has had RESULT, -1 with errno. The entry of the connection at FD; NULL if it is
 * none. A call of our own after EPIPE only.
 */
struct flow *source_heard(int fd, ssize_t result, bool reads);

#endif
