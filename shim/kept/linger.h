/*
 * The lingering close: what the peer still sends after our FIN is discarded until its own FIN, so that no
 * late byte makes the kernel send an RST, which could destroy what the peer has not read yet.
 *
 *     close():   keep a duplicate at a high number (slots.h), shutdown(duplicate, SHUT_WR)
 *     thread.h:  discard what arrives ... FIN, error, time or bytes used up: close(duplicate)
 *
 * At most a sixteenth of RLIMIT_NOFILE is kept, so that the program never lacks the numbers: beyond that the
 * connection that has lingered longest ends for the new one, as it does where accept(2), socket(2), dup(2) or
 * fcntl(2) find no number. open(2) and most others are made inside libc, where no hook could give them one.
 *
 * All functions keep errno and may be called in signal handlers; none in a vfork child (process_enter()).
 */
#ifndef TRUEFIN_LINGER_H
#define TRUEFIN_LINGER_H

#include "connection/table.h"

/*
 * Hand over the connection of FD, drained, of which the caller alone knows that the policy wants it to linger
 * and that no other process holds it: sends the FIN. False if it cannot be kept, as near RLIMIT_NOFILE; then
 * nothing is lost but the lingering. Either way the caller goes on to its real close.
 */
bool linger_keep(int fd, const struct connection *connection);

/* Is FD one of our own descriptors? To the program it does not exist. One comparison as long as none was kept. */
bool linger_holds(int fd);

/* The lowest of them in [from, last]; -1 if there is none. */
int linger_next(unsigned from, unsigned last);

/* The program is about to put something else at FD, which is ours: end what lingers there. */
void linger_give_up(int fd);

/*
 * A call has failed for want of a descriptor number (errno is EMFILE): give one of ours back. False if it is
 * another error, or there is none.
 */
bool linger_gives_room(void);

/* Is the thread there? One load. */
bool linger_has_thread(void);

/*
 * Around a call that acts on one thread only, or wants no other thread to be there:
 *
 *     linger_halt();  unshare(...);  linger_resume();
 *
 * Ends all that lingers, and waits for the thread to be gone, some milliseconds. Until the other call comes
 * nothing is kept.
 */
void linger_halt(void);
void linger_resume(void);

/* The process ends in order: wait, if that is set, for at most TRUEFIN_LINGER_TIME; then end what lingers. */
void linger_exit(void);

/*
 * In a fork child, before anything else: its copies are not its own, and there is no thread. A step of
 * process_at_birth().
 */
void linger_new_process(pid_t pid);

#endif
