/*
 * Copies of what watched processes have open (pidfd_getfd(2)), and their close, which must not wait.
 *
 * A copy may turn out to be the last one that is open: then close(2) waits for as long as the program's own
 * SO_LINGER says (socket(7)). A process that ends closes without that (inet_release() in net/ipv4/af_inet.c).
 * So a process of ours holds all copies while this one closes them, and then it is killed:
 *
 *     side-car  take, look, act ... clone ------ close, close ... kill, wait
 *     holder                          |  has them all too ........ ends
 *
 * Each thread has its own copies. Nothing here is safe in signal handlers.
 */
#ifndef TRUEFIN_WATCH_COPIES_H
#define TRUEFIN_WATCH_COPIES_H

/* A copy of descriptor NUMBER of the process of PIDFD, which copies_close() will close, and nothing else may.
 * It is valid until then, or until the next copies_take(), which closes all if there are too many. -1 with
 * errno; EAGAIN if there are too many, and they cannot be closed now. */
int copies_take(int pidfd, int number);

/* Closes all that this thread has taken. What belongs to a stopped thread must be closed before that goes on:
 * the last close is to be its own. If no process can be made, those that linger stay until the next call. */
void copies_close(void);

#endif
