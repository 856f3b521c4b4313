/*
 * The page of this process in TRUEFIN_STATS (connection/page.h): a file of its own, made at its first connection, mapped, and
 * closed again. No descriptor is kept.
 *
 * Who may be trusted: the directory has to belong to root or to the caller, and if others can write there it has to be
 * sticky, so that nobody can take another one's page away. A page is made new (O_EXCL, O_NOFOLLOW), with mode 0600.
 */
#ifndef TRUEFIN_STATS_H
#define TRUEFIN_STATS_H

#include "policy.h"

#include <sys/types.h>

/* Can pages be made in PATH? NULL, or what is wrong with it. One call. Uses strerror(3): before there are threads. */
const char *stats_refuses(const char *path);

/* Counts from now on; the page of a SIDECAR is for PROGRAM's deaths, else PROGRAM is NULL. Before main. */
void stats_open(const char *program, bool sidecar);

/*
 * A connection is born, or ends: the page is made, if it is not there. Some ten calls, once in a process. Where it cannot be
 * made, nothing is counted any more. Keeps errno; safe in signal handlers; not in a vfork child.
 */
void stats_begin(void);

/* In a new fork child: it counts for itself. A step of process_at_birth(). */
void stats_new_process(pid_t pid);

/* daemon(3): the process goes on under another number, with all that it had. */
void stats_moved(void);

/* The process ends by EVENT, and all of its connections have been ended. */
void stats_died(enum event event);

/* The process executes another program, or fails to. Not in a vfork child. */
void stats_execs(bool does);

#endif
