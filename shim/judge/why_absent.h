/*
 * Why a program does not load the library: the reasons that can be known, and the words for them. absence.c
 * looks at the file before an exec, the side-car at the process after it (watch/unloaded.c).
 */
#ifndef TRUEFIN_WHY_ABSENT_H
#define TRUEFIN_WHY_ABSENT_H

#include <stdbool.h>

enum why {
    LOADS, /* it loads us, or that is unknown */
    CLASS,
    STATIC,
    LIBC,
    IDS,
    SET_ID,
    CAPABILITIES,
    SECURE, /* for another reason than those two, or one of them that is unknown */
    ENVIRONMENT,
};

/* For the field note of a record. Not for LOADS. */
const char *why_note(enum why why);

/*
 * NAME is the last component of a path. The dynamic linker, executed as a program, names none itself, and
 * preloads all the same.
 */
bool why_is_linker(const char *name);

/* Is it glibc's? Also for the names that links lead to (before glibc 2.34: ld-2.31.so). */
bool why_is_glibc_linker(const char *name);

#endif
