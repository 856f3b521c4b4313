/*
 * The epoll sets of watched processes. The kernel takes a descriptor out of its sets at the last close. While the side-car has a
 * copy of a connection that the program has closed, that would not come, and the program would hear of what it has given up. So
 * the side-car takes it out before (epoll(7), "Will closing a file descriptor ...?").
 */
#ifndef TRUEFIN_WATCH_EPOLLS_H
#define TRUEFIN_WATCH_EPOLLS_H

#include <stdbool.h>
#include <sys/types.h>

/* Process PID makes a set now, or may have others than before. */
void epolls_change(pid_t pid);

/* PID closes FD: it may be one of the sets. */
void epolls_close(pid_t pid, unsigned first, unsigned last);

/* PID is gone. */
void epolls_forget(pid_t pid);

/*
 * Takes COPY, which PID has at FD, out of all sets of PID: afterwards the copy may outlive the program's close. False if that
 * cannot be told.
 */
bool epolls_take_out(pid_t pid, int fd, int copy);

#endif
