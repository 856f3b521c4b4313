#include "kept/defer.h"

#include "config.h"
#include "connection/epoll_sets.h"
#include "kept/raw.h"
#include "kept/slots.h"
#include "kept/thread.h"
#include "libc.h"
#include "report/record.h"

#include <limits.h>
#include <sys/resource.h>

enum { SHARE = 16 }; /* one of so many numbers may be ours, as of what lingers */

static _Atomic uint32_t threads;

/* The calling thread, once it has deferred something, and where to look for that. */
static __thread struct {
    uint32_t number;
    int lowest, highest;
} me __attribute__((tls_model("initial-exec")));

static uint32_t my_number(void)
{
    if (!me.number)
        me.number = atomic_fetch_add(&threads, 1) + 1;
    return me.number;
}

static bool has_room(void)
{
    static _Atomic bool said;
    struct rlimit limit = {0};
    if (CALL4(prlimit64, 0, RLIMIT_NOFILE, NULL, &limit) == 0 && slots.deferred < limit.rlim_cur / SHARE)
        return true;
    if (!atomic_exchange(&said, true))
        record_note("too near to RLIMIT_NOFILE: closes are not deferred");
    return false;
}

/* The program's SIGIO is not for what it has closed. */
static void silence(int copy)
{
    long flags = CALL4(fcntl, copy, F_GETFL, 0, 0);
    if (flags > 0 && (flags & O_ASYNC))
        CALL4(fcntl, copy, F_SETFL, flags & ~(long)O_ASYNC, 0);
}

static void remember_place(int copy)
{
    if (me.lowest == 0 || copy < me.lowest)
        me.lowest = copy;
    if (copy > me.highest)
        me.highest = copy;
}

static int put(int fd, struct connection *connection, bool timed)
{
    if (!epoll_sets_forget(fd, connection))
        return -1;
    const int copy = slots_duplicate(fd);
    if (copy < 0)
        return -1;
    struct slot *slot = slots_at(copy);
    slot->deferred.closer = my_number();
    slot->deferred.timed = timed;
    slot->deferred.connection = connection;
    slot->deferred.due = raw_now() + config.defer_time;
    table_dup(fd, copy);
    silence(copy);
    remember_place(copy);
    slot->state = SLOT_DEFERRED;
    return copy;
}

static int put_timed(int fd, struct connection *connection)
{
    atomic_fetch_add(&slots.timed, 1); /* before the thread is asked for: it leaves at 0 */
    const int copy = has_room() && thread_start() ? put(fd, connection, true) : -1;
    if (copy < 0)
        atomic_fetch_sub(&slots.timed, 1);
    return copy;
}

int defer_begin(int fd, struct connection *connection, bool timed)
{
    atomic_fetch_add(&slots.deferred, 1);
    const int copy = timed ? put_timed(fd, connection) : put(fd, connection, false);
    if (copy < 0)
        atomic_fetch_sub(&slots.deferred, 1);
    return copy;
}

bool defer_has(enum deferred_by whose)
{
    return slots.deferred > 0 && (whose == DEFERRED_BY_ANY || me.highest > 0 || slots.deferred > slots.timed);
}

static bool is_mine(const struct slot *slot)
{
    return slot->state == SLOT_SETTLED || !slot->deferred.timed || slot->deferred.closer == me.number;
}

int defer_next(int from, enum deferred_by whose)
{
    unsigned last = UINT_MAX;
    if (whose == DEFERRED_BY_ME && slots.deferred == slots.timed) {
        from = from < me.lowest ? me.lowest : from;
        last = (unsigned)me.highest;
    }
    for (int fd = from; (fd = slots_next((unsigned)fd, last)) >= 0; fd++) {
        const struct slot *slot = slots_at(fd);
        const uint32_t state = slot->state;
        if ((state == SLOT_DEFERRED || state == SLOT_SETTLED) && (whose == DEFERRED_BY_ANY || is_mine(slot)))
            return fd;
    }
    if (whose == DEFERRED_BY_ME)
        me.lowest = me.highest = 0;
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
            if (seen == SLOT_DEFERRED && slot->deferred.timed)
                atomic_fetch_sub(&slots.timed, 1);
            return true;
        }
        raw_yield();
    }
    return false;
}

void defer_free(int fd)
{
    slots_at(fd)->state = SLOT_FREE;
    atomic_fetch_sub(&slots.deferred, 1);
}
