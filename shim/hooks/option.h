/* The program's own wishes, for hooks that reach them by another way. */
#ifndef TRUEFIN_OPTION_H
#define TRUEFIN_OPTION_H

#include <stdbool.h>
#include <sys/socket.h>

/*
 * Around the call, whoever makes it. The ones after it get its arguments and its RESULT, which they return;
 * what they read the kernel has accepted before. All keep errno, and are safe in signal handlers and vfork
 * children.
 *
 *     listen      FD is disarmed before it: what a listener accepts would inherit that, whoever accepts it.
 *                 True if it was armed; a listen(2) that fails changes nothing.
 *     shutdown    FD is disarmed before it, for the FIN says that all was well: a peer that has it may kill the
 *                 program before the call returns. True if it was armed; a shutdown(2) that fails changes nothing.
 *                 First of all: true if it becomes the abort of what a relay had from a source that has failed. Then it is
 *                 not made, and has succeeded.
 *     setsockopt  SO_LINGER is remembered as the kernel took it, and what was armed is armed again.
 *     getsockopt  the program reads of SO_LINGER what it set, not what we did.
 */
bool option_before_listen(int fd);
int option_after_listen(int fd, bool armed, int result);
bool option_shutdown_aborts(int fd, int how);
bool option_before_shutdown(int fd, int how);
int option_after_shutdown(int fd, int how, bool armed, int result);
int option_after_set(int fd, int level, int option, const void *value, int result);
int option_after_get(int fd, int level, int option, void *value, socklen_t *size, int result);

/*
 * The program is about to enter a sandbox that may kill it for a call that we add: put back everything that
 * is the program's own, and make no call of ours any more. Keeps errno.
 */
void option_sandbox(void);

/* What prctl(2) is asked to do, with its first two arguments. */
void option_prctl(int operation, unsigned long mode, unsigned long filter);

#endif
