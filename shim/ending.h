/* Descriptors disappear: for hooks that reach the same calls by another way. */
#ifndef TRUEFIN_ENDING_H
#define TRUEFIN_ENDING_H

#include <stdbool.h>

/* FD is about to be closed, or replaced, by the program. Keeps errno. Safe in signal handlers and vfork
 * children. */
void ending_of(int fd);

/* Is FD one that linger.c keeps? Then the program cannot close what it has not. */
bool ending_is_ours(int fd);

#endif
