/*
 * A system call that a signal without effect has interrupted goes on. Untraced it would not notice: the
 * kernel drops what a program ignores, but not for a thread that is traced (kernel/signal.c, sig_ignored()),
 * and then ends its call for it. For x86-64; elsewhere nothing is done, because the first argument of such a
 * call cannot be had any more (arch/arm64/kernel/signal.c, do_signal()).
 *
 *             no call ----- a stop of job control ------------------------> OVER
 *                |
 *                | a signal without effect has cut the call
 *                v
 *     +----> REWOUND ------ a signal with effect, a stop of job control,
 *     |       |   ^ |       or its time is up ----------------------------> OVER
 *     |       |   +-+ another signal without effect                          ^
 *     | exit, | entry                                                        |
 *     | cut   v                                                              |
 *     +---- INSIDE -------- exit, done or failed --------------------------->+
 *             |                                                              |
 *             +------------ exit, failed with a signal that the whole        | that signal comes,
 *                           would not have brought ------------> BROKEN ---->+ and is dropped
 *
 *     OVER, BROKEN -------- the next call ------> no call
 *
 *     REWOUND   the thread is at the instruction of the call again, with what is left of a transfer
 *     INSIDE    the kernel works on the rest
 *     OVER      the thread has its own registers again, and the result of the whole
 *
 * In REWOUND and INSIDE the thread has other arguments in its registers than the program gave it: with a
 * side-car that is killed there, the call returns the count of the rest.
 */
#ifndef TRUEFIN_WATCH_RESUME_H
#define TRUEFIN_WATCH_RESUME_H

#include "task.h"

/*
 * At a stop for the signal NUMBER, or 0 for one that is no signal. The signal to deliver. While the task has
 * a call, it is to stop at entries and exits.
 */
int resume_at_signal(struct task *task, int number);

/* At a stop of job control, which ends a call untraced, too. */
void resume_at_stop(struct task *task);

/* At a stop at the entry or the exit of a call. */
void resume_at_syscall(struct task *task);

#endif
