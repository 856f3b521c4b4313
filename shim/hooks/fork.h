/*
 * What a fork does to the connections: called by the hooks around every kind of fork, in this order:
 *
 *     tree_before_fork();  pid = fork();  tree_after_fork(pid);
 *
 * Neither walks the table. Both keep errno and may be called in signal handlers, as _Fork(3) may.
 */
#ifndef TRUEFIN_FORK_H
#define TRUEFIN_FORK_H

#include <sys/types.h>

void tree_before_fork(void);

/* CHILD is what fork returned: 0 in the child, -1 for failure. */
void tree_after_fork(pid_t child);

/* A child was made that runs another program. */
void tree_spawned(void);

/* The process that was BEFORE goes on as this fork child, and nobody else is left of it: daemon(3). */
void tree_moved(pid_t before);

/* A child that shares our memory is about to be made by clone(2): from now on every entry asks for the pid.
 */
void tree_shares_memory(void);

/* Set by the vfork hook in the thread that called vfork, while its child runs. */
extern __thread int truefin_in_vfork __attribute__((tls_model("initial-exec")));

#endif
