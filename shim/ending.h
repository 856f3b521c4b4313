/* Descriptors disappear: for hooks that reach the same calls by another way. */
#ifndef TRUEFIN_ENDING_H
#define TRUEFIN_ENDING_H

/* FD is about to be closed, or replaced, by the program. Keeps errno. Safe in signal handlers and vfork
 * children. */
void ending_of(int fd);

#endif
