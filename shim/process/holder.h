/*
 * Does that process still hold this socket? Asked of the kernel, and only about connections that a fork has
 * given.
 *
 * All keep errno and are safe in signal handlers.
 */
#ifndef TRUEFIN_HOLDER_H
#define TRUEFIN_HOLDER_H

#include <stdbool.h>
#include <sys/types.h>

/* The kernel may refuse to tell. */
enum answer { NO, YES, UNKNOWN };

/*
 * Has PID, a process of our own tree, a descriptor for what the caller has at FD? kcmp(2) on the same number
 * and on 0, 1, 2; then, or where kcmp is refused, the links of /proc/PID/fd. A zombie holds nothing.
 */
enum answer holder_has(pid_t pid, int fd);

/*
 * The same for a claimant, which takes itself off the list when it gives the connection up (claims.h). So
 * where the kernel refuses to tell, as about a daemon that has dropped root's rights, it is enough to know
 * that it lives: of our parent and of our children that can be told without a right (getppid(2), waitid(2)),
 * and without taking a new process with an old number for it.
 */
enum answer holder_claims(pid_t pid, int fd);

/*
 * Does PID, which has execed with it at 0, 1 or 2, still hold it? From the links of /proc. A program that
 * loads us must have it there still: it judges no leaked copy. Any other may have moved it.
 */
enum answer holder_has_execed(pid_t pid, int fd);

/*
 * Tells other processes that this one is giving FD up. A process calls this before it looks whether others still
 * hold it; then, if two that share no memory leave at the same moment, neither relies on the other. It is a record
 * lock on the byte with this process's number (fcntl(2), F_SETLK; it works on sockets). The kernel drops it at the
 * close or death that follows.
 */
void holder_leaves(int fd);

/* Has PID told that it is giving FD up, by holder_leaves()? */
bool holder_is_leaving(pid_t pid, int fd);

/*
 * The signal that killed PID, if that is a child of ours that is dead and has not been waited for (waitid(2),
 * WNOWAIT); 0 if not.
 */
int holder_killed_by(pid_t pid);

/* The inode of the socket that PID has at descriptor AT; 0 if it has none, or if the kernel does not tell. */
ino_t holder_socket(pid_t pid, int at);

/* Is this process traced by TRACER, a pid in decimal? From /proc/self/status. */
bool holder_traced_by(const char *tracer);

/* Has PID loaded this library by now? Reads /proc/PID/maps. */
bool holder_loads_us(pid_t pid);

/* Does the file at PATH contain TEXT? False if it cannot be read. */
bool holder_file_has(const char *path, const char *text);

/*
 * Is there a filter of system calls (seccomp(2))? One that was inherited may kill for kcmp and other rare
 * calls, but not for what every daemon does.
 */
bool holder_is_filtered(void);

#endif
