/* Is the language's run-time, and with it the process, ending? */
#ifndef TRUEFIN_RUNTIME_H
#define TRUEFIN_RUNTIME_H

#include <stdbool.h>

/*
 * CPython or Tcl, as the program itself, destroys what the script has left open: soon the process exits, with
 * a status that is not known yet. In a thread other than the main one: no. Two calls (gettid, getpid) if one
 * of them is, else none; no allocation; safe in signal handlers.
 */
bool runtime_is_dying(void);

#endif
