#include "kept/linger.h"

#include "config.h"
#include "connection/epoll_sets.h"
#include "connection/socket.h"
#include "kept/raw.h"
#include "libc.h"
#include "report/record.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>

enum {
    SLOTS = 65536,       /* so many can linger at most */
    HIGHEST_BASE = 8192, /* the first slot's number where RLIMIT_NOFILE allows */
    STACK_SIZE = 16384,  /* bytes */
    TCB_SIZE = 4096,     /* bytes; the thread has no data there, but a compiler's stack check reads it */
    SHARE = 16,          /* one of so many numbers may be ours: see linger.h */
    TICK = 50,           /* milliseconds between looks at what has used up its time */
    IDLE = 5,            /* milliseconds until a thread without work ends */
    TAKEN = 64,          /* taken at once */
    DISCARD_CALLS = 16,  /* a peer that sends as fast as we discard must not hold the others */
    PATIENCE = 10000,    /* yields; what is waited for is a handful of system calls in another thread */
    LONGEST_HALT = 1000, /* milliseconds */
    KERNEL_SIGSET = 8,   /* bytes */
};

enum slot_state { FREE, KEPT, BUSY, SET /* our epoll set */ };

struct slot {
    _Atomic uint32_t state;
    _Atomic uint32_t ends; /* milliseconds, monotonic, modulo 2^32 */
    _Atomic uint64_t left; /* bytes that may still be discarded */
    _Atomic uint32_t turn; /* its place in the order of keeping: see ages */
};

enum thread_state { DOWN, STARTING, UP, LEAVING };

static struct slot slots[SLOTS] COLD;

/*
 * The slots in the order in which they were taken, so that the oldest is found without a search: the slot of
 * turn N is at N modulo SLOTS. One that has ended meanwhile, or has another turn since, is passed over.
 */
static struct {
    _Atomic uint32_t next;   /* turn */
    _Atomic uint32_t oldest; /* turn */
    _Atomic uint16_t slot[SLOTS];
} ages COLD;
static _Alignas(64) char stack[STACK_SIZE] COLD;
static _Alignas(64) char tcb[TCB_SIZE] COLD;

static struct {
    _Atomic int base;      /* the number of the first slot; 0 before the first connection is kept */
    _Atomic int highest;   /* no number above it was ever kept */
    _Atomic int set;       /* our epoll set, while the thread is UP */
    _Atomic uint32_t tid;  /* written and cleared by the kernel: clone(2), CLONE_CHILD_CLEARTID */
    _Atomic uint32_t kept; /* connections that are kept or on their way; the thread leaves only at 0 */
    _Atomic uint32_t state;
    _Atomic int halts;
    _Atomic bool said; /* that there is no room */
} self;

#define CALL6(number, a, b, c, d, e, f)                                                                      \
    raw_call(SYS_##number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define CALL4(number, a, b, c, d) CALL6(number, a, b, c, d, 0, 0)

BARE static uint32_t now(void)
{
    struct timespec time; /* without an initialiser, of which a compiler may make a call of memset */
    time.tv_sec = 0;
    time.tv_nsec = 0;
    CALL4(clock_gettime, CLOCK_MONOTONIC, &time, 0, 0);
    return (uint32_t)((uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000);
}

BARE static void yield(void)
{
    CALL4(sched_yield, 0, 0, 0, 0);
}

BARE static struct slot *slot_of(int fd)
{
    int base = self.base;
    return base && fd >= base && fd < base + SLOTS ? &slots[fd - base] : NULL;
}

bool linger_holds(int fd)
{
    const struct slot *slot = slot_of(fd);
    return slot && slot->state != FREE;
}

BARE int linger_next(unsigned from, unsigned last)
{
    int base = self.base;
    int end = self.highest;
    if (!base || from > (unsigned)end)
        return -1;
    if (last < (unsigned)end)
        end = (int)last;
    for (int fd = (int)from < base ? base : (int)from; fd <= end; fd++)
        if (slots[fd - base].state != FREE)
            return fd;
    return -1;
}

/* From now on the caller alone acts on it. False if nothing is kept there (any more). */
BARE static bool take(struct slot *slot)
{
    for (int i = 0; i < PATIENCE; i++) {
        uint32_t seen = KEPT;
        if (atomic_compare_exchange_strong(&slot->state, &seen, BUSY))
            return true;
        if (seen != BUSY)
            return false;
        yield();
    }
    return false;
}

BARE static void gone(void)
{
    if (atomic_fetch_sub(&self.kept, 1) == 1)
        CALL4(futex, &self.kept, FUTEX_WAKE_PRIVATE, INT_MAX, 0);
}

enum outcome {
    WAITS,
    ENDED, /* by the peer, or because the program or its exit wants it so: never an abort */
    LIMIT,
};

/* MSG_TRUNC discards without copying (tcp(7)). */
BARE static enum outcome discard(int fd, struct slot *slot)
{
    for (int i = 0; i < DISCARD_CALLS; i++) {
        long size =
            CALL6(recvfrom, fd, act_discarded, sizeof act_discarded, MSG_TRUNC | MSG_DONTWAIT, NULL, NULL);
        if (size == -EAGAIN || size == -EINTR)
            return WAITS;
        if (size <= 0)
            return ENDED;
        if ((uint64_t)size >= slot->left)
            return LIMIT;
        slot->left -= (uint64_t)size;
    }
    return WAITS;
}

/*
 * The caller has taken it. Out of the set first: a copy in another process would keep it there, and an answer
 * says that the number still is what we put there. Free before it is closed: then the number may come back at
 * once.
 */
BARE static void end(int fd, struct slot *slot, enum outcome outcome)
{
    static const struct linger abort = {.l_onoff = 1, .l_linger = 0};
    if (outcome == LIMIT)
        atomic_fetch_add(&record_limits, 1);
    if (outcome == LIMIT && config.linger.end == ENDING_RST)
        CALL6(setsockopt, fd, SOL_SOCKET, SO_LINGER, &abort, sizeof abort, 0);
    bool ours = CALL4(epoll_ctl, self.set, EPOLL_CTL_DEL, fd, NULL) == 0;
    slot->state = FREE;
    if (ours)
        CALL4(close, fd, 0, 0, 0);
    gone();
}

/* The kernel's own messages to the program, as for MSG_ZEROCOPY: left there, they would wake us for ever
 * (socket(7)). */
BARE static void discard_messages(int fd)
{
    static struct msghdr none COLD;
    for (int i = 0; i < DISCARD_CALLS && CALL4(recvmsg, fd, &none, MSG_ERRQUEUE | MSG_DONTWAIT, 0) >= 0; i++)
        ;
}

BARE static void attend(int fd, uint32_t events)
{
    struct slot *slot = slot_of(fd);
    if (!slot || !take(slot))
        return;
    enum outcome outcome = discard(fd, slot);
    if (outcome == WAITS && (events & EPOLLERR))
        discard_messages(fd);
    if (outcome == WAITS)
        slot->state = KEPT;
    else
        end(fd, slot, outcome);
}

/* Ends whatever's time is used up by THEN; all, if ALL. What is in the queue goes first: unread it would make
 * an RST. */
BARE static void expire(uint32_t then, bool all)
{
    for (unsigned fd = 0; (int)(fd = (unsigned)linger_next(fd, UINT_MAX)) >= 0; fd++) {
        struct slot *slot = slot_of((int)fd);
        if (slot->state == SET || !(all || (int32_t)(then - slot->ends) >= 0) || !take(slot))
            continue;
        enum outcome outcome = discard((int)fd, slot);
        end((int)fd, slot, outcome == WAITS && !all ? LIMIT : ENDED);
    }
}

BARE static void close_set(void)
{
    struct slot *slot = slot_of(self.set);
    if (!slot)
        return;
    slot->state = FREE;
    CALL4(close, self.set, 0, 0, 0);
}

/* No more work: may the thread end? Who hands over counts itself in `kept` first and looks at `state` then.
 */
BARE static bool leaves(void)
{
    uint32_t up = UP;
    if (self.kept > 0 || !atomic_compare_exchange_strong(&self.state, &up, LEAVING))
        return false;
    if (self.kept > 0) {
        self.state = UP;
        return false;
    }
    close_set();
    self.state = DOWN;
    return true;
}

/* Somebody has closed our set, where no hook saw it, and so most likely all that is kept. */
BARE static void lost(void)
{
    expire(0, true);
    struct slot *slot = slot_of(self.set);
    if (slot)
        slot->state = FREE;
    self.set = -1;
}

BARE static int serve(void *unused)
{
    (void)unused;
    uint32_t next = now();
    CALL4(prctl, PR_SET_NAME, "truefin", 0, 0);
    for (;;) {
        static struct epoll_event events[TAKEN] COLD;
        long count =
            CALL6(epoll_pwait, self.set, events, TAKEN, self.kept ? TICK : IDLE, NULL, KERNEL_SIGSET);
        for (long i = 0; i < count; i++)
            attend(events[i].data.fd, events[i].events);
        if (count < 0 && count != -EINTR)
            lost();
        uint32_t then = now();
        if ((int32_t)(then - next) >= 0) {
            expire(then, false);
            next = then + TICK;
        }
        if (count <= 0 && leaves())
            return 0;
    }
}

/*
 * A number for one of our descriptors, with a slot of its own, from a quarter of RLIMIT_NOFILE upwards; -1 if
 * there is no room. The last quarter is left to a program that has used up the rest.
 */
static int duplicate(int fd)
{
    struct rlimit limit = {0};
    if (CALL4(prlimit64, 0, RLIMIT_NOFILE, NULL, &limit) != 0)
        return -1;
    const rlim_t most = limit.rlim_cur < INT_MAX ? limit.rlim_cur : INT_MAX;
    int none = 0;
    atomic_compare_exchange_strong(&self.base, &none,
                                   most / 4 < HIGHEST_BASE ? (int)(most / 4) + 1 : HIGHEST_BASE);
    int copy = (int)CALL4(fcntl, fd, F_DUPFD_CLOEXEC, self.base, 0);
    if (copy < 0)
        return -1;
    if (!slot_of(copy) || (rlim_t)copy >= most / 4 * 3) {
        CALL4(close, copy, 0, 0, 0);
        return -1;
    }
    int highest = self.highest;
    while (highest < copy && !atomic_compare_exchange_weak(&self.highest, &highest, copy))
        ;
    return copy;
}

static bool make_set(void)
{
    int low = (int)CALL4(epoll_create1, EPOLL_CLOEXEC, 0, 0, 0);
    if (low < 0)
        return false;
    self.set = duplicate(low);
    CALL4(close, low, 0, 0, 0);
    if (self.set < 0)
        return false;
    slot_of(self.set)->state = SET;
    return true;
}

/* The thread before, if there was one, may still be on the stack. */
static bool stack_is_free(void)
{
    for (int i = 0; i < PATIENCE && self.tid; i++)
        yield();
    return self.tid == 0;
}

static bool make_thread(void)
{
    const int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
                      CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
    if (!stack_is_free() || !make_set())
        return false;
    if (real(clone)(serve, stack + sizeof stack, flags, NULL, &self.tid, tcb + sizeof tcb / 2, &self.tid) > 0)
        return true;
    self.tid = 0;
    close_set();
    return false;
}

/*
 * Starts the thread where there is none. With all signals blocked: they stay so in the thread, and no handler
 * can find this one half-way. False if it cannot be started.
 */
static bool is_up(void)
{
    const uint64_t all = UINT64_MAX;
    uint64_t before = 0;
    int saved = errno;
    bool up = self.state == UP;
    if (up)
        return true;
    CALL4(rt_sigprocmask, SIG_SETMASK, &all, &before, KERNEL_SIGSET);
    for (int i = 0; !up && i < PATIENCE; i++) {
        uint32_t seen = DOWN;
        if (atomic_compare_exchange_strong(&self.state, &seen, STARTING)) {
            up = make_thread();
            self.state = up ? UP : DOWN;
            break;
        }
        up = seen == UP;
        if (!up)
            yield();
    }
    CALL4(rt_sigprocmask, SIG_SETMASK, &before, NULL, KERNEL_SIGSET);
    errno = saved;
    return up;
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
    if (!atomic_exchange(&self.said, true))
        record_note("too near to RLIMIT_NOFILE or another limit: connections end without lingering");
    return false;
}

/* Of one that is KEPT: before, its turn could pass unused. If it has ended already, whoever has the slot now
 * is only taken for younger. */
static void queue(int fd)
{
    const uint32_t turn = atomic_fetch_add(&ages.next, 1);
    slot_of(fd)->turn = turn;
    ages.slot[turn % SLOTS] = (uint16_t)(fd - self.base);
}

/* Any connection that is kept; -1 if there is none. A search. */
static int any_kept(void)
{
    for (unsigned fd = 0; (int)(fd = (unsigned)linger_next(fd, UINT_MAX)) >= 0; fd++)
        if (slot_of((int)fd)->state == KEPT)
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
        if (slots[index].turn == skip && slots[index].state != FREE && slots[index].state != SET)
            return self.base + index;
        turn = ages.oldest;
    }
    return any_kept();
}

/* One that ends of itself at this moment is as good as ended: then the next one is. */
static bool end_oldest(void)
{
    for (int i = 0; i < TAKEN; i++) {
        int fd = oldest();
        if (fd < 0)
            return false;
        if (!take(slot_of(fd)))
            continue;
        discard(fd, slot_of(fd));
        end(fd, slot_of(fd), ENDED);
        return true;
    }
    return false;
}

/* The caller has counted its own in `kept`. False if RLIMIT_NOFILE is too low to keep any. */
static bool make_room(void)
{
    struct rlimit limit = {0};
    if (CALL4(prlimit64, 0, RLIMIT_NOFILE, NULL, &limit) != 0 || limit.rlim_cur < SHARE)
        return false;
    while (self.kept > limit.rlim_cur / SHARE && end_oldest())
        ;
    return self.kept <= limit.rlim_cur / SHARE;
}

static bool keep(int fd, const struct connection *connection)
{
    if (!make_room())
        return no_room();
    if (!is_up())
        return no_room();
    if (!epoll_sets_forget(fd, connection))
        return false;
    int copy = duplicate(fd);
    if (copy < 0)
        return no_room();
    make_ours(copy, connection);
    struct slot *slot = slot_of(copy);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = copy};
    slot->ends = now() + config.linger.milliseconds;
    slot->left = config.linger.bytes;
    if (CALL4(shutdown, copy, SHUT_WR, 0, 0) == 0 &&
        CALL4(epoll_ctl, self.set, EPOLL_CTL_ADD, copy, &event) == 0) {
        slot->state = KEPT;
        queue(copy);
        return true;
    }
    CALL4(close, copy, 0, 0, 0);
    return false;
}

bool linger_keep(int fd, const struct connection *connection)
{
    if (self.halts || !config.linger.milliseconds || !config.linger.bytes)
        return false;
    atomic_fetch_add(&self.kept, 1);
    bool kept = keep(fd, connection);
    if (!kept)
        gone();
    return kept;
}

void linger_give_up(int fd)
{
    struct slot *slot = slot_of(fd);
    if (slot && slot->state == SET) {
        linger_halt();
        linger_resume();
    } else if (slot && take(slot)) {
        discard(fd, slot);
        end(fd, slot, ENDED);
    }
}

bool linger_gives_room(void)
{
    return errno == EMFILE && self.kept > 0 && end_oldest();
}

/* Until *WORD is 0, for at most TIME milliseconds. Nobody need wake us: it is looked at in every tick. */
static void await_zero(_Atomic uint32_t *word, uint32_t time, int operation)
{
    const struct timespec tick = {.tv_nsec = TICK * 1000000L};
    const uint32_t limit = now() + time;
    for (uint32_t seen; (seen = *word) != 0 && (int32_t)(limit - now()) > 0;)
        CALL4(futex, word, operation, seen, &tick);
}

bool linger_has_thread(void)
{
    return self.tid != 0;
}

/* The kernel clears a thread's number before the thread has left the process. */
static void await_departure(uint32_t tid)
{
    for (int i = 0; i < PATIENCE && CALL4(tgkill, getpid(), tid, 0, 0) == 0; i++)
        yield();
}

/* To be seen by the thread at once, what is kept is made ready. */
void linger_halt(void)
{
    const uint32_t tid = self.tid;
    atomic_fetch_add(&self.halts, 1);
    if (!tid)
        return;
    for (unsigned fd = 0; (int)(fd = (unsigned)linger_next(fd, UINT_MAX)) >= 0; fd++) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.fd = (int)fd};
        CALL4(epoll_ctl, self.set, EPOLL_CTL_MOD, fd, &event);
    }
    expire(0, true);
    await_zero(&self.tid, LONGEST_HALT, FUTEX_WAIT);
    await_departure(tid);
}

void linger_resume(void)
{
    atomic_fetch_sub(&self.halts, 1);
}

void linger_exit(void)
{
    if (self.kept == 0)
        return;
    if (config.linger.waits)
        await_zero(&self.kept, config.linger.milliseconds + 2 * TICK, FUTEX_WAIT_PRIVATE);
    expire(0, true);
}

void linger_new_process(pid_t pid)
{
    (void)pid;
    for (unsigned fd = 0; (int)(fd = (unsigned)linger_next(fd, UINT_MAX)) >= 0; fd++) {
        slot_of((int)fd)->state = FREE;
        CALL4(close, fd, 0, 0, 0);
    }
    self.tid = 0;
    self.kept = 0;
    self.state = DOWN;
    self.halts = 0;
}
