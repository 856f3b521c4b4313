/*
 * Around calls that act on the calling thread only, or refuse if there is another, whoever makes them:
 *
 *     bool halted = alone_halt();
 *     return alone_resume(halted, unshare(flags));
 *
 * Both keep errno; alone_resume() returns RESULT. Safe in vfork children, where they do nothing.
 */
#ifndef TRUEFIN_ALONE_H
#define TRUEFIN_ALONE_H

#include <stdbool.h>

bool alone_halt(void);
int alone_resume(bool halted, int result);

#endif
