/*
 * Makes or accepts the one connection.
 */
#ifndef TRUEFIN_PEER_CONNECT_H
#define TRUEFIN_PEER_CONNECT_H

#include "options.h"
#include "report.h"

/*
 * Both return a non-blocking descriptor, or -1 with errno set: ETIMEDOUT also at DEADLINE (monotonic ns). They put the
 * address of the other side into the report. A host that cannot be looked up ends the process.
 */
int connect_any(const struct options *o, int64_t deadline, struct report *r);
int accept_one(const struct options *o, int64_t deadline, struct report *r);

/* Puts our own address into the report. The peer's cannot be asked for later: the kernel forgets it after an RST. */
void note_local_address(int fd, struct report *r);

/* Takes the error from the socket (SO_ERROR). Returns 0 if there is none. */
int pending_error(int fd);

#endif
