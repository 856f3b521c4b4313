/*
 * The configuration, read once from the environment, and the order in which the shim comes to life.
 *
 * Written by the constructor alone, before main; read-only afterwards, but for `state`.
 */
#ifndef TRUEFIN_STARTUP_H
#define TRUEFIN_STARTUP_H

#include "policy.h"

#include <stdatomic.h>

enum state {
    STATE_INERT, /* before the constructor, after a bad value, under policy "off": every hook passes through
                  */
    STATE_ON,
    STATE_BLIND, /* the audit found closes that go past us: nothing is armed any more, closes still judged */
    STATE_QUIET, /* the program is going into a sandbox: no system call of our own any more */
};

struct config {
    const struct policy *policy;
    struct statuses clean_exits;
    uint64_t stop_signals; /* bit N for signal N */
    struct linger_limits linger;
    bool lingers;              /* does any rule? */
    bool asks_port, asks_peer; /* does any rule need them? */
    bool watched;              /* shim/watch traces this process: it judges deaths, and nothing is armed */
    _Atomic uint8_t state;     /* enum state; only ever grows */
};

extern struct config config;

/*
 * Reads the variables, and opens the place for records. False if there is nothing to do: a bad value, which
 * is said on stderr (and ends the process under TRUEFIN_STRICT=1), no rule that changes anything, or another
 * libc than glibc. Before main, or before there are threads.
 */
bool config_read(void);

/* Unset and empty are the same, as in systemd's Environment=. */
const char *config_variable(const char *name);

/* Raises the state. Safe in signal handlers. */
void config_degrade(enum state state);

#endif
