/*
 * Who may have a connection that a fork has given: a short list of pids in memory that the whole process tree
 * shares. If two processes end it at the same moment, at least one of them learns that it is the last.
 *
 *     fork:   parent makes the list {parent}, the child takes a place {P, C}
 *     leave:  take yourself out, then look at the others              {C}: not the last; {}: the last
 *
 * What an entry can be:
 *
 *     PID                  a claimant
 *     displaced(PID)       it was one; a later fork of one before it has given the connection to another
 *     heir(PID, TICKET)    a place for the child of a fork of PID's that is under way
 *     -PID                 a claimant that has execed: it took the connection along at 0, 1, 2
 *     left(PID)            a process that leaked its copy through exec: no claimant, unless the exec fails
 *
 * A claimant that crashed cannot take itself out. The next process that looks at the list asks the kernel
 * (holder.h) and takes it out.
 *
 * The list is a hint, never a proof: other processes can write it. A process that changes its user or goes
 * into a sandbox has from then on no share in the lists of others (claims_cut()). A process that does not find
 * itself on the list only reads it, and asks the kernel.
 *
 * No locks; safe in signal handlers. A list is named by a number; 0 is no list.
 */
#ifndef TRUEFIN_CLAIMS_H
#define TRUEFIN_CLAIMS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Pids end at 2^22 (proc(5), pid_max); what an entry says besides stands in the bits above. */
enum { CLAIMS_DISPLACED_BIT = 1 << 23, CLAIMS_OTHER_BIT = 1 << 24, CLAIMS_TICKETS = 64 };

/* How PID stands on a list after it has leaked its copy through exec. */
static inline int32_t claims_left(pid_t pid)
{
    return -(pid | CLAIMS_OTHER_BIT);
}

/*
 * The place for the child of a fork of PID's that is under way: the first of parent and child to know the
 * child's pid puts it there, once. Were both to add it, the slower one could add a child that has left
 * already. It names the fork: the child may fork in its turn before its parent's fork has returned, and so
 * may another thread of the parent. TICKET is counted by the forking process.
 */
static inline int32_t claims_heir(pid_t pid, uint32_t ticket)
{
    return pid | CLAIMS_OTHER_BIT | (int32_t)(ticket % CLAIMS_TICKETS << 25);
}

/* Whose fork HEIR is the place of. */
static inline pid_t claims_forker(int32_t heir)
{
    return heir & (CLAIMS_DISPLACED_BIT / 2 - 1);
}

/* How a process stands on a list. */
enum standing {
    STANDING_ABSENT,    /* not at all: the list was full, or somebody has written over it */
    STANDING_DISPLACED, /* a later fork has given the connection to another */
    STANDING_CLAIMANT,
};

/*
 * A process of the tree has sent a connection by a message, or run another program: some process may hold a copy
 * that no list shows. The note is for the whole tree below the first fork that gave something, and is never
 * taken back. No call; safe in signal handlers. In a vfork child it counts for the parent too, which is harmless.
 */
void claims_escape(void);
bool claims_may_have_escaped(void);

/* A new list with SELF in it; 0 without memory. */
uint32_t claims_new(pid_t self);

/*
 * Adds ENTRY, behind all others, if it is not there, not even as displaced. A full list loses it: then it is
 * absent.
 */
void claims_add(uint32_t list, int32_t entry);

enum standing claims_standing(uint32_t list, pid_t pid);

/* Takes out every entry of PID's own, and says how it stood. */
enum standing claims_leave(uint32_t list, pid_t pid);

/* Puts NEXT in OLD's place, 0 to take it out. False if OLD is not there. */
bool claims_change(uint32_t list, pid_t old, pid_t next);

/*
 * Displaces every claimant behind PID that has not execed: it got the connection from PID, or from one of PID's
 * heirs.
 */
void claims_displace(uint32_t list, pid_t pid);

/*
 * Another claimant than SELF that still holds the caller's FD: a positive pid, -PID for one that has execed, 0 if
 * there is none. One that has not execed is preferred. If FORGET, claimants that do not hold it are taken out. A
 * claimant about which the kernel does not tell is not counted, but stays on the list: it will take itself for the
 * last.
 */
pid_t claims_other(uint32_t list, pid_t self, int fd, bool forget);

/*
 * May a process that was displaced still hold the caller's FD? True too where the kernel does not tell. It has no claim,
 * but what would end the connection for it must not be done. LIST may be 0. Calls of holder_has() for each of them.
 */
bool claims_displaced_holds(uint32_t list, int fd);

/*
 * The signal that killed a child of ours that stands there as one that has execed, and that nobody has waited
 * for yet; 0 if there is none. At most one waitid(2) for each that has execed.
 */
int claims_service_killed_by(uint32_t list);

/*
 * For a process that gives up rights: what it can write must not decide about the connections of others. From now
 * on it shares only the lists that KEEP names (bit N-1 of the words is list N). Its other lists become new ones,
 * which it shares with its own children. System calls: mmap(2), one more than lists are kept; none where no fork
 * has given anything. Not in a vfork child.
 */
enum { CLAIMS_LISTS = 2048, CLAIMS_KEEP_WORDS = CLAIMS_LISTS / 64 };
void claims_cut(const uint64_t keep[CLAIMS_KEEP_WORDS]);

#endif
