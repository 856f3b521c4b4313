/*
 * Closes that are believed when the program goes on. A program that fails often closes first and exits after:
 * destructors, `finally`, `with`, global destruction. So under the policy word defer-close a close is not carried out at
 * once, if the end of the process could have another ending. It is carried out, as the event close, when
 *
 *     - the thread that has closed shows that the program goes on: it waits for something (io/wait.c), or it ends
 *     - the process forks, executes another program, or needs the number
 *     - TRUEFIN_DEFER_TIME is over
 *
 * If the process ends before, that event decides, as if the close had not been made (verdict_death()).
 *
 * The closes of CPython and Tcl as they destroy what the script has left open are deferred too, under every policy and
 * without a limit: their next step is the exit. A wait of theirs for a child, or a fork, carries them out as well.
 *
 * All keep errno, and are safe in signal handlers; in a vfork child they do nothing.
 */
#ifndef TRUEFIN_DEFERRED_H
#define TRUEFIN_DEFERRED_H

#include <stdbool.h>
#include <stddef.h>

/* At the start, if any close of any connection is to be deferred. */
void deferred_start(void);

/* FD is about to be closed: verdict_close(), or that later. The caller goes on to its real close either way. */
void deferred_close(int fd, size_t buffered);

/* The same for all from FIRST to LAST that are not our own. */
void deferred_close_range(unsigned first, unsigned last);

/* The calling thread goes on: what it has closed is closed. Some loads if there is nothing. */
void deferred_goes_on(void);

/* The same before it waits for a child, which may have the other end: what a dying interpreter has closed is closed too. */
void deferred_before_child(void);

/* Carries out all, whoever has closed it. One load if there is none. */
void deferred_end(void);

/* Carries out the one at FD, over which the program puts something else. Nothing if there is none. */
void deferred_give_up(int fd);

/*
 * RESULT is that of a call that makes a descriptor. True if no number was left (EMFILE) and one of ours was given back:
 * then the call is to be made again.
 */
bool deferred_gives_room(int result);

/*
 * By this name libtruefin-io.so calls deferred_goes_on(), before a call that waits at FD, -1 for none. A file is nothing
 * to wait for: one fstat(2), where something is deferred.
 */
void truefin_goes_on(int fd);

/*
 * The same for an event loop. It may come back to its set once more as it ends, for the event by which it wakes itself. So
 * there must be nothing to be had at once (truefin_goes_on()), or more than one event, or the second time one.
 * truefin_has_closed(): has this thread something deferred?
 */
bool truefin_has_closed(void);
void truefin_had_events(int count);

#endif
