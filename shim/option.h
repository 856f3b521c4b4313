/* The program's own wishes, for hooks that reach them by another way. */
#ifndef TRUEFIN_OPTION_H
#define TRUEFIN_OPTION_H

/*
 * The program is about to enter a sandbox that may kill it for a call that we add: put back everything that
 * is the program's own, and make no call of ours any more. Keeps errno.
 */
void option_sandbox(void);

/* What prctl(2) is asked to do, with its first two arguments. */
void option_prctl(int operation, unsigned long mode, unsigned long filter);

#endif
