#include "kept/thread.h"

#include "config.h"
#include "keep_errno.h"
#include "kept/raw.h"
#include "kept/slots.h"
#include "libc.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

enum {
    STACK_SIZE = 16384, /* bytes */
    TCB_SIZE = 4096,    /* bytes; the thread has no data there, but a compiler's stack check reads it */
    IDLE = 5,           /* milliseconds until a thread without work ends */
    LONG_IDLE = 1000,
    TAKEN = 64,         /* taken at once */
    LONGEST_END = 1000, /* milliseconds */
    KERNEL_SIGSET = 8,  /* bytes */
};

enum thread_state { DOWN, STARTING, UP, LEAVING };

static _Alignas(64) char stack[STACK_SIZE] COLD;
static _Alignas(64) char tcb[TCB_SIZE] COLD;

static struct {
    _Atomic uint32_t tid; /* written and cleared by the kernel: clone(2), CLONE_CHILD_CLEARTID */
    _Atomic uint32_t state;
    _Atomic bool ends; /* as soon as there is no work */
} thread HOT;

BARE static void attend(int fd, uint32_t events)
{
    struct slot *slot = slots_at(fd);
    if (!slot || !slots_take(slot))
        return;
    if (!slots_look(fd, slot))
        return;
    if (events & EPOLLERR)
        kept_discard_messages(fd, &slot->kept);
    slot->state = SLOT_KEPT;
}

BARE static void close_set(void)
{
    struct slot *slot = slots_at(slots.set);
    if (!slot)
        return;
    slot->state = SLOT_FREE;
    CALL4(close, slots.set, 0, 0, 0);
}

BARE static bool has_work(void)
{
    return slots.kept > 0 || slots.timed > 0;
}

/* No more work: may the thread end? Who hands over counts itself in `kept` first and looks at `state` then. */
BARE static bool leaves(void)
{
    uint32_t up = UP;
    if (has_work() || !atomic_compare_exchange_strong(&thread.state, &up, LEAVING))
        return false;
    if (has_work()) {
        thread.state = UP;
        return false;
    }
    close_set();
    thread.state = DOWN;
    return true;
}

/* Somebody has closed our set, where no hook saw it, and so most likely all that is kept. */
BARE static void lost(void)
{
    slots_end_all();
    struct slot *slot = slots_at(slots.set);
    if (slot)
        slot->state = SLOT_FREE;
    slots.set = -1;
}

/* Where closes are deferred nothing wakes it for the next one. */
BARE static int pause_of(void)
{
    return has_work() || config.defers ? THREAD_TICK : IDLE;
}

/* Where closes are deferred the next one soon comes, and is not to wait for a thread to be made. */
BARE static bool has_idled(uint32_t since, uint32_t then)
{
    return thread.ends || !config.defers || then - since >= LONG_IDLE;
}

BARE static int serve(void *unused)
{
    (void)unused;
    uint32_t next = raw_now();
    uint32_t worked = next;
    CALL4(prctl, PR_SET_NAME, "truefin", 0, 0);
    for (;;) {
        static struct epoll_event events[TAKEN] COLD;
        long count = CALL6(epoll_pwait, slots.set, events, TAKEN, pause_of(), NULL, KERNEL_SIGSET);
        for (long i = 0; i < count; i++)
            attend(events[i].data.fd, events[i].events);
        if (count < 0 && count != -EINTR)
            lost();
        uint32_t then = raw_now();
        if ((int32_t)(then - next) >= 0) {
            slots_look_at_due(then);
            next = then + THREAD_TICK;
        }
        if (has_work())
            worked = then;
        if ((count <= 0 || thread.ends) && has_idled(worked, then) && leaves())
            return 0;
    }
}

static bool make_set(void)
{
    int low = (int)CALL4(epoll_create1, EPOLL_CLOEXEC, 0, 0, 0);
    if (low < 0)
        return false;
    slots.set = slots_duplicate(low, slots_files());
    CALL4(close, low, 0, 0, 0);
    if (slots.set < 0)
        return false;
    slots_at(slots.set)->state = SLOT_SET;
    return true;
}

/* The thread before, if there was one, may still be on the stack. */
static bool stack_is_free(void)
{
    for (int i = 0; i < SLOTS_PATIENCE && thread.tid; i++)
        raw_yield();
    return thread.tid == 0;
}

static bool make_thread(void)
{
    const int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
                      CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
    if (!stack_is_free() || !make_set())
        return false;
    if (real(clone)(serve, stack + sizeof stack, flags, NULL, &thread.tid, tcb + sizeof tcb / 2,
                    &thread.tid) > 0)
        return true;
    thread.tid = 0;
    close_set();
    return false;
}

/* With all signals blocked: they stay so in the thread, and no handler can find this one half-way. */
bool thread_start(void)
{
    const uint64_t all = UINT64_MAX;
    uint64_t before = 0;
    KEEP_ERRNO;
    bool up = thread.state == UP;
    if (up)
        return true;
    CALL4(rt_sigprocmask, SIG_SETMASK, &all, &before, KERNEL_SIGSET);
    for (int i = 0; !up && i < SLOTS_PATIENCE; i++) {
        uint32_t seen = DOWN;
        if (atomic_compare_exchange_strong(&thread.state, &seen, STARTING)) {
            up = make_thread();
            thread.state = up ? UP : DOWN;
            break;
        }
        up = seen == UP;
        if (!up)
            raw_yield();
    }
    CALL4(rt_sigprocmask, SIG_SETMASK, &before, NULL, KERNEL_SIGSET);
    return up;
}

bool thread_attends(int fd)
{
    struct epoll_event event = {.events = kept_events(&slots_at(fd)->kept), .data.fd = fd};
    return CALL4(epoll_ctl, slots.set, EPOLL_CTL_ADD, fd, &event) == 0;
}

/* Until *WORD is 0, for at most TIME milliseconds. Nobody need wake us: it is looked at in every tick. */
static void await_zero(_Atomic uint32_t *word, uint32_t time, int operation)
{
    const struct timespec tick = {.tv_nsec = THREAD_TICK * 1000000L};
    const uint32_t limit = raw_now() + time;
    for (uint32_t seen; (seen = *word) != 0 && (int32_t)(limit - raw_now()) > 0;)
        CALL4(futex, word, operation, seen, &tick);
}

bool thread_is_there(void)
{
    return thread.tid != 0;
}

/* The kernel clears a thread's number before the thread has left the process. */
static void await_departure(uint32_t tid)
{
    for (int i = 0; i < SLOTS_PATIENCE && CALL4(tgkill, getpid(), tid, 0, 0) == 0; i++)
        raw_yield();
}

/* Something for the thread to wake up for; -1 if there is no number for it: then it wakes at its next tick. */
static int wake(void)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.fd = -1};
    const int bell = (int)CALL4(eventfd2, 1, EFD_CLOEXEC, 0, 0);
    if (bell >= 0)
        CALL4(epoll_ctl, slots.set, EPOLL_CTL_ADD, bell, &event);
    return bell;
}

/* To be seen by the thread at once, what is kept is made ready. */
void thread_end(void)
{
    const uint32_t tid = thread.tid;
    if (!tid)
        return;
    thread.ends = true;
    for (unsigned fd = 0; (int)(fd = (unsigned)slots_next(fd, UINT_MAX)) >= 0; fd++) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.fd = (int)fd};
        CALL4(epoll_ctl, slots.set, EPOLL_CTL_MOD, fd, &event);
    }
    slots_end_all();
    const int bell = wake();
    await_zero(&thread.tid, LONGEST_END, FUTEX_WAIT);
    await_departure(tid);
    if (bell >= 0)
        CALL4(close, bell, 0, 0, 0);
    thread.ends = false;
}

void thread_await(_Atomic uint32_t *count, uint32_t milliseconds)
{
    await_zero(count, milliseconds, FUTEX_WAIT_PRIVATE);
}

void thread_is_lost(void)
{
    thread.tid = 0;
    thread.state = DOWN;
    thread.ends = false;
}
