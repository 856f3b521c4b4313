#include "flow/flow.h"

#include "libc.h"

#include <sys/mman.h>
#include <time.h>

enum {
    CHUNK = 1024, /* as the table's */
    CHUNKS = 1024,
    FAILURE_BUCKETS = 1024, /* a power of two */
    FAILURES = 8,           /* in each: the last ones */
};

struct chunk {
    struct flow flows[CHUNK];
};

static _Atomic(struct chunk *) chunks[CHUNKS] COLD;

/* Who finds one busy leaves it: then a reset may not go on, and nothing waits. */
static struct bucket {
    atomic_flag busy;
    uint32_t next;
    struct remembered {
        source_name name;
        struct failure failure;
    } failures[FAILURES];
} failures[FAILURE_BUCKETS] COLD;

uint32_t flow_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const uint32_t milliseconds = (uint32_t)((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
    return milliseconds ? milliseconds : 1;
}

static struct flow *flow_at(uint32_t number)
{
    struct chunk *chunk = number < CHUNK * CHUNKS ? atomic_load(&chunks[number / CHUNK]) : NULL;
    return chunk ? &chunk->flows[number % CHUNK] : NULL;
}

static struct flow *flow_make(uint32_t number)
{
    struct flow *flow = flow_at(number);
    if (flow || number >= CHUNK * CHUNKS)
        return flow;
    struct chunk *chunk =
        mmap(NULL, sizeof *chunk, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (chunk == MAP_FAILED)
        return NULL;
    struct chunk *first = NULL;
    if (!atomic_compare_exchange_strong(&chunks[number / CHUNK], &first, chunk))
        munmap(chunk, sizeof *chunk);
    return flow_at(number);
}

void flow_born(int fd, const struct connection *record, struct endpoint peer)
{
    struct flow *flow = flow_make(record->number);
    if (!flow)
        return;
    flow->source = 0;
    flow->partner = 0;
    flow->sink = 0;
    for (int i = 0; i < FLOW_TAILS; i++)
        flow->tails[i] = 0;
    flow->state = 0;
    flow->fd = fd;
    flow->fed = 0;
    flow->ended = 0;
    flow->peer = peer;
    flow->owner = table_name_of(record);
}

/* The low half of a name is the record's number and one (table.c). */
struct flow *flow_named(source_name name)
{
    struct flow *flow = (uint32_t)name ? flow_at((uint32_t)name - 1) : NULL;
    return flow && atomic_load_explicit(&flow->owner, memory_order_acquire) == name ? flow : NULL;
}

struct flow *flow_of(const struct connection *record)
{
    return flow_named(table_name_of(record));
}

/* The state is written only where it changes: two threads use most connections in turns. */
static void mark(struct flow *flow, uint32_t state)
{
    if ((atomic_load_explicit(&flow->state, memory_order_relaxed) & state) != state)
        atomic_fetch_or(&flow->state, state);
}

static void feeds(struct flow *flow, table_name name, source_name source)
{
    struct flow *from = flow_named(source);
    struct failure failure;
    if (from) {
        mark(from, FLOW_FEEDS);
        if (atomic_load_explicit(&from->sink, memory_order_relaxed) != name)
            atomic_store(&from->sink, name);
    }
    if (atomic_load_explicit(&flow->partner, memory_order_relaxed) != source)
        atomic_store(&flow->partner, source);
    if ((!from || (atomic_load(&from->state) & FLOW_FAILED)) && flow_failed(source, &failure))
        atomic_store(&flow->fed, flow_now());
}

void flow_fed(struct flow *flow, table_name name, source_name source)
{
    if (source == name)
        source = 0;
    mark(flow, FLOW_FED);
    if (atomic_load_explicit(&flow->source, memory_order_relaxed) != source)
        atomic_store(&flow->source, source);
    if (source)
        feeds(flow, name, source);
}

static struct bucket *bucket_of(source_name name)
{
    return &failures[name * 0x9e3779b97f4a7c15U >> 54];
}
_Static_assert(FAILURE_BUCKETS == 1 << (64 - 54), "the highest bits are the number");

static bool enter(struct bucket *bucket)
{
    return !atomic_flag_test_and_set_explicit(&bucket->busy, memory_order_acquire);
}

static void leave(struct bucket *bucket)
{
    atomic_flag_clear_explicit(&bucket->busy, memory_order_release);
}

/* Where NAME stands in BUCKET; NULL if it does not. */
static struct remembered *find(struct bucket *bucket, source_name name)
{
    for (int i = 0; i < FAILURES; i++)
        if (bucket->failures[i].name == name)
            return &bucket->failures[i];
    return NULL;
}

void flow_fails(source_name name, const struct failure *failure)
{
    struct bucket *bucket = bucket_of(name);
    if (!enter(bucket))
        return;
    struct remembered *place = find(bucket, name);
    if (!place)
        place = &bucket->failures[bucket->next++ % FAILURES];
    place->name = name;
    place->failure = *failure;
    leave(bucket);
}

void flow_fails_not(source_name name)
{
    struct bucket *bucket = bucket_of(name);
    if (!enter(bucket))
        return;
    struct remembered *place = find(bucket, name);
    if (place)
        place->name = 0;
    leave(bucket);
}

bool flow_failed(source_name name, struct failure *failure)
{
    struct bucket *bucket = bucket_of(name);
    if (!enter(bucket))
        return false;
    const struct remembered *place = find(bucket, name);
    if (place)
        *failure = place->failure;
    leave(bucket);
    return place != NULL;
}

void flow_goes_to(source_name source, source_name sink)
{
    struct flow *from = flow_named(source);
    if (from)
        atomic_store(&from->sink, sink);
}
