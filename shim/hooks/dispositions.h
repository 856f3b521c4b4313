/*
 * What the program has set for each signal that we watch, and what the kernel has in its place.
 *
 * The program must not notice. For a signal that we watch, the kernel has one of two handlers of ours, and this
 * table has what the program set. A program that asks is told what it set.
 *
 *     program says   kernel has     which signals
 *     SIG_DFL        by_default     all that are watched; in process 1 of a container: none
 *     a handler      handled        stop signals
 *     SIG_IGN        SIG_IGN
 *
 * All but dispositions_watch() are safe in signal handlers. In a vfork child the memory is the parent's, but
 * the kernel's dispositions are the child's own: there only those are safe that say so.
 */
#ifndef TRUEFIN_DISPOSITIONS_H
#define TRUEFIN_DISPOSITIONS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* One signal in a set of them (policy.h). */
#define BIT(number) ((uint64_t)1 << (number))

typedef void dispositions_handler(int number, siginfo_t *info, void *context);

/*
 * For the constructor, before any thread: from now on SIGNALS are watched, and these two handlers stand in
 * for what the program sets.
 */
void dispositions_watch(uint64_t signals, dispositions_handler *by_default, dispositions_handler *handled);

/* Is the signal watched? Safe in a vfork child. */
bool dispositions_has(int number);

/* Is the signal a request to stop, by TRUEFIN_STOP_SIGNALS? Safe in a vfork child. */
bool dispositions_is_stop(int number);

/* What the program has set for a signal that is watched. */
const struct sigaction *dispositions_of(int number);

/* sigaction(2) for a signal that is watched. */
int dispositions_set(int number, const struct sigaction *action, struct sigaction *old);

/* The same in a vfork child: the table stays the parent's. */
int dispositions_set_in_vfork_child(int number, const struct sigaction *action, struct sigaction *old);

/* In a new fork child, of process 1, default signals kill again. A step of process_at_birth(). */
void dispositions_new_process(pid_t pid);

/*
 * Has the program left signal NUMBER at its default, so that it kills? Then our handler, if it has one, is
 * taken away: the caller does its work. Two calls.
 */
bool dispositions_default_kills(int number);

/* Give the kernel the program's own dispositions back, for good. */
void dispositions_restore(void);

#endif
