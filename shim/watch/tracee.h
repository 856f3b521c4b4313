/* A thread that is traced and has stopped (ptrace(2)). Only the side-car's one thread may ask. */
#ifndef TRUEFIN_WATCH_TRACEE_H
#define TRUEFIN_WATCH_TRACEE_H

#include "task.h"

#include <linux/audit.h>

/* What the thread calls that is no system call of this class: 32 bits. */
#ifdef __aarch64__
enum { TRACEE_NATIVE = AUDIT_ARCH_AARCH64, TRACEE_OTHER_CLASS = AUDIT_ARCH_ARM };
#else
enum { TRACEE_NATIVE = AUDIT_ARCH_X86_64, TRACEE_OTHER_CLASS = AUDIT_ARCH_I386 };
#endif

/* Begins to trace PID, which goes on undisturbed, and all that it makes. False with errno. */
bool tracee_seize(pid_t pid);

/*
 * Lets the thread, which has stopped for CODE, go on with signal NUMBER, 0 for none. A stop that nobody has
 * heard of is not overrun.
 */
void tracee_go_on(pid_t tid, const struct task *task, int code, int number);

/*
 * Lets the thread die, of signal NUMBER if that is not 0: it is traced no more, and forgotten. The kernel
 * hides the status of a process from its parent until the tracer has waited for it (ptrace(2)), and yet its
 * pidfd is readable; so nothing is traced any more when it ends. One that was killed in this stop has left it
 * (before Linux 5.17), and is waited for.
 */
void tracee_let_die(struct task *task, int number);

/* What the stop's event tells besides: a number of a thread, or a status. */
unsigned long tracee_message(pid_t tid);

/* The architecture whose system calls the thread makes, as of audit(7); 0: unknown. */
unsigned tracee_architecture(pid_t tid);

/* Waits for what the thread stops for now, which may be another thing than was seen; 0 if it was killed. */
int tracee_wait(pid_t tid);

#endif
