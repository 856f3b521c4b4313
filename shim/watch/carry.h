/* What the policy says of a watched process's connection, and how that is carried out on a copy of it (copies.h). */
#ifndef TRUEFIN_WATCH_CARRY_H
#define TRUEFIN_WATCH_CARRY_H

#include "policy.h"

#include <stdbool.h>
#include <sys/types.h>

/*
 * What the policy says of FD, a copy of a socket that THREAD has; NULL if it is no connection. May read what listens in
 * THREAD's network (listeners.h). Three calls at least.
 */
const struct endings *carry_endings(int fd, pid_t thread);

/* What they say at EVENT of a copy, where that still changes anything. */
enum ending carry_ending(int fd, const struct endings *endings, enum event event);

/*
 * Carries out ENDING on a copy. LINGERS: what arrives after the FIN is discarded by the keeper (keeper.h). True if the keeper has
 * the copy from then on; else all copies are to be closed now.
 */
bool carry_out(int fd, enum ending ending, bool lingers);

/* REPORT writes records about PID; with "stderr" they go to what PID has there. PIDFD is PID's, or -1. */
void carry_record(pid_t pid, int pidfd, void (*report)(const void *data), const void *data);

/*
 * Counts an ending of PID's that is about to be carried out on a copy, and records it; what is kept only where all is
 * recorded.
 */
void carry_record_ending(pid_t pid, int pidfd, int fd, enum event event, enum ending ending);

#endif
