/*
 * Around an exec, by whatever call: what happens to the connections (launch.h), and a note for a program that
 * will not load us (absence.h).
 *
 *     exec_begins(&program);  execve(...);  exec_failed();
 *
 * Both keep errno, and are safe in signal handlers and between vfork and exec.
 */
#ifndef TRUEFIN_EXEC_H
#define TRUEFIN_EXEC_H

#include "judge/absence.h"

void exec_begins(const struct program *program);

/* The exec has returned: all is as it was. */
void exec_failed(void);

#endif
