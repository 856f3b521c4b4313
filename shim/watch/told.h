/* What a death has to tell: a record for each connection, where all endings are recorded, and the counters. */
#ifndef TRUEFIN_WATCH_TOLD_H
#define TRUEFIN_WATCH_TOLD_H

#include "task.h"

#include "policy.h"

#include <stddef.h>

struct told;

/*
 * Room for MOST connections of PID, whose death is judged; free(3) it. NULL where they are not recorded one by one, where they
 * were when another thread of it died, or without memory.
 */
struct told *told_new(pid_t pid, size_t most);

/* Notes FD, before it is changed: what the kernel would make of it. FD has to stay open until told_say(). Three calls. */
void told_note(struct told *told, int fd, enum event event, enum ending ending);

bool told_any(const struct told *told);

/* Writes the records. For judge_record(). */
void told_say(const void *told);

/* Counts one close of FD that the side-car has seen, in its page. */
void told_ending(int fd, enum event event, enum ending ending);

/* Counts in the side-car's page; COUNT as of verdicts: of each ending, for EVENT and for sessions. */
void told_count(enum event event, const unsigned count[2][ENDINGS + 1]);

#endif
