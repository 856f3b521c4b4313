#include "claims.h"

#include "holder.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>

enum {
    LISTS = 2048,
    PIDS = 8,  /* parent, heir, the heir's heir, ... */
    TRIES = 8, /* lists whose claimants are looked at for life before a fork goes without */
};

struct list {
    _Atomic int32_t pids[PIDS];
};

struct arena {
    struct list lists[LISTS];
    _Atomic bool escaped;
};

/* Mapped by the first fork that gives something; all processes below it share it. */
static _Atomic(struct arena *) arena;
static _Atomic bool escaped_before; /* what this process did without an arena */
static _Atomic uint32_t cursor;

static struct arena *arena_make(void)
{
    struct arena *made = atomic_load(&arena);
    if (made)
        return made;
    made = mmap(NULL, sizeof *made, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (made == MAP_FAILED)
        return NULL;
    struct arena *first = NULL;
    if (!atomic_compare_exchange_strong(&arena, &first, made)) {
        munmap(made, sizeof *made);
        return first;
    }
    if (atomic_load(&escaped_before))
        atomic_store(&made->escaped, true);
    return made;
}

void claims_escape(void)
{
    atomic_store(&escaped_before, true);
    struct arena *shared = atomic_load(&arena);
    if (shared)
        atomic_store(&shared->escaped, true);
}

bool claims_may_have_escaped(void)
{
    struct arena *shared = atomic_load(&arena);
    return !shared || atomic_load(&shared->escaped);
}

static struct list *list_at(uint32_t number)
{
    return &atomic_load(&arena)->lists[number - 1];
}

static bool is_dead(pid_t pid)
{
    pid = pid < 0 ? -pid : pid;
    return kill(pid & ~(1 << 24), 0) != 0 && errno == ESRCH;
}

/* A list whose claimants all died without leaving is free again. */
static bool is_free(struct list *list)
{
    for (int i = 0; i < PIDS; i++) {
        int32_t pid = atomic_load(&list->pids[i]);
        if (pid != 0 && !is_dead(pid))
            return false;
        if (pid != 0)
            atomic_compare_exchange_strong(&list->pids[i], &pid, 0);
    }
    return true;
}

uint32_t claims_new(pid_t self)
{
    struct arena *shared = arena_make();
    int saved = errno;
    uint32_t number = 0;
    for (int i = 0; shared && !number && i < TRIES; i++) {
        uint32_t at = atomic_fetch_add(&cursor, 1) % LISTS;
        struct list *list = &shared->lists[at];
        int32_t none = 0;
        if (is_free(list) && atomic_compare_exchange_strong(&list->pids[0], &none, self))
            number = at + 1;
    }
    errno = saved;
    return number;
}

static bool put_for(struct list *list, int32_t old, int32_t pid)
{
    for (int i = 0; i < PIDS; i++) {
        int32_t seen = old;
        if (atomic_compare_exchange_strong(&list->pids[i], &seen, pid))
            return true;
    }
    return false;
}

bool claims_has(uint32_t list, pid_t pid)
{
    struct list *at = list_at(list);
    for (int i = 0; i < PIDS; i++)
        if (atomic_load(&at->pids[i]) == pid)
            return true;
    return false;
}

/* The place behind the last claimant. */
static int end_of(const struct list *list)
{
    int end = PIDS;
    while (end > 0 && atomic_load(&list->pids[end - 1]) == 0)
        end--;
    return end;
}

void claims_add(uint32_t list, pid_t pid)
{
    struct list *at = list_at(list);
    if (claims_has(list, pid))
        return;
    for (int i = end_of(at); i < PIDS; i++) {
        int32_t none = 0;
        if (atomic_compare_exchange_strong(&at->pids[i], &none, pid))
            return;
    }
    if (put_for(at, 0, pid))
        return;
    for (int i = 0; i < PIDS; i++) {
        int32_t other = atomic_load(&at->pids[i]);
        if (is_dead(other) && put_for(at, other, pid))
            return;
    }
}

void claims_displace(uint32_t list, pid_t pid)
{
    struct list *at = list_at(list);
    for (int i = PIDS - 1; i >= 0 && atomic_load(&at->pids[i]) != pid; i--) {
        int32_t later = atomic_load(&at->pids[i]);
        if (later > 0)
            atomic_compare_exchange_strong(&at->pids[i], &later, 0);
    }
}

bool claims_change(uint32_t list, pid_t old, pid_t next)
{
    return put_for(list_at(list), old, next);
}

pid_t claims_other(uint32_t list, pid_t self, int fd)
{
    struct list *at = list_at(list);
    pid_t found = 0;
    for (int i = 0; i < PIDS && found <= 0; i++) {
        int32_t pid = atomic_load(&at->pids[i]);
        if (pid == 0 || pid == self || pid == -self || pid <= claims_left(0))
            continue;
        enum answer has = pid > 0 ? holder_claims(pid, fd) : holder_has_execed(-pid, fd);
        if (pid < 0 && has == YES && holder_is_leaving(-pid, fd))
            has = NO;
        if (has == YES)
            found = pid;
        else if (has == NO)
            atomic_compare_exchange_strong(&at->pids[i], &pid, 0);
    }
    return found;
}
