#include "kept/linger.h"

#include "config.h"
#include "connection/epoll_sets.h"
#include "kept/raw.h"
#include "kept/slots.h"
#include "kept/thread.h"
#include "libc.h"
#include "report/record.h"

#include <errno.h>
#include <limits.h>
#include <sys/resource.h>

enum { SHARE = 16 }; /* one of so many numbers may be ours: see linger.h */

static struct {
    _Atomic int halts;
    _Atomic bool said; /* that there is no room */
} linger;

bool linger_holds(int fd)
{
    const struct slot *slot = slots_at(fd);
    return slot && slot->state != SLOT_FREE;
}

int linger_next(unsigned from, unsigned last)
{
    return slots_next(from, last);
}

/* What the program has set, and what would still be felt: its SIGIO, a close that waits, a late wake-up. */
static void make_ours(int copy, const struct connection *connection)
{
    static const struct linger off = {0};
    static const int one = 1;
    long flags = CALL4(fcntl, copy, F_GETFL, 0, 0);
    if (flags > 0 && (flags & O_ASYNC))
        CALL4(fcntl, copy, F_SETFL, flags & ~(long)O_ASYNC, 0);
    if (atomic_load(&connection->flags) & FLAG_LINGER_ON)
        CALL6(setsockopt, copy, SOL_SOCKET, SO_LINGER, &off, sizeof off, 0);
    CALL6(setsockopt, copy, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof one, 0);
}

static bool no_room(void)
{
    if (!atomic_exchange(&linger.said, true))
        record_note("too near to RLIMIT_NOFILE or another limit: connections end without lingering");
    return false;
}

/* The caller has counted its own in `kept`. False if RLIMIT_NOFILE is too low to keep any. */
static bool make_room(void)
{
    struct rlimit limit = {0};
    if (CALL4(prlimit64, 0, RLIMIT_NOFILE, NULL, &limit) != 0 || limit.rlim_cur < SHARE)
        return false;
    while (slots.kept > limit.rlim_cur / SHARE && slots_end_oldest())
        ;
    return slots.kept <= limit.rlim_cur / SHARE;
}

static bool keep(int fd, const struct connection *connection)
{
    if (!make_room())
        return no_room();
    if (!thread_start())
        return no_room();
    if (!epoll_sets_forget(fd, connection))
        return false;
    int copy = slots_duplicate(fd);
    if (copy < 0)
        return no_room();
    make_ours(copy, connection);
    if (CALL4(shutdown, copy, SHUT_WR, 0, 0) == 0 && thread_attends(copy)) {
        slots_put(copy, config.linger.milliseconds, config.linger.bytes);
        return true;
    }
    CALL4(close, copy, 0, 0, 0);
    return false;
}

bool linger_keep(int fd, const struct connection *connection)
{
    if (linger.halts || !config.linger.milliseconds || !config.linger.bytes)
        return false;
    atomic_fetch_add(&slots.kept, 1);
    bool kept = keep(fd, connection);
    if (!kept)
        slots_gone();
    return kept;
}

void linger_give_up(int fd)
{
    struct slot *slot = slots_at(fd);
    if (slot && slot->state == SLOT_SET) {
        linger_halt();
        linger_resume();
    } else if (slot && slots_take(slot)) {
        slots_discard(fd, slot);
        slots_end(fd, slot, SLOT_ENDED);
    }
}

bool linger_gives_room(void)
{
    return errno == EMFILE && slots.kept > 0 && slots_end_oldest();
}

bool linger_has_thread(void)
{
    return thread_is_there();
}

void linger_halt(void)
{
    atomic_fetch_add(&linger.halts, 1);
    if (thread_is_there())
        thread_end();
}

void linger_resume(void)
{
    atomic_fetch_sub(&linger.halts, 1);
}

void linger_exit(void)
{
    if (slots.kept == 0)
        return;
    if (config.linger.waits)
        thread_await(config.linger.milliseconds + 2 * THREAD_TICK);
    slots_expire(0, true);
}

void linger_new_process(pid_t pid)
{
    (void)pid;
    for (unsigned fd = 0; (int)(fd = (unsigned)slots_next(fd, UINT_MAX)) >= 0; fd++) {
        slots_at((int)fd)->state = SLOT_FREE;
        CALL4(close, fd, 0, 0, 0);
    }
    thread_is_lost();
    slots.kept = 0;
    linger.halts = 0;
}
