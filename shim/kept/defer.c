#include "kept/defer.h"

#include "config.h"
#include "connection/epoll_sets.h"
#include "kept/keep.h"
#include "kept/raw.h"
#include "kept/slots.h"
#include "kept/thread.h"
#include "libc.h"
#include "process/ownership.h"
#include "report/record.h"

#include <limits.h>

enum { SHARE = 4 }; /* one of so many numbers may be ours: each has freed another one */

static _Atomic uint32_t threads;

/* The calling thread, once it has deferred something, and where to look for that. */
static __thread struct {
    _Atomic uint32_t number;
    int lowest, highest;
    uint32_t count;   /* of all that it has deferred: a signal handler of it may defer something, too */
    uint32_t scanned; /* what `count` was when the last scan began */
} me __attribute__((tls_model("initial-exec")));

static uint32_t my_number(void)
{
    uint32_t none = 0;
    if (!me.number)
        atomic_compare_exchange_strong(&me.number, &none, atomic_fetch_add(&threads, 1) + 1);
    return me.number;
}

static bool has_room(uint32_t files)
{
    static _Atomic bool said;
    if (slots.deferred < files / SHARE)
        return true;
    if (!atomic_exchange(&said, true))
        record_note("too near to RLIMIT_NOFILE: closes are not deferred");
    return false;
}

static void remember_place(int copy)
{
    if (me.lowest == 0 || copy < me.lowest)
        me.lowest = copy;
    if (copy > me.highest)
        me.highest = copy;
    me.count++;
}

/* What is deferred later may be held by somebody who only had the number that is closed now (posix_spawn(3)). */
static bool is_alone(int fd, struct connection *connection)
{
    const bool alone = ownership_is_sole_holder(fd, connection);
    if (!alone)
        atomic_fetch_or(&connection->flags, FLAG_PASSED);
    return alone;
}

static int put(int fd, struct connection *connection, bool timed, uint32_t files)
{
    if (!epoll_sets_forget(fd, connection))
        return -1;
    const int copy = slots_duplicate(fd, files);
    if (copy < 0)
        return -1;
    struct slot *slot = slots_at(copy);
    slot->deferred.closer = my_number();
    slot->deferred.timed = timed;
    slot->deferred.alone = is_alone(fd, connection);
    slot->deferred.connection = connection;
    slot->deferred.due = raw_now() + config.defer_time;
    table_dup(fd, copy);
    if (table_find(copy) != connection) {
        CALL4(close, copy, 0, 0, 0);
        return -1;
    }
    if (slot->deferred.alone)
        kept_silence(copy);
    remember_place(copy);
    slot->state = SLOT_DEFERRED;
    return copy;
}

static int put_timed(int fd, struct connection *connection, uint32_t files)
{
    atomic_fetch_add(&slots.timed, 1); /* before the thread is asked for: it leaves at 0 */
    const bool may = !keep_is_halted() && has_room(files) && thread_start();
    const int copy = may ? put(fd, connection, true, files) : -1;
    if (copy < 0)
        atomic_fetch_sub(&slots.timed, 1);
    return copy;
}

int defer_begin(int fd, struct connection *connection, bool timed)
{
    atomic_fetch_add(&slots.deferred, 1);
    const uint32_t files = slots_files();
    const int copy = timed ? put_timed(fd, connection, files) : put(fd, connection, false, files);
    if (copy < 0)
        atomic_fetch_sub(&slots.deferred, 1);
    return copy;
}

bool defer_has(enum deferred_by whose)
{
    switch (whose) {
    case DEFERRED_BY_ME:
        return slots.deferred > 0 && (me.highest > 0 || slots.settled > 0);
    case DEFERRED_SETTLED:
        return slots.settled > 0;
    case DEFERRED_UNTIMED:
        return slots.deferred > slots.timed + slots.settled;
    default:
        return slots.deferred > 0;
    }
}

static bool is_one(const struct slot *slot, enum deferred_by whose)
{
    const uint32_t state = slot->state;
    const bool settled = state == SLOT_SETTLED;
    if (state != SLOT_DEFERRED && !settled)
        return false;
    switch (whose) {
    case DEFERRED_BY_ME:
        return settled || (slot->deferred.timed && slot->deferred.closer == me.number);
    case DEFERRED_SETTLED:
        return settled;
    case DEFERRED_UNTIMED:
        return !slot->deferred.timed;
    default:
        return true;
    }
}

/* Nothing of mine is left, but what a signal handler may have deferred since the scan began. */
static void forget_places(void)
{
    const int lowest = me.lowest;
    const int highest = me.highest;
    me.lowest = me.highest = 0;
    atomic_signal_fence(memory_order_seq_cst);
    if (me.count == me.scanned)
        return;
    me.lowest = me.lowest == 0 || lowest < me.lowest ? lowest : me.lowest;
    me.highest = highest > me.highest ? highest : me.highest;
}

int defer_next(int from, enum deferred_by whose)
{
    unsigned last = UINT_MAX;
    if (from == 0)
        me.scanned = me.count;
    if (whose == DEFERRED_BY_ME && slots.settled == 0) {
        from = from < me.lowest ? me.lowest : from;
        last = (unsigned)me.highest;
    }
    for (int fd = from; (fd = slots_next((unsigned)fd, last)) >= 0; fd++)
        if (is_one(slots_at(fd), whose))
            return fd;
    if (whose == DEFERRED_BY_ME)
        forget_places();
    return -1;
}

/* While it is BUSY the thread settles it, which takes two calls. */
bool defer_take(int fd)
{
    struct slot *slot = slots_at(fd);
    for (int i = 0; slot && i < SLOTS_PATIENCE; i++) {
        uint32_t seen = slot->state;
        if (seen != SLOT_DEFERRED && seen != SLOT_SETTLED && seen != SLOT_BUSY)
            return false;
        if (seen != SLOT_BUSY && atomic_compare_exchange_strong(&slot->state, &seen, SLOT_BUSY)) {
            if (seen == SLOT_SETTLED)
                atomic_fetch_sub(&slots.settled, 1);
            else if (slot->deferred.timed)
                atomic_fetch_sub(&slots.timed, 1);
            return true;
        }
        raw_yield();
    }
    return false;
}

/* Without libc: there no thread is to be cancelled, in fork(2) for example. */
void defer_close(int fd)
{
    slots_at(fd)->state = SLOT_FREE;
    atomic_fetch_sub(&slots.deferred, 1);
    CALL4(close, fd, 0, 0, 0);
}
