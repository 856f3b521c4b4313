#include "kept/keep.h"

#include "config.h"
#include "connection/epoll_sets.h"
#include "kept/raw.h"
#include "kept/slots.h"
#include "kept/thread.h"
#include "libc.h"
#include "report/record.h"

#include <errno.h>
#include <limits.h>

enum { SHARE = 16 }; /* one of so many numbers may be ours: see linger.h */

static struct {
    _Atomic int halts;
    _Atomic bool said; /* that there is no room */
} keeper HOT;

bool keep_holds(int fd)
{
    const struct slot *slot = slots_at(fd);
    return slot && slot->state != SLOT_FREE;
}

int keep_next(unsigned from, unsigned last)
{
    return slots_next(from, last);
}

enum plan {
    LINGER,
    FLUSH,
    FLUSH_SHARED /* others may read what arrives */,
    FLUSH_OPEN /* the program may */
};

/*
 * What the program has set, and what would still be felt: its SIGIO, a close that waits, a late wake-up. What is
 * to be aborted stays armed, so that it is aborted whatever happens to us.
 */
static void make_ours(int copy, const struct connection *connection, enum plan plan)
{
    if (plan == FLUSH_SHARED || plan == FLUSH_OPEN)
        return;
    if (plan == LINGER && (atomic_load(&connection->flags) & FLAG_LINGER_ON))
        kept_linger_off(copy);
    kept_make_ours(copy);
}

static bool no_room(void)
{
    if (!atomic_exchange(&keeper.said, true))
        record_note("too near to RLIMIT_NOFILE or another limit: connections end without being kept");
    return false;
}

/* The caller has counted its own in `kept`. False if RLIMIT_NOFILE is too low to keep any. */
static bool make_room(uint32_t files)
{
    while (files >= SHARE && slots.kept > files / SHARE && slots_end_oldest())
        ;
    return files >= SHARE && slots.kept <= files / SHARE;
}

static bool begin(int copy, enum plan plan)
{
    struct kept *kept = &slots_at(copy)->kept;
    if (plan != LINGER) {
        kept_flush(kept, plan == FLUSH);
        kept->open = plan == FLUSH_OPEN;
        return true;
    }
    kept_discard(kept);
    return CALL4(shutdown, copy, SHUT_WR, 0, 0) == 0;
}

static bool keep(int fd, const struct connection *connection, enum plan plan)
{
    const uint32_t files = slots_files();
    if (!make_room(files))
        return no_room();
    if (!thread_start())
        return no_room();
    if (plan != FLUSH_OPEN && !epoll_sets_forget(fd, connection))
        return false;
    int copy = slots_duplicate(fd, files);
    if (copy < 0)
        return no_room();
    make_ours(copy, connection, plan);
    if (begin(copy, plan) && thread_attends(copy)) {
        slots_put(copy);
        return true;
    }
    CALL4(close, copy, 0, 0, 0);
    return false;
}

bool keep_linger(int fd, const struct connection *connection)
{
    if (keeper.halts || !config.linger.milliseconds || !config.linger.bytes)
        return false;
    atomic_fetch_add(&slots.kept, 1);
    bool kept = keep(fd, connection, LINGER);
    if (!kept)
        slots_gone(false);
    return kept;
}

static bool flush(int fd, const struct connection *connection, enum plan plan)
{
    if (keeper.halts)
        return false;
    atomic_fetch_add(&slots.kept, 1);
    atomic_fetch_add(&slots.flushing, 1);
    bool kept = keep(fd, connection, plan);
    if (!kept)
        slots_gone(true);
    return kept;
}

bool keep_flush(int fd, const struct connection *connection, bool sole)
{
    return flush(fd, connection, sole ? FLUSH : FLUSH_SHARED);
}

bool keep_flush_open(int fd, const struct connection *connection)
{
    return flush(fd, connection, FLUSH_OPEN);
}

void keep_give_up(int fd)
{
    struct slot *slot = slots_at(fd);
    if (slot && slot->state == SLOT_SET) {
        keep_halt();
        keep_resume();
    } else if (slot && slots_take(slot)) {
        slots_give_way(fd, slot);
    }
}

bool keep_gives_room(void)
{
    return errno == EMFILE && slots.kept > 0 && slots_end_oldest();
}

bool keep_is_halted(void)
{
    return keeper.halts > 0;
}

bool keep_has_thread(void)
{
    return thread_is_there();
}

void keep_halt(void)
{
    atomic_fetch_add(&keeper.halts, 1);
    if (!thread_is_there())
        return;
    keep_end_flushes(config.flush.at_exit);
    thread_end();
}

void keep_resume(void)
{
    atomic_fetch_sub(&keeper.halts, 1);
}

void keep_exit(void)
{
    if (slots.kept == 0)
        return;
    keep_end_flushes(config.flush.at_exit);
    if (config.linger.waits)
        thread_await(&slots.kept, config.linger.milliseconds + 2 * THREAD_TICK);
    slots_end_all();
}

bool keep_flushes(void)
{
    return slots.flushing > 0;
}

void keep_end_flushes(uint32_t milliseconds)
{
    if (slots.flushing == 0)
        return;
    if (milliseconds > 0)
        thread_await(&slots.flushing, milliseconds);
    slots_end_flushes();
}

void keep_new_process(pid_t pid)
{
    (void)pid;
    for (unsigned fd = 0; (int)(fd = (unsigned)slots_next(fd, UINT_MAX)) >= 0; fd++) {
        struct connection *deferred = table_take((int)fd);
        if (deferred)
            table_free(deferred);
        slots_at((int)fd)->state = SLOT_FREE;
        CALL4(close, fd, 0, 0, 0);
    }
    thread_is_lost();
    slots.kept = 0;
    slots.flushing = 0;
    slots.deferred = 0;
    slots.timed = 0;
    slots.settled = 0;
    keeper.halts = 0;
}
