#include "rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS = sizeof(struct counters) / sizeof(uint64_t) };

struct row *rows_find(struct rows *rows, const char *program, uint32_t uid, uint32_t sidecar, int32_t pid)
{
    for (size_t i = 0; i < rows->count; i++) {
        struct row *row = &rows->at[i];
        if (row->uid == uid && row->sidecar == sidecar && row->pid == pid &&
            strcmp(row->program, program) == 0)
            return row;
    }
    struct row *more = realloc(rows->at, (rows->count + 1) * sizeof *more);
    if (!more) {
        fputs("truefin: stats: no memory\n", stderr);
        return NULL;
    }
    rows->at = more;
    struct row *row = &more[rows->count++];
    *row = (struct row){.uid = uid, .sidecar = sidecar, .pid = pid};
    snprintf(row->program, sizeof row->program, "%s", program);
    return row;
}

void rows_add(struct counters *to, const struct counters *from)
{
    _Atomic uint64_t *sum = (_Atomic uint64_t *)to;
    const _Atomic uint64_t *more = (const _Atomic uint64_t *)from;
    for (size_t i = 0; i < WORDS; i++)
        sum[i] += more[i];
}

struct counters rows_left_by(const struct found *found)
{
    const struct page *page = &found->page;
    struct counters left;
    memcpy(&left, &page->counters, sizeof left);
    const uint64_t open = (int64_t)left.open > 0 ? left.open : 0;
    const uint64_t armed = (int64_t)left.armed > 0 ? left.armed : 0;
    if (!page->died && !page->execed && !page->is_watched && !page->is_sidecar && open > 0) {
        left.lost_open += open;
        left.lost_armed += armed < open ? armed : open;
        left.died_unseen++;
    }
    left.open = left.armed = 0;
    return left;
}

static int compare(const void *a, const void *b)
{
    const struct row *one = a;
    const struct row *other = b;
    const int names = strcmp(one->program, other->program);
    if (names != 0)
        return names;
    if (one->uid != other->uid)
        return one->uid < other->uid ? -1 : 1;
    if (one->sidecar != other->sidecar)
        return one->sidecar < other->sidecar ? -1 : 1;
    return one->pid < other->pid ? -1 : one->pid > other->pid;
}

void rows_sort(struct rows *rows)
{
    if (rows->count > 0)
        qsort(rows->at, rows->count, sizeof *rows->at, compare);
}
