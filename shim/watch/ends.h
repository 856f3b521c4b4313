/*
 * Threads and programs end: which of these ends is that of a process, and what is done then, in turns with
 * all else (turns.h). Only the side-car's one thread may call these.
 */
#ifndef TRUEFIN_WATCH_ENDS_H
#define TRUEFIN_WATCH_ENDS_H

#include "task.h"

/*
 * The task has stopped at its exit. Acts on the first thread that is seen dying with its process, since a
 * later one may be killed so that it does not stop any more; and on the last, since calls that were under way
 * may have brought connections.
 */
void ends_exits(struct task *task);

/* It dies of signal NUMBER now, without a stop at its exit. */
void ends_of_signal(struct task *task, int number);

/* It is gone, with STATUS as of wait(2), and has not stopped at its exit, because SIGKILL came just then. */
void ends_unseen(struct task *task, int status);

/* Thread TID has stopped for CODE: its process runs another program. */
void ends_program(pid_t tid, int code);

#endif
