#include "flow/copies.h"

#include "libc.h"

enum {
    FIRSTS = 4096,    /* a power of two */
    AGED = 1 << 16,   /* first reads later another one may have the place */
    CERTAIN = 16,     /* so many bytes are no accident */
    LIKELY = 8,       /* the same where all that was read is compared */
};

/* What this thread has read last. */
static __thread struct {
    source_name source;
    uint64_t tail;
} last __attribute__((tls_model("initial-exec")));

/* What connections have read first. */
static struct first {
    _Atomic uint64_t tail; /* 0: empty */
    _Atomic source_name source; /* 0: more than one */
    _Atomic uint32_t turn;
} firsts[FIRSTS] COLD;
static _Atomic uint32_t turns COLD;

static struct first *place_of(uint64_t tail)
{
    return &firsts[tail * 0x9e3779b97f4a7c15U >> 52];
}
_Static_assert(FIRSTS == 1 << (64 - 52), "the highest bits are the number");

/* Two threads at one place: what stays may be one's bytes and the other's name, so that is none's. */
static void note_first(source_name source, uint64_t tail)
{
    struct first *place = place_of(tail);
    const uint32_t turn = atomic_fetch_add_explicit(&turns, 1, memory_order_relaxed);
    uint64_t seen = atomic_load(&place->tail);
    if (seen == tail) {
        if (atomic_load(&place->source) != source)
            atomic_store(&place->source, 0);
        atomic_store(&place->turn, turn);
        return;
    }
    if (seen && turn - atomic_load(&place->turn) < AGED)
        return;
    atomic_store(&place->source, 0);
    if (!atomic_compare_exchange_strong(&place->tail, &seen, tail))
        return;
    atomic_store(&place->turn, turn);
    source_name nobody = 0;
    atomic_compare_exchange_strong(&place->source, &nobody, source);
}

void copies_note(struct flow *flow, source_name source, uint64_t tail, size_t size)
{
    last.source = source;
    last.tail = tail;
    if (!flow)
        return;
    const uint32_t next = atomic_load_explicit(&flow->next_tail, memory_order_relaxed);
    atomic_store_explicit(&flow->tails[next % FLOW_TAILS], tail, memory_order_relaxed);
    atomic_store_explicit(&flow->next_tail, next + 1, memory_order_relaxed);
    if (size >= LIKELY && !(atomic_load_explicit(&flow->state, memory_order_relaxed) & FLOW_FEEDS))
        note_first(source, tail);
}

static bool has_read(source_name source, uint64_t tail)
{
    struct flow *flow = flow_named(source);
    for (int i = 0; flow && i < FLOW_TAILS; i++)
        if (atomic_load_explicit(&flow->tails[i], memory_order_relaxed) == tail)
            return true;
    return false;
}

source_name copies_source(const struct flow *flow, uint64_t tail, size_t size)
{
    const source_name partner = atomic_load_explicit(&flow->partner, memory_order_relaxed);
    const source_name sink = atomic_load_explicit(&flow->sink, memory_order_relaxed);
    if (last.source && last.tail == tail)
        return last.source;
    if (size >= CERTAIN && has_read(partner, tail))
        return partner;
    if (size >= CERTAIN && has_read(sink, tail))
        return sink;
    const struct first *place = place_of(tail);
    if (partner || size < LIKELY || atomic_load(&place->tail) != tail)
        return 0;
    return atomic_load(&place->source);
}
