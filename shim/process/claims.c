#include "process/claims.h"

#include "keep_errno.h"
#include "libc.h"
#include "process/holder.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>

enum {
    PIDS = 8,         /* parent, heir, the heir's heir, ... */
    TRIES = 8,        /* lists that are looked at before more are used, or a fork goes without */
    FIRST_LISTS = 64, /* as many are used again and again as long as they suffice */
    ALONE = 4096,     /* bytes: a list has a page to itself, so that it can be shared alone */
    PID_MASK = (1 << 22) - 1,
};

struct list {
    _Alignas(ALONE) _Atomic int32_t pids[PIDS];
};

struct arena {
    struct list lists[CLAIMS_LISTS];
    _Alignas(ALONE) _Atomic bool escaped;
};

static const int32_t DISPLACED = CLAIMS_DISPLACED_BIT;

/* Mapped by the first fork that gives something; all processes below it share it. */
static _Atomic(struct arena *) arena;
static _Atomic bool escaped_before; /* what this process did without an arena */
static _Atomic uint32_t cursor HOT;
static _Atomic uint32_t in_use = FIRST_LISTS;

static struct arena *arena_make(void)
{
    struct arena *made = atomic_load(&arena);
    if (made)
        return made;
    made =
        mmap(NULL, sizeof *made, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
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

/* Whom an entry names. */
static pid_t pid_of(int32_t entry)
{
    return (int32_t)(entry < 0 ? 0U - (uint32_t)entry : (uint32_t)entry) & PID_MASK;
}

static bool is_dead(int32_t entry)
{
    return kill(pid_of(entry), 0) != 0 && errno == ESRCH;
}

static bool is_claimant(int32_t entry)
{
    return entry > 0 && entry <= PID_MASK;
}

static bool has_execed(int32_t entry)
{
    return entry < 0 && entry >= -PID_MASK;
}

/* No call. */
static bool is_empty(const struct list *list)
{
    for (int i = 0; i < PIDS; i++)
        if (atomic_load(&list->pids[i]) != 0)
            return false;
    return true;
}

/* A list whose claimants all died without leaving is free again. */
static bool is_free(struct list *list)
{
    for (int i = 0; i < PIDS; i++) {
        int32_t entry = atomic_load(&list->pids[i]);
        if (entry != 0 && !is_dead(entry))
            return false;
        if (entry != 0)
            atomic_compare_exchange_strong(&list->pids[i], &entry, 0);
    }
    return true;
}

/* SELF becomes the first on one of the lists in use, which is asked for by no call unless THOROUGH. */
static uint32_t take(struct arena *shared, pid_t self, bool thorough)
{
    for (int i = 0; i < TRIES; i++) {
        uint32_t at = atomic_fetch_add(&cursor, 1) % atomic_load(&in_use);
        struct list *list = &shared->lists[at];
        int32_t none = 0;
        if ((thorough ? is_free(list) : is_empty(list)) &&
            atomic_compare_exchange_strong(&list->pids[0], &none, self))
            return at + 1;
    }
    return 0;
}

uint32_t claims_new(pid_t self)
{
    struct arena *shared = arena_make();
    KEEP_ERRNO;
    uint32_t number = 0;
    for (uint32_t used;
         shared && !(number = take(shared, self, false)) && (used = atomic_load(&in_use)) < CLAIMS_LISTS;)
        atomic_compare_exchange_strong(&in_use, &used, 2 * used);
    if (shared && !number)
        number = take(shared, self, true);
    return number;
}

static bool put_for(struct list *list, int32_t old, int32_t entry)
{
    for (int i = 0; i < PIDS; i++) {
        int32_t seen = old;
        if (atomic_compare_exchange_strong(&list->pids[i], &seen, entry))
            return true;
    }
    return false;
}

static bool has(const struct list *list, int32_t entry)
{
    for (int i = 0; i < PIDS; i++)
        if (atomic_load(&list->pids[i]) == entry)
            return true;
    return false;
}

enum standing claims_standing(uint32_t list, pid_t pid)
{
    const struct list *at = list_at(list);
    if (has(at, pid))
        return STANDING_CLAIMANT;
    return has(at, pid | DISPLACED) ? STANDING_DISPLACED : STANDING_ABSENT;
}

enum standing claims_leave(uint32_t list, pid_t pid)
{
    struct list *at = list_at(list);
    enum standing was = STANDING_ABSENT;
    while (put_for(at, pid | DISPLACED, 0))
        was = STANDING_DISPLACED;
    while (put_for(at, pid, 0))
        was = STANDING_CLAIMANT;
    return was;
}

/* The place behind the last claimant. */
static int end_of(const struct list *list)
{
    int end = PIDS;
    while (end > 0 && atomic_load(&list->pids[end - 1]) == 0)
        end--;
    return end;
}

/* In the place of the last one that was displaced: it stands behind those who displaced it. */
static bool put_for_displaced(struct list *list, int32_t entry)
{
    for (int i = PIDS - 1; i >= 0; i--) {
        int32_t seen = atomic_load(&list->pids[i]);
        if (is_claimant(seen & ~DISPLACED) && (seen & DISPLACED) &&
            atomic_compare_exchange_strong(&list->pids[i], &seen, entry))
            return true;
    }
    return false;
}

void claims_add(uint32_t list, int32_t entry)
{
    struct list *at = list_at(list);
    if (has(at, entry) || (is_claimant(entry) && has(at, entry | DISPLACED)))
        return;
    for (int i = end_of(at); i < PIDS; i++) {
        int32_t none = 0;
        if (atomic_compare_exchange_strong(&at->pids[i], &none, entry))
            return;
    }
    if (put_for_displaced(at, entry) || put_for(at, 0, entry))
        return;
    for (int i = 0; i < PIDS; i++) {
        int32_t other = atomic_load(&at->pids[i]);
        if (is_dead(other) && put_for(at, other, entry))
            return;
    }
}

void claims_displace(uint32_t list, pid_t pid)
{
    struct list *at = list_at(list);
    for (int i = PIDS - 1; i >= 0 && atomic_load(&at->pids[i]) != pid; i--) {
        int32_t later = atomic_load(&at->pids[i]);
        if (is_claimant(later))
            atomic_compare_exchange_strong(&at->pids[i], &later, later | DISPLACED);
        else if (later > 0 && !(later & DISPLACED))
            atomic_compare_exchange_strong(&at->pids[i], &later, 0);
    }
}

bool claims_change(uint32_t list, int32_t old, int32_t next)
{
    return put_for(list_at(list), old, next);
}

static enum answer holds(int32_t entry, int fd)
{
    if (is_claimant(entry))
        return holder_claims(entry, fd);
    enum answer has = holder_has_execed(-entry, fd);
    return has == YES && holder_is_leaving(-entry, fd) ? NO : has;
}

pid_t claims_other(uint32_t list, pid_t self, int fd, bool forget)
{
    struct list *at = list_at(list);
    pid_t found = 0;
    for (int i = 0; i < PIDS && found <= 0; i++) {
        int32_t entry = atomic_load(&at->pids[i]);
        if (entry == self || entry == -self || !(is_claimant(entry) || has_execed(entry)))
            continue;
        enum answer has = holds(entry, fd);
        if (has == YES)
            found = entry;
        else if (has == NO && forget)
            atomic_compare_exchange_strong(&at->pids[i], &entry, 0);
    }
    return found;
}

bool claims_displaced_holds(uint32_t list, int fd)
{
    if (!list)
        return false;
    const struct list *at = list_at(list);
    for (int i = 0; i < PIDS; i++) {
        const int32_t entry = atomic_load(&at->pids[i]);
        if ((entry & DISPLACED) && is_claimant(entry & ~DISPLACED) &&
            holder_has(entry & ~DISPLACED, fd) != NO)
            return true;
    }
    return false;
}

int claims_service_killed_by(uint32_t list)
{
    const struct list *at = list_at(list);
    int number = 0;
    for (int i = 0; i < PIDS && !number; i++) {
        int32_t entry = atomic_load(&at->pids[i]);
        if (has_execed(entry))
            number = holder_killed_by(-entry);
    }
    return number;
}

static bool is_kept(const uint64_t keep[CLAIMS_KEEP_WORDS], size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        if (keep[i / 64] >> i % 64 & 1)
            return true;
    return false;
}

/*
 * New memory in the place of some lists: it is shared with those that are born from now on. Without memory
 * the old one stays.
 */
static void renew(struct list *from, const struct list *to)
{
    if (from != to)
        (void)mmap(from, (size_t)(to - from) * sizeof *from, PROT_READ | PROT_WRITE,
                   MAP_FIXED | MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

void claims_cut(const uint64_t keep[CLAIMS_KEEP_WORDS])
{
    struct arena *shared = atomic_load(&arena);
    if (!shared)
        return;
    KEEP_ERRNO;
    const size_t page = (size_t)getpagesize() / ALONE > 1 ? (size_t)getpagesize() / ALONE : 1;
    const bool escaped = atomic_load(&shared->escaped);
    size_t from = 0;
    for (size_t at = 0; at < CLAIMS_LISTS; at += page) {
        if (!is_kept(keep, at, at + page))
            continue;
        renew(&shared->lists[from], &shared->lists[at]);
        from = at + page;
    }
    renew(&shared->lists[from], (struct list *)(void *)(shared + 1));
    atomic_store(&shared->escaped, escaped);
}
