#include "judge/event.h"

#include "config.h"

enum { LAST_SIGNAL = 63 }; /* as in a set of signals (policy.h) */

static enum event event_of_signal(int signal)
{
    return signal <= LAST_SIGNAL && (config.stop_signals >> signal & 1) ? EVENT_STOP : EVENT_CRASH;
}

/* A process that was asked to stop and ends, with whatever status, has stopped. */
enum event event_of_death(struct death death)
{
    if (death.signal)
        return event_of_signal(death.signal);
    if (death.asked_to_stop)
        return EVENT_STOP;
    return statuses_has(&config.clean_exits, death.status) ? EVENT_EXIT : EVENT_EXIT_ERROR;
}

/* If a signal killed the service, this close is the end of that service. */
enum event event_of_close(struct closing closing)
{
    if (closing.service_signal)
        return event_of_signal(closing.service_signal);
    return closing.exiting ? closing.exit : closing.unwinding;
}

enum event event_of_session(enum event event, bool given)
{
    return given && event == EVENT_EXIT_ERROR ? EVENT_SESSION_ERROR : event;
}
