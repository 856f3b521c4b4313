/*
 * Which connection is this descriptor? One word per descriptor, and one record per connection in this
 * process, however many descriptors it has here.
 *
 * Written by: this file alone (words, lives), its callers (the other fields, under the rules below).
 *
 * Order and ownership
 *  - A descriptor is taken out of the table before the real close, because the number may be reused the
 *    moment the kernel returns; it is put in after the real call that made it.
 *  - Whoever takes a word out owns it: the exchange is atomic, so of two threads that close one number only
 *    one acts. Who takes the last one owns the record until table_free().
 *  - A record is filled before its first word is published, and reused only after table_free(). A word
 *    carries the generation of the record that it means, so a word read just before a reuse finds nothing.
 *  - No locks: every function here may be called in signal handlers, and in a fork child whatever the other
 *    threads were doing. In a vfork child none may be called (process_enter() says so): the memory is the
 *    parent's.
 *  - The table is a cache: what it says of a descriptor may be stale, and acting on that must be harmless.
 *
 * Cost: 64 bytes a descriptor, in chunks of 1024 that are mapped when first needed and never given back.
 */
#ifndef TRUEFIN_TABLE_H
#define TRUEFIN_TABLE_H

#include "policy.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum kind {
    KIND_SOCKET,     /* a TCP socket that is not connected */
    KIND_LISTENER,   /* never armed */
    KIND_CONNECTION, /* ours to judge */
};

enum {
    FLAG_ARMED = 1,        /* SO_LINGER {1,0} was set by us, and the program's own value is in the record */
    FLAG_SHUT = 2,         /* the program has sent its FIN: nothing is left to decide */
    FLAG_LINGER_ON = 4,    /* the program's own l_onoff */
    FLAG_PORT = 8,         /* port is known */
    FLAG_ADOPTED = 16,     /* came from the process above us, with which we share no list of claims */
    FLAG_EXEC = 32,        /* disarmed for an exec that is under way */
    FLAG_FOUND_ARMED = 64, /* was armed when it was adopted */
    FLAG_CLAIMANT = 128,   /* before the exec that is under way we were one */
    FLAG_LATE = 256,       /* born after exit(3) had begun */
    FLAG_REFUSED = 512,    /* a write after the peer's FIN was refused, and recorded */
    FLAG_PASSED = 1024,    /* came from another process, which may hold it without standing on a list */
    FLAG_LINGER_LATE =
        4096,             /* of a listener: its linger was set while connections could wait in its backlog */
    FLAG_LEFT = 8192,     /* this process has left the list of claims, for good */
    FLAG_GIVEN = 16384,   /* came from another process that had accepted or made it: a session */
    FLAG_FLUSHES = 32768, /* is waited for before it is aborted (kept/flush.c) */
};

struct connection {
    _Atomic uint64_t life;         /* generation << 32 | descriptors; table.c */
    const struct endings *endings; /* the policy's row; KIND_CONNECTION only */
    int32_t linger_seconds;        /* the program's own l_linger */
    uint32_t depth;                /* of the process that it belongs to; ownership.h */
    _Atomic uint32_t claims;       /* who else may have it, 0 for nobody; claims.h */
    uint32_t number;               /* of this record; table.c */
    uint16_t port;                 /* local port, host order, if FLAG_PORT */
    uint8_t kind;
    uint8_t service_signal; /* killed the service that it was given to before we closed it; 0 for none;
                               ownership.c */
    _Atomic uint16_t flags;
    _Atomic uint16_t sets; /* epoll sets that it is in, and one of them; epoll_sets.c */
    _Atomic int32_t set;
    uint32_t forks; /* children that this process had made before it got it; ownership.c */
    uint32_t spawns;
    bool plain;   /* certainly TCP, and not MPTCP; of a listener: and so is all that it accepts */
    bool counted; /* among the open ones (counters.h); ownership.c */
};

/* A name for a record that goes stale when the record is reused. 0 names nothing. */
typedef uint64_t table_name;

/* The record behind FD; NULL if the table knows none. */
struct connection *table_find(int fd);

/* Does the table know FD, be it as no TCP socket? Then nobody need ask the kernel what it is. */
bool table_knows(int fd);

/*
 * A new record, with one descriptor, not yet visible. NULL without memory or beyond the largest descriptor:
 * the socket is then simply not tracked. FD is a hint for where to look.
 */
struct connection *table_new(int fd, enum kind kind);

/*
 * FD, which the kernel has just returned, now means RECORD (or, with NULL, no TCP socket). True if the table
 * still held FD for something else: then a close went past us.
 */
bool table_put(int fd, struct connection *record);

/* The same for a socket that is none of TCP, and no Unix socket. */
bool table_put_not_unix(int fd);

/* Can FD be a Unix socket, by all that the table knows? Others carry no SCM_RIGHTS (unix(7)). */
bool table_may_send_descriptors(int fd);

/* NEW, which the kernel has just returned, is a duplicate of OLD. Result as table_put. */
bool table_dup(int old, int new);

/*
 * FD is about to disappear: forget it. Returns its record if this was the last descriptor for it in this
 * process, to be given to table_free() when it has been acted on; else NULL.
 */
struct connection *table_take(int fd);
void table_free(struct connection *record);

/* Has this process one descriptor for RECORD, as far as the table knows? */
bool table_has_one(const struct connection *record);

/* The lowest descriptor in [from, last] that the table knows; -1 if none. */
int table_next(int from, unsigned last);

/* The next connection at *FD or above, which becomes its descriptor; NULL if there is none. */
struct connection *table_next_connection(int *fd);

table_name table_name_of(const struct connection *record);
struct connection *table_named(table_name name);

/* How it lies in memory: for table.c, and for tools that read it in another process (marker.h). */

enum {
    TABLE_CHUNK = 1024,  /* descriptors in a chunk */
    TABLE_CHUNKS = 1024, /* so the largest descriptor that is tracked is 1,048,575 */
};

/*
 * A descriptor, and the record that has its number: one page for both, which a fork has to copy. A word is
 * generation << 32 | record number + 1; 0 is "unknown", and a record number of zero is "no connection".
 */
struct table_place {
    _Atomic uint64_t word;
    struct connection record;
};

struct table_chunk {
    struct table_place places[TABLE_CHUNK];
};

extern struct table_chunk table_first;
extern _Atomic(struct table_chunk *) table_others[TABLE_CHUNKS]; /* by their number; none for the first */
extern _Atomic int table_highest; /* no word was ever put above this descriptor */

#endif
