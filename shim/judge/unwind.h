/* Is this thread unwinding, from a Rust panic or a C++ exception? */
#ifndef TRUEFIN_UNWIND_H
#define TRUEFIN_UNWIND_H

#include "policy.h"

/*
 * EVENT_UNWIND while a Rust panic unwinds this thread, EVENT_EXCEPTION while a C++ exception does, else
 * EVENT_CLOSE. Safe everywhere: it reads thread-local state only.
 */
enum event unwind_event(void);

/*
 * Finds what the unwinder's hooks go on to, as far as it is there from the start (and so is never unloaded),
 * before there is a second thread: threads.c says why. What is loaded later is found when it calls.
 */
void unwind_resolve(void);

#endif
