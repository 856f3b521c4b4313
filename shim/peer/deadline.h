/*
 * One deadline for the whole run, in nanoseconds of the monotonic clock.
 */
#ifndef TRUEFIN_PEER_DEADLINE_H
#define TRUEFIN_PEER_DEADLINE_H

#include <stdint.h>

enum { NS_PER_MS = 1000 * 1000 };

/* The monotonic clock. */
int64_t now_ns(void);

/*
 * Waits for the poll(2) events WANT on FD until DEADLINE. Returns the events that poll saw, or 0 once the deadline has
 * passed, even if FD is ready: an endless stream must not keep us.
 */
short wait_for(int fd, short want, int64_t deadline);

/*
 * poll cannot guard getaddrinfo(3) and the write of what was received. A signal ends the process in these calls, a
 * little later than the deadline, so that the ordinary report wins if there can be one.
 */
void guard_blocking_calls(unsigned timeout_ms);

#endif
