/*
 * The real functions behind the hooks: the next ones in the search order, so that other preload libraries
 * keep working. The types come from the functions' own declarations.
 */
#ifndef TRUEFIN_LIBC_H
#define TRUEFIN_LIBC_H

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Marks a hook: everything else is hidden. */
#define HOOK __attribute__((visibility("default")))

/* Not in any header: what crt1.o calls (glibc csu/libc-start.c), and two old names of signal(3). */
int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv, void (*init)(void),
                      void (*fini)(void), void (*rtld_fini)(void), void *stack_end);
__sighandler_t bsd_signal(int number, __sighandler_t handler);

struct libc {
#define CALL(name) __typeof__(name) *name;
#include "calls.def"
#undef CALL
};

extern struct libc libc;

/*
 * Fills the table, whole; returns it. Idempotent, so two threads may do it at once. It calls dlsym(3), which
 * is not safe in a signal handler: the constructor runs it first, and only another library's earlier
 * constructor can find a gap.
 */
const struct libc *libc_resolve(void);

/* The real function: real(close)(fd). Safe wherever the function is. */
#define real(name) (__builtin_expect(libc.name != NULL, 1) ? libc.name : libc_resolve()->name)

#endif
