/*
 * Say what happened: one line of logfmt or JSON (line.h), one write(2), to where TRUEFIN_LOG says.
 *
 * Nothing here allocates, locks or uses stdio; errno is kept; safe in signal handlers. A record never blocks
 * the program and never raises SIGPIPE in it: what cannot be written is counted, and the next line says
 * lost=N.
 */
#ifndef TRUEFIN_RECORD_H
#define TRUEFIN_RECORD_H

#include "connection/fate.h"
#include "policy.h"

#include <stdatomic.h>

#include <sys/types.h>

/*
 * WHERE has passed log_parse(), or is NULL: no records. A file is opened now, before the program drops its
 * rights. Returns 0, or the errno for which that failed; it is tried again for each record then.
 */
int record_open(const char *where);

/*
 * Has `truefin run` opened this file, and would it have said a fault? Who cannot open it below has no right
 * to it any more, or another root directory: no reason to write to its stderr, and none to end it.
 */
bool record_was_checked(const char *where);

/* The next lines are about another process. The strings must last; WHERE says who reports. */
void record_about(pid_t pid, const char *program, const char *where);

/* Can a record be written now? Else nobody need find out what stands in it. */
bool record_wanted(void);

/*
 * One connection, still open as FD, is about to end. FATE: what the kernel makes of it if nobody changes anything; NULL:
 * not asked. While truefin observes, ENDING is what the policy would have done.
 */
void record_ending(int fd, enum event event, enum ending ending, const struct fate *fate);

/* The same for source-failed, because of what SOURCE says: which connection or child, and how it has failed. */
struct failure;
void record_source_failed(int fd, enum ending ending, const struct failure *source);

/* A write was refused on FD, whose peer has sent its FIN. */
void record_refusal(int fd);

/*
 * The process dies by EVENT; COUNT connections got each ending. Nothing is written if all were kept, or while truefin
 * observes.
 */
void record_death(enum event event, const unsigned count[ENDINGS]);

/*
 * Connections that have reached a limit of lingering, for the next line to say. A thread that can write none
 * adds to it.
 */
extern _Atomic unsigned record_limits;

/* Something that the operator must know. A fixed text of ours, without quotes in it. */
void record_note(const char *text);

/* The same about a program that is executed; COMMAND is its path. */
void record_command(const char *text, const char *command);

#endif
