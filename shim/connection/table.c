#include "connection/table.h"

#include "connection/counters.h"
#include "libc.h"

#include <limits.h>
#include <sys/mman.h>

enum { TRIES = 4096 }; /* records looked at for a free one before a socket goes untracked */

/* Words that mean no record. */
static const uint64_t FOREIGN = (uint64_t)1 << 32;
static const uint64_t NOT_UNIX = (uint64_t)2 << 32; /* FOREIGN, and no Unix socket */

/* The count of a record whose last descriptor was taken and that is not yet freed. */
static const uint32_t LEAVING = UINT32_MAX;

_Static_assert(sizeof(struct table_place) <= 64, "a descriptor costs at most 64 bytes");

struct table_chunk table_first HOT;
_Atomic(struct table_chunk *) table_others[TABLE_CHUNKS] COLD;
_Atomic int table_highest = -1;
static _Atomic uint32_t cursor; /* where the search for a free record goes on */

static uint32_t count_of(uint64_t life)
{
    return (uint32_t)life;
}

static uint64_t life_of(uint64_t life, uint32_t count)
{
    return (life & ~(uint64_t)UINT32_MAX) | count;
}

static struct table_chunk *chunk_at(uint32_t number)
{
    return number < TABLE_CHUNK ? &table_first : atomic_load(&table_others[number / TABLE_CHUNK]);
}

static struct table_chunk *chunk_of(int fd)
{
    return fd < 0 || fd >= TABLE_CHUNK * TABLE_CHUNKS ? NULL : chunk_at((uint32_t)fd);
}

static struct table_chunk *chunk_make(int fd)
{
    struct table_chunk *chunk = chunk_of(fd);
    if (chunk || fd < 0 || fd >= TABLE_CHUNK * TABLE_CHUNKS)
        return chunk;
    chunk =
        mmap(NULL, sizeof *chunk, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (chunk == MAP_FAILED)
        return NULL;
    struct table_chunk *before = NULL;
    if (atomic_compare_exchange_strong(&table_others[fd / TABLE_CHUNK], &before, chunk))
        return chunk;
    munmap(chunk, sizeof *chunk);
    return before;
}

static struct connection *record_at(uint32_t number)
{
    return &chunk_at(number)->places[number % TABLE_CHUNK].record;
}

/* The record that a word means, if it still does. */
static struct connection *record_of(uint64_t word)
{
    if ((uint32_t)word == 0)
        return NULL;
    struct connection *record = record_at((uint32_t)word - 1);
    return atomic_load(&record->life) >> 32 == word >> 32 ? record : NULL;
}

static uint64_t word_of(const struct connection *record)
{
    return record ? life_of(atomic_load(&record->life), record->number + 1) : FOREIGN;
}

static struct connection *claim(struct connection *record)
{
    uint64_t life = atomic_load(&record->life);
    if (count_of(life) != 0)
        return NULL;
    uint64_t next = ((life >> 32) + 1) << 32 | 1;
    return atomic_compare_exchange_strong(&record->life, &life, next) ? record : NULL;
}

/* A close of its last descriptor went past us: it is not open any more, whatever is done about that. */
static bool missed(uint64_t word)
{
    struct connection *record = record_of(word);
    if (record && record->counted && table_has_one(record)) {
        record->counted = false;
        COUNT_BY(open, -1);
        if (atomic_load(&record->flags) & FLAG_ARMED)
            COUNT_BY(armed, -1);
    }
    return word != 0;
}

static bool put(int fd, uint64_t word)
{
    struct table_chunk *chunk = chunk_make(fd);
    if (!chunk)
        return false;
    int seen = atomic_load(&table_highest);
    while (seen < fd && !atomic_compare_exchange_weak(&table_highest, &seen, fd))
        ;
    return missed(atomic_exchange(&chunk->places[fd % TABLE_CHUNK].word, word));
}

static uint64_t word_at(int fd)
{
    struct table_chunk *chunk = chunk_of(fd);
    return chunk ? atomic_load(&chunk->places[fd % TABLE_CHUNK].word) : 0;
}

struct connection *table_find(int fd)
{
    return record_of(word_at(fd));
}

bool table_knows(int fd)
{
    return word_at(fd) != 0;
}

struct connection *table_new(int fd, enum kind kind)
{
    struct table_chunk *chunk = chunk_make(fd);
    if (!chunk)
        return NULL;
    /* The record with the descriptor's own number is busy only if a duplicate outlived its original. */
    uint32_t number = (uint32_t)fd;
    struct connection *record = claim(&chunk->places[fd % TABLE_CHUNK].record);
    uint32_t limit = ((uint32_t)atomic_load(&table_highest) / TABLE_CHUNK + 1) * TABLE_CHUNK;
    for (int i = 0; !record && i < TRIES; i++) {
        number = atomic_fetch_add(&cursor, 1) % limit;
        if (chunk_at(number))
            record = claim(record_at(number));
    }
    if (!record)
        return NULL;
    record->endings = NULL;
    record->linger_seconds = 0;
    record->depth = 0;
    record->claims = 0;
    record->number = number;
    record->port = 0;
    record->kind = (uint8_t)kind;
    record->service_signal = 0;
    record->flags = 0;
    record->sets = 0;
    record->plain = false;
    return record;
}

bool table_put(int fd, struct connection *record)
{
    return put(fd, word_of(record));
}

bool table_put_not_unix(int fd)
{
    return put(fd, NOT_UNIX);
}

bool table_may_send_descriptors(int fd)
{
    uint64_t word = word_at(fd);
    return word == 0 || word == FOREIGN;
}

bool table_dup(int old, int new)
{
    uint64_t word = word_at(old);
    struct connection *record = record_of(word);
    if (!record)
        return word == FOREIGN || word == NOT_UNIX ? put(new, word) : word_at(new) != 0 && put(new, 0);
    /*
     * A duplicate that cannot be stored is not counted: then the end of the others is an end too early, and
     * orderly.
     */
    if (!chunk_make(new))
        return false;
    uint64_t life = atomic_load(&record->life);
    while (life >> 32 == word >> 32 && count_of(life) != 0 && count_of(life) != LEAVING)
        if (atomic_compare_exchange_weak(&record->life, &life, life + 1))
            return put(new, word);
    return put(new, 0);
}

bool table_has_one(const struct connection *record)
{
    return count_of(atomic_load(&record->life)) == 1;
}

struct connection *table_take(int fd)
{
    struct table_chunk *chunk = chunk_of(fd);
    if (!chunk || atomic_load(&chunk->places[fd % TABLE_CHUNK].word) == 0)
        return NULL;
    uint64_t word = atomic_exchange(&chunk->places[fd % TABLE_CHUNK].word, 0);
    struct connection *record = record_of(word);
    if (!record)
        return NULL;
    uint64_t life = atomic_load(&record->life);
    for (;;) {
        uint32_t count = count_of(life);
        if (life >> 32 != word >> 32 || count == 0 || count == LEAVING)
            return NULL;
        uint64_t next = life_of(life, count == 1 ? LEAVING : count - 1);
        if (atomic_compare_exchange_weak(&record->life, &life, next))
            return count == 1 ? record : NULL;
    }
}

void table_free(struct connection *record)
{
    atomic_store(&record->life, life_of(atomic_load(&record->life), 0));
}

int table_next(int from, unsigned last)
{
    int end = atomic_load(&table_highest);
    if (end >= 0 && (unsigned)end > last)
        end = (int)last;
    for (int fd = from; fd <= end; fd++) {
        const struct table_chunk *chunk = chunk_of(fd);
        if (!chunk)
            fd |= TABLE_CHUNK - 1;
        else if (atomic_load(&chunk->places[fd % TABLE_CHUNK].word) != 0)
            return fd;
    }
    return -1;
}

struct connection *table_next_connection(int *fd)
{
    for (; (*fd = table_next(*fd, UINT_MAX)) >= 0; ++*fd) {
        struct connection *record = table_find(*fd);
        if (record && record->kind == KIND_CONNECTION)
            return record;
    }
    return NULL;
}

table_name table_name_of(const struct connection *record)
{
    return word_of(record);
}

struct connection *table_named(table_name name)
{
    struct connection *record = record_of(name);
    return record && count_of(atomic_load(&record->life)) != 0 ? record : NULL;
}
