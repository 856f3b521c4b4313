/*
 * What /proc tells about a process or thread (proc(5)). A process that is gone or hidden gives the answer for
 * "unknown"; nothing here changes anything.
 */
#ifndef TRUEFIN_WATCH_PROC_H
#define TRUEFIN_WATCH_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#ifndef PROC_ROOT
#define PROC_ROOT "/proc" /* another one in test/proc */
#endif

enum { PROC_NAME = 16 }; /* TASK_COMM_LEN, the NUL included */

/* The pid in the field NAME of /proc/PID/status: "Tgid", "PPid", "TracerPid". 0: none, or unknown. */
pid_t proc_pid(pid_t pid, const char *name);

/* The process of the thread TID, if this process traces that; else 0. */
pid_t proc_traced(pid_t tid);

/* Has PID a handler for the signal? */
bool proc_handles(pid_t pid, int number);

/* Has the library in the process of the thread noted that it was asked to stop (asked.h)? */
bool proc_was_asked(pid_t thread);

/* Does the thread block the signal, or may it, because that is unknown? */
bool proc_blocks(pid_t thread, int number);

/* Is the signal without effect on PID: ignored, or ignored unless there is a handler? */
bool proc_ignores(pid_t pid, int number);

/* Is PID, or the process that it is a thread of, process 1 of a pid namespace? */
bool proc_is_init(pid_t pid);

/*
 * A pidfd of the thread; before Linux 6.9, which cannot name others than the first, of its process, which has
 * no descriptors any more if its first thread has ended. -1 with errno.
 */
int proc_open(pid_t thread, pid_t tgid);

/* The system call that the stopped thread is in; -1: none, or unknown. */
long proc_syscall(pid_t thread);

/* The name of the program that PID runs, as ps(1) shows it; "?" if unknown. */
void proc_name(char out[PROC_NAME], pid_t pid);

/* The path of the program that PID runs, for people: it may have been deleted. False if unknown. */
bool proc_path(char *out, size_t size, pid_t pid);

/* How many descriptors from 3 on were passed to the program that PID runs, by sd_listen_fds(3). */
int proc_listen_fds(pid_t pid);

/* The last component of the path of the program that PID runs; "" if unknown. */
void proc_program(char *out, size_t size, pid_t pid);

/* What the kernel has told the program that PID runs (getauxval(3)). */
struct auxiliary {
    uint64_t linker; /* where its dynamic linker is; 0: it has none */
    bool secure;     /* AT_SECURE */
};

/* False if unknown, and for a program whose words are not of 64 bits. */
bool proc_auxiliary(struct auxiliary *out, pid_t pid);

/* The last component of the path of the file that PID has mapped from the address START on. False if unknown. */
bool proc_file_at(char *out, size_t size, pid_t pid, uint64_t start);

/*
 * The value of an environment variable that the program of PID was started with, for free(3); NULL: not set.
 * False if unknown.
 */
bool proc_variable(char **value, pid_t pid, const char *name);

/* Has PID another effective user or group than the real one? */
bool proc_has_other_ids(pid_t pid);

/* Does /etc/ld.so.preload, which every process obeys (ld.so(8)), name the library? */
bool proc_preloads_everywhere(const char *library);

/* Does /proc show the processes of this process's own pid namespace? */
bool proc_is_ours(void);

/* The number in the file at PATH, as in /proc/sys; -1 if unknown. */
long proc_number(const char *path);

/* How many descriptors have been sent to the Unix socket FD of PID and not been received? -1: it is none, or unknown. */
int proc_in_flight(pid_t pid, int fd);

/*
 * Has the last call failed, by errno, because PID may not be looked at (ptrace(2), access mode checking), and
 * not because it ends?
 */
bool proc_is_hidden(pid_t pid);

/*
 * Calls SEE for every number in the directory /proc/PID/WHAT, and rests in between (turns.h). False if that
 * cannot be read; errno says why.
 */
bool proc_each(pid_t pid, const char *what, void (*see)(void *data, int directory, const char *name),
               void *data);

#endif
