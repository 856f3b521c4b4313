/*
 * Was a connection accepted or made? From outside a socket does not tell. It counts as accepted if its own
 * port is listened on in its network namespace, or is not one of those that the kernel hands out to
 * connect(2).
 */
#ifndef TRUEFIN_WATCH_LISTENERS_H
#define TRUEFIN_WATCH_LISTENERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Is local port PORT (host order) that of a service, seen from PID? Asks the kernel when another PID was
 * asked for before, after listeners_forget(), and a second later.
 */
bool listeners_have(pid_t pid, uint16_t port);

/* A new death: what listens may have changed. */
void listeners_forget(void);

#endif
