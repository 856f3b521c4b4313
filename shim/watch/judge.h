/* A watched process dies: which event is that, what does the policy say of each connection, act, record. */
#ifndef TRUEFIN_WATCH_JUDGE_H
#define TRUEFIN_WATCH_JUDGE_H

#include "task.h"

/* Where deaths need not be looked at: does any rule change anything for a death with this status (wait(2))? */
bool judge_cares(const struct process *process, int status);

/* Does it matter whether a death with this status, which seems to be an exit, is a stop? */
bool judge_may_stop(const struct process *process, int status);

/*
 * PROCESS dies with STATUS. THREAD, one of its own, is stopped and still holds the descriptors. May be called
 * again for the same death, when more threads have come to their end: LAST is the last of them, and then the
 * record is written. A connection that another watched process or the parent holds is left alone. Rests
 * (turns.h): PROCESS may be gone when it returns.
 */
void judge_death(const struct process *process, pid_t thread, int status, bool last);

/* PROCESS has died with STATUS, and none of its threads was seen dying: that is recorded. */
void judge_unseen(const struct process *process, int status);

/*
 * PID was born by a fork. Which sockets has it? What it ends with a bad status was given to it then: a session
 * (event_of_session()). NULL for none, for very many, or where no rule tells the two apart. free(3) it.
 */
struct inodes *judge_birth(pid_t pid);

/* The same for a PID that has execed: those that were meant for the program, at 0, 1, 2 or as LISTEN_FDS. */
struct inodes *judge_given_by_exec(pid_t pid);

/*
 * PID has execed: which connections above 2 that it still holds were not meant for it? All but LISTEN_FDS;
 * NULL for none, or without memory. free(3) it. Rests (turns.h).
 */
struct inodes *judge_exec(pid_t pid);

#endif
