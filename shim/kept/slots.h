/*
 * The connections that outlive the program's close, each a duplicate at a high number: one slot for each
 * number that a duplicate can have, so the kernel is who hands out slots.
 *
 *                          slots_take()
 *     FREE --> KEPT <---------------------> BUSY --> FREE
 *       |  slots_put()                        slots_end()
 *       +----> SET      our own epoll set, while there is a thread
 *       +----> DEFERRED, SETTLED    defer.h
 *
 * A slot is changed by compare-and-swap; who made it BUSY alone acts on the duplicate. What is to be done for the
 * connection itself is in kept.h.
 *
 * All keep errno, and are safe in signal handlers and in the thread of thread.c, which has no thread-local
 * data; none in a vfork child.
 */
#ifndef TRUEFIN_SLOTS_H
#define TRUEFIN_SLOTS_H

#include "connection/table.h"
#include "kept/kept.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    SLOTS = 65536,         /* so many can be kept at most */
    SLOTS_PATIENCE = 10000 /* yields; what is waited for is a handful of system calls in another thread */
};

enum slot_state {
    SLOT_FREE,
    SLOT_KEPT,
    SLOT_BUSY,
    SLOT_SET,      /* our epoll set */
    SLOT_DEFERRED, /* defer.h, and the next one */
    SLOT_SETTLED,
};

struct slot {
    _Atomic uint32_t state;
    _Atomic uint32_t turn; /* its place in the order of keeping */
    union {
        struct kept kept;
        struct {
            struct connection *connection;
            uint32_t due;    /* as raw_now() */
            uint32_t closer; /* the thread that has closed it; defer.c */
            bool timed;
            bool alone; /* no other process holds it, as far as can be known */
        } deferred;     /* in the states DEFERRED and SETTLED */
    };
};

/* The slots are one per process; thread.c and linger.c share this with slots.c. */
struct slots {
    _Atomic int base;          /* the number of the first slot; 0 before the first connection is kept */
    _Atomic int highest;       /* no number above it was ever kept */
    _Atomic int set;           /* our epoll set, while the thread is there */
    _Atomic uint32_t kept;     /* connections that are kept or on their way; the thread leaves only at 0 */
    _Atomic uint32_t flushing; /* those of them that are to be aborted */
    _Atomic uint32_t deferred; /* besides: closes that are deferred; defer.h */
    _Atomic uint32_t timed;    /* those of them that the thread is to settle; it leaves only at 0 */
    _Atomic uint32_t settled;  /* those of them that it has settled */
};

extern struct slots slots;
extern struct slot slots_array[SLOTS]; /* for slots.c, and tools that look from outside (marker.h) */

/* NULL for a number that no slot is for. */
struct slot *slots_at(int fd);

/* The lowest number in [from, last] that is ours; -1 if there is none. */
int slots_next(unsigned from, unsigned last);

/* How many descriptors may be open: RLIMIT_NOFILE (prlimit(2)), INT_MAX at most; 0 if it cannot be had. One call. */
uint32_t slots_files(void);

/*
 * A duplicate of FD at a number with a slot of its own, still free; -1 if there is no room. FILES is what slots_files()
 * has said. One or two calls.
 */
int slots_duplicate(int fd, uint32_t files);

/* What stands at FD, whose `kept` is filled, is kept from now on. */
void slots_put(int fd);

/* From now on the caller alone acts on it. False if nothing is kept there (any more). */
bool slots_take(struct slot *slot);

/* Looks at what the caller has taken; true if it is to be kept longer. */
bool slots_look(int fd, struct slot *slot);

/* Ends what the caller has taken, whatever is left to be done. */
void slots_end(int fd, struct slot *slot, enum kept_outcome outcome);

/* Looks at all that is due by THEN. */
void slots_look_at_due(uint32_t then);

/* Ends all; all that is to be aborted. */
void slots_end_all(void);
void slots_end_flushes(void);

/* One that was counted in `kept`, and in `flushing` if it FLUSHES, is not kept, or no longer. */
void slots_gone(bool flushes);

/* Ends what the caller has taken, at once: what has arrived is discarded. */
void slots_end_now(int fd, struct slot *slot);

/* The same for one that gives way to another: no data of it is destroyed. */
void slots_give_way(int fd, struct slot *slot);

/* Ends the one that has been kept longest, which gives way. False if there is none. */
bool slots_end_oldest(void);

#endif
