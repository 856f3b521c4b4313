#include "connection/counters.h"

#include "libc.h"

#include <stddef.h>

_Atomic(struct page *) counters_page;

/* Where is counted before there is a page. */
static struct page beside COLD;

enum { WORDS = sizeof(struct counters) / sizeof(uint64_t) };
_Static_assert(sizeof(struct counters) % sizeof(uint64_t) == 0, "it is an array of words, too");

static _Atomic uint64_t *words(struct page *page)
{
    return (_Atomic uint64_t *)&page->counters;
}

void counters_begin(void)
{
    for (size_t i = 0; i < WORDS; i++)
        atomic_store_explicit(&words(&beside)[i], 0, memory_order_relaxed);
    beside.state = PAGE_ON;
    beside.counters.processes = 1;
    atomic_store(&counters_page, &beside);
}

bool counters_wait(void)
{
    return atomic_load_explicit(&counters_page, memory_order_relaxed) == &beside;
}

void counters_move_to(struct page *page)
{
    if (counters_wait() && atomic_load(&beside.state) != PAGE_ON)
        page->state = atomic_load(&beside.state);
    atomic_store(&counters_page, page);
    for (size_t i = 0; i < WORDS; i++) {
        const uint64_t number = atomic_exchange(&words(&beside)[i], 0);
        if (number)
            atomic_fetch_add(&words(page)[i], number);
    }
}

void counters_say(enum page_state state)
{
    struct page *page = atomic_load(&counters_page);
    if (page)
        atomic_store(&page->state, (uint8_t)state);
}
