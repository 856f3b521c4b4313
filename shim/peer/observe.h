/*
 * Sends, reads, and sees how the other side ends the connection.
 */
#ifndef TRUEFIN_PEER_OBSERVE_H
#define TRUEFIN_PEER_OBSERVE_H

#include "options.h"
#include "report.h"

/*
 * Sends and reads on the non-blocking FD until the ending or DEADLINE (monotonic ns). The report gets the number of
 * bytes and the errors.
 */
enum outcome observe(int fd, const struct options *o, int64_t deadline, struct report *r);

/* The kernel's name for the state of the connection, as ss(8) prints it; NULL if it cannot be told. */
const char *tcp_state(int fd);

#endif
