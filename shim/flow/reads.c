#include "flow/reads.h"

#include "libc.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

enum {
    BUCKETS = 8192, /* a power of two */
    ENTRIES = 5,
    LEVELS = 4,
    MOST_PIECES = 64, /* of the largest size, in one read: with more of it all older reads are forgotten */
    SAMPLE = 16,      /* bytes at each end */
};

/* Memory is cut into pieces of 2^shift bytes. A read stands in the buckets of the one or two pieces which it fills of the
   least size that it does not exceed. */
static const uint8_t shifts[LEVELS] = {8, 12, 16, 20};

/* The turn of an entry that is being written. */
static const uint64_t BUSY = (uint64_t)1 << 63;

struct entry {
    _Atomic uint64_t turn; /* of the read; 0: empty */
    _Atomic uintptr_t low, high;
    _Atomic source_name source;
    _Atomic uint64_t head, tail; /* of the bytes at both ends */
};

struct bucket {
    struct entry entries[ENTRIES];
    _Atomic uint64_t lost; /* the last turn of those that were here and are forgotten */
    uint64_t unused;
};
_Static_assert(sizeof(struct bucket) == 256, "as the header says");

static struct bucket buckets[BUCKETS] COLD;
static _Atomic uint64_t turns COLD;
static _Atomic uint64_t lost_everywhere COLD;

struct range {
    uintptr_t low, high;
    source_name source;
    uint64_t turn, head, tail;
};

static struct bucket *bucket_of(int level, uintptr_t piece)
{
    const uint64_t mixed = ((uint64_t)piece * LEVELS + (unsigned)level) * 0x9e3779b97f4a7c15U;
    return &buckets[mixed >> 51];
}
_Static_assert(BUCKETS == 1 << (64 - 51), "the highest bits are the number");

static void raise_to(_Atomic uint64_t *lost, uint64_t turn)
{
    uint64_t seen = atomic_load_explicit(lost, memory_order_relaxed);
    while (seen < turn && !atomic_compare_exchange_weak_explicit(lost, &seen, turn, memory_order_relaxed,
                                                                 memory_order_relaxed))
        ;
}

/* A number for SIZE bytes, at most SAMPLE. */
static uint64_t sample(const char *data, size_t size)
{
    uint64_t words[2] = {0};
    memcpy(words, data, size);
    const uint64_t mixed = (words[0] ^ size) * 0x9e3779b97f4a7c15U;
    return (mixed ^ mixed >> 29) + words[1] * 0xbf58476d1ce4e5b9U;
}

uint64_t reads_tail(const void *data, size_t size)
{
    const size_t ends = size < SAMPLE ? size : SAMPLE;
    return sample((const char *)data + size - ends, ends);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The entry to be given up: an empty one, one that the new read covers, or the oldest; NULL if all are busy. */
static struct entry *choose(struct bucket *bucket, const struct range *range, uint64_t *turn, bool *covered)
{
    struct entry *oldest = NULL;
    for (int i = 0; i < ENTRIES; i++) {
        struct entry *entry = &bucket->entries[i];
        const uint64_t its = atomic_load_explicit(&entry->turn, memory_order_acquire);
        if (its & BUSY)
            continue;
        *covered = its == 0 || (atomic_load_explicit(&entry->low, memory_order_relaxed) >= range->low &&
                                atomic_load_explicit(&entry->high, memory_order_relaxed) <= range->high);
        if (*covered || !oldest || its < *turn) {
            oldest = entry;
            *turn = its;
        }
        if (*covered)
            return entry;
    }
    *covered = false;
    return oldest;
}

static void put(struct bucket *bucket, const struct range *range)
{
    uint64_t turn = 0;
    bool covered = false;
    struct entry *entry = choose(bucket, range, &turn, &covered);
    if (!entry || !atomic_compare_exchange_strong_explicit(&entry->turn, &turn, BUSY, memory_order_acquire,
                                                           memory_order_relaxed)) {
        raise_to(&bucket->lost, range->turn);
        return;
    }
    if (!covered)
        raise_to(&bucket->lost, turn);
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(&entry->low, range->low, memory_order_relaxed);
    atomic_store_explicit(&entry->high, range->high, memory_order_relaxed);
    atomic_store_explicit(&entry->source, range->source, memory_order_relaxed);
    atomic_store_explicit(&entry->head, range->head, memory_order_relaxed);
    atomic_store_explicit(&entry->tail, range->tail, memory_order_relaxed);
    atomic_store_explicit(&entry->turn, range->turn, memory_order_release);
}

static int level_of(size_t size)
{
    int level = 0;
    while (level < LEVELS - 1 && size > (size_t)1 << shifts[level])
        level++;
    return level;
}

void reads_note(const void *data, size_t size, source_name source)
{
    if (size == 0)
        return;
    const char *bytes = data;
    const size_t ends = least(size, SAMPLE);
    const struct range range = {
        .low = (uintptr_t)data,
        .high = (uintptr_t)data + size,
        .source = source,
        .turn = atomic_fetch_add_explicit(&turns, 1, memory_order_relaxed) + 1,
        .head = sample(bytes, ends),
        .tail = sample(bytes + size - ends, ends),
    };
    const int level = level_of(size);
    const uintptr_t last = (range.high - 1) >> shifts[level];
    uintptr_t piece = range.low >> shifts[level];
    if (last - piece > MOST_PIECES) {
        raise_to(&lost_everywhere, range.turn);
        return;
    }
    for (; piece <= last; piece++)
        put(bucket_of(level, piece), &range);
}

/* ENTRY as it is at one moment, if it is about AT; else turn 0. */
static struct range look(struct entry *entry, uintptr_t at)
{
    struct range range = {.turn = atomic_load_explicit(&entry->turn, memory_order_acquire)};
    if (range.turn & BUSY)
        range.turn = 0;
    if (range.turn == 0)
        return range;
    range.low = atomic_load_explicit(&entry->low, memory_order_relaxed);
    range.high = atomic_load_explicit(&entry->high, memory_order_relaxed);
    range.source = atomic_load_explicit(&entry->source, memory_order_relaxed);
    range.head = atomic_load_explicit(&entry->head, memory_order_relaxed);
    range.tail = atomic_load_explicit(&entry->tail, memory_order_relaxed);
    atomic_thread_fence(memory_order_acquire);
    if (at < range.low || at >= range.high ||
        atomic_load_explicit(&entry->turn, memory_order_relaxed) != range.turn)
        range.turn = 0;
    return range;
}

/* Does what lies at both ends of RANGE look as it was read, so far as it lies in the SIZE bytes at DATA? */
static bool is_unchanged(const struct range *range, const char *data, size_t size)
{
    const uintptr_t from = (uintptr_t)data, to = from + size;
    const size_t ends = least(range->high - range->low, SAMPLE);
    if (from <= range->low && range->low + ends <= to && sample(data + (range->low - from), ends) != range->head)
        return false;
    return !(from <= range->high - ends && range->high <= to) ||
           sample(data + (range->high - ends - from), ends) == range->tail;
}

source_name reads_source(const void *data, size_t size)
{
    const uintptr_t at = (uintptr_t)data + size - 1;
    uint64_t lost = atomic_load_explicit(&lost_everywhere, memory_order_relaxed);
    struct range best = {0};
    for (int level = 0; level < LEVELS; level++) {
        struct bucket *bucket = bucket_of(level, at >> shifts[level]);
        for (int i = 0; i < ENTRIES; i++) {
            const struct range range = look(&bucket->entries[i], at);
            if (range.turn > best.turn)
                best = range;
        }
        const uint64_t its = atomic_load_explicit(&bucket->lost, memory_order_relaxed);
        lost = its > lost ? its : lost;
    }
    return best.turn > lost && is_unchanged(&best, data, size) ? best.source : 0;
}
