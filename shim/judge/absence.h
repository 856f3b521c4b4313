/*
 * Programs that this process executes, and that will not load this library. There are no records of what such a
 * program does to its connections, so a note names each such program once.
 *
 *     absence_expect();  execve(...);  absence_exec_failed();        the new program's process
 *     vfork(), or posix_spawn();  absence_execed();                  the parent's, when it runs again
 *
 * Without a place for records, in an inert process and in a sandbox nothing is done. A watched process says
 * nothing either: the side-car sees its execs, and knows more.
 *
 * All keep errno, allocate nothing, and are safe in signal handlers and between vfork and exec.
 */
#ifndef TRUEFIN_ABSENCE_H
#define TRUEFIN_ABSENCE_H

#include <stdbool.h>

/* What an exec is given. No pointer here has been seen by the kernel yet. */
struct program {
    int directory; /* with PATH and FLAGS as execveat(2) has them */
    int flags;
    const char *path;
    const char *file; /* instead of these, a name to be looked for in PATH (execvp(3)); NULL for none */
    char *const *argv;
    char *const *environment;
    bool moves;      /* the actions of posix_spawn(3) may have changed what a relative path is relative to */
    bool resets_ids; /* its effective ids become the real ones first (POSIX_SPAWN_RESETIDS) */
};

/* Makes the memory in which a whole tree of forks remembers what was said. Before main. */
void absence_begin(void);

/*
 * PROGRAM is about to be executed, or, by posix_spawn(3), just was. What cannot be told counts as loading us:
 * a file that cannot be read, damage, a bad pointer, for which the exec fails. What cannot be foreseen is an
 * exec that fails for its size, for memory, or because the file is being written: such a note is in vain.
 */
void absence_expect(const struct program *program);

/* The exec has failed. */
void absence_exec_failed(void);

/* The child that the calling thread made by vfork(2) has execed or ended. */
void absence_execed(void);

#endif
