/*
 * What a thread has at a descriptor, and copies of that. What is asked for often is kept open: the directory /proc/TID/fd and a
 * pidfd of the thread, for the last threads.
 */
#ifndef TRUEFIN_WATCH_PEEK_H
#define TRUEFIN_WATCH_PEEK_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * The inode of the socket that thread TID of process TGID has at FD; 0 for what is none. Reads the link in /proc, so that nothing
 * of the file is touched.
 */
ino_t peek_socket(pid_t tid, pid_t tgid, int fd);

/* A pidfd of the thread, not for close(2); -1 without one. */
int peek_pidfd(pid_t tid, pid_t tgid);

/* Has it anything at FD? */
bool peek_is_open(pid_t tid, pid_t tgid, int fd);

/* Is the link NAME in a DIRECTORY like /proc/PID/fd that of an epoll set? And: has a thread one at FD? */
bool peek_is_set(int directory, const char *name);
bool peek_has_set(pid_t tid, pid_t tgid, int fd);

#endif
