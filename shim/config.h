/*
 * The configuration, read once from the environment.
 *
 * Written by the constructor alone, before main; read-only afterwards, but for `state`.
 */
#ifndef TRUEFIN_CONFIG_H
#define TRUEFIN_CONFIG_H

#include "policy.h"

#include <stdatomic.h>

enum state {
    STATE_INERT, /* before the constructor, after a bad value, under policy "off": every hook passes through
                  */
    STATE_ON,
    STATE_BLIND, /* the audit found closes that go past us: nothing is armed any more, closes still judged */
    STATE_QUIET, /* the program is going into a sandbox: no system call of our own any more */
};

/* Why is it blind? */
enum blind {
    BLIND_MISSED,  /* a call returned a descriptor that we held for open */
    BLIND_FILES,   /* a child shares the descriptors, and not the memory (CLONE_FILES) */
    BLIND_PLUG_IN, /* a plug-in whose calls no hook sees (RTLD_DEEPBIND, dlmopen(3)) */
};

struct config {
    const struct policy *policy;
    struct statuses clean_exits;
    uint64_t stop_signals; /* bit N for signal N */
    struct linger_limits linger;
    const char *stats; /* the directory for counters; NULL for none */
    const char *log;   /* where records go, as log_parse() takes it; NULL for nowhere */
    bool log_json;     /* are records JSON? */
    bool log_all;      /* are endings recorded that change nothing? So while it observes. */
    bool observes;     /* nothing is changed, of no socket and no signal */
    struct flush_limits flush;
    bool keeps;                /* may a connection outlive its close, by any rule? */
    bool flushes;              /* is any to be aborted when all is delivered? */
    bool relays;               /* is any ended in another way because its source has failed? */
    bool defers;               /* is any close of any deferred? */
    unsigned defer_time;       /* milliseconds */
    bool asks_port, asks_peer; /* does any rule need them? */
    bool watched;              /* shim/watch traces this process: it judges deaths, and nothing is armed */
    _Atomic uint8_t blind;     /* enum blind, in that state; for tools that look from outside */
    _Atomic uint8_t state;     /* enum state; only ever grows */
};

extern struct config config;

enum reading {
    CONFIG_REFUSED, /* a bad value */
    CONFIG_IDLE,    /* no rule that changes anything, or another libc than glibc */
    CONFIG_ACTS,
};

/* Which variable or file has the bad value. */
struct complaint {
    const char *subject;
    struct fault fault;
};

/* Reads the variables. COMPLAINT is filled if the answer is CONFIG_REFUSED. Before there are threads. */
enum reading config_read(struct complaint *complaint);

/* Unset and empty are the same, as in systemd's Environment=. */
const char *config_variable(const char *name);

/* Raises the state. Safe in signal handlers. */
void config_degrade(enum state state);

#endif
