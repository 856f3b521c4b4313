#include "flow/copies.h"

#include "libc.h"

enum {
    BUCKETS = 8192, /* a power of two */
    FIRSTS = 8,     /* in each */
    AGED = 8192,    /* first reads later another one may have the place */
    CERTAIN = 16,   /* so many bytes are no accident */
    LIKELY = 8,     /* nor are these, where nobody else has read them */
};

/* What this thread has read last. */
static __thread struct {
    source_name source;
    uint64_t tail;
} last __attribute__((tls_model("initial-exec")));

/* What connections have read first. */
static struct first {
    _Atomic uint64_t tail;      /* 0: empty */
    _Atomic source_name source; /* 0: more than one */
    _Atomic uint32_t turn;
} firsts[BUCKETS][FIRSTS] COLD;
static _Atomic uint32_t turns COLD;

static struct first *bucket_of(uint64_t tail)
{
    return firsts[tail * 0x9e3779b97f4a7c15U >> 51];
}
_Static_assert(BUCKETS == 1 << (64 - 51), "the highest bits are the number");

/* NULL if it is not there. */
static struct first *find(uint64_t tail)
{
    struct first *bucket = bucket_of(tail);
    for (int i = 0; i < FIRSTS; i++)
        if (atomic_load(&bucket[i].tail) == tail)
            return &bucket[i];
    return NULL;
}

/* NULL if all are taken. */
static struct first *find_free(uint64_t tail, uint32_t turn)
{
    struct first *bucket = bucket_of(tail);
    for (int i = 0; i < FIRSTS; i++)
        if (atomic_load(&bucket[i].tail) == 0 || turn - atomic_load(&bucket[i].turn) > AGED)
            return &bucket[i];
    return NULL;
}

/* Of two threads at one place neither is believed. */
static void put(struct first *place, source_name source, uint64_t tail, uint32_t turn)
{
    uint64_t seen = atomic_load(&place->tail);
    source_name nobody = 0;
    atomic_store(&place->source, 0);
    if (!atomic_compare_exchange_strong(&place->tail, &seen, tail))
        return;
    atomic_store(&place->turn, turn);
    atomic_compare_exchange_strong(&place->source, &nobody, source);
}

static void note_first(source_name source, uint64_t tail)
{
    const uint32_t turn = atomic_fetch_add_explicit(&turns, 1, memory_order_relaxed);
    struct first *place = find(tail);
    if (place) {
        if (atomic_load(&place->source) != source)
            atomic_store(&place->source, 0);
        atomic_store(&place->turn, turn);
    } else if ((place = find_free(tail, turn))) {
        put(place, source, tail, turn);
    }
}

void copies_note(struct flow *flow, source_name source, uint64_t tail)
{
    last.source = source;
    last.tail = tail;
    if (!flow)
        return;
    const uint32_t next = atomic_load_explicit(&flow->next_tail, memory_order_relaxed);
    atomic_store_explicit(&flow->tails[next % FLOW_TAILS], tail, memory_order_relaxed);
    atomic_store_explicit(&flow->next_tail, next + 1, memory_order_relaxed);
    if (!(atomic_load_explicit(&flow->state, memory_order_relaxed) & FLOW_FEEDS))
        note_first(source, tail);
}

/* Of what has failed, and is closed, the last read is remembered. */
static bool has_read(source_name source, uint64_t tail)
{
    const struct flow *flow = source ? flow_named(source) : NULL;
    struct failure failure;
    if (!flow)
        return source && flow_failed(source, &failure) && failure.tail == tail;
    for (int i = 0; i < FLOW_TAILS; i++)
        if (atomic_load_explicit(&flow->tails[i], memory_order_relaxed) == tail)
            return true;
    return false;
}

/* Others read the same: so nobody is believed who is paired with somebody else, on one side or the other. */
static bool may_pair(const struct flow *flow, source_name source)
{
    const struct flow *from = flow_named(source);
    const table_name name = atomic_load_explicit(&flow->owner, memory_order_relaxed);
    const source_name sink = atomic_load_explicit(&flow->sink, memory_order_relaxed);
    const source_name partner = atomic_load_explicit(&flow->partner, memory_order_relaxed);
    if (!from || (partner && partner != source) || (sink && sink != source))
        return false;
    const table_name its = atomic_load_explicit(&from->sink, memory_order_relaxed);
    return !its || its == name;
}

/* Is it the only one of those that have fed none yet which has read what TAIL says? */
static source_name only_first(uint64_t tail)
{
    const struct first *place = find(tail);
    return place ? atomic_load(&place->source) : 0;
}

static bool feeds(source_name source)
{
    const struct flow *flow = flow_named(source);
    return flow && (atomic_load_explicit(&flow->state, memory_order_relaxed) & FLOW_FEEDS);
}

source_name copies_source(const struct flow *flow, uint64_t tail, size_t size)
{
    const source_name partner = atomic_load_explicit(&flow->partner, memory_order_relaxed);
    const source_name sink = atomic_load_explicit(&flow->sink, memory_order_relaxed);
    if (size >= CERTAIN && has_read(partner, tail))
        return partner;
    if (size >= CERTAIN && has_read(sink, tail))
        return sink;
    const source_name first = only_first(tail);
    const bool is_last = last.source && last.tail == tail;
    const bool is_paired = last.source == partner || last.source == sink || feeds(last.source);
    if (is_last && (is_paired || first == last.source) && may_pair(flow, last.source))
        return last.source;
    return first && size >= LIKELY && may_pair(flow, first) ? first : 0;
}
