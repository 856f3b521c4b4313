/*
 * Copies of what watched processes have open (pidfd_getfd(2)), and their close, which must not wait.
 *
 * A copy may turn out to be the last one that is open: then close(2) waits for as long as the program's own
 * SO_LINGER says (socket(7)). A process that ends closes without that (inet_release() in net/ipv4/af_inet.c).
 * So a process of ours holds those that linger while this one closes them, and then it is killed:
 *
 *     side-car  take, look, act ... clone ------ close, close ... kill, wait
 *     holder                          |  has them all too ........ ends
 *
 * All works that take turns (turns.h) share the copies: whoever has taken one uses it before he rests.
 */
#ifndef TRUEFIN_WATCH_COPIES_H
#define TRUEFIN_WATCH_COPIES_H

/*
 * A copy of descriptor NUMBER of the process of PIDFD, which nobody else may close. It is valid until the
 * next call of these two, or until its work rests. -1 with errno; EAGAIN if there are too many that cannot be
 * closed now. May rest before it takes.
 */
int copies_take(int pidfd, int number);

/* FD, a copy that the caller has, is closed with those that were taken. */
void copies_add(int fd);

/* FD, which was taken, is the caller's from now on, for as long as he likes. */
void copies_leave(int fd);

/*
 * Closes all that has been taken; rests until that is done. What belongs to a stopped thread must be closed
 * before that goes on: the last close is to be its own. If no process can be made, those that linger stay
 * until the next call.
 */
void copies_close(void);

#endif
