/*
 * Over an exec the switch (marker.h) is passed on in the environment: TRUEFIN_OFF=1, or empty where the process
 * was started with that and is on again.
 *
 *     SWITCHED_PASS_ON(passed, environment);
 *     execve(path, argv, passed);
 *
 * A process that was never switched has its own vector passed on, and pays one load. Safe in signal handlers
 * and between vfork and exec: the new vector is on the stack of the function that executes.
 */
#ifndef TRUEFIN_SWITCHED_H
#define TRUEFIN_SWITCHED_H

#include <stddef.h>

/* How many words a vector needs that passes the switch on; 0: leave it as it is. A bad pointer gives 0. */
size_t switched_words(char *const environment[]);

/* Fills COPY, of that many words, from ENVIRONMENT. */
void switched_fill(char **copy, size_t words, char *const environment[]);

/*
 * The same in `environ` itself, for system(3) and popen(3), as which it is safe: in no signal handler, but beside
 * other threads that read or set variables. Nothing is freed that one of them may be reading.
 */
void switched_into_environ(void);

/* NOLINTBEGIN(bugprone-macro-parentheses): NAME is declared */
#define SWITCHED_PASS_ON(name, environment)                                                                  \
    char *const *name = (environment);                                                                       \
    const size_t name##_words = switched_words(name);                                                        \
    if (name##_words) {                                                                                      \
        char **name##_copy = __builtin_alloca(name##_words * sizeof *name##_copy);                           \
        switched_fill(name##_copy, name##_words, name);                                                      \
        name = name##_copy;                                                                                  \
    }
/* NOLINTEND(bugprone-macro-parentheses) */

#endif
