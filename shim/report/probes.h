/*
 * USDT probes (sys/sdt.h of SystemTap, if it was there at the build): a nop each in the code, and a note in the file by which
 * bpftrace(8), perf-probe(1) and gdb(1) find it. No semaphore: nothing is asked. Provider "truefin"; the numbers of events,
 * endings and outcomes are those of their enums, in the order of policy.h and kept.h.
 *
 *     birth      descriptor, role (0 accepted, 1 connected), port of the service if a rule asks for it
 *     event      descriptor, event: a connection ends; nothing has been done to it yet
 *     ending     descriptor, event, ending: what it gets, or while it observes what the policy says
 *     kept_done  descriptor, aim (0 discards, 1 flushes), outcome
 *     death      event: the process ends, and all of its connections have been ended
 */
#ifndef TRUEFIN_PROBES_H
#define TRUEFIN_PROBES_H

#ifdef __has_include
#if __has_include(<sys/sdt.h>)
#define TRUEFIN_HAS_PROBES
#endif
#endif

#ifdef TRUEFIN_HAS_PROBES
#include <sys/sdt.h>
#define PROBE1(name, a)       STAP_PROBE1(truefin, name, a)
#define PROBE2(name, a, b)    STAP_PROBE2(truefin, name, a, b)
#define PROBE3(name, a, b, c) STAP_PROBE3(truefin, name, a, b, c)
#else
#define PROBE1(name, a)       ((void)(a))
#define PROBE2(name, a, b)    ((void)(a), (void)(b))
#define PROBE3(name, a, b, c) ((void)(a), (void)(b), (void)(c))
#endif

#endif
