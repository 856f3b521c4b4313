/* Why a process that runs has not loaded the library. */
#ifndef TRUEFIN_ABSENT_H
#define TRUEFIN_ABSENT_H

#include "processes.h"

#include <stddef.h>

/* One clause for people, and whether somebody wanted it there. */
void absent_why(char *out, size_t size, const struct processes *all, const struct process *process);

#endif
