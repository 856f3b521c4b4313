/*
 * The counters of this process. COUNT() costs a load where there are none, and one atomic add more where there are; no call,
 * no lock, errno kept; safe in signal handlers, in a vfork child (which counts nothing: no hook acts there), and in the
 * thread of kept/.
 *
 * Until the page is made (report/stats.h) they are counted beside it, and moved then.
 */
#ifndef TRUEFIN_COUNTERS_H
#define TRUEFIN_COUNTERS_H

#include "connection/page.h"

/* NULL: nothing is counted. */
extern _Atomic(struct page *) counters_page;

#define COUNT_BY(field, number)                                                                              \
    do {                                                                                                     \
        struct page *const page_ = atomic_load_explicit(&counters_page, memory_order_relaxed);               \
        if (__builtin_expect(page_ != NULL, 0))                                                              \
            atomic_fetch_add_explicit(&page_->counters.field, (uint64_t)(number), memory_order_relaxed);     \
    } while (0)

#define COUNT(field) COUNT_BY(field, 1)

/* From now on all is counted beside a page. Also in a new process, whose counters are zeros. */
void counters_begin(void);

/* Is there a page still to be made? */
bool counters_wait(void);

/* PAGE is this process's. What was counted beside it is added; again for what came later. */
void counters_move_to(struct page *page);

/* Its state word, where there is a page. */
void counters_say(enum page_state state);

#endif
