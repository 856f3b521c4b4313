#include "flow/reads.h"

#include "libc.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

enum {
    BUCKETS = 8192, /* a power of two */
    ENTRIES = 4,
    LEVELS = 5,
    PIECES =
        4, /* that a read fills, but for the smallest and the largest ones; and one more, if it begins within one */
    MOST_PIECES = 64, /* of the largest size, in one read: with more of it all older reads are forgotten */
    SAMPLE = READS_SAMPLE,
    ENOUGH = 3, /* bytes that are the same are no accident */
};

/*
 * Memory is cut into pieces of 2^shift bytes. A read stands in the bucket of each piece that it touches, of the least size of
 * which it fills no more than PIECES. So it fills at least half of one, and of reads that do not overlap no more than four
 * touch the same piece, which is what a bucket can hold.
 */
static const uint8_t shifts[LEVELS] = {6, 9, 12, 15, 18};

/* The turn of an entry that is being written. */
static const uint64_t BUSY = (uint64_t)1 << 63;

/* The bytes at one end, the first ones for the head, the last ones for the tail; zeros where there are no more. */
struct sample {
    uint64_t words[SAMPLE / 8];
};

struct entry {
    _Atomic uint64_t turn; /* of the read; 0: empty */
    _Atomic uint64_t low, high;
    _Atomic source_name source;
    _Atomic uint64_t head[SAMPLE / 8], tail[SAMPLE / 8];
};
_Static_assert(sizeof(struct entry) == 64, "a line of the cache");

struct bucket {
    struct entry entries[ENTRIES];
};

static struct bucket buckets[BUCKETS] COLD;
static _Atomic uint64_t
    lost_in[BUCKETS] COLD; /* the last turn of those that were in the bucket and are forgotten */
static _Atomic uint64_t turns COLD;
static _Atomic bool is_used[LEVELS] COLD; /* has any read been as large? */
static _Atomic uint64_t lost_everywhere COLD;

struct range {
    uintptr_t low, high;
    source_name source;
    uint64_t turn;
    struct sample head, tail;
};

static struct bucket *bucket_of(int level, uintptr_t piece)
{
    const uint64_t mixed = ((uint64_t)piece * LEVELS + (unsigned)level) * 0x9e3779b97f4a7c15U;
    return &buckets[mixed >> 51];
}
_Static_assert(BUCKETS == 1 << (64 - 51), "the highest bits are the number");

static _Atomic uint64_t *lost_of(const struct bucket *bucket)
{
    return &lost_in[bucket - buckets];
}

static void raise_to(_Atomic uint64_t *lost, uint64_t turn)
{
    uint64_t seen = atomic_load_explicit(lost, memory_order_relaxed);
    while (seen < turn && !atomic_compare_exchange_weak_explicit(lost, &seen, turn, memory_order_relaxed,
                                                                 memory_order_relaxed))
        ;
}

static struct sample head_of(const char *data, size_t size)
{
    struct sample sample = {{0}};
    memcpy(sample.words, data, size < SAMPLE ? size : SAMPLE);
    return sample;
}

static struct sample tail_of(const char *data, size_t size)
{
    struct sample sample = {{0}};
    const size_t count = size < SAMPLE ? size : SAMPLE;
    memcpy((char *)sample.words + SAMPLE - count, data + size - count, count);
    return sample;
}

uint64_t reads_tail(const void *data, size_t size)
{
    const struct sample sample = tail_of(data, size);
    const uint64_t mixed = (sample.words[0] ^ (size < SAMPLE ? size : 0)) * 0x9e3779b97f4a7c15U;
    return (mixed ^ mixed >> 29) + sample.words[1] * 0xbf58476d1ce4e5b9U + 1;
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
        raise_to(lost_of(bucket), range->turn);
        return;
    }
    if (!covered)
        raise_to(lost_of(bucket), turn);
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(&entry->low, range->low, memory_order_relaxed);
    atomic_store_explicit(&entry->high, range->high, memory_order_relaxed);
    atomic_store_explicit(&entry->source, range->source, memory_order_relaxed);
    for (int i = 0; i < SAMPLE / 8; i++) {
        atomic_store_explicit(&entry->head[i], range->head.words[i], memory_order_relaxed);
        atomic_store_explicit(&entry->tail[i], range->tail.words[i], memory_order_relaxed);
    }
    atomic_store_explicit(&entry->turn, range->turn, memory_order_release);
}

static int level_of(size_t size)
{
    int level = 0;
    while (level < LEVELS - 1 && size > (size_t)PIECES << shifts[level])
        level++;
    return level;
}

void reads_note(const void *data, size_t size, source_name source)
{
    if (size == 0)
        return;
    const struct range range = {
        .low = (uintptr_t)data,
        .high = (uintptr_t)data + size,
        .source = source,
        .turn = atomic_fetch_add_explicit(&turns, 1, memory_order_relaxed) + 1,
        .head = head_of(data, size),
        .tail = tail_of(data, size),
    };
    const int level = level_of(size);
    const uintptr_t last = (range.high - 1) >> shifts[level];
    uintptr_t piece = range.low >> shifts[level];
    if (last - piece > MOST_PIECES) {
        raise_to(&lost_everywhere, range.turn);
        return;
    }
    if (!atomic_load_explicit(&is_used[level], memory_order_relaxed))
        atomic_store(&is_used[level], true);
    for (; piece <= last; piece++)
        put(bucket_of(level, piece), &range);
}

/* If ENTRY is about AT, and later than BEST, BEST becomes what it says at this moment. */
static void look(struct entry *entry, uintptr_t at, struct range *best)
{
    struct range range = {.turn = atomic_load_explicit(&entry->turn, memory_order_acquire)};
    if ((range.turn & BUSY) || range.turn <= best->turn)
        return;
    range.low = atomic_load_explicit(&entry->low, memory_order_relaxed);
    range.high = atomic_load_explicit(&entry->high, memory_order_relaxed);
    if (at < range.low || at >= range.high)
        return;
    range.source = atomic_load_explicit(&entry->source, memory_order_relaxed);
    for (int i = 0; i < SAMPLE / 8; i++) {
        range.head.words[i] = atomic_load_explicit(&entry->head[i], memory_order_relaxed);
        range.tail.words[i] = atomic_load_explicit(&entry->tail[i], memory_order_relaxed);
    }
    atomic_thread_fence(memory_order_acquire);
    if (atomic_load_explicit(&entry->turn, memory_order_relaxed) == range.turn)
        *best = range;
}

enum look { UNKNOWN, UNCHANGED, CHANGED };

/* Does what lies at the ends of RANGE look as it was read, so far as that lies in the SIZE bytes at DATA? */
static enum look compare(const struct range *range, const char *data, size_t size)
{
    const uintptr_t from = (uintptr_t)data, to = from + size;
    const size_t ends = least(range->high - range->low, SAMPLE);
    enum look look = UNKNOWN;
    if (from <= range->low) {
        const size_t count = least(ends, to - range->low);
        if (memcmp(data + (range->low - from), &range->head, count) != 0)
            return CHANGED;
        look = count >= least(ends, ENOUGH) ? UNCHANGED : UNKNOWN;
    }
    if (to == range->high) {
        const size_t count = least(ends, size);
        if (memcmp(data + size - count, (const char *)&range->tail + SAMPLE - count, count) != 0)
            return CHANGED;
        look = count >= least(ends, ENOUGH) ? UNCHANGED : look;
    }
    return look;
}

source_name reads_source(const void *data, size_t size, source_name before)
{
    const uintptr_t at = (uintptr_t)data + size - 1;
    uint64_t lost = atomic_load_explicit(&lost_everywhere, memory_order_relaxed);
    struct range best = {0};
    for (int level = 0; level < LEVELS; level++) {
        if (!atomic_load_explicit(&is_used[level], memory_order_relaxed))
            continue;
        struct bucket *bucket = bucket_of(level, at >> shifts[level]);
        for (int i = 0; i < ENTRIES; i++)
            look(&bucket->entries[i], at, &best);
        const uint64_t its = atomic_load_explicit(lost_of(bucket), memory_order_relaxed);
        lost = its > lost ? its : lost;
    }
    if (best.turn <= lost || best.source == 0)
        return 0;
    const enum look look = compare(&best, data, size);
    return look == UNCHANGED || (look == UNKNOWN && best.source == before) ? best.source : 0;
}
