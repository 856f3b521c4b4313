/*
 * Which watched processes have a socket? Looked up for all of them at once, and remembered until
 * holders_forget(): of a thousand processes that are killed together not each looks at all others.
 */
#ifndef TRUEFIN_WATCH_HOLDERS_H
#define TRUEFIN_WATCH_HOLDERS_H

#include "task.h"

#include <stdbool.h>
#include <sys/types.h>

/* Looks, in turns (turns.h), or waits for a look that somebody else has begun since holders_forget(). */
void holders_look(void);

/*
 * By the last look: has a process other than BUT, which lives (task_lives()), the socket? True if that cannot
 * be told: see below.
 */
bool holders_have(ino_t inode, pid_t but);

/*
 * Does anything else than descriptor FD of PID hold the socket? Looks for that, anew, but once for all that ask before it
 * begins. True if it cannot be told, or if a descriptor is on its way between two processes (SCM_RIGHTS). By the way finds out of
 * all processes whether they may share sockets (task.h). Rests (turns.h), so the work must be one.
 */
bool holders_have_other(ino_t inode, pid_t pid, int fd);

/* CHILD is born: does it have the very descriptors of its PARENT (CLONE_FILES)? One call, where closes are seen. */
void holders_see_birth(struct process *child, struct process *parent);

/* Is there a watched process that cannot be looked at, or no memory? Then nothing can be told of any socket. */
bool holders_are_hidden(void);

/* The sockets that PID has now are from now on in the hands of processes that are not watched, too. */
void holders_share(pid_t pid);

/*
 * PID begins to be watched: of the sockets that it was born with, those that its parent may have, where that
 * cannot be looked at, or that others above it have, are in their hands. What the parent has can be asked
 * later.
 */
void holders_begin(pid_t pid);

/* What is looked up from now on is to be looked up anew. */
void holders_forget(void);

#endif
