#include "kept/slots.h"

#include "connection/counters.h"
#include "kept/raw.h"
#include "libc.h"
#include "report/record.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/resource.h>

enum {
    HIGHEST_BASE = 8192, /* the first slot's number where RLIMIT_NOFILE allows */
    TRIES = 64,          /* connections that may end by themselves while the oldest is looked for */
};

struct slots slots HOT;
struct slot slots_array[SLOTS] COLD;

/*
 * The slots in the order in which they were taken, so that the oldest is found without a search: the slot of
 * turn N is at N modulo SLOTS. One that has ended meanwhile, or has another turn since, is passed over.
 */
static struct {
    _Atomic uint32_t next;   /* turn */
    _Atomic uint32_t oldest; /* turn */
    _Atomic uint16_t slot[SLOTS];
} ages COLD;

BARE struct slot *slots_at(int fd)
{
    int base = slots.base;
    return base && fd >= base && fd < base + SLOTS ? &slots_array[fd - base] : NULL;
}

BARE int slots_next(unsigned from, unsigned last)
{
    int base = slots.base;
    int end = slots.highest;
    if (!base || from > (unsigned)end)
        return -1;
    if (last < (unsigned)end)
        end = (int)last;
    for (int fd = (int)from < base ? base : (int)from; fd <= end; fd++)
        if (slots_array[fd - base].state != SLOT_FREE)
            return fd;
    return -1;
}

BARE bool slots_take(struct slot *slot)
{
    for (int i = 0; i < SLOTS_PATIENCE; i++) {
        uint32_t seen = SLOT_KEPT;
        if (atomic_compare_exchange_strong(&slot->state, &seen, SLOT_BUSY))
            return true;
        if (seen != SLOT_BUSY)
            return false;
        raw_yield();
    }
    return false;
}

BARE static void count_down(_Atomic uint32_t *count)
{
    if (atomic_fetch_sub(count, 1) == 1)
        CALL4(futex, count, FUTEX_WAKE_PRIVATE, INT_MAX, 0);
}

BARE void slots_gone(bool flushes)
{
    if (flushes)
        count_down(&slots.flushing);
    count_down(&slots.kept);
}

/*
 * The caller has taken it. Out of the set first: a copy in another process would keep it there, and an answer
 * says that the number still is what we put there. Free before it is closed: then the number may come back at
 * once.
 */
BARE void slots_end(int fd, struct slot *slot, enum kept_outcome outcome)
{
    const bool flushes = slot->kept.aim == KEPT_FLUSHES;
    if (outcome == KEPT_LIMIT)
        atomic_fetch_add(&record_limits, 1);
    bool ours = CALL4(epoll_ctl, slots.set, EPOLL_CTL_DEL, fd, NULL) == 0;
    if (ours)
        kept_prepare_close(fd, &slot->kept, outcome);
    slot->state = SLOT_FREE;
    if (ours)
        CALL4(close, fd, 0, 0, 0);
    slots_gone(flushes);
}

BARE bool slots_look(int fd, struct slot *slot)
{
    const bool was_deaf = slot->kept.deaf;
    const enum kept_outcome outcome = kept_look(fd, &slot->kept);
    if (outcome != KEPT_WAITS) {
        slots_end(fd, slot, outcome);
        return false;
    }
    if (slot->kept.deaf && !was_deaf) {
        struct epoll_event event;
        event.events = kept_events(&slot->kept);
        event.data.fd = fd;
        CALL4(epoll_ctl, slots.set, EPOLL_CTL_MOD, fd, &event);
    }
    return true;
}

/*
 * What the close would do for the peer: from now on no crash resets it, and here is the FIN. What another process may
 * use is only closed: our set stands at the number then. The record is there as long as the number is.
 */
BARE static void settle(int fd, struct slot *slot)
{
    uint32_t seen = SLOT_DEFERRED;
    if (!slot->deferred.timed || !atomic_compare_exchange_strong(&slot->state, &seen, SLOT_BUSY))
        return;
    kept_linger_off(fd);
    if ((atomic_fetch_and(&slot->deferred.connection->flags, (uint16_t)~FLAG_ARMED) & FLAG_ARMED) &&
        slot->deferred.connection->counted)
        COUNT_BY(armed, -1);
    if (slot->deferred.alone)
        CALL4(shutdown, fd, SHUT_WR, 0, 0);
    else
        CALL4(dup3, slots.set, fd, O_CLOEXEC, 0);
    atomic_fetch_or(&slot->deferred.connection->flags, FLAG_SHUT);
    atomic_fetch_add(&slots.settled, 1);
    slot->state = SLOT_SETTLED;
    atomic_fetch_sub(&slots.timed, 1);
}

BARE void slots_look_at_due(uint32_t then)
{
    for (unsigned fd = 0; (int)(fd = (unsigned)slots_next(fd, UINT_MAX)) >= 0; fd++) {
        struct slot *slot = slots_at((int)fd);
        if (slot->state == SLOT_DEFERRED && (int32_t)(then - slot->deferred.due) >= 0)
            settle((int)fd, slot);
        else if (slot->state == SLOT_KEPT && (int32_t)(then - slot->kept.due) >= 0 && slots_take(slot) &&
                 slots_look((int)fd, slot))
            slot->state = SLOT_KEPT;
    }
}

/* What is in the queue goes first: unread it would make an RST. */
BARE static void end_now(int fd, struct slot *slot, enum kept_outcome outcome)
{
    kept_drain(fd);
    slots_end(fd, slot, outcome);
}

BARE void slots_end_now(int fd, struct slot *slot)
{
    end_now(fd, slot, slot->kept.aim == KEPT_FLUSHES ? KEPT_LIMIT : KEPT_ENDED);
}

BARE void slots_give_way(int fd, struct slot *slot)
{
    end_now(fd, slot, KEPT_GIVES_WAY);
}

BARE void slots_end_all(void)
{
    for (unsigned fd = 0; (int)(fd = (unsigned)slots_next(fd, UINT_MAX)) >= 0; fd++) {
        struct slot *slot = slots_at((int)fd);
        if (slot->state != SLOT_SET && slots_take(slot))
            slots_end_now((int)fd, slot);
    }
}

void slots_end_flushes(void)
{
    for (unsigned fd = 0; (int)(fd = (unsigned)slots_next(fd, UINT_MAX)) >= 0; fd++) {
        struct slot *slot = slots_at((int)fd);
        if (slot->state != SLOT_SET && slot->kept.aim == KEPT_FLUSHES && slots_take(slot))
            slots_end_now((int)fd, slot);
    }
}

uint32_t slots_files(void)
{
    struct rlimit limit = {0};
    if (CALL4(prlimit64, 0, RLIMIT_NOFILE, NULL, &limit) != 0)
        return 0;
    return limit.rlim_cur < INT_MAX ? (uint32_t)limit.rlim_cur : INT_MAX;
}

/*
 * A number for one of our descriptors, with a slot of its own, from a quarter of the limit upwards; -1 if there is
 * no room. The last quarter is left to a program that has used up the rest.
 */
int slots_duplicate(int fd, uint32_t files)
{
    int none = 0;
    atomic_compare_exchange_strong(&slots.base, &none,
                                   files / 4 < HIGHEST_BASE ? (int)(files / 4) + 1 : HIGHEST_BASE);
    int copy = (int)CALL4(fcntl, fd, F_DUPFD_CLOEXEC, slots.base, 0);
    if (copy < 0)
        return -1;
    if (!slots_at(copy) || (uint32_t)copy >= files / 4 * 3) {
        CALL4(close, copy, 0, 0, 0);
        return -1;
    }
    int highest = slots.highest;
    while (highest < copy && !atomic_compare_exchange_weak(&slots.highest, &highest, copy))
        ;
    return copy;
}

/*
 * Of one that is KEPT: before, its turn could pass unused. If it has ended already, whoever has the slot now
 * is only taken for younger.
 */
static void queue(int fd)
{
    const uint32_t turn = atomic_fetch_add(&ages.next, 1);
    slots_at(fd)->turn = turn;
    ages.slot[turn % SLOTS] = (uint16_t)(fd - slots.base);
}

void slots_put(int fd)
{
    slots_at(fd)->state = SLOT_KEPT;
    queue(fd);
}

/* Any connection that is kept; -1 if there is none. A search. */
static int any_kept(void)
{
    for (unsigned fd = 0; (int)(fd = (unsigned)slots_next(fd, UINT_MAX)) >= 0; fd++)
        if (slots_at((int)fd)->state == SLOT_KEPT)
            return (int)fd;
    return -1;
}

/*
 * Takes the turn of the kept connection that has lingered longest; -1 if none is kept. Any of them, where
 * more than SLOTS have come and gone since it came.
 */
static int oldest(void)
{
    uint32_t turn = ages.oldest;
    while (turn != ages.next) {
        uint32_t skip = ages.next - turn > SLOTS ? ages.next - SLOTS : turn;
        if (!atomic_compare_exchange_weak(&ages.oldest, &turn, skip + 1))
            continue;
        const int index = ages.slot[skip % SLOTS];
        if (slots_array[index].turn == skip &&
            (slots_array[index].state == SLOT_KEPT || slots_array[index].state == SLOT_BUSY))
            return slots.base + index;
        turn = ages.oldest;
    }
    return any_kept();
}

/* One that ends of itself at this moment is as good as ended: then the next one is. */
bool slots_end_oldest(void)
{
    for (int i = 0; i < TRIES; i++) {
        int fd = oldest();
        if (fd < 0)
            return false;
        if (!slots_take(slots_at(fd)))
            continue;
        slots_give_way(fd, slots_at(fd));
        return true;
    }
    return false;
}
