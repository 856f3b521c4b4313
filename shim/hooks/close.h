/* Descriptors disappear: for hooks that reach the same calls by another way. */
#ifndef TRUEFIN_CLOSE_H
#define TRUEFIN_CLOSE_H

#include <stdbool.h>
#include <unistd.h>

/*
 * FD is about to be closed, or replaced, by the program. Keeps errno. Safe in signal handlers and vfork
 * children.
 */
void close_begins(int fd);

/* Is FD one of the duplicates that kept/ holds? The program has closed its own, so for the program FD is not open. */
bool close_is_of_kept(int fd);

/*
 * Before dup2(2), or dup3(2) with FLAGS: what NEW was ends, unless the call is going to fail. The rest is
 * birth_duplicate()'s. Keeps errno.
 */
void close_before_dup(int old, int new, int flags);

/*
 * close_range(2) by way of CALL: what ends there is judged, and what kept/ holds is left out. Returns and sets errno
 * as the call does.
 */
typedef __typeof__(close_range) close_range_call;
int close_range_begins(close_range_call *call, unsigned first, unsigned last, int flags);

#endif
