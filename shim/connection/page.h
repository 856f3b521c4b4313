/*
 * The counters of one process, as they stand in its page: a file of its own in TRUEFIN_STATS, mapped shared. Written by the
 * process with relaxed atomic adds, and read by `truefin stats` and others while it runs, and after its death, however it
 * died. Also the form in which the pages of dead processes are summed up (shim/stats/fold.h).
 *
 * Numbers are of the machine's own byte order. A reader takes a page only if magic, version, size and the three dimensions
 * are those it was built with: an event or an ending more is another form.
 *
 * The name of a page: PID-START-IMAGE, decimal numbers: the process, its start as in /proc/PID/stat (22, clock ticks), and
 * when the program in it was executed (nanoseconds, monotonic), for an exec changes neither of the two.
 */
#ifndef TRUEFIN_PAGE_H
#define TRUEFIN_PAGE_H

#include "connection/cause.h"
#include "policy.h"

#include <stdatomic.h>
#include <stdint.h>

enum { PAGE_BYTES = 4096, PAGE_VERSION = 1, PAGE_PROGRAM = 64, PAGE_ROLES = 2 };

#define PAGE_MAGIC "truefin" /* with its NUL 8 bytes */

/* What truefin does in the process. page_state_name() has the words. */
enum page_state {
    PAGE_ON,
    PAGE_OBSERVING, /* nothing is changed, all is recorded */
    PAGE_BLIND,     /* closes went past it: nothing is armed any more */
    PAGE_SANDBOXED, /* the program has entered a sandbox: nothing is done any more */
    PAGE_INERT,     /* never in a page: such a process makes none */
    PAGE_WATCHED,   /* the side-car judges deaths, and nothing is armed */
    PAGE_OFF,       /* switched off from outside: nothing is armed any more */
    PAGE_STATES
};

/* All are sums, but for open and armed, which are what there is now. Every member is a 64-bit word: see counters.c. */
struct counters {
    _Atomic uint64_t processes;        /* 1; more in a sum */
    _Atomic uint64_t born[PAGE_ROLES]; /* connections, by enum role */
    _Atomic uint64_t open;             /* this process's to end */
    _Atomic uint64_t armed;            /* those of them that a death would abort */
    _Atomic uint64_t ended[EVENTS][ENDINGS];
    _Atomic uint64_t would[EVENTS][ENDINGS]; /* while it observes: what the policy says */
    _Atomic uint64_t
        causes[CAUSES]; /* what the kernel makes of an end, where that was asked (TRUEFIN_LOG_ENDINGS=all) */
    _Atomic uint64_t kept_linger,
        kept_flush;                   /* connections that outlived their close, to linger, or for flush-rst */
    _Atomic uint64_t kept_ended;      /* of these: ended by the peer */
    _Atomic uint64_t kept_limit;      /* reached a limit */
    _Atomic uint64_t kept_gave_way;   /* ended for another one's number or place */
    _Atomic uint64_t flushed;         /* aborted when all was delivered */
    _Atomic uint64_t flush_bytes;     /* not acknowledged when they were handed over */
    _Atomic uint64_t timed_out_bytes; /* of these: still not acknowledged at the limit */
    _Atomic uint64_t discarded_bytes; /* of lingering connections */
    _Atomic uint64_t awaited; /* connections that an exit has waited for, and of these those at the limit */
    _Atomic uint64_t awaited_limit;
    _Atomic uint64_t missed_births; /* sockets that came unseen, inherited listeners too */
    _Atomic uint64_t missed_closes; /* found by the audit */
    _Atomic uint64_t lost_open,
        lost_armed;               /* in sums: what a process had when it died without running code */
    _Atomic uint64_t died_unseen; /* in sums: such processes */
};

struct page {
    char magic[8];
    uint32_t version;
    uint32_t size; /* of this struct */
    uint8_t events, endings, causes;
    uint8_t is_sidecar;    /* it counts the deaths of those that it watches */
    _Atomic uint8_t state; /* enum page_state */
    _Atomic uint8_t
        died; /* enum event + 1 with which the process has ended; 0: not, or without running code */
    _Atomic uint8_t execed; /* the process has executed another program: its page is over */
    uint8_t is_watched;     /* the side-car counts its death */
    int32_t pid;
    uint32_t uid;               /* effective, when the page was made */
    uint64_t start;             /* clock ticks since boot; 0: not known */
    uint64_t pid_namespace;     /* inode of /proc/self/ns/pid; 0: not known */
    int64_t made;               /* seconds since 1970 */
    char program[PAGE_PROGRAM]; /* the name at its start, cut, with a NUL */
    struct counters counters;
};

_Static_assert(sizeof(struct page) <= PAGE_BYTES, "it is one page");

/* "on", "observing" and so on; "?" for no state. Static. */
const char *page_state_name(unsigned state);

#endif
