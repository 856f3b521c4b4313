/*
 * Who may have a connection that a fork has given: a short list of pids in memory that the whole process tree
 * shares, so that of two processes that end it at the same moment one knows that it is the last.
 *
 *     fork:   parent makes the list {parent}, the child takes a place {P, C}
 *     leave:  take yourself out, then look at the others              {C}: not the last; {}: the last
 *
 * A claimant that crashed never leaves: whoever looks asks the kernel (holder.h) and takes it out.
 * A claimant that has execed stands with its pid negated: it took it along at 0, 1, 2. One that leaked it
 * instead stands as claims_left(pid): it is none any more, but the exec may fail, and then it has its place.
 *
 * No locks; safe in signal handlers. A list is named by a number; 0 is no list.
 */
#ifndef TRUEFIN_CLAIMS_H
#define TRUEFIN_CLAIMS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* How PID stands on a list after it has leaked its copy through exec. Pids end at 2^22 (proc(5), pid_max). */
static inline int32_t claims_left(pid_t pid)
{
    return -(pid | 1 << 24);
}

/*
 * Stands for the child of a fork that is under way: the first of parent and child to know the child's pid
 * puts it in its place, once. Were both to add it, the slower one could add a child that has left already.
 */
#define CLAIMS_HEIR INT32_MAX

/*
 * A process of the tree has sent a connection by a message, or run another program: copies may be where no
 * list tells. Of the whole tree below the first fork that gave something, and for good. No call; safe in
 * signal handlers, not in a vfork child, where it would be said of the parent too: harmless.
 */
void claims_escape(void);
bool claims_may_have_escaped(void);

/* A new list with SELF in it; 0 without memory. */
uint32_t claims_new(pid_t self);

/* Adds PID, behind all others, if it is not there. A full list loses it: then it is simply no claimant. */
void claims_add(uint32_t list, pid_t pid);

bool claims_has(uint32_t list, pid_t pid);

/* Puts NEXT in OLD's place, 0 to take it out. False if OLD is not there. */
bool claims_change(uint32_t list, pid_t old, pid_t next);

/* Takes out all who came after PID and have not execed: they had it from PID, or from one who had. */
void claims_displace(uint32_t list, pid_t pid);

/*
 * A claimant besides SELF (in either form) that still holds the caller's FD, one that has not execed before
 * others; 0 if there is none. Forgets those that do not hold it, but not those of whom the kernel does not
 * tell: each of them will take itself for the last.
 */
pid_t claims_other(uint32_t list, pid_t self, int fd);

#endif
