/* Programs that trace others themselves. A thread has one tracer only, so what they run must not be watched. */
#ifndef TRUEFIN_WATCH_TRACERS_H
#define TRUEFIN_WATCH_TRACERS_H

#include <stdbool.h>

/* NAME is the last component of the path of a program. */
bool tracers_have(const char *name);

#endif
