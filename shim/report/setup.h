/* The configuration is read, and what is wrong with it is said. */
#ifndef TRUEFIN_SETUP_H
#define TRUEFIN_SETUP_H

#include <stdbool.h>

/*
 * Reads the variables, and opens the place for records, before the program drops its rights. A bad value is
 * said on stderr, in one line, unless stderr is a client's; under TRUEFIN_STRICT=1 the process ends then,
 * with EX_CONFIG (78, sysexits(3)). A log that cannot be opened is said too, but without its records truefin
 * still does the rest. False if there is nothing to do. Before main, or before there are threads.
 */
bool setup_read(void);

#endif
