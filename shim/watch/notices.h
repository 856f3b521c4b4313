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

/*
 * LISTENER, which is this process's own from now on. Starts the guardian. False if that cannot be: then the filter must not
 * meet the program.
 */
bool notices_begin(int listener);

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
