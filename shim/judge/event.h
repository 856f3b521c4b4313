/*
 * Which event is this? Asked here alone, by the library and by the side-car.
 *
 * Both only read the configuration and what they are given: safe everywhere.
 */
#ifndef TRUEFIN_EVENT_H
#define TRUEFIN_EVENT_H

#include "policy.h"

/* How a process ends. */
struct death {
    bool asked_to_stop; /* by a signal that it handled itself */
    int signal;         /* that kills it; 0: it exits */
    int status;         /* with this one; its low 8 bits count */
};

enum event event_of_death(struct death death);

/* What is known when a descriptor is closed. */
struct closing {
    int service_signal; /* killed the service that the connection was given to; 0: none */
    bool exiting;       /* exit(3) has begun, and that by: */
    enum event exit;
    enum event unwinding; /* EVENT_CLOSE if the thread does not unwind */
};

/* Of a connection that the dying process was GIVEN, by a fork, an exec or a message: its status is the session's. */
enum event event_of_session(enum event event, bool given);

/* EVENT_CLOSE becomes EVENT_UNREAD where data has been left unread: to ask for that costs a call. */
enum event event_of_close(struct closing closing);

#endif
