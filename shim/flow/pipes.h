/*
 * Pipes, pairs of sockets and pseudo-terminals that this process has made: what it has put into one comes out at the other end.
 * What comes out of one where it has put nothing is from a child: from the first that was forked after it was made.
 *
 * Known from the call that makes them on, by both their ends; a duplicate of an end is not. No lock, no allocation; a system call
 * only where it is said. Safe with threads and in signal handlers.
 */
#ifndef TRUEFIN_PIPES_H
#define TRUEFIN_PIPES_H

#include "flow/failure.h"
#include "flow/reads.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

/* One end of a pipe; 0 is none. */
typedef uint32_t pipe_end;

/* Both ENDS were made; of a pipe(2) bytes go from the second to the first. FD was closed. What is the end at FD? */
void pipes_made(const int ends[2]);
void pipes_closed(int fd);
pipe_end pipes_at(int fd);

/* Who is the source of what is read there? Names of children are no names of connections. */
source_name pipes_source(pipe_end end);
bool pipes_is_child(source_name name);

/* Bytes of SOURCE, 0 for anybody's, were put in at END, by this process. */
void pipes_fed(pipe_end end, source_name source);

/* A read at END has found its end, or an error. */
void pipes_ended(pipe_end end);

/* This process has forked CHILD, if it is > 0; CHILD has died, as wait(2) or waitid(2) have told. */
void pipes_forked(pid_t child);
void pipes_waited(pid_t child, int status);
void pipes_told(const siginfo_t *info);

/*
 * How has the child called NAME died? False if it lives, or that cannot be known any more. Asks waitid(2), which takes
 * nothing away; and for PATIENCE milliseconds, if its pipe has ended and it has not: a process closes first, and then dies.
 */
struct ended {
    pid_t child;
    int signal; /* 0: it exited */
    int status;
};
bool pipes_died(source_name name, int patience, struct ended *ended);

#endif
