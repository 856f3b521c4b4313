#include "connection/epoll_sets.h"

#include "keep_errno.h"
#include "libc.h"

#include <sys/epoll.h>

enum { SETS = 64 }; /* a program with more of them at once gets no lingering for what is in several */

/* Every set in which a connection was ever put. Never taken out: a number that is no set any more answers so. */
static _Atomic int sets[SETS] COLD; /* descriptor + 1; 0 is free */

static void remember(int set)
{
    for (int i = 0; i < SETS; i++) {
        int seen = 0;
        if (atomic_compare_exchange_strong(&sets[i], &seen, set + 1) || seen == set + 1)
            return;
    }
}

void epoll_sets_added(int set, struct connection *connection)
{
    atomic_store(&connection->set, set);
    atomic_fetch_add(&connection->sets, 1);
    remember(set);
}

void epoll_sets_removed(struct connection *connection)
{
    uint16_t count = atomic_load(&connection->sets);
    while (count > 0 && !atomic_compare_exchange_weak(&connection->sets, &count, (uint16_t)(count - 1)))
        ;
}

bool epoll_sets_forget(int fd, const struct connection *connection)
{
    KEEP_ERRNO;
    int last = atomic_load(&connection->set);
    unsigned left = atomic_load(&connection->sets);
    if (left > 0 && real(epoll_ctl)(last, EPOLL_CTL_DEL, fd, NULL) == 0)
        left--;
    for (int i = 0; left > 0 && i < SETS && atomic_load(&sets[i]); i++)
        if (atomic_load(&sets[i]) != last + 1 &&
            real(epoll_ctl)(atomic_load(&sets[i]) - 1, EPOLL_CTL_DEL, fd, NULL) == 0)
            left--;
    return left == 0;
}
