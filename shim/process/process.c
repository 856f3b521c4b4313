#include "process/process.h"

#include "config.h"
#include "keep_errno.h"
#include "libc.h"

#include <sys/mman.h>
#include <sys/single_threaded.h>
#include <unistd.h>

enum { STEPS = 5 };

/* Reads as zeros in a fork child (madvise(2), MADV_WIPEONFORK); shared with a vfork child. */
struct owner {
    _Atomic int32_t pid; /* 0: a fork child before its first steps; -1: it takes them at this moment */
};

static struct {
    _Atomic(struct owner *) owner; /* NULL before the first birth */
    _Atomic bool stop_noted;
    _Atomic bool asks_pid; /* somebody made a child that shares our memory and is no vfork child of ours */
    process_step *steps[STEPS];
    unsigned count;
} process;

static _Atomic uint8_t exiting
    HOT; /* the event that exit(3) began with, plus one; 0 while the process lives */

__thread int truefin_in_vfork __attribute__((tls_model("initial-exec")));

void process_at_birth(process_step *step)
{
    process.steps[process.count++] = step;
}

pid_t process_pid(void)
{
    return atomic_load(&atomic_load(&process.owner)->pid);
}

/* A page that need not be written is not copied. */
static void set_false(_Atomic bool *what)
{
    if (atomic_load(what))
        atomic_store(what, false);
}

/* A fork child's first step: from here on the table is its own. */
static void become(struct owner *owner)
{
    int32_t none = 0;
    if (!atomic_compare_exchange_strong(&owner->pid, &none, -1))
        return;
    set_false(&process.stop_noted);
    set_false(&process.asks_pid);
    const pid_t pid = getpid();
    for (unsigned i = 0; i < process.count; i++)
        process.steps[i](pid);
    atomic_store(&owner->pid, pid);
}

bool process_is_self(void)
{
    const struct owner *owner = atomic_load(&process.owner);
    return !owner || atomic_load(&owner->pid) == getpid();
}

/* In the child of a vfork, before the constructor, in a sandbox: no. */
static bool may_act(void)
{
    const uint8_t state = atomic_load(&config.state);
    return !truefin_in_vfork && (state == STATE_ON || state == STATE_BLIND);
}

bool process_enter(void)
{
    if (!may_act())
        return false;
    struct owner *owner = atomic_load(&process.owner);
    if (!owner)
        return true;
    if (atomic_load(&owner->pid) == 0)
        become(owner);
    if (atomic_load(&owner->pid) <= 0)
        return false;
    return !atomic_load(&process.asks_pid) || process_is_self();
}

/* The linker's names for the zeros of this library. */
extern char __bss_start[] __attribute__((visibility("hidden")));
extern char _end[] __attribute__((visibility("hidden")));

/*
 * Our tables are large and hardly used. Where the kernel makes huge pages unasked, the first byte of one would take 2 MB, and
 * the time to zero them. A kernel without huge pages refuses, which changes nothing (madvise(2)).
 */
static void want_small_pages(void)
{
    const size_t page = (size_t)getpagesize();
    const size_t before = (size_t)(-(intptr_t)__bss_start) & (page - 1);
    char *const at = __bss_start + before;
    madvise(at, (uintptr_t)_end - (uintptr_t)at, MADV_NOHUGEPAGE);
}

bool process_begin(void)
{
    if (atomic_load(&process.owner) || !may_act())
        return process_enter();
    KEEP_ERRNO;
    libc_resolve();
    want_small_pages();
    struct owner *owner =
        mmap(NULL, sizeof *owner, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct owner *first = NULL;
    if (owner != MAP_FAILED) {
        owner->pid = getpid();
        if (madvise(owner, sizeof *owner, MADV_WIPEONFORK) != 0 ||
            !atomic_compare_exchange_strong(&process.owner, &first, owner))
            munmap(owner, sizeof *owner);
    }
    return atomic_load(&process.owner) != NULL && process_enter();
}

void process_shares_memory(void)
{
    atomic_store(&process.asks_pid, true);
}

bool process_moved(void)
{
    struct owner *owner = atomic_load(&process.owner);
    if (owner)
        atomic_store(&owner->pid, getpid());
    return owner != NULL;
}

void process_is_child_of(pid_t forker)
{
    struct owner *owner = atomic_load(&process.owner);
    if (owner)
        atomic_compare_exchange_strong(&owner->pid, &forker, 0);
}

void process_note_stop(void)
{
    atomic_store(&process.stop_noted, true);
}

bool process_stop_noted(void)
{
    return atomic_load(&process.stop_noted);
}

void process_note_exit(enum event event)
{
    uint8_t none = 0;
    atomic_compare_exchange_strong(&exiting, &none, (uint8_t)(event + 1));
}

bool process_is_exiting(void)
{
    return atomic_load(&exiting) != 0;
}

enum event process_exit_event(void)
{
    return (enum event)(atomic_load(&exiting) - 1);
}

/* musl has another name for it, which is no part of its interface. */
#pragma weak __libc_single_threaded

bool process_has_one_thread(void)
{
    return &__libc_single_threaded && __libc_single_threaded;
}
