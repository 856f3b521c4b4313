/*
 * The system calls of x86-64 that a signal without a handler can cut short: that fail with EINTR then, or
 * transfer less than they were asked for (signal(7)). What the kernel begins again of itself is not among
 * them.
 */
#ifndef TRUEFIN_WATCH_CALLS_H
#define TRUEFIN_WATCH_CALLS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

/*
 * A call that can be cut short. All fields but NUMBER and LATE say which argument has that, counted from 1; 0
 * is none. The time-out is in an argument, or, of a call that transfers, in an option of its socket.
 */
struct call_kind {
    long number;
    int milliseconds; /* the time-out */
    int timespec;     /* a pointer to the time-out */
    int receives;     /* the descriptor that it takes from; a socket's time-out is SO_RCVTIMEO */
    int sends;        /* the descriptor that it puts to; a socket's time-out is SO_SNDTIMEO */
    int late;         /* the result when the time is up */
    int length;       /* how much it transfers, if that may come out short */
    int buffer;       /* where the memory of the transfer is */
};

/* What the registers of a stopped thread tell: its call, with the result; NULL for none of these. */
const struct call_kind *calls_kind(const struct user_regs_struct *regs);

/* How much of a transfer is done. */
unsigned long long calls_done(const struct user_regs_struct *regs);

/* Has it returned a short count, or EINTR? */
bool calls_is_cut(const struct call_kind *kind, const struct user_regs_struct *regs);

enum { CALLS_NEVER = -1, CALLS_UNFIT = -2 };

/*
 * The time that a call gives itself, in milliseconds, or CALLS_NEVER; CALLS_UNFIT if the rest of it would not
 * be the same as the whole, or that cannot be told.
 */
int64_t calls_time(pid_t thread, pid_t tgid, const struct call_kind *kind,
                   const struct user_regs_struct *regs);

/* Makes the arguments those of the rest, which has LEFT milliseconds if it has them as an argument. */
void calls_make_rest(struct user_regs_struct *regs, const struct call_kind *kind, int64_t left);

/* Has the rest failed for what its socket tells only once? */
bool calls_is_told_once(long long failure);

/*
 * Does this failure of the rest bring a signal, which after a first part it would not: SIGPIPE of a socket,
 * or SIGXFSZ?
 */
bool calls_brings_signal(pid_t thread, const struct call_kind *kind, const struct user_regs_struct *regs,
                         long long failure);

/* What the whole fails with if its rest fails with this. */
long long calls_failure(const struct call_kind *kind, long long failure);

/* CLOCK_MONOTONIC, in milliseconds. */
int64_t calls_now(void);

#endif
