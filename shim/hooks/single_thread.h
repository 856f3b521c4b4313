/*
 * Around calls that act on the calling thread only, or refuse if there is another, whoever makes them:
 *
 *     bool halted = single_thread_begin();
 *     return single_thread_end(halted, unshare(flags));
 *
 * Both keep errno; single_thread_end() returns RESULT. Safe in vfork children, where they do nothing.
 */
#ifndef TRUEFIN_SINGLE_THREAD_H
#define TRUEFIN_SINGLE_THREAD_H

#include <stdbool.h>

bool single_thread_begin(void);
int single_thread_end(bool halted, int result);

#endif
