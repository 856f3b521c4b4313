/*
 * What a new program does to the connections: the process execs, or makes a child that does.
 *
 * All keep errno, and are safe in signal handlers and between vfork and exec.
 */
#ifndef TRUEFIN_LAUNCH_H
#define TRUEFIN_LAUNCH_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * CHILD was made by vfork or posix_spawn and has execed: it may have any of our connections at 0, 1, 2, and
 * displaces nobody. RELEASED: an exec hook ran in it (launch_before_exec). Three links of /proc are read if
 * we have connections, and only if one is a socket is the table walked.
 */
void launch_after(pid_t child, bool released);

/*
 * Around an exec:  launch_before_exec();  execve(...);  launch_exec_failed();
 *
 * The new program may not load us: what it gets at 0, 1, 2 is released, what only this process has is
 * disarmed. The new program's constructor adopts what it finds at 0, 1, 2 and arms it again. A claim is kept
 * for what is at 0, 1, 2 and given up for the rest. In a vfork child only the kernel's state is changed,
 * never the table.
 */
void launch_before_exec(void);

/* The calling thread is about to call vfork(2). */
void launch_vforks(void);
void launch_exec_failed(void);

#endif
