/*
 * A signal that comes before the side-car has received a notification ends the wait for it with ERESTARTSYS: behind a handler
 * without SA_RESTART the program would read EINTR from close(2), which no kernel gives for a socket, and many a program would
 * not try again. So at the stop for the signal this becomes ERESTARTNOINTR: the call is made after the handler, always.
 */
#ifndef TRUEFIN_WATCH_RESTART_H
#define TRUEFIN_WATCH_RESTART_H

#include <sys/types.h>

/* TID has stopped for a signal that is about to be delivered. Does nothing where there is no filter. */
void restart_notified(pid_t tid);

#endif
