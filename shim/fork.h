/*
 * What a fork does to the connections: called by the hooks around every kind of fork, in this order:
 *
 *     tree_before_fork();  pid = fork();  tree_after_fork(pid);
 *
 * Neither walks the table. Both keep errno and may be called in signal handlers, as _Fork(3) may.
 */
#ifndef TRUEFIN_FORK_H
#define TRUEFIN_FORK_H

#include <stdbool.h>
#include <sys/types.h>

void tree_before_fork(void);

/* CHILD is what fork returned: 0 in the child, -1 for failure. */
void tree_after_fork(pid_t child);

/*
 * CHILD was made by vfork or posix_spawn and has execed: it may have any of our connections at 0, 1, 2, and
 * displaces nobody. RELEASED: an exec hook ran in it (tree_before_exec). Three links of /proc are read if we
 * have connections, and only if one is a socket is the table walked.
 */
void tree_after_launch(pid_t child, bool released);

/* The process that was BEFORE goes on as this fork child, and nobody else is left of it: daemon(3). */
void tree_moved(pid_t before);

/*
 * Around an exec:  tree_before_exec();  execve(...);  tree_exec_failed();
 *
 * The new program may not load us: what it gets at 0, 1, 2 is released, what only this process has is
 * disarmed. The new program's constructor adopts what it finds at 0, 1, 2 and arms it again. A claim is kept
 * for what is at 0, 1, 2 and given up for the rest. In a vfork child only the kernel's state is changed,
 * never the table.
 */
void tree_before_exec(void);
void tree_exec_failed(void);

/* A child that shares our memory is about to be made by clone(2): from now on every entry asks for the pid.
 */
void tree_shares_memory(void);

/* Set by the vfork hook in the thread that called vfork, while its child runs. */
extern __thread int truefin_in_vfork __attribute__((tls_model("initial-exec")));

#endif
