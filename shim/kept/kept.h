/*
 * One connection that outlives the program's close, or the program: what is still to be done for it. The
 * library has it in a slot (slots.h) and looks at it in its thread, the side-car in its own loop
 * (watch/kept.c). How it ends is the same for both, and is here.
 *
 *     close: FIN                                close: nothing is sent
 *        |                                         |
 *        v                                         v
 *     DISCARDS: what arrives is discarded       FLUSHES: the same, where nobody else could read it
 *        |                |                        |                 |              |
 *     the peer's FIN,  time or bytes           all is acknowledged,  time is     the peer's
 *     an error         are used up             and the gap is past   used up     reset
 *        |                |                        |                 |              |
 *        v                v                        v                 v              v
 *      ENDED            LIMIT: as                ABORTS            LIMIT: abort   ENDED
 *                       LINGER_END says
 *
 * What GIVES_WAY to another is closed: what is not acknowledged then is delivered by the kernel, with a FIN behind it.
 *
 * Why a gap: what the peer's kernel has acknowledged its program has not read yet, and many a program forgets
 * what it has not read when a reset comes right behind it.
 *
 * All functions make their calls without libc (raw.h) and keep errno: safe in signal handlers, and in the thread
 * of thread.c.
 */
#ifndef TRUEFIN_KEPT_H
#define TRUEFIN_KEPT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { KEPT_TICK = 50 }; /* milliseconds: a connection is looked at that often at most */

enum kept_aim { KEPT_DISCARDS, KEPT_FLUSHES };

enum kept_outcome {
    KEPT_WAITS,
    KEPT_ENDED, /* by the peer */
    KEPT_ABORTS,
    KEPT_LIMIT,
    KEPT_GIVES_WAY, /* its number, or its place, is needed for another */
};

struct kept {
    _Atomic uint32_t ends; /* milliseconds, monotonic, modulo 2^32: when its time is used up */
    _Atomic uint32_t due;  /* the same: when it is to be looked at next, though nothing arrives */
    _Atomic uint64_t left; /* bytes that may still be discarded */
    uint32_t queued;       /* bytes that were not acknowledged at the last look; KEPT_FLUSHES only */
    uint8_t aim;           /* enum kept_aim */
    bool deaf;      /* what arrives is no reason to look at it: somebody else's, or the peer's FIN was it */
    bool shared;    /* other processes may have it: nothing of it is changed but by the abort */
    bool open;      /* the program still has it: no close of ours would abort it */
    uint16_t pause; /* milliseconds between looks; grows while nothing is acknowledged */
};

/* A connection whose FIN is out: the limits are the configuration's. */
void kept_discard(struct kept *kept);

/* One that is to be aborted when all is delivered. SOLE: nobody else can want to read what arrives. */
void kept_flush(struct kept *kept, bool sole);

/*
 * For which events of epoll(7) is it to be looked at? For errors once each: what is shared keeps them for the
 * others, and would wake us for ever.
 */
uint32_t kept_events(const struct kept *kept);

/*
 * The kernel's own messages to the program, as for MSG_ZEROCOPY: left there, they would wake us for ever
 * (socket(7)).
 */
void kept_discard_messages(int fd, const struct kept *kept);

/* Looks at FD, and does what is to be done by now. At most 20 system calls, mostly two. */
enum kept_outcome kept_look(int fd, struct kept *kept);

/* What happens at OUTCOME is left to the close of FD, which the caller makes. */
void kept_prepare_close(int fd, const struct kept *kept, enum kept_outcome outcome);

/*
 * Milliseconds until the abort of FD may destroy nothing, as far as can be known now: 0 where all that was
 * written is acknowledged (SIOCOUTQ) and nothing has been sent for TRUEFIN_FLUSH_GAP (TCP_INFO). tcp(7). 0, too,
 * where the connection is over. One or two calls if it is 0, and one if it is PLAIN, certainly TCP: then TCP_INFO
 * says all. Of an MPTCP socket it says what holds for one of its subflows. Else one more.
 */
uint32_t kept_unflushed(int fd, bool plain);

/* The same, and QUEUED becomes the number of bytes that are not acknowledged, as far as these calls tell it. */
uint32_t kept_queue(int fd, bool plain, uint32_t *queued);

/* Takes the program's own linger off FD: its last close must not wait. One call. */
void kept_linger_off(int fd);

/*
 * Of what the program has set for FD and would still be felt (socket(7)): its SIGIO goes; and with it, in the other one,
 * the wake-up that waits for more bytes (SO_RCVLOWAT). One call or two, and one more.
 */
void kept_silence(int fd);
void kept_make_ours(int fd);

/*
 * Arms FD, which is kept to be aborted, where only the gap is not past yet: if whoever keeps it is killed, that is
 * an abort, and nothing is lost. One or two calls.
 */
void kept_arm_delivered(int fd);

/* Discards what has arrived on FD, a part of it if it is very much. False at the peer's FIN, and after an error. */
bool kept_drain(int fd);

#endif
