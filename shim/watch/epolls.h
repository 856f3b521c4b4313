/*
 * The epoll sets of watched processes. The kernel takes a descriptor out of its sets at the last close. While the side-car has a
 * copy of a connection that the program has closed, that would not come, and the program would hear of what it has given up. So
 * the side-car takes it out before (epoll(7), "Will closing a file descriptor ...?").
 */
#ifndef TRUEFIN_WATCH_EPOLLS_H
#define TRUEFIN_WATCH_EPOLLS_H

#include <stdbool.h>
#include <sys/types.h>

/* Before all else. Takes descriptors, so what is open by then is few. */
void epolls_begin(void);

/* Process PID makes a set now. */
void epolls_change(pid_t pid);

/*
 * PID closes sets of its, or other descriptors. LOSES: another process may have such a set, and PID has it no more. What it has
 * registered there cannot be taken out.
 */
void epolls_close(pid_t pid, bool loses);

/* PID is gone, or runs another program. */
void epolls_forget(pid_t pid);

/*
 * Takes COPY, a socket with INODE that PID has at FD, out of all sets of PID: afterwards the copy may outlive the program's close.
 * HAS_COPIES: it may be there under other numbers, too. False if it may still be in one. May rest (turns.h) where the caller may.
 */
bool epolls_take_out(pid_t pid, int fd, int copy, ino_t inode, bool has_copies);

#endif
