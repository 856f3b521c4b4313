/* Is this thread unwinding? */
#ifndef TRUEFIN_UNWIND_H
#define TRUEFIN_UNWIND_H

#include "policy.h"

/*
 * EVENT_UNWIND or EVENT_EXCEPTION while this thread unwinds, else EVENT_CLOSE. Safe everywhere: it reads
 * thread-local state only. Unwinding is not watched yet: always EVENT_CLOSE.
 */
enum event unwind_event(void);

#endif
