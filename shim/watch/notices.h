/*
 * The notifications of the filter (filter.h), in the side-car: received one by one, and answered by CONTINUE, always: the
 * kernel then makes the call as if nothing had been. Each that is not answered yet stands in a slot that the guardian sees
 * (guardian.h): the kernel itself writes it there, so no moment is left in which a SIGKILL could lose one.
 *
 *     INIT -- notices_take() --> in a slot -- notices_answer() --> the thread goes on with its call
 */
#ifndef TRUEFIN_WATCH_NOTICES_H
#define TRUEFIN_WATCH_NOTICES_H

#include <linux/seccomp.h>
#include <stdbool.h>
#include <sys/types.h>

/*
 * Through CHANNEL, a socket, PROGRAM is going to tell at which number it has the listener, if it makes one, and wait for the answer:
 * a bool. The caller goes on meanwhile to hear of what PROGRAM does, or PROGRAM could not even end.
 */
void notices_await(int channel, pid_t program);

/* CHANNEL, for poll(2); -1 if that is over. */
int notices_channel(void);

/* CHANNEL is readable. Takes the listener, and starts the guardian. True if there are notifications from now on. */
bool notices_begin(void);

/* The listener, for poll(2); -1 if there is none, or no slot is free. */
int notices_fd(void);

/* Is there a listener? */
bool notices_are_on(void);

/* Nobody uses the filter any more, or nobody can. */
void notices_end(void);

/* The next one. NULL if it is gone again. To be called only when poll(2) says that there is one: else it waits. */
struct seccomp_notif *notices_take(void);

/* The call is made now. False if the thread is not in it any more: it was killed, or interrupted. */
bool notices_answer(struct seccomp_notif *notice);

#endif
