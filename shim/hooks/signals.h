/*
 * Deaths that the kernel makes and that a handler can see: stop signals, and under a policy that promises a
 * FIN for crashes also the fatal ones. dispositions.h has the handlers' table.
 *
 *     program says   kernel has     when it arrives
 *     SIG_DFL        on_default     judge all connections, then die of the signal as the kernel would have it
 *     a handler      on_handled     note "asked to stop", then call the program's (stop signals only)
 *     SIG_IGN        SIG_IGN        nothing
 */
#ifndef TRUEFIN_SIGNALS_H
#define TRUEFIN_SIGNALS_H

/* For the constructor, after the policy is known and before any thread: watch what the policy needs watched. */
void signals_watch(void);

#endif
