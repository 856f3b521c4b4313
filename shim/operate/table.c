#include "table.h"

#include "kept/slots.h"
#include "remote.h"

/* Where the chunks of the process lie: the first one in the library, the others where they were mapped. */
static uintptr_t chunks[TABLE_CHUNKS];

/* The record that a word means, if it lies in this chunk, or in one that is read for it. */
static bool find_record(const struct image *image, const struct table_chunk *chunk, int which, int count,
                        uint64_t word, struct connection *record)
{
    const uint32_t number = (uint32_t)word - 1;
    const uint32_t index = number % TABLE_CHUNK;
    if ((uint32_t)word == 0 || number >= TABLE_CHUNK * TABLE_CHUNKS || !chunks[number / TABLE_CHUNK])
        return false;
    if ((int)(number / TABLE_CHUNK) == which && (int)index < count)
        *record = chunk->places[index].record;
    else if (!remote_read(image->pid,
                          chunks[number / TABLE_CHUNK] + index * sizeof *chunk->places +
                              offsetof(struct table_place, record),
                          record, sizeof *record))
        return false;
    return atomic_load(&record->life) >> 32 == word >> 32 && record->kind == KIND_CONNECTION;
}

static bool find_chunks(const struct image *image, int last)
{
    if (last > 0 && !remote_read(image->pid, image->others, chunks, (size_t)(last + 1) * sizeof *chunks))
        return false;
    chunks[0] = image->first;
    return true;
}

bool table_each(const struct image *image,
                void (*see)(void *data, int fd, const struct connection *connection), void *data)
{
    static struct table_chunk chunk;
    int highest = -1;
    if (!remote_read(image->pid, image->highest, &highest, sizeof highest))
        return false;
    if (highest < 0 || highest >= TABLE_CHUNK * TABLE_CHUNKS)
        return true;
    const int last = highest / TABLE_CHUNK;
    if (!find_chunks(image, last))
        return false;
    for (int i = 0; i <= last; i++) {
        const int count = i < last ? TABLE_CHUNK : highest % TABLE_CHUNK + 1;
        if (!chunks[i])
            continue;
        if (!remote_read(image->pid, chunks[i], &chunk, (size_t)count * sizeof *chunk.places))
            return false;
        for (int fd = 0; fd < count; fd++) {
            struct connection record;
            if (find_record(image, &chunk, i, count, atomic_load(&chunk.places[fd].word), &record))
                see(data, i * TABLE_CHUNK + fd, &record);
        }
    }
    return true;
}

bool table_each_kept(const struct image *image, void (*see)(void *data, int fd), void *data)
{
    struct slots all;
    if (!remote_read(image->pid, image->slots, &all, sizeof all))
        return false;
    const int base = atomic_load(&all.base);
    for (int fd = base; base > 0 && fd <= atomic_load(&all.highest) && fd - base < SLOTS; fd++) {
        struct slot slot;
        if (!remote_read(image->pid, image->slot_array + (uintptr_t)(fd - base) * sizeof slot, &slot,
                         sizeof slot))
            return false;
        const uint32_t state = atomic_load(&slot.state);
        if (state == SLOT_KEPT || state == SLOT_BUSY)
            see(data, fd);
    }
    return true;
}
