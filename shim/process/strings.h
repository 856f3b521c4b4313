/*
 * The program's strings that the kernel has not accepted yet: a path, a command line, an environment.
 *
 * Like memory.h, but no length is known before, nothing is copied, and a vfork child may ask: only
 * rt_sigprocmask(2) is used, which reads the set before it refuses the command, and which every sandbox
 * allows. One system call for each page that is not the page before. A page that another thread unmaps at
 * this very moment still faults.
 *
 * All change errno, allocate nothing, and are safe in signal handlers and between vfork and exec.
 */
#ifndef TRUEFIN_STRINGS_H
#define TRUEFIN_STRINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One who reads strings. Begins as {.page = NO_PAGE}. */
struct reader {
    uintptr_t page; /* the kernel could read this one last */
};

enum { NO_PAGE = 1 };

/* Can SIZE bytes at AT be read? SIZE is not 0. */
bool strings_can_read(struct reader *reader, const void *at, size_t size);

/* Does TEXT begin with NAME? The answer is in DOES. False if TEXT cannot be read. */
bool strings_begins(struct reader *reader, const char *text, const char *name, bool *does);

/* Does TEXT hold NAME? The answer is in DOES. False if TEXT cannot be read, or is too long for an exec. */
bool strings_holds(struct reader *reader, const char *text, const char *name, bool *does);

/* What strings_each() calls: false for an end. */
typedef bool strings_see(struct reader *reader, const char *string, void *data);

/*
 * Calls SEE with each of the strings in VECTOR, which a null pointer ends; NULL is an empty one. False if SEE
 * answers so, or if the vector cannot be read, or is too long for an exec.
 */
bool strings_each(struct reader *reader, char *const *vector, strings_see *see, void *data);

#endif
