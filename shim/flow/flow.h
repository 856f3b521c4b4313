/*
 * What flows through the connections of a relay: whose bytes were written to each of them last, and which of them has
 * failed. There is one entry for each record of the table (connection/table.h), and a memory of failures, which outlives the
 * record: most relays close first what has failed.
 *
 *     read(A) -> memory (reads.h) -> write(B):     B's source is A, and A's sink is B
 *
 * Everything is named by the record and its generation, never by a descriptor's number. Nothing here makes a system call or
 * allocates, but for flow_born() (a page for each 40 connections, once); all is safe with threads and in signal handlers.
 */
#ifndef TRUEFIN_FLOW_H
#define TRUEFIN_FLOW_H

#include "connection/endpoint.h"
#include "connection/table.h"
#include "flow/failure.h"
#include "flow/reads.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    FLOW_FED = 1,       /* something was written to it */
    FLOW_FEEDS = 2,     /* something of it was written to another one */
    FLOW_ENDED = 4,     /* the program has read its peer's FIN: it cannot fail any more */
    FLOW_FAILED = 8,    /* the program was told so, or it was found */
    FLOW_DOUBTFUL = 16, /* failed by EPIPE with bytes unread: a FIN may stand behind them */
    FLOW_ABORTED = 32,  /* a shutdown of the program's has become an abort */
};

enum { FLOW_TAILS = 4 };

struct flow {
    _Atomic table_name owner;           /* the record that this entry is for */
    _Atomic source_name source;         /* who wrote to it last, by way of us; 0: not to be told */
    _Atomic source_name partner;        /* the last source that could be told */
    _Atomic table_name sink;            /* what its bytes were written to last */
    _Atomic uint64_t tails[FLOW_TAILS]; /* in what the last reads from it have ended (copies.h) */
    _Atomic uint32_t next_tail;
    _Atomic uint32_t state;
    _Atomic int32_t fd;   /* one of its descriptors */
    _Atomic uint32_t fed; /* flow_now() when its source, which had failed, was written to it last; 0: never */
    _Atomic uint32_t ended; /* flow_now() when its FIN was read */
    struct endpoint peer;
};

/* Milliseconds, monotonic, modulo 2^32, never 0. No system call where there is a vDSO. */
uint32_t flow_now(void);

/* RECORD, at FD, is a connection from now on. Not published yet, or not yet read and written. */
void flow_born(int fd, const struct connection *record, struct endpoint peer);

/* The entry of RECORD, or of the record that is called NAME; NULL if it has none, or is gone. */
struct flow *flow_of(const struct connection *record);
struct flow *flow_named(source_name name);

/* Bytes of SOURCE, 0 for anybody's, were written to FLOW, of the connection called NAME. */
void flow_fed(struct flow *flow, table_name name, source_name source);

/* NAME has failed; the last words about it count. */
void flow_fails(source_name name, const struct failure *failure);

/* It has not after all. */
void flow_fails_not(source_name name);

/* Has NAME failed, as far as is remembered: the last of some thousand. */
bool flow_failed(source_name name, struct failure *failure);

/* The bytes of SOURCE were written to what is called SINK, which is no connection. */
void flow_goes_to(source_name source, source_name sink);

#endif
