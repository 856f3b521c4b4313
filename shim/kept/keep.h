/*
 * Keeps connections for the program that has closed them, each as a duplicate at a high number (slots.h), until
 * what is to be done for it is done (kept.h), which the thread sees to (thread.h).
 *
 *     linger     FIN at the close; then what the peer still sends is discarded until its own FIN, so that no late
 *                byte makes the kernel send an RST, which could destroy what the peer has not read yet
 *     flush-rst  no FIN; when all that was written is delivered, the abort
 *
 * At most a sixteenth of RLIMIT_NOFILE is kept, so that the program never lacks the numbers: beyond that the
 * connection that has been kept longest ends for the new one, as it does where accept(2), socket(2), dup(2) or
 * fcntl(2) find no number. open(2) and most others are made inside libc, where no hook could give them one.
 *
 * All functions keep errno and may be called in signal handlers; none in a vfork child (process_enter()).
 */
#ifndef TRUEFIN_KEEP_H
#define TRUEFIN_KEEP_H

#include "connection/table.h"

/*
 * Hand over the connection of FD, drained, of which the caller alone knows that the policy wants it to linger
 * and that no other process holds it: sends the FIN. False if it cannot be kept, as near RLIMIT_NOFILE; then
 * nothing is lost but the lingering. Either way the caller goes on to its real close.
 */
bool keep_linger(int fd, const struct connection *connection);

/*
 * Hand over the connection of FD, armed, which is to be aborted when all is delivered. SOLE: no other process
 * holds it, so what arrives may be discarded. False if it cannot be kept: then its close would destroy data.
 */
bool keep_flush(int fd, const struct connection *connection, bool sole);

/*
 * The same for one that the program goes on to read: when all is delivered it is aborted under the program's descriptor,
 * which reads ECONNRESET then.
 */
bool keep_flush_open(int fd, const struct connection *connection);

/* Is FD one of our own descriptors? To the program it does not exist. One comparison as long as none was kept. */
bool keep_holds(int fd);

/* The lowest of them in [from, last]; -1 if there is none. */
int keep_next(unsigned from, unsigned last);

/* The program is about to put something else at FD, which is ours: end what is kept there. */
void keep_give_up(int fd);

/*
 * A call has failed for want of a descriptor number (errno is EMFILE): give one of ours back. False if it is
 * another error, or there is none.
 */
bool keep_gives_room(void);

/* Is the thread there? One load. */
bool keep_has_thread(void);

/*
 * Around a call that acts on one thread only, or wants no other thread to be there:
 *
 *     keep_halt();  unshare(...);  keep_resume();
 *
 * Ends all that is kept, and waits for the thread to be gone: some milliseconds, and TRUEFIN_FLUSH_AT_EXIT where
 * something is to be delivered. Until the other call comes nothing is kept.
 */
void keep_halt(void);
void keep_resume(void);
bool keep_is_halted(void);

/* Is anything kept that is to be aborted? One load. */
bool keep_flushes(void);

/* Waits for what is to be aborted, at most MILLISECONDS; then aborts it. */
void keep_end_flushes(uint32_t milliseconds);

/* The process ends in order: wait, if that is set, for at most TRUEFIN_LINGER_TIME; then end what is kept. */
void keep_exit(void);

/*
 * In a fork child, before anything else: its copies are not its own, and there is no thread. A step of
 * process_at_birth().
 */
void keep_new_process(pid_t pid);

#endif
