/*
 * Deaths that the kernel makes and that a handler can see: stop signals, and under a policy that promises a
 * FIN for crashes also the fatal ones.
 *
 * The program must not notice. For a signal that we watch, the kernel has one of two handlers of ours, and
 * `program` what the program set; whoever asks is told the latter.
 *
 *     program says   kernel has     when it arrives
 *     SIG_DFL        on_default     judge all connections, then die of the signal as the kernel would have it
 *     a handler      on_handled     note "asked to stop", then call the program's (stop signals only)
 *     SIG_IGN        SIG_IGN        nothing
 */
#ifndef TRUEFIN_SIGNALS_H
#define TRUEFIN_SIGNALS_H

#include <stdbool.h>
#include <sys/types.h>

/* For the constructor, after the policy is known and before any thread: watch what the policy needs watched.
 */
void signals_watch(void);

/* In a new fork child, of process 1, default signals kill again. A step of process_at_birth(). */
void signals_new_process(pid_t pid);

/*
 * Has the program left signal NUMBER at its default, so that it kills? Then our handler, if it has one, is
 * taken away: the caller does its work. Two calls; safe in signal handlers, not in a vfork child.
 */
bool signals_default_kills(int number);

/* Give the kernel the program's own dispositions back, for good. Safe in signal handlers. */
void signals_restore(void);

#endif
